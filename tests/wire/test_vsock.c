/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio-vsock between a driver and Unix sockets (virtio 1.4, "Socket Device"). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_mmio.h>

#include "test.h"
#include "vsock_rig.h"

#define STREAM	  VIRTIO_VSOCK_TYPE_STREAM
#define SEQPACKET VIRTIO_VSOCK_TYPE_SEQPACKET
#define GUEST	  1000 /* the guest's port */
#define HOST	  52
#define CREDIT	  0x10000u /* that the device gives */
#define F(bit)	  (1ull << (bit))
#define ALL	  (F(0) | F(1) | F(2))

static struct vsock_rig rig;
static struct vsock_packet packet;

static int setup_with(unsigned connections, u64 features)
{
	vsock_rig_create(&rig, connections, features);
	vsock_rig_offer(&rig, RIG_BUFFERS);
	return 0;
}

static int setup(void **state)
{
	return setup_with(64, ALL);
}

static int setup_few(void **state)
{
	return setup_with(4, ALL);
}

static int setup_plain(void **state)
{
	return setup_with(64, 0);
}

static int teardown(void **state)
{
	vsock_rig_destroy(&rig);
	return 0;
}

static void say(u16 op, u32 flags)
{
	vsock_rig_send(&rig, STREAM, op, GUEST, HOST, flags, NULL, 0);
}

static void write_text(const char *text)
{
	vsock_rig_send(&rig, STREAM, VIRTIO_VSOCK_OP_RW, GUEST, HOST, 0, text, strlen(text));
}

static void answered(u16 type, u16 op, u32 guest_port, u32 host_port)
{
	vsock_rig_expect(&rig, &packet, op);
	assert_int_equal(packet.src_cid, 2);
	assert_int_equal(packet.type, type);
	assert_int_equal(packet.dst_port, guest_port);
	assert_int_equal(packet.src_port, host_port);
}

/* The guest connects to HOST: the host's end. */
static int connect_guest(u16 type)
{
	int listener = vsock_rig_listen(&rig, HOST, type == STREAM ? SOCK_STREAM : SOCK_SEQPACKET);
	int fd;

	vsock_rig_send(&rig, type, VIRTIO_VSOCK_OP_REQUEST, GUEST, HOST, 0, NULL, 0);
	answered(type, VIRTIO_VSOCK_OP_RESPONSE, GUEST, HOST);
	assert_int_equal(packet.buf_alloc, CREDIT);
	assert_int_equal(packet.len, 0);
	fd = vsock_rig_accept(listener);
	close(listener);
	return fd;
}

/* ---- the device ---- */

TEST_WITH(the_guest_reads_its_address, setup, teardown)
{
	assert_int_equal(wire_reg_read(rig.vm, 0, VIRTIO_MMIO_DEVICE_ID), VIRTIO_ID_VSOCK);
	assert_int_equal(wire_config_read(rig.vm, 0, 0, 4), CID);
	assert_int_equal(wire_config_read(rig.vm, 0, 4, 4), 0);
	assert_int_equal(wire_features(rig.vm, 0) & ALL, ALL);
}

/* ---- connections of the guest's ---- */

TEST_WITH(what_the_guest_sends_arrives_and_what_the_host_sends_too, setup, teardown)
{
	int fd = connect_guest(STREAM);

	write_text("from the guest");
	vsock_rig_reads(&rig, fd, "from the guest");
	assert_int_equal(send(fd, "from the host", 13, 0), 13);
	answered(STREAM, VIRTIO_VSOCK_OP_RW, GUEST, HOST);
	assert_int_equal(packet.len, 13);
	assert_memory_equal(packet.data, "from the host", 13);
	assert_int_equal(packet.fwd_cnt, 14);
	close(fd);
}

TEST_WITH(a_port_at_which_nobody_listens_is_refused, setup, teardown)
{
	say(VIRTIO_VSOCK_OP_REQUEST, 0);
	answered(STREAM, VIRTIO_VSOCK_OP_RST, GUEST, HOST);
	vsock_rig_silent(&rig);
	/* And the ports are free again. */
	close(connect_guest(STREAM));
}

