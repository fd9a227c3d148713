/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio-net between a driver that lies and a network that sends what it likes: buffers, frames,
 * headers, control commands. Nothing may crash, hang, leak or touch a byte that is not RAM, and
 * no frame leaves with a header that speaks of what is not there.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include "guard.h"
#include "input.h"
#include "shim.h"
#include "virtio/endian.h"
#include "virtio/mmio.h"
#include "virtio/net.h"
#include "wire.h"

#define PAIRS	2
#define QUEUES	(2 * PAIRS + 1)
#define RINGS	0x10000
#define DATA	0x80000
#define WAITING 32

/* ---- the network ---- */

struct network {
	struct net_backend backend;
	u32 lengths[WAITING]; /* of frames that wait for the guest */
	unsigned waiting;
	u8 header[NET_HEADER]; /* of each of them */
	bool full, gone, refuses, lossy;
	u32 guest_offloads;
	unsigned *closed;
};

static volatile u8 seen;

static struct network *network_of(struct net_backend *backend)
{
	return container_of(backend, struct network, backend);
}

/* "The virtio_net_hdr", by other words than net_header.c's. */
static void judge_header(const struct virtio_net_hdr_v1 *header, u64 len)
{
	u8 kind = header->gso_type & 0x7f;

	fuzz_check(!(header->flags & ~VIRTIO_NET_HDR_F_NEEDS_CSUM));
	fuzz_check(kind == 0 || kind == 1 || kind == 4 || kind == 5);
	fuzz_check(!(header->gso_type & 0x80) || kind == 1 || kind == 4);
	fuzz_check(!kind || (header->flags && virtio16_to_cpu(header->gso_size)));
	fuzz_check(virtio16_to_cpu(header->hdr_len) <= len);
	fuzz_check(!virtio16_to_cpu(header->num_buffers));
	if (header->flags)
		fuzz_check(virtio16_to_cpu(header->csum_start) +
				   virtio16_to_cpu(header->csum_offset) + 2u <=
			   len);
}

static int network_send(struct net_backend *backend, unsigned pair, const struct iovec *iov,
			unsigned count)
{
	struct network *network = network_of(backend);
	u64 len = 0;

	fuzz_check(pair < backend->pairs && count <= NET_IOV);
	if (network->gone)
		return -EPIPE;
	if (network->full)
		return -EAGAIN;
	for (unsigned i = 0; i < count; i++) {
		const u8 *bytes = iov[i].iov_base;

		len += iov[i].iov_len;
		for (size_t at = 0; at < iov[i].iov_len; at += 64)
			seen ^= bytes[at];
		if (iov[i].iov_len)
			seen ^= bytes[iov[i].iov_len - 1];
	}
	if (backend->header) {
		fuzz_check(iov[0].iov_len == NET_HEADER);
		len -= NET_HEADER;
		judge_header(iov[0].iov_base, len);
	}
	fuzz_check(len >= NET_MIN_FRAME && len <= NET_MAX_FRAME);
	return network->lossy ? -EIO : 0;
}

static ssize_t network_receive(struct net_backend *backend, unsigned pair, const struct iovec *iov,
			       unsigned count)
{
	struct network *network = network_of(backend);
	u32 len, done = 0;

	fuzz_check(pair < backend->pairs && count <= NET_IOV);
	if (network->gone)
		return -EPIPE;
	if (!network->waiting)
		return -EAGAIN;
	len = network->lengths[--network->waiting];
	for (unsigned i = 0; i < count && done < len; i++) {
		u32 piece = MIN(iov[i].iov_len, len - done);

		memset(iov[i].iov_base, len, piece);
		if (!done && piece >= NET_HEADER)
			memcpy(iov[i].iov_base, network->header, NET_HEADER);
		done += piece;
	}
	return network->lossy && !(len & 3) ? -EIO : (ssize_t)done;
}

static int network_set_offloads(struct net_backend *backend, u32 offloads)
{
	struct network *network = network_of(backend);

	fuzz_check(!(offloads & ~backend->offloads));
	network->guest_offloads = offloads;
	return network->refuses ? -EIO : 0;
}

static int network_set_pairs(struct net_backend *backend, unsigned pairs)
{
	fuzz_check(pairs >= 1 && pairs <= backend->pairs);
	return network_of(backend)->refuses ? -EIO : 0;
}

static void network_close(struct net_backend *backend)
{
	struct network *network = network_of(backend);

	for (unsigned i = 0; i < backend->pairs; i++)
		close(backend->fds[i]);
	++*network->closed;
	free(network);
}

static const struct net_ops network_ops = {
	.send = network_send,
	.receive = network_receive,
	.set_offloads = network_set_offloads,
	.set_pairs = network_set_pairs,
	.close = network_close,
};

/* ---- the stage ---- */

struct stage {
	struct vm *vm;
	struct network *network;
	unsigned closed;
	struct wire_queue queues[QUEUES];
};

