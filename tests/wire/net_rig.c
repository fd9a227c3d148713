/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/virtio_mmio.h>

#include "cmocka_all.h"
#include "../../net/io.h"
#include "net_rig.h"
#include "virtio/endian.h"
#include "virtio/mmio.h"

const u8 net_rig_mac[NET_MAC] = { 0x02, 0x15, 0x15, 0x15, 0x15, 0x15 };

/* ---- the network ---- */

static struct fake_net *fake_of(struct net_backend *backend)
{
	return container_of(backend, struct fake_net, backend);
}

static int fake_send(struct net_backend *backend, unsigned pair, const struct iovec *iov,
		     unsigned count)
{
	return net_io_send(backend->fds[pair], iov, count);
}

static ssize_t fake_receive(struct net_backend *backend, unsigned pair, const struct iovec *iov,
			    unsigned count)
{
	return net_io_receive(backend->fds[pair], iov, count);
}

static int fake_set_offloads(struct net_backend *backend, u32 offloads)
{
	struct fake_net *fake = fake_of(backend);

	if (fake->refuses)
		return -EIO;
	fake->offloads = offloads;
	return 0;
}

static int fake_set_pairs(struct net_backend *backend, unsigned pairs)
{
	struct fake_net *fake = fake_of(backend);

	if (fake->refuses)
		return -EIO;
	fake->pairs = pairs;
	return 0;
}

static void fake_start(struct net_backend *backend)
{
	fake_of(backend)->starts++;
}

static void fake_close(struct net_backend *backend)
{
	struct fake_net *fake = fake_of(backend);

	for (unsigned i = 0; i < backend->pairs; i++) {
		close(backend->fds[i]);
		if (fake->peer[i] >= 0)
			close(fake->peer[i]);
	}
	*fake->closed = true;
	free(fake);
}

static const struct net_ops fake_ops = {
	.send = fake_send,
	.receive = fake_receive,
	.set_offloads = fake_set_offloads,
	.set_pairs = fake_set_pairs,
	.start = fake_start,
	.close = fake_close,
};

struct fake_net *fake_net_create(unsigned pairs, bool header, u32 offloads)
{
	struct fake_net *fake = calloc(1, sizeof(*fake));
	int ends[2];

	assert_non_null(fake);
	fake->backend = (struct net_backend){
		.ops = &fake_ops,
		.name = "the test's network",
		.pairs = pairs,
		.header = header,
		.offloads = offloads,
		.mtu = 1500,
		.vhost_fd = -1,
	};
	fake->offloads = ~0u;
	for (unsigned i = 0; i < pairs; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends), 0);
		fake->backend.fds[i] = ends[0];
		fake->peer[i] = ends[1];
	}
	return fake;
}

/* ---- the rig ---- */

void net_rig_create(struct net_rig *rig, unsigned pairs, bool header, u32 offloads)
{
	struct virtio_net_options options = { .number = 0 };
	struct virtio_device *device;
	struct device_resource slot;

	memset(rig, 0, sizeof(*rig));
	memcpy(options.mac, net_rig_mac, NET_MAC);
	rig->vm = wire_create();
	rig->pairs = pairs;
	rig->net = fake_net_create(pairs, header, offloads);
	rig->net->closed = &rig->closed;
	assert_int_equal(virtio_net_create(&device, &rig->net->backend, &options, rig->vm->loop,
					   &rig->vm->identity.space),
			 0);
	wire_slot(0, &slot);
	assert_int_equal(virtio_mmio_create(rig->vm, device, &slot, DEVICE_NO_ENDPOINT, false), 0);
}

void net_rig_destroy(struct net_rig *rig)
{
	wire_destroy(rig->vm);
	assert_true(rig->closed);
}

void net_rig_start(struct net_rig *rig, u64 features, unsigned pairs)
{
	unsigned control;

	/* One that wants its reset answers nothing else. */
	wire_reg_write(rig->vm, 0, VIRTIO_MMIO_STATUS, 0);
	features &= wire_features(rig->vm, 0);
	control = features >> VIRTIO_NET_F_MQ & 1 ? 2 * rig->pairs : 2;
	assert_true(wire_negotiate(rig->vm, 0, features));
	for (unsigned i = 0; i < pairs; i++) {
		rig->added[i] = 0;
		wire_queue_init(&rig->rx[i], rig->vm, 0, 2 * i, NET_SIZE, NET_RINGS * (1 + 2 * i));
		wire_queue_init(&rig->tx[i], rig->vm, 0, 2 * i + 1, NET_SIZE,
				NET_RINGS * (2 + 2 * i));
	}
	wire_queue_init(&rig->control, rig->vm, 0, control, NET_SIZE,
			NET_RINGS * (1 + 2 * NET_MAX_PAIRS));
	wire_driver_ok(rig->vm, 0);
}

