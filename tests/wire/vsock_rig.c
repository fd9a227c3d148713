/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/virtio_config.h>

#include "cmocka_all.h"
#include "virtio/mmio.h"
#include "vsock_rig.h"

#define RINGS	 0x10000
#define PATIENCE 500 /* rounds of the loop, 10 ms each at most */

static struct sockaddr_un address_of(const char *path, const char *after)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "%s%s", path, after);
	return address;
}

static int listen_at(const char *path, const char *after, int type)
{
	struct sockaddr_un address = address_of(path, after);
	int fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 128), 0);
	return fd;
}

/* ---- life ---- */

void vsock_rig_device(struct vsock_rig *rig, struct vm *vm, unsigned connections,
		      struct dma_space *space)
{
	struct virtio_vsock_options options = { .cid = CID, .connections = connections };

	memset(rig, 0, sizeof(*rig));
	rig->vm = vm;
	rig->rings = RINGS;
	strcpy(rig->folder, "/tmp/lkvm-vsock.XXXXXX");
	assert_non_null(mkdtemp(rig->folder));
	snprintf(rig->path, sizeof(rig->path), "%s/v", rig->folder);
	options.path = rig->path;
	options.stream_fd = listen_at(rig->path, "", SOCK_STREAM);
	options.seqpacket_fd = listen_at(rig->path, VSOCK_MESSAGES, SOCK_SEQPACKET);
	assert_int_equal(virtio_vsock_create(&rig->device, &options, vm->loop, space), 0);
}

void vsock_rig_up(struct vsock_rig *rig, u64 features)
{
	assert_true(wire_negotiate(rig->vm, rig->slot, features));
	wire_queue_init(&rig->rx, rig->vm, rig->slot, 0, RIG_BUFFERS, rig->rings);
	wire_queue_init(&rig->tx, rig->vm, rig->slot, 1, 16, rig->rings + 0x10000);
	wire_queue_init(&rig->event, rig->vm, rig->slot, 2, 4, rig->rings + 0x20000);
	wire_driver_ok(rig->vm, rig->slot);
	rig->offered = 0;
}

void vsock_rig_create(struct vsock_rig *rig, unsigned connections, u64 features)
{
	struct vm *vm = wire_create();
	struct device_resource slot;

	vsock_rig_device(rig, vm, connections, &vm->identity.space);
	wire_slot(0, &slot);
	assert_int_equal(virtio_mmio_create(vm, rig->device, &slot, DEVICE_NO_ENDPOINT, false), 0);
	vsock_rig_up(rig, features);
}

void vsock_rig_clean(struct vsock_rig *rig)
{
	char command[100];

	snprintf(command, sizeof(command), "rm -rf %s", rig->folder);
	assert_int_equal(system(command), 0);
}

void vsock_rig_destroy(struct vsock_rig *rig)
{
	wire_destroy(rig->vm);
	vsock_rig_clean(rig);
}

static int setup(void **state, unsigned connections, u64 features)
{
	static struct vsock_rig rig;

	vsock_rig_create(&rig, connections, features);
	vsock_rig_offer(&rig, RIG_BUFFERS);
	*state = &rig;
	return 0;
}

int vsock_rig_setup(void **state)
{
	return setup(state, 64, VSOCK_FEATURES);
}

int vsock_rig_setup_few(void **state)
{
	return setup(state, 4, VSOCK_FEATURES);
}

int vsock_rig_setup_plain(void **state)
{
	return setup(state, 64, 0);
}

int vsock_rig_teardown(void **state)
{
	vsock_rig_destroy(*state);
	return 0;
}

void vsock_rig_settle(struct vsock_rig *rig)
{
	for (unsigned quiet = 0; quiet < 3;)
		quiet = loop_poll(rig->vm->loop, quiet ? 2 : 0) > 0 ? 0 : quiet + 1;
}

/* ---- the guest ---- */

static gpa_t buffer_at(unsigned n)
{
	return RIG_RX_DATA + n % RIG_BUFFERS * RIG_BUFFER;
}