TEST_WITH(a_socket_of_the_other_kind_is_refused, setup, teardown)
{
	int listener = vsock_rig_listen(&rig, HOST, SOCK_SEQPACKET);

	say(VIRTIO_VSOCK_OP_REQUEST, 0);
	answered(STREAM, VIRTIO_VSOCK_OP_RST, GUEST, HOST);
	close(listener);
}

TEST_WITH(more_connections_than_there_can_be_are_refused, setup_few, teardown)
{
	int listener = vsock_rig_listen(&rig, HOST, SOCK_STREAM), fds[4];

	for (unsigned i = 0; i < 4; i++) {
		vsock_rig_send(&rig, STREAM, VIRTIO_VSOCK_OP_REQUEST, i, HOST, 0, NULL, 0);
		answered(STREAM, VIRTIO_VSOCK_OP_RESPONSE, i, HOST);
		fds[i] = vsock_rig_accept(listener);
	}
	vsock_rig_send(&rig, STREAM, VIRTIO_VSOCK_OP_REQUEST, 4, HOST, 0, NULL, 0);
	answered(STREAM, VIRTIO_VSOCK_OP_RST, 4, HOST);
	/* One that ends makes room. */
	vsock_rig_send(&rig, STREAM, VIRTIO_VSOCK_OP_RST, 2, HOST, 0, NULL, 0);
	vsock_rig_ends(&rig, fds[2]);
	vsock_rig_send(&rig, STREAM, VIRTIO_VSOCK_OP_REQUEST, 4, HOST, 0, NULL, 0);
	answered(STREAM, VIRTIO_VSOCK_OP_RESPONSE, 4, HOST);
	for (unsigned i = 0; i < 4; i++)
		close(fds[i]);
	close(listener);
}

TEST_WITH(a_second_request_for_the_same_ports_ends_the_connection, setup, teardown)
{
	int fd = connect_guest(STREAM);

	say(VIRTIO_VSOCK_OP_REQUEST, 0);
	answered(STREAM, VIRTIO_VSOCK_OP_RST, GUEST, HOST);
	vsock_rig_ends(&rig, fd);
	close(fd);
}

/* ---- connections of the host's ---- */

TEST_WITH(a_program_of_the_host_reaches_a_port_of_the_guest, setup, teardown)
{
	int fd = vsock_rig_connect(&rig, SOCK_STREAM, "CONNECT 80\nhello");
	char line[32];
	u32 port;

	vsock_rig_expect(&rig, &packet, VIRTIO_VSOCK_OP_REQUEST);
	assert_int_equal(packet.src_cid, 2);
	assert_int_equal(packet.dst_port, 80);
	port = packet.src_port;
	assert_int_equal(recv(fd, line, 1, MSG_DONTWAIT), -1);
	vsock_rig_send(&rig, STREAM, VIRTIO_VSOCK_OP_RESPONSE, 80, port, 0, NULL, 0);
	snprintf(line, sizeof(line), "OK %u\n", port);
	vsock_rig_reads(&rig, fd, line);
	/* What came behind the line is the guest's. */
	answered(STREAM, VIRTIO_VSOCK_OP_RW, 80, port);
	assert_int_equal(packet.len, 5);
	assert_memory_equal(packet.data, "hello", 5);
	close(fd);
}

TEST_WITH(programs_of_the_host_have_ports_of_their_own, setup, teardown)
{
	int first = vsock_rig_connect(&rig, SOCK_STREAM, "CONNECT 80\n"), second;
	u32 port;

	vsock_rig_expect(&rig, &packet, VIRTIO_VSOCK_OP_REQUEST);
	port = packet.src_port;
	second = vsock_rig_connect(&rig, SOCK_STREAM, "CONNECT 80\n");
	vsock_rig_expect(&rig, &packet, VIRTIO_VSOCK_OP_REQUEST);
	assert_int_not_equal(packet.src_port, port);
	close(first);
	close(second);
}

TEST_WITH(a_guest_that_refuses_ends_the_program_s_connection, setup, teardown)
{
	int fd = vsock_rig_connect(&rig, SOCK_STREAM, "CONNECT 80\n");

	vsock_rig_expect(&rig, &packet, VIRTIO_VSOCK_OP_REQUEST);
	vsock_rig_send(&rig, STREAM, VIRTIO_VSOCK_OP_RST, 80, packet.src_port, 0, NULL, 0);
	vsock_rig_ends(&rig, fd);
	close(fd);
}