void net_rig_settle(struct net_rig *rig)
{
	unsigned turns = 0;

	while (loop_poll(rig->vm->loop, 0) > 0)
		assert_true(++turns < 1000);
}

void net_rig_offer(struct net_rig *rig, unsigned pair, unsigned count, u32 len)
{
	for (unsigned i = 0; i < count; i++) {
		unsigned place = pair * NET_SIZE + rig->added[pair]++ % NET_SIZE;
		struct wire_segment segment = { NET_RX + 4096ull * place, len, true };

		wire_add(&rig->rx[pair], &segment, 1);
	}
	wire_kick(&rig->rx[pair]);
}

void net_rig_arrive(struct net_rig *rig, unsigned pair, const void *data, size_t len)
{
	assert_int_equal(send(rig->net->peer[pair], data, len, 0), len);
}

void net_rig_send(struct net_rig *rig, unsigned pair, const struct virtio_net_hdr_v1 *header,
		  const void *frame, u32 len, u32 cut)
{
	gpa_t at = NET_TX + 0x10000ull * (pair % 8);
	struct wire_segment segments[2] = { { at, NET_HEADER + len, false } };

	wire_write(rig->vm, at, header, NET_HEADER);
	wire_write(rig->vm, at + NET_HEADER, frame, len);
	if (cut) {
		/* Two pieces that do not follow each other. */
		u32 rest = NET_HEADER + len - cut;
		u8 *bytes = malloc(rest);

		assert_non_null(bytes);
		wire_read(rig->vm, at + cut, bytes, rest);
		wire_write(rig->vm, WIRE_HIGH + 0x1000, bytes, rest);
		free(bytes);
		segments[0].len = cut;
		segments[1] = (struct wire_segment){ WIRE_HIGH + 0x1000, rest, false };
	}
	wire_add(&rig->tx[pair], segments, cut ? 2 : 1);
	wire_kick(&rig->tx[pair]);
}

u32 net_rig_received(struct net_rig *rig, unsigned pair, u16 buffers, u8 *got)
{
	struct virtio_net_hdr_v1 header;
	u32 len, total = 0;
	u16 head;

	for (unsigned i = 0; i < buffers; i++) {
		assert_true(i == 0 || wire_has_used(&rig->rx[pair]));
		assert_true(wire_used(&rig->rx[pair], &head, &len));
		wire_read(rig->vm, NET_RX + 4096ull * (pair * NET_SIZE + head), got + total, len);
		total += len;
	}
	memcpy(&header, got, NET_HEADER);
	assert_int_equal(virtio16_to_cpu(header.num_buffers), buffers);
	return total - NET_HEADER;
}

bool net_rig_received_nothing(struct net_rig *rig, unsigned pair)
{
	net_rig_settle(rig);
	return !wire_has_used(&rig->rx[pair]);
}

ssize_t net_rig_sent(struct net_rig *rig, unsigned pair, void *data, size_t len)
{
	net_rig_settle(rig);
	return recv(rig->net->peer[pair], data, len, 0);
}

u8 net_rig_command(struct net_rig *rig, u8 class, u8 command, const void *data, u32 len)
{
	struct virtio_net_ctrl_hdr header = { class, command };
	struct wire_segment segments[3] = {
		{ NET_CTL, sizeof(header), false },
		{ NET_CTL + 16, len, false },
		{ NET_CTL + 0x8000, 1, true },
	};
	u8 ack = 0x55;

	wire_write(rig->vm, NET_CTL, &header, sizeof(header));
	if (len)
		wire_write(rig->vm, NET_CTL + 16, data, len);
	else
		segments[1] = segments[2];
	wire_write(rig->vm, NET_CTL + 0x8000, &ack, 1);
	wire_add(&rig->control, segments, len ? 3 : 2);
	wire_kick(&rig->control);
	assert_true(wire_used(&rig->control, NULL, NULL));
	wire_read(rig->vm, NET_CTL + 0x8000, &ack, 1);
	return ack;
}

void net_frame(u8 *frame, size_t len, const u8 *to, u8 seed)
{
	static const u8 from[] = { 0x52, 0x54, 0, 1, 2, 3, 0x08, 0x00 };

	for (size_t i = 0; i < len; i++)
		frame[i] = seed + i;
	memcpy(frame, to, NET_MAC);
	memcpy(frame + NET_MAC, from, sizeof(from));
}
