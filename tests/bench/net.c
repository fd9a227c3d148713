/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What virtio-net's own part of a packet costs, both ways, on a fake machine, with a network that
 * takes and gives frames at once without looking at them: no system call and no copy is in it. 64
 * and 1,500 bytes, and 64 KiB as segmentation offload makes them; with the IOMMU, each page mapped
 * by itself, and without.
 *
 *   net [send|receive LEN viommu|plain PACKETS]: one of them, for an instruction counter
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include "../wire/iommu_driver.h"
#include "virtio/mmio.h"
#include "virtio/net.h"

#define SLOT	  2
#define RING	  1024
#define RX_RINGS  0x100000
#define TX_RINGS  0x110000
#define BUFFERS	  0x140000
#define PAGE	  4096ull
#define PAGES	  ((WIRE_RAM - BUFFERS) / PAGE)
#define SMALL	  1536 /* a buffer of Linux's, where frames are no longer than the MTU */
#define HUGE	  (NET_HEADER + 65226)
#define BATCH	  32
#define DOMAIN	  1
#define RUNS	  5
#define VIRTIO(f) (1ULL << VIRTIO_NET_F_##f)

static void must(bool held, const char *what)
{
	if (held)
		return;
	fprintf(stderr, "bench: net: %s\n", what);
	exit(1);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return time.tv_sec + time.tv_nsec * 1e-9;
}

/* ---- the network ---- */

static struct {
	unsigned left; /* frames that are still to come */
	u32 len;
} coming;

static int take(struct net_backend *backend, unsigned pair, const struct iovec *iov, unsigned count)
{
	return 0;
}

static ssize_t give(struct net_backend *backend, unsigned pair, const struct iovec *iov,
		    unsigned count)
{
	if (!coming.left)
		return -EAGAIN;
	coming.left--;
	return coming.len;
}

static int agree(struct net_backend *backend, u32 offloads)
{
	return 0;
}

static void end(struct net_backend *backend)
{
	close(backend->fds[0]);
}

static const struct net_ops ops = {
	.send = take, .receive = give, .set_offloads = agree, .close = end
};

static struct net_backend network = { .ops = &ops,
				      .name = "bench",
				      .pairs = 1,
				      .header = true,
				      .offloads = NET_ALL_OFFLOADS,
				      .vhost_fd = -1 };

/* ---- the machine ---- */

struct bench {
	struct rig rig;
	struct wire_queue rx, tx;
};

static void map_all(struct rig *rig)
{
	must(!rig_attach(rig, DOMAIN, ENDPOINT_A, 0), "ATTACH");
	for (gpa_t at = RX_RINGS; at < WIRE_RAM; at += PAGE)
		must(!rig_map(rig, DOMAIN, at, at + PAGE - 1, at, READ_WRITE), "MAP");
}

static void begin(struct bench *bench, bool viommu)
{
	struct virtio_net_options options = { .number = 0 };
	u64 features = VIRTIO(MRG_RXBUF) | VIRTIO(CSUM) | VIRTIO(HOST_TSO4) | VIRTIO(GUEST_CSUM) |
		       VIRTIO(GUEST_TSO4) | 1ULL << VIRTIO_RING_F_INDIRECT_DESC;
	struct virtio_device *device;
	struct device_resource slot;
	struct vm *vm;

	rig_create(&bench->rig, NULL);
	vm = bench->rig.vm;
	network.fds[0] = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
	must(!virtio_net_create(&device, &network, &options, vm->loop,
				viommu ? bench->rig.a : &vm->identity.space),
	     "no device");
	wire_slot(SLOT, &slot);
	must(!virtio_mmio_create(vm, device, &slot, viommu ? ENDPOINT_A : DEVICE_NO_ENDPOINT,
				 false),
	     "no transport");
	rig_start(&bench->rig, ALL_FEATURES);
	if (viommu)
		map_all(&bench->rig);
	features |= viommu ? 1ULL << VIRTIO_F_ACCESS_PLATFORM : 0;
	must(wire_negotiate(vm, SLOT, features), "no features");
	wire_queue_init(&bench->rx, vm, SLOT, 0, RING, RX_RINGS);
	wire_queue_init(&bench->tx, vm, SLOT, 1, RING, TX_RINGS);
	wire_driver_ok(vm, SLOT);
}