static gpa_t take_address(struct input *in)
{
	u64 offset = input_u16(in);

	switch (input_below(in, 8)) {
	case 0:
		return RINGS + offset * 4;
	case 1:
		return WIRE_RAM - 0x40 + offset % 0x80;
	case 2:
		return WIRE_HIGH + WIRE_RAM - 0x400 + offset % 0x440;
	case 3:
		return UINT64_MAX - offset;
	case 4:
		return input_u64(in);
	default:
		return DATA + offset * 16;
	}
}

static u32 take_len(struct input *in)
{
	switch (input_below(in, 8)) {
	case 0:
		return input_u32(in);
	case 1:
		return input_u16(in);
	case 2:
		return 0x10000 + input_u8(in);
	case 3:
		return input_u8(in) % 32;
	default:
		return 1526 + input_u8(in);
	}
}

static struct wire_queue *take_queue(struct stage *stage, struct input *in)
{
	return &stage->queues[input_below(in, QUEUES)];
}

static void bring_up(struct stage *stage, struct input *in)
{
	u64 offered, features;

	/* One that wants its reset answers nothing else. */
	wire_reg_write(stage->vm, 0, VIRTIO_MMIO_STATUS, 0);
	offered = wire_features(stage->vm, 0);
	features = offered & ~((u64)input_u32(in) | (u64)input_u8(in) << 50);
	if (!wire_negotiate(stage->vm, 0, features))
		return;
	for (unsigned i = 0; i < 2 * stage->network->backend.pairs + 1; i++)
		wire_queue_init(&stage->queues[i], stage->vm, 0, i, 1u << input_below(in, 7),
				RINGS * (i + 1));
	wire_driver_ok(stage->vm, 0);
}

static void add_chain(struct stage *stage, struct input *in)
{
	struct wire_queue *queue = take_queue(stage, in);
	unsigned count = 1 + input_below(in, 12);
	struct wire_segment segments[12];
	u8 how = input_u8(in);

	if (!queue->size)
		return;
	for (unsigned i = 0; i < count; i++) {
		segments[i].address = take_address(in);
		segments[i].len = take_len(in);
		segments[i].writable = how & 4 ? input_u8(in) & 1 : queue->index % 2 == 0;
	}
	if (how & 1)
		wire_add_indirect(queue, segments, count, DATA - 0x10000 + (how >> 3) * 256);
	else
		wire_add(queue, segments, MIN(count, queue->size));
	if (how & 2)
		wire_kick(queue);
}

/* Buffers as a driver has them. */
static void offer(struct stage *stage, struct input *in)
{
	struct wire_queue *queue = &stage->queues[2 * input_below(in, PAIRS)];
	unsigned count = 1 + input_below(in, 16);
	u32 len = take_len(in);

	for (unsigned i = 0; queue->size && i < count; i++) {
		struct wire_segment segment = { DATA + 4096ull * input_u8(in), len, true };

		wire_add(queue, &segment, 1);
	}
	if (queue->size)
		wire_kick(queue);
}

/* A frame with a header of which all but a field or two is sound. */
static void send_frame(struct stage *stage, struct input *in)
{
	struct wire_queue *queue = &stage->queues[2 * input_below(in, PAIRS) + 1];
	static const u8 kinds[] = { 0, 1, 4, 5, 3, 0x81, 0x85, 0x7f };
	struct virtio_net_hdr_v1 header = {
		.flags = input_u8(in),
		.gso_type = kinds[input_below(in, ARRAY_SIZE(kinds))],
		.hdr_len = cpu_to_virtio16(input_u16(in)),
		.gso_size = cpu_to_virtio16(input_u8(in)),
		.csum_start = cpu_to_virtio16(input_u8(in)),
		.csum_offset = cpu_to_virtio16(input_u8(in) & 0x80 ? input_u16(in) : 16),
		.num_buffers = cpu_to_virtio16(input_u8(in)),
	};
	struct wire_segment segments[2] = { { DATA, NET_HEADER, false } };
	unsigned cut = input_u8(in) % (NET_HEADER + 1);

	if (queue->size < 2)
		return;
	wire_write(stage->vm, DATA, &header, sizeof(header));
	segments[0].len = cut ? cut : NET_HEADER;
	segments[1] = (struct wire_segment){ cut ? DATA + cut : take_address(in), take_len(in),
					     false };
	wire_add(queue, segments, 2);
	wire_kick(queue);
}

static void command(struct stage *stage, struct input *in)
{
	bool many = input_u8(in) & 1;
	struct wire_queue *queue = &stage->queues[many ? QUEUES - 1 : 2];
	struct wire_segment segments[3] = { { DATA, 2, false },
					    { DATA + 2, 0, false },
					    { DATA + 0x8000, 1, true } };
	u8 bytes[64];

	if (queue->size < 4)
		return;
	bytes[0] = input_u8(in) % 6;
	bytes[1] = input_u8(in) % 7;
	input_bytes(in, bytes + 2, sizeof(bytes) - 2);
	wire_write(stage->vm, DATA, bytes, sizeof(bytes));
	segments[1].len = 1 + input_u8(in) % 62;
	if (input_u8(in) & 0x80)
		segments[1].len = take_len(in);
	wire_add(queue, segments, 3);
	wire_kick(queue);
}