void vsock_rig_offer(struct vsock_rig *rig, unsigned buffers)
{
	while (buffers--) {
		struct wire_segment segment = { buffer_at(rig->offered++), RIG_BUFFER, true };

		wire_add(&rig->rx, &segment, 1);
	}
	wire_kick(&rig->rx);
}

void vsock_rig_send_raw(struct vsock_rig *rig, const struct vsock_packet *packet, u32 len)
{
	struct virtio_vsock_hdr header = {
		.src_cid = cpu_to_le64(packet->src_cid),
		.dst_cid = cpu_to_le64(packet->dst_cid),
		.src_port = cpu_to_le32(packet->src_port),
		.dst_port = cpu_to_le32(packet->dst_port),
		.len = cpu_to_le32(packet->len),
		.type = cpu_to_le16(packet->type),
		.op = cpu_to_le16(packet->op),
		.flags = cpu_to_le32(packet->flags),
		.buf_alloc = cpu_to_le32(packet->buf_alloc),
		.fwd_cnt = cpu_to_le32(packet->fwd_cnt),
	};
	struct wire_segment segments[] = { { RIG_TX_DATA, sizeof(header), false },
					   { RIG_TX_DATA + sizeof(header), len, false } };

	wire_write(rig->vm, RIG_TX_DATA, &header, sizeof(header));
	if (len)
		wire_write(rig->vm, RIG_TX_DATA + sizeof(header), packet->data, len);
	wire_add(&rig->tx, segments, len ? 2 : 1);
	wire_kick(&rig->tx);
	assert_true(wire_used(&rig->tx, NULL, NULL));
}

void vsock_rig_send(struct vsock_rig *rig, u16 type, u16 op, u32 guest_port, u32 host_port,
		    u32 flags, const void *data, u32 len)
{
	static struct vsock_packet packet;

	packet = (struct vsock_packet){ .src_cid = CID,
					.dst_cid = 2,
					.src_port = guest_port,
					.dst_port = host_port,
					.len = len,
					.type = type,
					.op = op,
					.flags = flags,
					.buf_alloc = GUEST_CREDIT };
	if (len)
		memcpy(packet.data, data, len);
	vsock_rig_send_raw(rig, &packet, len);
}

static bool take_packet(struct vsock_rig *rig, struct vsock_packet *packet)
{
	struct virtio_vsock_hdr header;
	gpa_t buffer = buffer_at(rig->rx.last_used);
	u32 used;

	if (!wire_has_used(&rig->rx))
		return false;
	/* They are used in the order in which they were offered. */
	assert_true(wire_used(&rig->rx, NULL, &used));
	assert_true(used >= sizeof(header));
	wire_read(rig->vm, buffer, &header, sizeof(header));
	packet->src_cid = le64_to_cpu(header.src_cid);
	packet->dst_cid = le64_to_cpu(header.dst_cid);
	packet->src_port = le32_to_cpu(header.src_port);
	packet->dst_port = le32_to_cpu(header.dst_port);
	packet->len = le32_to_cpu(header.len);
	packet->type = le16_to_cpu(header.type);
	packet->op = le16_to_cpu(header.op);
	packet->flags = le32_to_cpu(header.flags);
	packet->buf_alloc = le32_to_cpu(header.buf_alloc);
	packet->fwd_cnt = le32_to_cpu(header.fwd_cnt);
	assert_int_equal(used, sizeof(header) + packet->len);
	if (packet->len)
		wire_read(rig->vm, buffer + sizeof(header), packet->data, packet->len);
	return true;
}

bool vsock_rig_receive(struct vsock_rig *rig, struct vsock_packet *packet)
{
	vsock_rig_settle(rig);
	if (!take_packet(rig, packet))
		return false;
	vsock_rig_offer(rig, 1);
	return true;
}