/* Chains of @len bytes, each in pages of its own that do not follow each other. */
static void lay_out(struct wire_queue *queue, u32 len, u32 buffer, bool writable, unsigned chains)
{
	static const struct virtio_net_hdr_v1 header;
	static unsigned page;

	for (unsigned i = 0; i < chains; i++) {
		struct wire_segment segments[32];
		unsigned count = 0;

		for (u32 left = len; left; count++) {
			u32 piece = MIN(left, buffer);

			page = (page + 7) % PAGES;
			segments[count] = (struct wire_segment){ BUFFERS + page * PAGE, piece,
								 writable };
			left -= piece;
		}
		if (!writable)
			wire_write(queue->vm, segments[0].address, &header, sizeof(header));
		wire_add(queue, segments, count);
	}
}

static u16 used(struct wire_queue *queue)
{
	u16 index;

	wire_read(queue->vm, queue->used + 2, &index, sizeof(index));
	return le16toh(index);
}

/* Seconds until the device has given @chains more back. */
static double serve(struct bench *bench, struct wire_queue *queue, u16 chains)
{
	u16 until = queue->last_used + chains;
	double start;

	wire_kick(queue);
	start = now();
	while (used(queue) != until)
		must(loop_poll(bench->rig.vm->loop, 0) >= 0, "the loop ends");
	queue->last_used = until;
	return now() - start;
}

static double send_batch(struct bench *bench, u32 len)
{
	lay_out(&bench->tx, NET_HEADER + len, PAGE, false, BATCH);
	return serve(bench, &bench->tx, BATCH);
}

static double receive_batch(struct bench *bench, u32 len)
{
	u32 buffer = NET_HEADER + len > SMALL ? PAGE : SMALL;
	unsigned buffers = (NET_HEADER + len + buffer - 1) / buffer;

	lay_out(&bench->rx, buffer, buffer, true, BATCH * buffers);
	coming.left = BATCH;
	coming.len = NET_HEADER + len;
	return serve(bench, &bench->rx, BATCH * buffers);
}

/* Seconds a packet, the best of some runs. */
static double measure(struct bench *bench, bool sends, u32 len, unsigned packets)
{
	double best = 1e9;

	for (unsigned run = 0; run < RUNS; run++) {
		double spent = 0;

		for (unsigned n = 0; n < packets; n += BATCH)
			spent += sends ? send_batch(bench, len) : receive_batch(bench, len);
		best = MIN(best, spent / packets);
	}
	return best;
}

/* What lies beyond the longest frame's buffers, which the device takes in advance. */
static void fill_window(struct bench *bench)
{
	lay_out(&bench->rx, PAGE, PAGE, true, 64);
}

static void print_table(void)
{
	static const u32 lens[] = { 64, 1500, HUGE - NET_HEADER };

	printf("%-9s %7s   %22s   %22s\n", "", "bytes", "plain ns, M packets/s",
	       "viommu, the same");
	for (unsigned i = 0; i < 2 * ARRAY_SIZE(lens); i++) {
		bool sends = i < ARRAY_SIZE(lens);
		u32 len = lens[i % ARRAY_SIZE(lens)];
		double cost[2];

		for (unsigned viommu = 0; viommu < 2; viommu++) {
			struct bench bench;

			begin(&bench, viommu);
			fill_window(&bench);
			cost[viommu] = measure(&bench, sends, len, 64 * BATCH);
			rig_destroy(&bench.rig);
		}
		printf("%-9s %7u   %14.1f %7.2f   %14.1f %7.2f\n", sends ? "transmit" : "receive",
		       len, cost[0] * 1e9, 1e-6 / cost[0], cost[1] * 1e9, 1e-6 / cost[1]);
	}
}

int main(int argc, char **argv)
{
	struct bench bench;

	if (argc != 5) {
		print_table();
		return 0;
	}
	begin(&bench, !strcmp(argv[3], "viommu"));
	fill_window(&bench);
	for (int n = 0; n < atoi(argv[4]); n += BATCH) {
		if (!strcmp(argv[1], "send"))
			send_batch(&bench, atoi(argv[2]));
		else
			receive_batch(&bench, atoi(argv[2]));
	}
	rig_destroy(&bench.rig);
	return 0;
}
