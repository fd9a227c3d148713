/* SPDX-License-Identifier: BSD-2-Clause */
/* All that is passed to one VM: the private side of vfio/vfio.h. */
#ifndef VFIO_PASSTHROUGH_H
#define VFIO_PASSTHROUGH_H

#include "container.h"
#include "device.h"
#include "group.h"
#include "vfio/vfio.h"

struct vfio {
	const struct vfio_paths *paths; /* borrowed */
	bool translated;		/* a container for each group, not one for all */
	struct vm *vm;			/* borrowed; from vfio_plug() on */
	int kvm_device;			/* KVM_DEV_TYPE_VFIO; owned; -1: none */
	struct vfio_peers peers;
	unsigned container_count, group_count, device_count;
	/* Not reallocated: devices point to their groups. */
	struct vfio_container *containers[VFIO_MAX_DEVICES]; /* owned */
	struct vfio_group groups[VFIO_MAX_DEVICES];
	struct vfio_device *devices[VFIO_MAX_DEVICES]; /* owned */
	struct dma_host hosts[VFIO_MAX_DEVICES];
	struct dma_range ranges[VFIO_MAX_DEVICES][VFIO_MAX_RANGES]; /* of hosts[] */
	unsigned want_count;
	struct vfio_want wants[VFIO_MAX_DEVICES];
	struct keeper *keeper;	     /* borrowed */
	int lock;		     /* of the bindings; owned; < 0: none was taken */
	bool opened;		     /* all devices: the run has begun */
	int notes[VFIO_MAX_DEVICES]; /* of what the keeper gives back at the end; -1: nothing */
	bool took[VFIO_MAX_DEVICES]; /* from a driver, in this run */
};

/* ---- auto.c ---- */

/* Bind what is wanted so. -errno with a line. The lock is held from here on, if anything is. */
int vfio_auto_bind(struct vfio *vfio, struct error *err);
/* All devices are open. */
void vfio_auto_unlock(struct vfio *vfio);
/* Before the first one is closed. */
void vfio_auto_lock(struct vfio *vfio);
/* All are closed: give them back, and the lock. */
void vfio_auto_release(struct vfio *vfio);

/* ---- reset.c ---- */

/*
 * Reset devices that cannot be reset alone together with their buses. @say: warn of each that
 * cannot be reset at all.
 */
void vfio_reset_buses(const struct vfio *vfio, bool say);

#endif
