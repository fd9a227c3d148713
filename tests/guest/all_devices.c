/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Asks each device that it finds on MMIO for a little of what it is for, and says what became of
 * it: "NAME ok", "NAME error" (the device said so) or "NAME stopped" (it asked for a reset, or gave
 * no answer). What a disk or a folder acknowledged with a flush is "NAME safe": the host has it for
 * good.
 */
#include <linux/fuse.h>
#include <linux/virtio_iommu.h>
#include <linux/virtio_vsock.h>

#include "memory.h"
#include "virtio.h"

#define RING(n)	    (0x800000UL + (n)*0x4000UL) /* descriptors, avail, used: a page each */
#define ASKED	    0x900000UL
#define ANSWER	    0x910000UL
#define PAGES	    0x1000000UL
#define RAM_END	    0x1ffffffUL
#define PATIENCE    40000 /* looks at a register */
#define STATUS	    0x70
#define NEEDS_RESET 0x40
#define WRITES	    6
#define SECTORS	    8
#define STRIDE	    256 /* sectors from one write to the next: other clusters */
#define OP_OUT	    1
#define OP_FLUSH    4
#define OP_DISCARD  11
#define OP_ZERO	    13

enum outcome { OK, ERROR, STOPPED };

struct device {
	u64 slot;
	u16 offered[3];
};

static void say(const char *name, enum outcome outcome)
{
	static const char *const words[] = { " ok\n", " error\n", " stopped\n" };

	put(name);
	put(words[outcome]);
}

static u64 ring(const struct device *device, u32 queue)
{
	return RING((device->slot - VIRTIO_SLOTS) / 0x1000 * 3 + queue);
}

/* With VERSION_1, ACCESS_PLATFORM where it is, and of the first 32 features those in @low. */
static enum outcome start(struct device *device, u32 queues, u32 low)
{
	u64 slot = device->slot;
	u32 offered[2];

	for (u32 i = 0; i < 2; i++) {
		write32(slot + 0x14, i);
		offered[i] = read32(slot + 0x10);
	}
	write32(slot + STATUS, 0);
	write32(slot + STATUS, 3);
	write32(slot + 0x24, 1);
	write32(slot + 0x20, 1 | (offered[1] & 2));
	write32(slot + 0x24, 0);
	write32(slot + 0x20, offered[0] & low);
	write32(slot + STATUS, 11);
	if (!(read32(slot + STATUS) & 8))
		return ERROR;
	for (u32 queue = 0; queue < queues; queue++) {
		memset((void *)ring(device, queue), 0, 0x3000);
		write32(slot + 0x30, queue);
		write32(slot + 0x38, VIRTIO_SIZE);
		for (u32 i = 0; i < 3; i++) {
			write32(slot + 0x80 + i * 0x10, ring(device, queue) + i * 0x1000);
			write32(slot + 0x84 + i * 0x10, 0);
		}
		write32(slot + 0x44, 1);
		device->offered[queue] = 0;
	}
	write32(slot + STATUS, 15);
	return OK;
}

static void describe(u64 at, u32 n, u64 address, u32 len, u16 flags)
{
	volatile u64 *descriptor = (volatile u64 *)(at + 16UL * n);

	descriptor[0] = address;
	descriptor[1] = len | (u64)flags << 32 | (u64)(n + 1) << 48;
}

/* A chain of what is at ASKED, and room for @room bytes at ANSWER; from descriptor 0. */
static void offer(struct device *device, u32 queue, u32 len, u32 room)
{
	u64 at = ring(device, queue);
	volatile u16 *avail = (volatile u16 *)(at + 0x1000);
	u32 n = 0;

	if (len)
		describe(at, n++, ASKED, len, room ? VIRTIO_NEXT : 0);
	if (room)
		describe(at, n, ANSWER, room, VIRTIO_WRITABLE);
	avail[2 + device->offered[queue] % VIRTIO_SIZE] = 0;
	avail[1] = ++device->offered[queue];
	write32(device->slot + 0x50, queue);
}

static enum outcome wait(struct device *device, u32 queue)
{
	volatile u16 *used = (volatile u16 *)(ring(device, queue) + 0x2002);

	for (u32 i = 0; i < PATIENCE; i++) {
		if (*used == device->offered[queue])
			return OK;
		if (read32(device->slot + STATUS) & NEEDS_RESET)
			return STOPPED;
	}
	return STOPPED;
}

