/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a Linux kernel was built with: by the configuration that it has inside (CONFIG_IKCONFIG), or
 * by a file beside it: config-VERSION or config, .config of the tree that it was built in,
 * modules.builtin.
 */
#ifndef VMM_KERNEL_CONFIG_H
#define VMM_KERNEL_CONFIG_H

#include <limits.h>

#include "util/types.h"

enum kernel_part {
	KERNEL_VIRTIO_FS,
	KERNEL_9P,
	KERNEL_9P_VIRTIO,
	KERNEL_VIRTIO_MMIO,
	KERNEL_VIRTIO_PCI,
	KERNEL_VSOCK, /* its virtio transport */
	KERNEL_VIRTIO_CONSOLE,
	KERNEL_VIRTIO_IOMMU,
	KERNEL_PCI_HOST, /* that of arm64's guests */
	KERNEL_OVERLAY,
	/* What is never a module: a modules.builtin does not tell, and it is taken to be there. */
	KERNEL_64BIT,
	KERNEL_ELF,
	KERNEL_INITRD,
	KERNEL_SIGNALFD,
	KERNEL_ACPI,
	KERNEL_SHMEM,
	KERNEL_TMPFS,
	KERNEL_SYSFS,
	KERNEL_PTYS,
	KERNEL_MULTIUSER,
	KERNEL_PARTS,
};

enum kernel_has {
	KERNEL_ABSENT,
	KERNEL_MODULE, /* or perhaps: modules.builtin does not tell it from ABSENT */
	KERNEL_BUILT_IN,
};

struct kernel_config {
	char source[PATH_MAX]; /* the file that says so; "": nothing does */
	enum kernel_has has[KERNEL_PARTS];
	/*
	 * It may be of another kernel, or not be all: it has no version and is in no tree, it was
	 * changed after the kernel was built, or make did not write it. Good enough to choose by,
	 * not to refuse a kernel by.
	 */
	bool in_doubt;
	bool is_list; /* it is a modules.builtin */
};

/*
 * Find out about the kernel at @path: reads the file, and unpacks it if it is packed with gzip or
 * zstd. What cannot be read says nothing. Before the machine is sealed; takes up to some 100 ms.
 */
void kernel_config_read(struct kernel_config *config, const char *path);
/* The same, but what the kernel itself has inside is not looked for, which takes no time. */
void kernel_config_read_beside(struct kernel_config *config, const char *path);

/* Whether the module of this name, '-' as '_', is a part that is built in, beyond doubt. */
bool kernel_config_has_built_in(const struct kernel_config *config, const char *module);

/* "CONFIG_VIRTIO_FS", in @name of KERNEL_NAME_SIZE, which is returned. */
#define KERNEL_NAME_SIZE 32
const char *kernel_config_name(enum kernel_part part, char *name);

#endif
