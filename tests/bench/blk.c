/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads of 4 KiB through a virtio-blk on a fake machine, from a real file, without KVM: one to a
 * kick, and 32 to a kick. What an instruction counter is to see of it are two functions, the
 * device's kick and the disk's completion; tests/bench/blk-count asks callgrind for them.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <linux/virtio_blk.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>

#include "disk/disk.h"
#include "virtio/blk.h"
#include "virtio/mmio.h"
#include "wire.h"

#define RINGS	0x10000
#define HEADER	0x20000
#define STATUS	0x30000
#define DATA	0x100000
#define QUEUE	128
#define SECTORS 16384

static void must(bool held, const char *what)
{
	if (held)
		return;
	fprintf(stderr, "bench: blk: %s\n", what);
	exit(1);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return time.tv_sec + time.tv_nsec * 1e-9;
}

static struct disk *open_file(void)
{
	char path[] = "/var/tmp/lkvm-bench-XXXXXX", block[4096] = "";
	struct disk_options options = { 0 };
	struct error err = { "" };
	struct disk *disk;
	int fd = mkstemp(path);

	must(fd >= 0, "no file in /var/tmp");
	for (unsigned i = 0; i < SECTORS / 8; i++)
		must(write(fd, block, sizeof(block)) == sizeof(block), "the file is not written");
	must(!fsync(fd), "the file is not written");
	must(!disk_open(&disk, path, &options, &err), err.text);
	unlink(path);
	close(fd);
	return disk;
}

static void read_some(struct wire_queue *queue, unsigned count, unsigned *n)
{
	for (unsigned i = 0; i < count; i++, ++*n) {
		struct virtio_blk_outhdr header = { .type = htole32(VIRTIO_BLK_T_IN),
						    .sector = htole64(*n * 8 % SECTORS) };
		struct wire_segment parts[] = { { HEADER + 16 * i, 16, false },
						{ DATA + 4096 * i, 4096, true },
						{ STATUS + i, 1, true } };

		wire_write(queue->vm, parts[0].address, &header, sizeof(header));
		wire_add(queue, parts, 3);
	}
	wire_kick(queue);
	for (unsigned i = 0; i < count; i++) {
		u8 status;

		must(wire_used(queue, NULL, NULL), "no answer");
		wire_read(queue->vm, STATUS + i, &status, 1);
		must(!status, "a read failed");
	}
}

int main(int argc, char **argv)
{
	unsigned batch = argc > 1 ? atoi(argv[1]) : 1, count = argc > 2 ? atoi(argv[2]) : 100000;
	struct vm *vm = wire_create();
	struct virtio_device *device;
	struct device_resource slot;
	struct wire_queue queue;
	unsigned n = 0;
	double begin;

	must(batch && batch <= QUEUE / 3, "too many to a kick");
	must(!virtio_blk_create(&device, open_file(), NULL, vm->loop, &vm->identity.space),
	     "no device");
	wire_slot(0, &slot);
	must(!virtio_mmio_create(vm, device, &slot, DEVICE_NO_ENDPOINT, false), "no transport");
	must(wire_negotiate(vm, 0,
			    wire_features(vm, 0) &
				    (1ULL << VIRTIO_BLK_F_FLUSH | 1ULL << VIRTIO_RING_F_EVENT_IDX)),
	     "no features");
	wire_queue_init(&queue, vm, 0, 0, QUEUE, RINGS);
	wire_driver_ok(vm, 0);
	begin = now();
	while (n < count)
		read_some(&queue, batch, &n);
	printf("%u reads of 4 KiB, %u to a kick: %.2f us each, %u interrupts\n", n, batch,
	       (now() - begin) / n * 1e6, wire_interrupts(WIRE_GSI));
	wire_destroy(vm);
	return 0;
}