static enum outcome ask(struct device *device, u32 queue, u32 len, u32 room)
{
	memset((void *)ANSWER, 0xee, room);
	offer(device, queue, len, room);
	return wait(device, queue);
}

/* ---- disks ---- */

static enum outcome disk_ask(struct device *device, u32 type, u64 sector, u32 len)
{
	enum outcome outcome;

	write32(ASKED, type);
	write32(ASKED + 4, 0);
	*(volatile u64 *)(ASKED + 8) = sector;
	outcome = ask(device, 0, 16 + len, 1);
	return outcome == OK && *(volatile u8 *)ANSWER ? ERROR : outcome;
}

static enum outcome disk_range(struct device *device, u32 type, u64 sector)
{
	*(volatile u64 *)(ASKED + 16) = sector;
	write32(ASKED + 24, SECTORS);
	write32(ASKED + 28, 0);
	return disk_ask(device, type, 0, 16);
}

/* Bit n: write n, of bytes 16 * @number + n + 1, was acknowledged. */
static u32 disk_write(struct device *device, u32 number, enum outcome *worst)
{
	u32 done = 0;

	for (u32 n = 0; n < WRITES; n++) {
		enum outcome outcome;

		memset((void *)(ASKED + 16), 16 * number + n + 1, SECTORS * 512);
		outcome = disk_ask(device, OP_OUT, n * STRIDE, SECTORS * 512);
		done |= outcome == OK ? 1u << n : 0;
		*worst = outcome > *worst ? outcome : *worst;
		if (outcome == STOPPED)
			break;
	}
	return done;
}

static void play_disk(struct device *device, u32 number)
{
	char name[] = "disk0";
	enum outcome worst = start(device, 1, 1u << 9 | 1u << 13 | 1u << 14);
	u32 done = worst == OK ? disk_write(device, number, &worst) : 0;

	name[4] += number;
	for (u32 i = 0; i < 2 && worst != STOPPED; i++) {
		enum outcome outcome = disk_ask(device, OP_FLUSH, 0, 0);

		worst = outcome > worst ? outcome : worst;
		if (outcome == OK) {
			put(name);
			put(" safe ");
			put_hex(done);
			put("\n");
		}
		/* And what may free clusters, where nothing was written. */
		if (!i && worst != STOPPED)
			outcome = disk_range(device, OP_DISCARD, WRITES * STRIDE);
		worst = outcome > worst ? outcome : worst;
		if (!i && worst != STOPPED)
			outcome = disk_range(device, OP_ZERO, (WRITES + 1) * STRIDE);
		worst = outcome > worst ? outcome : worst;
	}
	say(name, worst);
}

/* ---- folders ---- */

static enum outcome fuse_ask(struct device *device, u32 opcode, u64 node, u32 len)
{
	volatile struct fuse_in_header *header = (void *)ASKED;
	enum outcome outcome;

	header->len = sizeof(*header) + len;
	header->opcode = opcode;
	header->unique = 2;
	header->nodeid = node;
	header->uid = header->gid = header->pid = header->padding = 0;
	outcome = ask(device, 1, sizeof(*header) + len, 256);
	return outcome == OK && ((volatile struct fuse_out_header *)ANSWER)->error ? ERROR
										   : outcome;
}

static void *fuse_body(void)
{
	void *body = (void *)(ASKED + sizeof(struct fuse_in_header));

	memset(body, 0, 256);
	return body;
}

static enum outcome fuse_begin(struct device *device)
{
	struct fuse_init_in *init = fuse_body();

	init->major = 7;
	init->minor = 31;
	init->max_readahead = 4096;
	return fuse_ask(device, FUSE_INIT, 0, sizeof(*init));
}

/* Leaves node and handle of a file "over-fuse" there. */
static enum outcome fuse_create(struct device *device, u64 *node, u64 *handle)
{
	struct fuse_create_in *create = fuse_body();
	u64 answer = ANSWER + sizeof(struct fuse_out_header);
	enum outcome outcome;

	create->flags = 2; /* O_RDWR */
	create->mode = 0100644;
	memcpy(create + 1, "over-fuse", 10);
	outcome = fuse_ask(device, FUSE_CREATE, 1, sizeof(*create) + 10);
	*node = ((struct fuse_entry_out *)answer)->nodeid;
	*handle = ((struct fuse_open_out *)(answer + sizeof(struct fuse_entry_out)))->fh;
	return outcome;
}