TEST_WITH(a_program_that_leaves_before_the_guest_answers_is_taken_back, setup, teardown)
{
	int fd = vsock_rig_connect(&rig, SOCK_STREAM, "CONNECT 80\n");
	u32 port;

	vsock_rig_expect(&rig, &packet, VIRTIO_VSOCK_OP_REQUEST);
	port = packet.src_port;
	close(fd);
	answered(STREAM, VIRTIO_VSOCK_OP_RST, 80, port);
	/* Its answer comes too late. */
	vsock_rig_send(&rig, STREAM, VIRTIO_VSOCK_OP_RESPONSE, 80, port, 0, NULL, 0);
	answered(STREAM, VIRTIO_VSOCK_OP_RST, 80, port);
}

TEST_WITH(a_greeting_that_makes_no_sense_ends_the_connection, setup, teardown)
{
	static const char *const lines[] = {
		"\n",
		"CONNECT\n",
		"CONNECT \n",
		"CONNECT x\n",
		"connect 80\n",
		"CONNECT 4294967295\n",
		"CONNECT -1\n",
		"CONNECT 99999999999\n",
		"CONNECT 80 and something much longer\n",
	};

	for (unsigned i = 0; i < ARRAY_SIZE(lines); i++) {
		int fd = vsock_rig_connect(&rig, SOCK_STREAM, lines[i]);

		vsock_rig_ends(&rig, fd);
		close(fd);
	}
	vsock_rig_silent(&rig);
}

TEST_WITH(a_program_that_finds_no_driver_is_sent_away, setup, teardown)
{
	int fd;

	wire_reg_write(rig.vm, 0, VIRTIO_MMIO_STATUS, 0);
	fd = vsock_rig_connect(&rig, SOCK_STREAM, "CONNECT 80\n");
	vsock_rig_ends(&rig, fd);
	close(fd);
}

TEST_WITH(programs_that_say_nothing_do_not_keep_others_out, setup, teardown)
{
	int silent[40], fd;

	for (unsigned i = 0; i < ARRAY_SIZE(silent); i++)
		silent[i] = vsock_rig_connect(&rig, SOCK_STREAM, i % 2 ? "" : "CONNECT 8");
	/* The oldest had to go. */
	vsock_rig_ends(&rig, silent[0]);
	fd = vsock_rig_connect(&rig, SOCK_STREAM, "CONNECT 80\n");
	vsock_rig_expect(&rig, &packet, VIRTIO_VSOCK_OP_REQUEST);
	assert_int_equal(packet.dst_port, 80);
	for (unsigned i = 0; i < ARRAY_SIZE(silent); i++)
		close(silent[i]);
	close(fd);
}

/* ---- packets that break the rules ---- */

TEST_WITH(a_packet_of_no_connection_is_answered_by_a_reset, setup, teardown)
{
	static const u16 ops[] = { VIRTIO_VSOCK_OP_INVALID,
				   VIRTIO_VSOCK_OP_RESPONSE,
				   VIRTIO_VSOCK_OP_SHUTDOWN,
				   VIRTIO_VSOCK_OP_RW,
				   VIRTIO_VSOCK_OP_CREDIT_UPDATE,
				   VIRTIO_VSOCK_OP_CREDIT_REQUEST,
				   99 };

	for (unsigned i = 0; i < ARRAY_SIZE(ops); i++) {
		say(ops[i], 0);
		answered(STREAM, VIRTIO_VSOCK_OP_RST, GUEST, HOST);
	}
}

TEST_WITH(a_reset_of_no_connection_is_not_answered, setup, teardown)
{
	say(VIRTIO_VSOCK_OP_RST, 0);
	vsock_rig_silent(&rig);
}

TEST_WITH(a_packet_of_an_unknown_type_is_answered_by_a_reset, setup, teardown)
{
	static const u16 types[] = { 0, 3, 0xffff };

	for (unsigned i = 0; i < ARRAY_SIZE(types); i++) {
		vsock_rig_send(&rig, types[i], VIRTIO_VSOCK_OP_REQUEST, GUEST, HOST, 0, NULL, 0);
		answered(types[i], VIRTIO_VSOCK_OP_RST, GUEST, HOST);
	}
}

