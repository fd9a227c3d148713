/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio from the driver's side (virtio 1.4), over MMIO and over PCI alike:
 * find_devices(), then for one of them virtio_begin(), queue_start() and
 * virtio_ready(). Nothing here believes the device: all waiting ends.
 */
#ifndef TESTS_GUEST_VIOMMU_VIRTIO_H
#define TESTS_GUEST_VIOMMU_VIRTIO_H

#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>

#include "lib.h"

#define FEATURE(bit) (1UL << (bit))
#define NO_ENDPOINT  (~0u)
#define MAX_DEVICES  16

struct virtio;

struct virtio_ops {
	u32 (*features)(struct virtio *device, u32 half);
	void (*accept)(struct virtio *device, u32 half, u32 features);
	u8 (*status)(struct virtio *device);
	void (*set_status)(struct virtio *device, u8 status);
	/* Addresses are as the device sees them. The size that was set, at most @size; 0: none. */
	u16 (*enable)(struct virtio *device, u16 queue, u16 size, const u64 rings[3]);
};

struct virtio {
	const struct virtio_ops *ops;
	const char *transport;
	u32 type;     /* VIRTIO_ID_* */
	u32 endpoint; /* the IOMMU's name for it, or NO_ENDPOINT */
	u64 base;     /* MMIO registers, or the common configuration of PCI */
	u64 config;   /* the device's own */
	u64 notify;
	u32 notify_step;    /* PCI: between the doorbells */
	u64 doorbells[2];   /* of the queues that are enabled */
	bool wide_doorbell; /* 32 bits, as MMIO's is */
	u64 accepted;	    /* features */
};

/* Room for the rings of a queue of a size: within 8 KiB for 256, within 512 bytes for 16. */
#define QUEUE_SIZE	 256
#define SMALL_QUEUE_SIZE 16

struct queue {
	struct virtio *device;
	u16 index, size;
	struct vring_desc *desc;
	volatile u16 *avail; /* flags, idx, ring */
	volatile u16 *used;  /* flags, idx, then 8-byte elements */
	u16 taken;	     /* used entries that were looked at */
	/* A packed ring: avail and used are the driver's and the device's events. */
	bool packed;
	volatile struct vring_packed_desc *packed_desc;
	u16 at, used_at; /* where the next chain goes, and where the next one comes back */
	bool wrap, used_wrap;
	/* Of the chains in flight, by buffer ID: descriptors, and bytes that are writable. */
	u8 counts[QUEUE_SIZE];
	u32 writable[QUEUE_SIZE];
	bool in_batch; /* one used descriptor gives back more than the chain that is next */
	u16 batch_last;
	u32 batch_len;
};

struct segment {
	const void *at; /* what the guest sees is what the device sees, unless @iova */
	u64 iova;
	u32 size;
	bool writable;
};

unsigned find_devices(const struct machine *machine, struct virtio *devices, unsigned max);
/* Whether there is a device at @base. */
bool mmio_look(struct virtio *device, u64 base, u32 endpoint);
unsigned pci_find(const struct machine *machine, struct virtio *devices, unsigned max);
/* @host's configuration space is at @ecam. */
void pci_use_ecam(struct pci_host *host, u64 ecam);

u64 virtio_features(struct virtio *device);
void virtio_reset(struct virtio *device);
/*
 * Reset, and agree on @wanted as far as it is offered: false if the device does not. What was asked
 * for with use_rings() is wanted as well, of every device.
 */
void use_rings(u64 features);
bool virtio_begin(struct virtio *device, u64 wanted);
void virtio_ready(struct virtio *device);
bool virtio_broken(struct virtio *device);

bool queue_start(struct queue *queue, struct virtio *device, u16 index, u16 size, void *memory);
/* Offer one chain that begins with descriptor @first. */
void queue_add(struct queue *queue, u16 first, const struct segment *segments, unsigned count);
void queue_kick(const struct queue *queue);
/* The length of the next used entry; -1: the device broke, -2: it did not answer. */
int queue_wait(struct queue *queue);
/* The same without waiting; -2: there is none. */
int queue_next(struct queue *queue);

#endif