static enum outcome fuse_write(struct device *device, u64 node, u64 handle)
{
	struct fuse_write_in *write = fuse_body();
	enum outcome outcome;

	write->fh = handle;
	write->size = 12;
	memcpy(write + 1, "acknowledged", 12);
	outcome = fuse_ask(device, FUSE_WRITE, node, sizeof(*write) + 12);
	if (outcome == OK &&
	    ((struct fuse_write_out *)(ANSWER + sizeof(struct fuse_out_header)))->size != 12)
		outcome = ERROR;
	return outcome;
}

static enum outcome fuse_sync(struct device *device, u64 node, u64 handle)
{
	((struct fuse_fsync_in *)fuse_body())->fh = handle;
	return fuse_ask(device, FUSE_FSYNC, node, sizeof(struct fuse_fsync_in));
}

static void play_fuse(struct device *device)
{
	u64 node, handle;
	enum outcome outcome = start(device, 2, 0);

	if (outcome == OK)
		outcome = fuse_begin(device);
	if (outcome == OK)
		outcome = fuse_create(device, &node, &handle);
	if (outcome == OK)
		outcome = fuse_write(device, node, handle);
	if (outcome == OK)
		outcome = fuse_sync(device, node, handle);
	if (outcome == OK)
		put("fuse safe\n");
	say("fuse", outcome);
}

/* A message of 9P: @type, and what @body has, packed. */
static enum outcome p9_ask(struct device *device, u8 type, const void *body, u32 len)
{
	enum outcome outcome;

	write32(ASKED, 7 + len);
	*(volatile u8 *)(ASKED + 4) = type;
	*(volatile u8 *)(ASKED + 5) = type == 100 ? 0xff : 1;
	*(volatile u8 *)(ASKED + 6) = type == 100 ? 0xff : 0;
	memcpy((void *)(ASKED + 7), body, len);
	outcome = ask(device, 0, 7 + len, 256);
	return outcome == OK && *(volatile u8 *)(ANSWER + 4) != type + 1 ? ERROR : outcome;
}

#define P9(type, body) p9_ask(device, type, body, sizeof(body) - 1)

static void play_p9(struct device *device)
{
	enum outcome outcome = start(device, 1, 1);

	if (outcome == OK)
		outcome = P9(100, "\0\040\0\0\010\0009P2000.L"); /* Tversion */
	if (outcome == OK) /* Tattach of fid 0, no afid, as nobody */
		outcome = P9(104, "\0\0\0\0\377\377\377\377\0\0\0\0\0\0\0\0");
	if (outcome == OK) /* Twalk to fid 1, by no name */
		outcome = P9(110, "\0\0\0\0\1\0\0\0\0\0");
	if (outcome == OK) /* Tlcreate of "over-9p", O_RDWR, 0644 */
		outcome = P9(14, "\1\0\0\0\007\0over-9p\2\0\0\0\244\1\0\0\0\0\0\0");
	if (outcome == OK) /* Twrite at 0 of 12 bytes */
		outcome = P9(118, "\1\0\0\0\0\0\0\0\0\0\0\0\014\0\0\0acknowledged");
	if (outcome == OK && *(volatile u32 *)(ANSWER + 7) != 12)
		outcome = ERROR;
	if (outcome == OK) /* Tfsync */
		outcome = P9(50, "\1\0\0\0\0\0\0\0");
	if (outcome == OK)
		put("9p safe\n");
	say("9p", outcome);
}

/* ---- the others ---- */

static void play_network(struct device *device)
{
	static const u8 arp[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0,   1,   8,	6,
				  0,	1,    8,    0,	  6,	4,    0, 1, 2, 0, 0,   0,   0,	1,
				  192,	168,  33,   15,	  0,	0,    0, 0, 0, 0, 192, 168, 33, 1 };
	enum outcome outcome = start(device, 2, 0);

	if (outcome == OK) {
		memset((void *)ANSWER, 0, 2048);
		offer(device, 0, 0, 2048);
		memset((void *)ASKED, 0, 12);
		memcpy((void *)(ASKED + 12), arp, sizeof(arp));
		offer(device, 1, 12 + sizeof(arp), 0);
		outcome = wait(device, 1);
	}
	if (outcome == OK)
		outcome = wait(device, 0);
	say("network", outcome);
}