TEST_WITH(messages_are_for_a_driver_that_asked_for_them, setup_plain, teardown)
{
	int fd;

	vsock_rig_send(&rig, SEQPACKET, VIRTIO_VSOCK_OP_REQUEST, GUEST, HOST, 0, NULL, 0);
	answered(SEQPACKET, VIRTIO_VSOCK_OP_RST, GUEST, HOST);
	fd = vsock_rig_connect(&rig, SOCK_SEQPACKET, "CONNECT 80");
	vsock_rig_ends(&rig, fd);
	close(fd);
	/* Without a word of either kind there are streams. */
	close(connect_guest(STREAM));
}

TEST_WITH(a_packet_of_the_other_type_is_not_the_connection_s, setup, teardown)
{
	int fd = connect_guest(STREAM);

	vsock_rig_send(&rig, SEQPACKET, VIRTIO_VSOCK_OP_RW, GUEST, HOST, 0, "x", 1);
	answered(SEQPACKET, VIRTIO_VSOCK_OP_RST, GUEST, HOST);
	write_text("still there");
	vsock_rig_reads(&rig, fd, "still there");
	close(fd);
}

TEST_WITH(a_packet_to_somebody_else_is_answered_in_his_name, setup, teardown)
{
	packet = (struct vsock_packet){ .src_cid = CID,
					.dst_cid = 99,
					.src_port = GUEST,
					.dst_port = HOST,
					.type = STREAM,
					.op = VIRTIO_VSOCK_OP_REQUEST };
	vsock_rig_send_raw(&rig, &packet, 0);
	vsock_rig_expect(&rig, &packet, VIRTIO_VSOCK_OP_RST);
	assert_int_equal(packet.src_cid, 99);
}

TEST_WITH(a_packet_in_another_s_name_is_dropped, setup, teardown)
{
	packet = (struct vsock_packet){ .src_cid = CID + 1,
					.dst_cid = 2,
					.src_port = GUEST,
					.dst_port = HOST,
					.type = STREAM,
					.op = VIRTIO_VSOCK_OP_REQUEST };
	vsock_rig_send_raw(&rig, &packet, 0);
	vsock_rig_silent(&rig);
}

TEST_WITH(operations_that_do_not_fit_an_open_connection_end_it, setup, teardown)
{
	static const u16 ops[] = { VIRTIO_VSOCK_OP_INVALID, VIRTIO_VSOCK_OP_RESPONSE, 8, 0xffff };

	for (unsigned i = 0; i < ARRAY_SIZE(ops); i++) {
		int fd;
		char path[100];

		fd = connect_guest(STREAM);
		say(ops[i], 0);
		answered(STREAM, VIRTIO_VSOCK_OP_RST, GUEST, HOST);
		vsock_rig_ends(&rig, fd);
		close(fd);
		snprintf(path, sizeof(path), "%s_%u", rig.path, HOST);
		unlink(path);
	}
}

TEST_WITH(a_packet_that_is_shorter_than_it_says_ends_the_connection, setup, teardown)
{
	int fd = connect_guest(STREAM);

	packet = (struct vsock_packet){ .src_cid = CID,
					.dst_cid = 2,
					.src_port = GUEST,
					.dst_port = HOST,
					.len = 5,
					.type = STREAM,
					.op = VIRTIO_VSOCK_OP_RW,
					.buf_alloc = GUEST_CREDIT };
	vsock_rig_send_raw(&rig, &packet, 4);
	answered(STREAM, VIRTIO_VSOCK_OP_RST, GUEST, HOST);
	vsock_rig_ends(&rig, fd);
	close(fd);
}

TEST_WITH(a_packet_without_a_whole_header_is_nothing, setup, teardown)
{
	struct wire_segment segment = { RIG_TX_DATA, 43, false };

	wire_add(&rig.tx, &segment, 1);
	wire_kick(&rig.tx);
	assert_true(wire_used(&rig.tx, NULL, NULL));
	vsock_rig_silent(&rig);
	assert_false(wire_needs_reset(rig.vm, 0));
}

