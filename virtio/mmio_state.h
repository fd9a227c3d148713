/* SPDX-License-Identifier: BSD-2-Clause */
/* The transport's own: registers in mmio.c, doorbells in mmio_doorbell.c. */
#ifndef VIRTIO_MMIO_STATE_H
#define VIRTIO_MMIO_STATE_H

#include "virtio/device.h"
#include "virtio/mmio.h"
#include "vmm/bus.h"
#include "vmm/loop.h"

/* How kicks of one queue reach the loop. */
struct mmio_doorbell {
	struct loop_source source; /* its fd: an eventfd, owned; -1 before the first DRIVER_OK */
	unsigned index;		   /* the queue's */
	struct mmio *mmio;
};

struct mmio {
	struct device device; /* what the machine sees */
	struct bus_region region;
	struct vm *vm;
	struct virtio_device *virtio; /* owned */
	struct irq_line *line;	      /* owned */
	u64 offered;		      /* features, the transport's included */
	u64 required;		      /* the driver does without these at its peril */
	u64 driver_features;	      /* as written, not yet accepted */
	bool accepts_unknown;	      /* bits of the driver's past the 64 that are looked at */
	u32 device_features_sel, driver_features_sel, queue_sel;
	u32 interrupt_status;
	struct mmio_doorbell doorbells[]; /* queue_count of them */
};

/* DRIVER_OK was set, nothing is broken. */
bool mmio_live(const struct mmio *mmio);

/*
 * Listen for kicks of a queue: from its first DRIVER_OK on, and through resets, since
 * what a guest never uses should cost nothing and an ioevent is dear to remove.
 * Idempotent. -errno: no eventfd to be had.
 */
int mmio_doorbell_open(struct mmio_doorbell *doorbell);
/* Forget kicks that were not served yet. */
void mmio_doorbell_silence(struct mmio_doorbell *doorbell);
/* At the end: the vCPUs have stopped. */
void mmio_doorbell_close(struct mmio_doorbell *doorbell);
/* The loop will serve the queue. */
void mmio_doorbell_ring(struct mmio_doorbell *doorbell);
/* A write to QueueNotify came to us. */
void mmio_notified(struct mmio *mmio, u32 queue);

#endif
