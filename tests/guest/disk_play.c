/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Plays with its disk for ever (tests/kill/play.h), and says after each flush how many batches of
 * operations are safe. seed=NUMBER on the command line.
 */
#include "virtio.h"

#include "../kill/play.h"

#define SLOT(n)	   (0xa00000UL + (n)*0x20000UL)
#define HEADER(n)  (SLOT(n) + 0x10000)
#define STATUS(n)  (SLOT(n) + 0x10100)
#define DEPTH	   64u
#define FEATURES   (1u << 9 | 1u << 13 | 1u << 14) /* FLUSH, DISCARD, WRITE_ZEROES */
#define OP_OUT	   1
#define OP_FLUSH   4
#define OP_DISCARD 11
#define OP_ZERO	   13

static u64 device;
static u16 offered;

static u64 find_seed(const u8 *boot_params)
{
	const char *words = (const char *)(u64)read32((u64)boot_params + 0x228);
	u64 seed = 0;

	while (*words && (words[0] != 's' || words[1] != 'e' || words[4] != '='))
		words++;
	for (words += *words ? 5 : 0; *words >= '0' && *words <= '9'; words++)
		seed = seed * 10 + *words - '0';
	return seed;
}

static void start(void)
{
	virtio_negotiate(device, FEATURES);
	virtio_set_queue(device, 0, DEPTH, VIRTIO_RINGS);
	virtio_go(device);
}

static void put_number(u64 value)
{
	if (value >= 10)
		put_number(value / 10);
	put_char('0' + value % 10);
}

/* One instruction for a sector: the machine may be an interpreter. */
static void fill(u64 data, const struct play *play)
{
	for (u32 s = 0; s < play->count; s++) {
		u64 value = play_value(play, play->sector + s), count = 64;

		asm volatile("rep stosq" : "+D"(data), "+c"(count) : "a"(value) : "memory");
	}
}

static void fill_range(u64 data, const struct play *play)
{
	*(volatile u64 *)data = play->sector;
	write32(data + 8, play->count);
	write32(data + 12, play->kind == PLAY_ZERO ? play->stamp >> 60 & 1 : 0);
}

/* Three descriptors for each slot, which the device reads as one chain. */
static void offer(u32 n, const struct play *play)
{
	static const u32 types[] = { OP_OUT, OP_DISCARD, OP_ZERO, OP_FLUSH };
	volatile u16 *avail = (volatile u16 *)(VIRTIO_RINGS + 0x1000);
	u32 len = play->kind == PLAY_WRITE ? play->count * 512 : 16;

	write32(HEADER(n), types[play->kind]);
	write32(HEADER(n) + 4, 0);
	*(volatile u64 *)(HEADER(n) + 8) = play->kind == PLAY_WRITE ? play->sector : 0;
	*(volatile u8 *)STATUS(n) = 0xff;
	if (play->kind == PLAY_WRITE)
		fill(SLOT(n), play);
	else
		fill_range(SLOT(n), play);
	virtio_describe(3 * n, HEADER(n), 16, VIRTIO_NEXT);
	virtio_describe(3 * n + 1, SLOT(n), len, VIRTIO_NEXT);
	if (play->kind == PLAY_FLUSH)
		((volatile u16 *)(VIRTIO_RINGS + 16UL * 3 * n))[7] = 3 * n + 2;
	virtio_describe(3 * n + 2, STATUS(n), 1, VIRTIO_WRITABLE);
	avail[2 + offered % DEPTH] = 3 * n;
	offered++;
}

static void wait(u32 slots)
{
	((volatile u16 *)(VIRTIO_RINGS + 0x1000))[1] = offered;
	write32(device + 0x50, 0);
	while (virtio_used() != offered)
		asm volatile("pause");
	for (u32 n = 0; n < slots; n++) {
		if (!*(volatile u8 *)STATUS(n))
			continue;
		put("failed\n");
		halt();
	}
}

static void do_batch(u64 seed, u64 batch)
{
	const struct play flush = { .kind = PLAY_FLUSH };

	for (u32 n = 0; n < PLAY_AT_ONCE; n++) {
		struct play play = play_make(seed, batch, n);

		offer(n, &play);
	}
	wait(PLAY_AT_ONCE);
	if (!play_is_flushed(batch))
		return;
	offer(0, &flush);
	wait(1);
	put("flushed ");
	put_number(batch + 1);
	put("\n");
}

void guest_main(const u8 *boot_params)
{
	u64 seed = find_seed(boot_params);

	device = virtio_find(VIRTIO_BLOCK);
	start();
	for (u64 batch = 0;; batch++)
		do_batch(seed, batch);
}
