/* SPDX-License-Identifier: BSD-2-Clause */
/* A driver of one queue at a time, with buffers wherever the guest says (virtio 1.4, on MMIO). */
#ifndef TESTS_GUEST_VIRTIO_H
#define TESTS_GUEST_VIRTIO_H

#include "guest.h"

#define VIRTIO_SLOTS	0xfe000000UL
#define VIRTIO_RINGS	0x800000UL /* descriptors, avail, used: a page each */
#define VIRTIO_CONSOLE	3
#define VIRTIO_BLOCK	2
#define VIRTIO_SIZE	8
#define VIRTIO_NEXT	1
#define VIRTIO_WRITABLE 2

/* The device of that kind, 0 if there is none. */
static inline u64 virtio_find(u32 id)
{
	for (u64 slot = VIRTIO_SLOTS; slot < VIRTIO_SLOTS + 13 * 0x1000; slot += 0x1000) {
		if (read32(slot) == 0x74726976 && read32(slot + 8) == id)
			return slot;
	}
	return 0;
}

/* Reset, and VERSION_1 with the low half's @features. */
static inline void virtio_negotiate(u64 slot, u32 features)
{
	write32(slot + 0x70, 0);
	write32(slot + 0x70, 3);
	write32(slot + 0x24, 1);
	write32(slot + 0x20, 1);
	write32(slot + 0x24, 0);
	write32(slot + 0x20, features);
	write32(slot + 0x70, 11);
}

/* A queue of @size whose descriptors, avail and used are at @rings, a page each. */
static inline void virtio_set_queue(u64 slot, u32 queue, u32 size, u64 rings)
{
	write32(slot + 0x30, queue);
	write32(slot + 0x38, size);
	for (u32 i = 0; i < 3; i++) {
		write32(slot + 0x80 + i * 0x10, rings + i * 0x1000);
		write32(slot + 0x84 + i * 0x10, 0);
	}
	write32(slot + 0x44, 1);
}

/* The queues are set. */
static inline void virtio_go(u64 slot)
{
	write32(slot + 0x70, 15);
}

static inline void virtio_start(u64 slot, u32 queue)
{
	virtio_negotiate(slot, 0);
	virtio_set_queue(slot, queue, VIRTIO_SIZE, VIRTIO_RINGS);
	virtio_go(slot);
}

static inline void virtio_describe(u32 n, u64 address, u32 len, u16 flags)
{
	volatile u64 *descriptor = (volatile u64 *)(VIRTIO_RINGS + 16 * n);

	descriptor[0] = address;
	descriptor[1] = len | (u64)flags << 32 | (u64)(n + 1) << 48;
}

/* Give the device the chain that begins with descriptor 0, as its @n-th. */
static inline void virtio_offer(u64 slot, u32 queue, u16 n)
{
	volatile u16 *avail = (volatile u16 *)(VIRTIO_RINGS + 0x1000);

	avail[2 + n % VIRTIO_SIZE] = 0;
	avail[1] = n + 1;
	write32(slot + 0x50, queue);
}

static inline u16 virtio_used(void)
{
	return *(volatile u16 *)(VIRTIO_RINGS + 0x2002);
}

#endif
