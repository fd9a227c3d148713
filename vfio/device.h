/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A passed device: what of it is the host's and what the guest sees instead.
 *
 *   device_open.c  opened, described by VFIO, closed
 *   device.c       as a function of the guest's PCI bus
 *   config.c       configuration space: which bits are the hardware's; capabilities.c
 *   regions.c      BARs: shown to the guest, or trapped; peers.c for other devices' DMA
 *   interrupts.c   which of the three kinds is on; intx.c, msi.c how, irqs.c the host's call for it
 *   reset.c        resets before, after and by a guest
 *   errors.c       the hardware dies, or the host wants it back
 *
 * VM lock held for all calls, or before the vCPUs run.
 */
#ifndef VFIO_DEVICE_H
#define VFIO_DEVICE_H

#include <linux/vfio.h>

#include "peers.h"
#include "util/error.h"
#include "util/log.h"
#include "vfio/host.h"
#include "vmm/loop.h"
#include "vmm/pci.h"
#include "vmm/slot.h"
#include "vmm/unasked.h"

struct vfio_group;

/* Pages of a BAR that the guest reaches with no exit. A table in the middle makes two of one. */
#define VFIO_REGION_PIECES 8

struct vfio_piece {
	u64 offset, size; /* of whole host pages */
	void *host;	  /* owned */
	bool shown;	  /* to the guest: where the BAR is decoded */
	struct page_slot slot;
	struct vfio_pages pages; /* for other devices */
};

/*
 * A BAR, or the ROM. The bus region covers all of it, below the pieces: accesses outside the pieces
 * exit.
 */
struct vfio_region {
	struct bus_region bus;
	struct vfio_device *device;
	unsigned n; /* PCI_ROM: the last */
	u32 flags;
	u64 size; /* 0: there is none */
	u64 offset;
	bool decoded; /* bus is on the bus */
	unsigned piece_count;
	struct vfio_piece pieces[VFIO_REGION_PIECES];
};

enum vfio_irq_mode { VFIO_IRQ_OFF, VFIO_IRQ_INTX, VFIO_IRQ_MSI, VFIO_IRQ_MSIX };

/* An eventfd of the host's in the loop. */
struct vfio_notice {
	struct loop_source source; /* fd: owned; -1: the device has none */
	struct vfio_device *device;
};

struct vfio_device {
	struct pci_function function;
	struct vfio_group *group; /* borrowed */
	struct vfio_peers *peers; /* devices that may reach its registers; borrowed; NULL: none */
	struct vfio_address address;
	char name[32];
	int fd; /* owned; -1: given back */
	bool has_reset;
	bool on_bus; /* the VM has the function */
	bool gone;   /* it died or was recalled: answers all ones */
	bool asleep; /* D3: its registers do not answer, and an access would be a SIGBUS */
	/* The host resets it for the guest, without the VM lock: nobody else may touch it. */
	bool resetting;
	const char *wanted_back; /* by the host, meanwhile: why; NULL: it is not */
	bool master;		 /* the guest has its bus mastering on: one of container->masters */
	u32 config_size;
	u64 config_offset;
	/* Bits of configuration space that are read from, or written to, the hardware. */
	u8 reads[PCI_CONFIG_SIZE];
	u8 writes[PCI_CONFIG_SIZE];
	u16 pm, pcie, af; /* capabilities; 0: none */
	struct unasked unasked;
	struct vfio_region regions[PCI_BARS + 1];
	/* Where the MSI-X table and the pending bits are, if there is function.msix. */
	unsigned table_bar, pba_bar;
	u32 table_offset, pba_offset;
	u32 irq_counts[VFIO_PCI_NUM_IRQS];
	u32 irq_flags[VFIO_PCI_NUM_IRQS];
	enum vfio_irq_mode mode;
	unsigned msi_wanted; /* vectors of MSI that the guest has on */
	bool msix_wanted;
	unsigned enabled;	       /* vectors that the host has on, in MSI and MSI-X */
	int intx_trigger, intx_unmask; /* owned; -1: off */
	u32 intx_gsi;
	struct vfio_notice error, request;
	u64 trapped, resets, regrown;
	struct log_limit log;
};

