/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine that "lkvm run" makes: the composition root. What is wired to
 * what is decided here and nowhere else.
 *
 *   machine_prepare()  open and check all that the user named; makes nothing
 *   machine_build()    make it
 *   vm_run()
 *   machine_destroy()  the reverse, from wherever it got to
 */
#ifndef CMD_MACHINE_H
#define CMD_MACHINE_H

#include <time.h>

#include "run_options.h"
#include "util/error.h"
#include "vmm/firmware.h"
#include "vmm/vm.h"
#include "vmm/windows.h"

struct control;
struct viommu;
struct terminal;
struct vfio;
struct virtio_device;

struct machine {
	const struct run_options *options; /* the caller's */
	struct timespec started;
	struct vm_config config;
	struct range ram[MEMORY_MAX_RANGES];
	struct vm_host host;
	char cmdline[ARCH_MAX_CMDLINE + 1];
	struct arch_image *image;
	int initrd_fd;			   /* -1: none */
	struct disk *disks[RUN_MAX_DISKS]; /* until a device owns them */
	struct vm *vm;
	struct terminal *terminal;
	struct control *control;		    /* NULL: it could not be made */
	struct viommu *viommu;			    /* the vm's; NULL: none */
	struct dma_windows windows;		    /* where doorbells are, what PROBE answers */
	struct dma_limits passed[VFIO_MAX_DEVICES]; /* windows.passed */
	struct vfio *vfio;			    /* NULL: nothing is passed */
	unsigned slots;				    /* virtio-mmio slots taken */
	unsigned pci_slots;			    /* of the bus, the host bridge's included */
	u32 endpoints;				    /* platform endpoint IDs given */
	struct virtio_device *blks[RUN_MAX_DISKS];  /* the vm's */
};

/* -errno with a line in @err; machine_destroy() in any case. */
int machine_prepare(struct machine *machine, const struct run_options *options, struct error *err);
int machine_build(struct machine *machine, struct error *err);
/* After the run: what a user should know who wonders why a device was not there. */
void machine_hint(const struct machine *machine);
/* After the run, for --debug: what the devices counted. */
void machine_report(const struct machine *machine);
/*
 * False: the host did not finish a disk's I/O in time (loop_set_patience()). What that uses is
 * left as it is, and the process must end without waiting for it.
 */
bool machine_destroy(struct machine *machine);

#endif