TEST_WITH(data_outside_ram_ends_the_connection, setup, teardown)
{
	int fd = connect_guest(STREAM);
	struct virtio_vsock_hdr header = {
		.src_cid = cpu_to_le64(CID),
		.dst_cid = cpu_to_le64(2),
		.src_port = cpu_to_le32(GUEST),
		.dst_port = cpu_to_le32(HOST),
		.len = cpu_to_le32(100),
		.type = cpu_to_le16(STREAM),
		.op = cpu_to_le16(VIRTIO_VSOCK_OP_RW),
	};
	struct wire_segment segments[] = { { RIG_TX_DATA, sizeof(header), false },
					   { 2 * GIB, 100, false } };

	wire_write(rig.vm, RIG_TX_DATA, &header, sizeof(header));
	wire_add(&rig.tx, segments, 2);
	wire_kick(&rig.tx);
	answered(STREAM, VIRTIO_VSOCK_OP_RST, GUEST, HOST);
	vsock_rig_ends(&rig, fd);
	close(fd);
}

TEST_WITH(a_buffer_that_cannot_be_written_loses_nothing, setup_plain, teardown)
{
	struct wire_segment bad[] = { { 2 * GIB, 4096, true },
				      { RIG_RX_DATA, 44, true },
				      { RIG_RX_DATA, 10, true },
				      { RIG_RX_DATA, 4096, false } };
	int fd = connect_guest(STREAM);
	u32 used;

	/* All of its good ones are used up. */
	for (unsigned i = 0; i < RIG_BUFFERS; i++) {
		say(VIRTIO_VSOCK_OP_CREDIT_REQUEST, 0);
		vsock_rig_settle(&rig);
		assert_true(wire_used(&rig.rx, NULL, NULL));
	}
	assert_int_equal(send(fd, "kept", 4, 0), 4);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		wire_add(&rig.rx, &bad[i], 1);
		wire_kick(&rig.rx);
		assert_true(wire_used(&rig.rx, NULL, &used));
		assert_int_equal(used, 0);
	}
	rig.offered = rig.rx.last_used;
	vsock_rig_offer(&rig, 1);
	answered(STREAM, VIRTIO_VSOCK_OP_RW, GUEST, HOST);
	assert_int_equal(packet.len, 4);
	assert_memory_equal(packet.data, "kept", 4);
	close(fd);
}

/* ---- credit ---- */

TEST_WITH(a_guest_that_sends_more_than_its_credit_loses_the_connection, setup, teardown)
{
	int fd = connect_guest(STREAM), small = 4096;
	static u8 data[CREDIT + 1];

	/* The host reads nothing, and its socket holds little. */
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	for (unsigned sent = 0; sent < 64; sent++) {
		vsock_rig_send(&rig, STREAM, VIRTIO_VSOCK_OP_RW, GUEST, HOST, 0, data, CREDIT / 2);
		vsock_rig_settle(&rig);
		if (wire_has_used(&rig.rx) && vsock_rig_receive(&rig, &packet) &&
		    packet.op == VIRTIO_VSOCK_OP_RST)
			break;
	}
	assert_int_equal(packet.op, VIRTIO_VSOCK_OP_RST);
	/* Others do not notice. */
	say(VIRTIO_VSOCK_OP_CREDIT_REQUEST, 0);
	answered(STREAM, VIRTIO_VSOCK_OP_RST, GUEST, HOST);
	close(fd);
}

