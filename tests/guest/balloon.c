/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A driver of the balloon: touches 8 MiB, then follows the target with their pages, one by one, and
 * touches them again when it has them back. The device must be the only one of its kind on MMIO.
 */
#include "virtio.h"

#define VIRTIO_BALLOON 5
#define RINGS(n)       (0x800000UL + (n)*0x10000)
#define LIST	       0x900000UL
#define PAGES	       0x1000000UL
#define COUNT	       2048U
#define PAGE	       4096U
#define BATCH	       256U

static u16 turn[2];

static void start(u64 slot)
{
	virtio_negotiate(slot, 0);
	for (u32 queue = 0; queue < 2; queue++)
		virtio_set_queue(slot, queue, VIRTIO_SIZE, RINGS(queue));
	virtio_go(slot);
}

/* Pages @first to @first + @count - 1 into (0) or out of (1) the balloon. */
static void move(u64 slot, u32 queue, u32 first, u32 count)
{
	volatile u64 *descriptor = (volatile u64 *)RINGS(queue);
	volatile u16 *avail = (volatile u16 *)(RINGS(queue) + 0x1000);
	u16 n = turn[queue]++;

	for (u32 i = 0; i < count; i++)
		write32(LIST + 4 * i, PAGES / PAGE + first + i);
	descriptor[0] = LIST;
	descriptor[1] = 4 * count;
	avail[2 + n % VIRTIO_SIZE] = 0;
	avail[1] = n + 1;
	write32(slot + 0x50, queue);
	while (*(volatile u16 *)(RINGS(queue) + 0x2002) != (u16)(n + 1))
		asm volatile("pause");
}

static void touch(u32 first, u32 count)
{
	for (u32 i = first; i < first + count; i++)
		*(volatile u64 *)(PAGES + (u64)i * PAGE) = i + 1;
}

/* Pages that come back are the host's zeroes, or what they were. */
static void look(u32 first, u32 count)
{
	for (u32 i = first; i < first + count; i++) {
		if (*(volatile u64 *)(PAGES + (u64)i * PAGE) != 0) {
			put("a page was not given back\n");
			halt();
		}
	}
}

void guest_main(const u8 *boot_params)
{
	u64 slot = virtio_find(VIRTIO_BALLOON);
	u32 have = 0;

	if (!slot) {
		put("no balloon\n");
		return;
	}
	start(slot);
	touch(0, COUNT);
	put("ready\n");
	for (;;) {
		u32 target = read32(slot + 0x100), count;

		if (target > COUNT)
			return;
		if (target > have) {
			count = target - have < BATCH ? target - have : BATCH;
			move(slot, 0, have, count);
			have += count;
		} else if (target < have) {
			count = have - target < BATCH ? have - target : BATCH;
			have -= count;
			move(slot, 1, have, count);
			look(have, count);
			touch(have, count);
		} else {
			continue;
		}
		write32(slot + 0x104, have);
	}
}
