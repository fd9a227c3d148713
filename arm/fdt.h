/* SPDX-License-Identifier: BSD-2-Clause */
/* The device tree: a pure builder, from a description of the machine. */
#ifndef ARM_FDT_H
#define ARM_FDT_H

#include "map.h"
#include "util/list.h"
#include "util/range.h"
#include "util/types.h"

struct arch_options;
struct firmware;
struct pci_layout;

/* All pointers are borrowed for the call. */
struct fdt_machine {
	const struct range *ram;
	unsigned ram_count;
	unsigned cpus;
	const u64 *mpidr;  /* one per CPU: its affinity fields */
	enum gic_kind gic; /* not GIC_BEST */
	const struct arch_options *options;
	u64 msi_base; /* of the ITS or the v2m frame */
	const char *cmdline;
	gpa_t initrd;
	u64 initrd_size;		 /* 0: none */
	const struct list_node *devices; /* struct device.node */
	const struct firmware *firmware;
	const struct pci_layout *pci; /* NULL: this machine has no PCI */
};

/* Enough for ARCH_MAX_CPUS, every slot taken and the longest command line. */
#define FDT_BUFFER_SIZE (128 * KIB)

/*
 * The tree in malloc()ed memory that becomes the caller's. -ENOMEM; -ENOSPC if
 * it did not fit, -EINVAL if a hook of @machine->firmware failed.
 */
int fdt_build(const struct fdt_machine *machine, void **fdt, u32 *size);

#endif