TEST_WITH(a_slow_host_holds_its_guest_back_and_gets_everything, setup, teardown)
{
	int fd = connect_guest(STREAM);
	u32 sent = 0, forwarded = 0, read_so_far = 0, total = MIB;
	static u8 data[4096], got[65536];

	while (read_so_far < total) {
		u32 len = MIN((u32)sizeof(data), MIN(CREDIT - (sent - forwarded), total - sent));

		for (u32 i = 0; i < len; i++)
			data[i] = (sent + i) * 7 >> 3;
		if (len)
			vsock_rig_send(&rig, STREAM, VIRTIO_VSOCK_OP_RW, GUEST, HOST, 0, data, len);
		sent += len;
		if (!len) {
			/* Out of credit: the host reads. */
			ssize_t n = recv(fd, got, sizeof(got), MSG_DONTWAIT);

			assert_true(n > 0);
			for (ssize_t i = 0; i < n; i++)
				assert_int_equal(got[i], (u8)((read_so_far + i) * 7 >> 3));
			read_so_far += n;
			vsock_rig_settle(&rig);
		}
		while (wire_has_used(&rig.rx) && vsock_rig_receive(&rig, &packet)) {
			assert_int_equal(packet.op, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
			forwarded = packet.fwd_cnt;
		}
	}
	close(fd);
}

TEST_WITH(the_device_sends_no_more_than_the_guest_has_room_for, setup, teardown)
{
	int listener = vsock_rig_listen(&rig, HOST, SOCK_STREAM), fd;
	static u8 data[10000];

	packet = (struct vsock_packet){ .src_cid = CID,
					.dst_cid = 2,
					.src_port = GUEST,
					.dst_port = HOST,
					.type = STREAM,
					.op = VIRTIO_VSOCK_OP_REQUEST,
					.buf_alloc = 100 };
	vsock_rig_send_raw(&rig, &packet, 0);
	answered(STREAM, VIRTIO_VSOCK_OP_RESPONSE, GUEST, HOST);
	fd = vsock_rig_accept(listener);
	assert_int_equal(send(fd, data, sizeof(data), 0), sizeof(data));
	answered(STREAM, VIRTIO_VSOCK_OP_RW, GUEST, HOST);
	assert_int_equal(packet.len, 100);
	/* It asks once. */
	answered(STREAM, VIRTIO_VSOCK_OP_CREDIT_REQUEST, GUEST, HOST);
	vsock_rig_silent(&rig);
	/* What the guest cannot have read changes nothing. */
	packet = (struct vsock_packet){ .src_cid = CID,
					.dst_cid = 2,
					.src_port = GUEST,
					.dst_port = HOST,
					.type = STREAM,
					.op = VIRTIO_VSOCK_OP_CREDIT_UPDATE,
					.buf_alloc = 100,
					.fwd_cnt = 101 };
	vsock_rig_send_raw(&rig, &packet, 0);
	vsock_rig_silent(&rig);
	packet = (struct vsock_packet){ .src_cid = CID,
					.dst_cid = 2,
					.src_port = GUEST,
					.dst_port = HOST,
					.type = STREAM,
					.op = VIRTIO_VSOCK_OP_CREDIT_UPDATE,
					.buf_alloc = 100,
					.fwd_cnt = 60 };
	vsock_rig_send_raw(&rig, &packet, 0);
	answered(STREAM, VIRTIO_VSOCK_OP_RW, GUEST, HOST);
	assert_int_equal(packet.len, 60);
	close(fd);
	close(listener);
}

TEST_WITH(a_credit_request_is_answered, setup, teardown)
{
	int fd = connect_guest(STREAM);

	write_text("abc");
	say(VIRTIO_VSOCK_OP_CREDIT_REQUEST, 0);
	answered(STREAM, VIRTIO_VSOCK_OP_CREDIT_UPDATE, GUEST, HOST);
	assert_int_equal(packet.buf_alloc, CREDIT);
	assert_int_equal(packet.fwd_cnt, 3);
	close(fd);
}

TEST_WITH(a_host_that_does_not_read_stops_its_own_connection_only, setup, teardown)
{
	int slow = connect_guest(STREAM), listener = vsock_rig_listen(&rig, 53, SOCK_STREAM), fd;
	static u8 data[CREDIT];
	int small = 4096;

	setsockopt(slow, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	vsock_rig_send(&rig, STREAM, VIRTIO_VSOCK_OP_REQUEST, GUEST, 53, 0, NULL, 0);
	answered(STREAM, VIRTIO_VSOCK_OP_RESPONSE, GUEST, 53);
	fd = vsock_rig_accept(listener);
	vsock_rig_send(&rig, STREAM, VIRTIO_VSOCK_OP_RW, GUEST, HOST, 0, data, CREDIT);
	for (unsigned i = 0; i < 100; i++) {
		vsock_rig_send(&rig, STREAM, VIRTIO_VSOCK_OP_RW, GUEST, 53, 0, "quick", 5);
		vsock_rig_reads(&rig, fd, "quick");
	}
	close(fd);
	close(slow);
	close(listener);
}