static inline struct vfio_device *vfio_device_of(struct pci_function *function)
{
	return container_of(function, struct vfio_device, function);
}

/* ---- device_open.c ---- */

/* Get device->address from its group and learn what it has. -errno with a line. */
int vfio_device_open(struct vfio_device *device, struct vfio_group *group, struct error *err);
/* Close it, which gives it back to the host. Idempotent. */
void vfio_device_close(struct vfio_device *device);
/* Note whether its bus mastering is on, for the container's count. */
void vfio_device_set_master(struct vfio_device *device, bool master);

/* ---- device.c ---- */

/* As vfio_add() in vfio/vfio.h. On -errno nothing of it is left in the VM. */
int vfio_device_add(struct vfio_device *device, struct pci_bus *bus, struct vm *vm, unsigned slot,
		    unsigned fn, struct dma_space *space, u32 endpoint, struct error *err);

/* ---- config.c ---- */

/* Build function->config from the hardware's: identity, capabilities; BARs come from regions.c. */
int vfio_config_build(struct vfio_device *device, struct error *err);
/*
 * Write the hardware's Command: it always decodes, and is a bus master if the guest's Command says
 * so.
 */
void vfio_config_command(struct vfio_device *device);
void vfio_config_read(struct pci_function *function, u32 offset, unsigned len, u32 *value);
void vfio_config_written(struct pci_function *function, u32 offset, unsigned len, u32 value);

/* ---- capabilities.c ---- */

/* -errno with a line: the function has no room for what it must have. */
int vfio_capabilities_build(struct vfio_device *device, const u8 *hardware, struct error *err);

/* ---- regions.c ---- */

/* Learn of the BARs and the ROM, and add them to the function. -errno with a line. */
int vfio_regions_build(struct vfio_device *device, const u8 *hardware, struct error *err);
/* Map those parts of them that can be mapped. The MSI-X table is known by now. */
void vfio_regions_map(struct vfio_device *device);
/* Show or hide BAR @n, or all of them, as decoding, sleep and death have it now. */
void vfio_region_update(struct vfio_device *device, unsigned n);
void vfio_regions_update(struct vfio_device *device);
/* Unmap all of the device's registers. Idempotent. */
void vfio_regions_unmap(struct vfio_device *device);

/* ---- interrupts.c ---- */

/* Switch to the kind of interrupt that the guest wants now. */
void vfio_interrupts_update(struct vfio_device *device);
/* The guest's MSI-X table: struct msix_ops. */
void vfio_msix_enabled(struct msix *msix, void *arg, bool on);
void vfio_msix_vector_used(struct msix *msix, void *arg, unsigned n);

/* ---- irqs.c ---- */

/* VFIO_DEVICE_SET_IRQS for [start, start + count): signal @fds from now on, -1: none. */
int vfio_set_irqs(struct vfio_device *device, u32 index, u32 action, u32 start, u32 count,
		  const int *fds);
/* Switch all of @index off. */
void vfio_irqs_off(struct vfio_device *device, u32 index);

/* ---- intx.c ---- */

int vfio_intx_start(struct vfio_device *device);
void vfio_intx_stop(struct vfio_device *device);

/* ---- msi.c ---- */

int vfio_msi_start(struct vfio_device *device);
int vfio_msix_start(struct vfio_device *device);
/* One more vector, which the guest uses for the first time. */
int vfio_msix_vector_start(struct vfio_device *device, unsigned n);
/* How many of @count vectors, at least 1, the host would give. Nothing is on, before or after. */
unsigned vfio_msi_probe(struct vfio_device *device, unsigned count);

/* ---- reset.c ---- */

/*
 * Reset it, on the vCPU's thread that asks for it. The VM lock is given up meanwhile, with
 * device->resetting set, so what vm_wait() (vmm/vm.h) says holds here as well. False: the host
 * cannot reset it alone.
 */
bool vfio_device_reset(struct vfio_device *device);

/* ---- errors.c ---- */

/* Watch for the device's death and for the host's request to have it back. -errno. */
int vfio_errors_watch(struct vfio_device *device);
/* Give it back now if that was due while it was reset. */
void vfio_errors_after_reset(struct vfio_device *device);
/* Idempotent. */
void vfio_errors_unwatch(struct vfio_device *device);

#endif
