/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Passed devices (Linux, Documentation/driver-api/vfio.rst). In the order of a run:
 *
 *   vfio_open()      containers, groups and devices, all checked; no VM yet
 *   vfio_hosts(), vfio_check_ram(), vfio_group_of() ...   what the machine is laid out by
 *   vfio_plug()      the VM is there: KVM learns of the groups, untranslated containers of all RAM
 *   vfio_add()       each device becomes a PCI function
 *   (the functions belong to the VM, which destroys them)
 *   vfio_close()     after the VM is gone: everything is reset, closed, and given back
 *
 * In type1 a container is an address space. Without an IOMMU for the guest all groups share one,
 * which has all RAM; with one each group has its own, and listens to the domain of its
 * endpoints.
 */
#ifndef VFIO_VFIO_H
#define VFIO_VFIO_H

#include "util/error.h"
#include "util/range.h"
#include "util/types.h"
#include "vfio/host.h"
#include "vmm/dma_listener.h"
#include "vmm/windows.h"

struct counters;
struct keeper;
struct keeper_kind;
struct vfio;
struct vm;
struct dma_space;
struct pci_bus;

#define VFIO_MAX_DEVICES 32

/* A device that was bound for a run: its keeper gives it back. */
extern const struct keeper_kind vfio_auto_kind;

struct vfio_want {
	struct vfio_address address;
	bool auto_bind; /* bind for this run, release at its end */
	bool no_p2p;	/* no device reaches its registers by DMA */
};

struct vfio_request {
	const struct vfio_paths *paths; /* borrowed */
	const struct vfio_want *wants;	/* copied */
	unsigned count;
	bool translated;       /* a guest IOMMU is in front of them */
	struct keeper *keeper; /* gives back what is bound; borrowed; of kind vfio_auto_kind */
};

/*
 * Open what is asked for. If one device cannot be opened, nothing is left bound or open, and the
 * error is one line that names the device, the reason and the remedy. -EBUSY, -ENODEV, -EPERM,
 * -ENOMEM, ...
 */
int vfio_open(struct vfio **vfio, const struct vfio_request *request, struct error *err);
/* NULL is fine. */
void vfio_close(struct vfio *vfio);

unsigned vfio_count(const struct vfio *vfio);
/* "vfio 0000:00:04.0". */
const char *vfio_name(const struct vfio *vfio, unsigned n);
/* Interrupt vectors of all devices that a guest can have on at a time, each with an eventfd. */
unsigned vfio_vectors(const struct vfio *vfio);
/* Which group the @n-th device is of, numbered from 0: one guest slot for each. */
unsigned vfio_group_of(const struct vfio *vfio, unsigned n);

/* What the host says of the DMA of each device, as it was read when they were opened. */
const struct dma_host *vfio_hosts(const struct vfio *vfio);
/* Its group's container, which members of a group share. Only if translated. */
struct dma_listener *vfio_listener(struct vfio *vfio, unsigned n);

/*
 * Before anything is made: whether @ram can be mapped as it is, all of it, which an untranslated
 * device and one in bypass need (@all), and whether this user may lock that much memory. -ENOSPC,
 * -EPERM with a line that names range and device, and the remedy.
 */
int vfio_check_ram(const struct vfio *vfio, const struct range *ram, unsigned ram_count, bool all,
		   struct error *err);

/* -errno with a line. */
int vfio_plug(struct vfio *vfio, struct vm *vm, struct error *err);
/*
 * The @n-th device as @slot.@fn of @bus. @space: through which its doorbells are resolved;
 * @endpoint: the IOMMU's name for it, or DEVICE_NO_ENDPOINT. -errno with a line.
 */
int vfio_add(struct vfio *vfio, unsigned n, struct pci_bus *bus, unsigned slot, unsigned fn,
	     struct dma_space *space, u32 endpoint, struct error *err);

/* Tell what device @n and its container counted. */
void vfio_count_device(const struct vfio *vfio, unsigned n, struct counters *counters);

#endif