static void arrive(struct stage *stage, struct input *in)
{
	struct network *network = stage->network;
	unsigned count = 1 + input_below(in, 8);
	u32 len = input_u8(in) & 3 ? 14 + input_u8(in) * 8 : take_len(in);

	input_bytes(in, network->header, NET_HEADER);
	len = MIN(len, (u32)(NET_HEADER + NET_MAX_FRAME));
	while (count-- && network->waiting < WAITING)
		network->lengths[network->waiting++] = MAX(len, 1u);
}

static void upset_network(struct stage *stage, struct input *in)
{
	u8 what = input_u8(in);

	stage->network->full = what & 1;
	stage->network->refuses = (what & 6) == 6;
	stage->network->lossy = (what & 0x18) == 0x18;
	stage->network->gone |= what == 0xff;
}

static void write_register(struct stage *stage, struct input *in)
{
	wire_reg_write(stage->vm, 0, input_below(in, 0x40) * 4, input_u32(in));
}

static void read_configuration(struct stage *stage, struct input *in)
{
	static const u8 lens[] = { 1, 2, 4, 8 };

	wire_config_read(stage->vm, 0, input_u8(in) % 24, lens[input_below(in, 3)]);
}

static void write_memory(struct stage *stage, struct input *in)
{
	gpa_t address = take_address(in);
	unsigned len = 1 + input_below(in, 32);
	u8 bytes[32];

	input_bytes(in, bytes, len);
	memory_write(stage->vm->memory, address, bytes, len);
}

static void publish(struct stage *stage, struct input *in)
{
	struct wire_queue *queue = take_queue(stage, in);

	if (!queue->size)
		return;
	wire_publish(queue, input_u8(in));
	wire_kick(queue);
}

static void reset_queue(struct stage *stage, struct input *in)
{
	struct wire_queue *queue = take_queue(stage, in);

	wire_reg_write(stage->vm, 0, VIRTIO_MMIO_QUEUE_SEL, queue->index);
	wire_reg_write(stage->vm, 0, input_u8(in) & 1 ? 0x0c0 : VIRTIO_MMIO_QUEUE_READY,
		       input_u8(in) & 1);
}

static void step(struct stage *stage, struct input *in)
{
	static void (*const steps[])(struct stage *, struct input *) = {
		bring_up,	    add_chain,	  offer,       offer,	      send_frame,
		send_frame,	    command,	  command,     arrive,	      arrive,
		add_chain,	    publish,	  offer,       upset_network, write_register,
		read_configuration, write_memory, reset_queue,
	};

	steps[input_below(in, ARRAY_SIZE(steps))](stage, in);
	loop_poll(stage->vm->loop, 0);
}

static struct network *make_network(struct stage *stage, u8 how)
{
	struct network *network = calloc(1, sizeof(*network));

	fuzz_check(network);
	network->backend = (struct net_backend){
		.ops = &network_ops,
		.name = "fuzz",
		.pairs = how & 1 ? PAIRS : 1,
		.header = how & 2,
		.buffers = how & 4,
		.offloads = how & 8 ? NET_ALL_OFFLOADS : NET_CSUM,
		.mtu = how & 16 ? 1500 : 0,
		.vhost_fd = -1,
	};
	/* Always something to read, and room. */
	for (unsigned i = 0; i < network->backend.pairs; i++)
		network->backend.fds[i] = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
	network->closed = &stage->closed;
	return network;
}

static void stage_create(struct stage *stage, struct input *in)
{
	struct virtio_net_options options = { .mac = { 2, 0, 0, 0, 0, 1 } };
	struct virtio_device *device;
	struct device_resource slot;

	*stage = (struct stage){ .vm = wire_create() };
	guard_raise(stage->vm->memory);
	stage->network = make_network(stage, input_u8(in));
	fuzz_check(!virtio_net_create(&device, &stage->network->backend, &options, stage->vm->loop,
				      &stage->vm->identity.space));
	wire_slot(0, &slot);
	fuzz_check(!virtio_mmio_create(stage->vm, device, &slot, DEVICE_NO_ENDPOINT, false));
	for (unsigned i = 0; i < QUEUES; i++) {
		stage->queues[i].vm = stage->vm;
		stage->queues[i].index = i;
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct input in = { data, size };
	struct stage stage;

	stage_create(&stage, &in);
	while (in.left)
		step(&stage, &in);
	wire_destroy(stage.vm);
	fuzz_check(stage.closed == 1);
	return 0;
}
