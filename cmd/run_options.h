/* SPDX-License-Identifier: BSD-2-Clause */
/* What "lkvm run" was asked for. */
#ifndef CMD_RUN_OPTIONS_H
#define CMD_RUN_OPTIONS_H

#include "disk/disk.h"
#include "iommu/viommu.h"
#include "util/error.h"
#include "vfio/vfio.h"
#include "vmm/arch.h"

#define RUN_MAX_DISKS 16

/* What the virtio devices other than the IOMMU sit on. */
enum run_transport { TRANSPORT_MMIO, TRANSPORT_PCI };
enum run_console { CONSOLE_SERIAL, CONSOLE_VIRTIO };

struct run_disk {
	const char *path;
	struct disk_options options;
};

struct run_options {
	const char *name;
	bool is_named; /* by the user */
	const char *kernel;
	const char *initrd;
	const char *params;
	unsigned cpus;
	u64 ram; /* bytes */
	struct run_disk disks[RUN_MAX_DISKS];
	unsigned disk_count;
	enum run_console console;
	enum run_transport transport;
	bool rng;
	struct vfio_want passed[VFIO_MAX_DEVICES];
	unsigned passed_count;
	bool viommu;
	struct viommu_config viommu_config;
	struct arch_options arch;
	const char *dump_dtb;
	bool no_defaults;
	bool debug;
	unsigned timeout;	/* seconds; 0: none */
	unsigned panic_timeout; /* seconds */
	bool help;
};

/* Fill @options from argv; -EINVAL with a line. Strings are argv's, which is changed. */
int run_options_parse(struct run_options *options, int argc, char **argv, struct error *err);
void run_options_print(void);

#endif