static void play_vsock(struct device *device)
{
	struct virtio_vsock_hdr *header = (void *)ASKED, *answer = (void *)ANSWER;
	enum outcome outcome = start(device, 3, 0);

	if (outcome == OK) {
		memset(header, 0, sizeof(*header));
		header->src_cid = read32(device->slot + 0x100);
		header->dst_cid = 2;
		header->src_port = 1000;
		header->dst_port = 52;
		header->type = VIRTIO_VSOCK_TYPE_STREAM;
		header->op = VIRTIO_VSOCK_OP_REQUEST;
		header->buf_alloc = 0x10000;
		offer(device, 0, 0, 4096);
		offer(device, 1, sizeof(*header), 0);
		outcome = wait(device, 0);
	}
	if (outcome == OK)
		outcome = answer->op == VIRTIO_VSOCK_OP_RESPONSE ? OK : ERROR;
	if (outcome == OK) {
		header->op = VIRTIO_VSOCK_OP_RW;
		header->len = 5;
		memcpy(header + 1, "hello", 5);
		offer(device, 1, sizeof(*header) + 5, 0);
		outcome = wait(device, 1);
	}
	say("vsock", outcome);
}

static void play_balloon(struct device *device)
{
	enum outcome outcome = start(device, 2, 0);

	for (u32 i = 0; i < 4; i++)
		write32(ASKED + 4 * i, PAGES / 4096 + i);
	if (outcome == OK)
		outcome = ask(device, 0, 16, 0);
	say("balloon", outcome);
}

static void play_rng(struct device *device)
{
	enum outcome outcome = start(device, 1, 0);

	say("rng", outcome == OK ? ask(device, 0, 0, 64) : outcome);
}

static void play_console(struct device *device)
{
	enum outcome outcome = start(device, 2, 0);

	memcpy((void *)ASKED, "a line for the terminal\n", 24);
	say("console", outcome == OK ? ask(device, 1, 24, 0) : outcome);
}

static enum outcome viommu_ask(struct device *device, u32 len)
{
	enum outcome outcome = ask(device, 0, len, 4);

	return outcome == OK && *(volatile u8 *)ANSWER ? ERROR : outcome;
}

/* All RAM for the source of random numbers, whose DMA goes through a table from then on. */
static void play_viommu(struct device *device)
{
	struct virtio_iommu_req_attach *attach = (void *)ASKED;
	struct virtio_iommu_req_map *map = (void *)ASKED;
	u64 behind = virtio_find(4);
	enum outcome outcome = start(device, 2, 0xffffffff);

	if (outcome == OK && behind) {
		memset(attach, 0, sizeof(*attach));
		attach->head.type = VIRTIO_IOMMU_T_ATTACH;
		attach->domain = 1;
		attach->endpoint = 0x80000000 + (behind - VIRTIO_SLOTS) / 0x1000;
		outcome = viommu_ask(device, sizeof(*attach) - 4);
	}
	if (outcome == OK && behind) {
		memset(map, 0, sizeof(*map));
		map->head.type = VIRTIO_IOMMU_T_MAP;
		map->domain = 1;
		map->virt_end = RAM_END;
		map->flags = VIRTIO_IOMMU_MAP_F_READ | VIRTIO_IOMMU_MAP_F_WRITE;
		outcome = viommu_ask(device, sizeof(*map) - 4);
	}
	say("viommu", outcome);
}

static void play(struct device *device, u32 id, u32 *disks)
{
	switch (id) {
	case 1:
		play_network(device);
		break;
	case 2:
		play_disk(device, (*disks)++);
		break;
	case 3:
		play_console(device);
		break;
	case 4:
		play_rng(device);
		break;
	case 5:
		play_balloon(device);
		break;
	case 9:
		play_p9(device);
		break;
	case 19:
		play_vsock(device);
		break;
	case 23:
		play_viommu(device);
		break;
	case 26:
		play_fuse(device);
		break;
	}
}

void guest_main(const u8 *boot_params)
{
	u32 disks = 0;

	put("here\n");
	for (u64 slot = VIRTIO_SLOTS; slot < VIRTIO_SLOTS + 13 * 0x1000; slot += 0x1000) {
		struct device device = { .slot = slot };

		if (read32(slot) == 0x74726976 && read32(slot + 8))
			play(&device, read32(slot + 8), &disks);
	}
	put("the end\n");
}