void vsock_rig_expect(struct vsock_rig *rig, struct vsock_packet *packet, u16 op)
{
	/* A connect() is made by another process. */
	for (unsigned i = 0; i < PATIENCE && !wire_has_used(&rig->rx); i++)
		loop_poll(rig->vm->loop, 10);
	assert_true(take_packet(rig, packet));
	vsock_rig_offer(rig, 1);
	assert_int_equal(packet->op, op);
	assert_int_equal(packet->dst_cid, CID);
}

void vsock_rig_silent(struct vsock_rig *rig)
{
	vsock_rig_settle(rig);
	assert_false(wire_has_used(&rig->rx));
}

void vsock_rig_answered(struct vsock_rig *rig, u16 type, u16 op, u32 guest_port, u32 host_port)
{
	struct vsock_packet *packet = &rig->packet;

	vsock_rig_expect(rig, packet, op);
	assert_int_equal(packet->src_cid, 2);
	assert_int_equal(packet->type, type);
	assert_int_equal(packet->dst_port, guest_port);
	assert_int_equal(packet->src_port, host_port);
}

void vsock_rig_say(struct vsock_rig *rig, u16 op, u32 flags)
{
	vsock_rig_send(rig, STREAM, op, GUEST, HOST, flags, NULL, 0);
}

void vsock_rig_write_text(struct vsock_rig *rig, const char *text)
{
	vsock_rig_send(rig, STREAM, VIRTIO_VSOCK_OP_RW, GUEST, HOST, 0, text, strlen(text));
}

/* ---- the host ---- */

int vsock_rig_listen(struct vsock_rig *rig, u32 port, int type)
{
	char after[16];

	snprintf(after, sizeof(after), "_%u", port);
	return listen_at(rig->path, after, type);
}

int vsock_rig_accept(int listener)
{
	struct pollfd fd = { listener, POLLIN, 0 };
	int got;

	assert_int_equal(poll(&fd, 1, 5000), 1);
	got = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(got >= 0);
	return got;
}

int vsock_rig_connect_guest(struct vsock_rig *rig, u16 type)
{
	int listener = vsock_rig_listen(rig, HOST, type == STREAM ? SOCK_STREAM : SOCK_SEQPACKET);
	int fd;

	vsock_rig_send(rig, type, VIRTIO_VSOCK_OP_REQUEST, GUEST, HOST, 0, NULL, 0);
	vsock_rig_answered(rig, type, VIRTIO_VSOCK_OP_RESPONSE, GUEST, HOST);
	assert_int_equal(rig->packet.buf_alloc, CREDIT);
	assert_int_equal(rig->packet.len, 0);
	fd = vsock_rig_accept(listener);
	close(listener);
	return fd;
}

int vsock_rig_connect(struct vsock_rig *rig, int type, const char *line)
{
	struct sockaddr_un address = address_of(rig->path,
						type == SOCK_STREAM ? "" : VSOCK_MESSAGES);
	int fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	if (*line)
		assert_int_equal(send(fd, line, strlen(line), MSG_NOSIGNAL), strlen(line));
	vsock_rig_settle(rig);
	return fd;
}

void vsock_rig_reads(struct vsock_rig *rig, int fd, const char *text)
{
	size_t want = strlen(text), have = 0;
	char data[256];

	assert_true(want < sizeof(data));
	for (unsigned i = 0; i < PATIENCE && have < want; i++) {
		ssize_t got = recv(fd, data + have, sizeof(data) - have, MSG_DONTWAIT);

		assert_true(got > 0 || (got < 0 && errno == EAGAIN));
		have += MAX(got, 0);
		if (have < want)
			loop_poll(rig->vm->loop, 10);
	}
	assert_int_equal(have, want);
	assert_memory_equal(data, text, want);
}

void vsock_rig_ends(struct vsock_rig *rig, int fd)
{
	ssize_t got = -1;
	char byte;

	for (unsigned i = 0; i < PATIENCE; i++) {
		got = recv(fd, &byte, 1, MSG_DONTWAIT);
		if (got >= 0 || errno != EAGAIN)
			break;
		loop_poll(rig->vm->loop, 10);
	}
	assert_true(!got || (got < 0 && errno == ECONNRESET));
}
