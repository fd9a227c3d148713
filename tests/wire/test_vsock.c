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

/* ---- the device ---- */

TEST_WITH(the_guest_reads_its_address, vsock_rig_setup, vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	assert_int_equal(wire_reg_read(rig->vm, 0, VIRTIO_MMIO_DEVICE_ID), VIRTIO_ID_VSOCK);
	assert_int_equal(wire_config_read(rig->vm, 0, 0, 4), CID);
	assert_int_equal(wire_config_read(rig->vm, 0, 4, 4), 0);
	assert_int_equal(wire_features(rig->vm, 0) & VSOCK_FEATURES, VSOCK_FEATURES);
}

/* ---- connections of the guest's ---- */

TEST_WITH(what_the_guest_sends_arrives_and_what_the_host_sends_too, vsock_rig_setup,
	  vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	int fd = vsock_rig_connect_guest(rig, STREAM);

	vsock_rig_write_text(rig, "from the guest");
	vsock_rig_reads(rig, fd, "from the guest");
	assert_int_equal(send(fd, "from the host", 13, 0), 13);
	vsock_rig_answered(rig, STREAM, VIRTIO_VSOCK_OP_RW, GUEST, HOST);
	assert_int_equal(rig->packet.len, 13);
	assert_memory_equal(rig->packet.data, "from the host", 13);
	assert_int_equal(rig->packet.fwd_cnt, 14);
	close(fd);
}

TEST_WITH(a_port_at_which_nobody_listens_is_refused, vsock_rig_setup, vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	vsock_rig_say(rig, VIRTIO_VSOCK_OP_REQUEST, 0);
	vsock_rig_answered(rig, STREAM, VIRTIO_VSOCK_OP_RST, GUEST, HOST);
	vsock_rig_silent(rig);
	/* And the ports are free again. */
	close(vsock_rig_connect_guest(rig, STREAM));
}

TEST_WITH(a_socket_of_the_other_kind_is_refused, vsock_rig_setup, vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	int listener = vsock_rig_listen(rig, HOST, SOCK_SEQPACKET);

	vsock_rig_say(rig, VIRTIO_VSOCK_OP_REQUEST, 0);
	vsock_rig_answered(rig, STREAM, VIRTIO_VSOCK_OP_RST, GUEST, HOST);
	close(listener);
}

TEST_WITH(more_connections_than_there_can_be_are_refused, vsock_rig_setup_few, vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	int listener = vsock_rig_listen(rig, HOST, SOCK_STREAM), fds[4];

	for (unsigned i = 0; i < 4; i++) {
		vsock_rig_send(rig, STREAM, VIRTIO_VSOCK_OP_REQUEST, i, HOST, 0, NULL, 0);
		vsock_rig_answered(rig, STREAM, VIRTIO_VSOCK_OP_RESPONSE, i, HOST);
		fds[i] = vsock_rig_accept(listener);
	}
	vsock_rig_send(rig, STREAM, VIRTIO_VSOCK_OP_REQUEST, 4, HOST, 0, NULL, 0);
	vsock_rig_answered(rig, STREAM, VIRTIO_VSOCK_OP_RST, 4, HOST);
	/* One that ends makes room. */
	vsock_rig_send(rig, STREAM, VIRTIO_VSOCK_OP_RST, 2, HOST, 0, NULL, 0);
	vsock_rig_ends(rig, fds[2]);
	vsock_rig_send(rig, STREAM, VIRTIO_VSOCK_OP_REQUEST, 4, HOST, 0, NULL, 0);
	vsock_rig_answered(rig, STREAM, VIRTIO_VSOCK_OP_RESPONSE, 4, HOST);
	for (unsigned i = 0; i < 4; i++)
		close(fds[i]);
	close(listener);
}

TEST_WITH(a_second_request_for_the_same_ports_ends_the_connection, vsock_rig_setup,
	  vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	int fd = vsock_rig_connect_guest(rig, STREAM);

	vsock_rig_say(rig, VIRTIO_VSOCK_OP_REQUEST, 0);
	vsock_rig_answered(rig, STREAM, VIRTIO_VSOCK_OP_RST, GUEST, HOST);
	vsock_rig_ends(rig, fd);
	close(fd);
}

/* ---- connections of the host's ---- */

TEST_WITH(a_program_of_the_host_reaches_a_port_of_the_guest, vsock_rig_setup, vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	int fd = vsock_rig_connect(rig, SOCK_STREAM, "CONNECT 80\nhello");
	char line[32];
	u32 port;

	vsock_rig_expect(rig, &rig->packet, VIRTIO_VSOCK_OP_REQUEST);
	assert_int_equal(rig->packet.src_cid, 2);
	assert_int_equal(rig->packet.dst_port, 80);
	port = rig->packet.src_port;
	assert_int_equal(recv(fd, line, 1, MSG_DONTWAIT), -1);
	vsock_rig_send(rig, STREAM, VIRTIO_VSOCK_OP_RESPONSE, 80, port, 0, NULL, 0);
	snprintf(line, sizeof(line), "OK %u\n", port);
	vsock_rig_reads(rig, fd, line);
	/* What came behind the line is the guest's. */
	vsock_rig_answered(rig, STREAM, VIRTIO_VSOCK_OP_RW, 80, port);
	assert_int_equal(rig->packet.len, 5);
	assert_memory_equal(rig->packet.data, "hello", 5);
	close(fd);
}

TEST_WITH(programs_of_the_host_have_ports_of_their_own, vsock_rig_setup, vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	int first = vsock_rig_connect(rig, SOCK_STREAM, "CONNECT 80\n"), second;
	u32 port;

	vsock_rig_expect(rig, &rig->packet, VIRTIO_VSOCK_OP_REQUEST);
	port = rig->packet.src_port;
	second = vsock_rig_connect(rig, SOCK_STREAM, "CONNECT 80\n");
	vsock_rig_expect(rig, &rig->packet, VIRTIO_VSOCK_OP_REQUEST);
	assert_int_not_equal(rig->packet.src_port, port);
	close(first);
	close(second);
}

TEST_WITH(a_guest_that_refuses_ends_the_program_s_connection, vsock_rig_setup, vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	int fd = vsock_rig_connect(rig, SOCK_STREAM, "CONNECT 80\n");

	vsock_rig_expect(rig, &rig->packet, VIRTIO_VSOCK_OP_REQUEST);
	vsock_rig_send(rig, STREAM, VIRTIO_VSOCK_OP_RST, 80, rig->packet.src_port, 0, NULL, 0);
	vsock_rig_ends(rig, fd);
	close(fd);
}

TEST_WITH(a_program_that_leaves_before_the_guest_answers_is_taken_back, vsock_rig_setup,
	  vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	int fd = vsock_rig_connect(rig, SOCK_STREAM, "CONNECT 80\n");
	u32 port;

	vsock_rig_expect(rig, &rig->packet, VIRTIO_VSOCK_OP_REQUEST);
	port = rig->packet.src_port;
	close(fd);
	vsock_rig_answered(rig, STREAM, VIRTIO_VSOCK_OP_RST, 80, port);
	/* Its answer comes too late. */
	vsock_rig_send(rig, STREAM, VIRTIO_VSOCK_OP_RESPONSE, 80, port, 0, NULL, 0);
	vsock_rig_answered(rig, STREAM, VIRTIO_VSOCK_OP_RST, 80, port);
}

TEST_WITH(a_greeting_that_makes_no_sense_ends_the_connection, vsock_rig_setup, vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
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
		int fd = vsock_rig_connect(rig, SOCK_STREAM, lines[i]);

		vsock_rig_ends(rig, fd);
		close(fd);
	}
	vsock_rig_silent(rig);
}

TEST_WITH(a_program_that_finds_no_driver_is_sent_away, vsock_rig_setup, vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	int fd;

	wire_reg_write(rig->vm, 0, VIRTIO_MMIO_STATUS, 0);
	fd = vsock_rig_connect(rig, SOCK_STREAM, "CONNECT 80\n");
	vsock_rig_ends(rig, fd);
	close(fd);
}

TEST_WITH(programs_that_say_nothing_do_not_keep_others_out, vsock_rig_setup, vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	int silent[40], fd;

	for (unsigned i = 0; i < ARRAY_SIZE(silent); i++)
		silent[i] = vsock_rig_connect(rig, SOCK_STREAM, i % 2 ? "" : "CONNECT 8");
	/* The oldest had to go. */
	vsock_rig_ends(rig, silent[0]);
	fd = vsock_rig_connect(rig, SOCK_STREAM, "CONNECT 80\n");
	vsock_rig_expect(rig, &rig->packet, VIRTIO_VSOCK_OP_REQUEST);
	assert_int_equal(rig->packet.dst_port, 80);
	for (unsigned i = 0; i < ARRAY_SIZE(silent); i++)
		close(silent[i]);
	close(fd);
}

/* ---- packets that break the rules ---- */

TEST_WITH(a_packet_of_no_connection_is_answered_by_a_reset, vsock_rig_setup, vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	static const u16 ops[] = { VIRTIO_VSOCK_OP_INVALID,
				   VIRTIO_VSOCK_OP_RESPONSE,
				   VIRTIO_VSOCK_OP_SHUTDOWN,
				   VIRTIO_VSOCK_OP_RW,
				   VIRTIO_VSOCK_OP_CREDIT_UPDATE,
				   VIRTIO_VSOCK_OP_CREDIT_REQUEST,
				   99 };

	for (unsigned i = 0; i < ARRAY_SIZE(ops); i++) {
		vsock_rig_say(rig, ops[i], 0);
		vsock_rig_answered(rig, STREAM, VIRTIO_VSOCK_OP_RST, GUEST, HOST);
	}
}

TEST_WITH(a_reset_of_no_connection_is_not_answered, vsock_rig_setup, vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	vsock_rig_say(rig, VIRTIO_VSOCK_OP_RST, 0);
	vsock_rig_silent(rig);
}

TEST_WITH(a_packet_of_an_unknown_type_is_answered_by_a_reset, vsock_rig_setup, vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	static const u16 types[] = { 0, 3, 0xffff };

	for (unsigned i = 0; i < ARRAY_SIZE(types); i++) {
		vsock_rig_send(rig, types[i], VIRTIO_VSOCK_OP_REQUEST, GUEST, HOST, 0, NULL, 0);
		vsock_rig_answered(rig, types[i], VIRTIO_VSOCK_OP_RST, GUEST, HOST);
	}
}

TEST_WITH(messages_are_for_a_driver_that_asked_for_them, vsock_rig_setup_plain, vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	int fd;

	vsock_rig_send(rig, SEQPACKET, VIRTIO_VSOCK_OP_REQUEST, GUEST, HOST, 0, NULL, 0);
	vsock_rig_answered(rig, SEQPACKET, VIRTIO_VSOCK_OP_RST, GUEST, HOST);
	fd = vsock_rig_connect(rig, SOCK_SEQPACKET, "CONNECT 80");
	vsock_rig_ends(rig, fd);
	close(fd);
	/* Without a word of either kind there are streams. */
	close(vsock_rig_connect_guest(rig, STREAM));
}

TEST_WITH(a_packet_of_the_other_type_is_not_the_connection_s, vsock_rig_setup, vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	int fd = vsock_rig_connect_guest(rig, STREAM);

	vsock_rig_send(rig, SEQPACKET, VIRTIO_VSOCK_OP_RW, GUEST, HOST, 0, "x", 1);
	vsock_rig_answered(rig, SEQPACKET, VIRTIO_VSOCK_OP_RST, GUEST, HOST);
	vsock_rig_write_text(rig, "still there");
	vsock_rig_reads(rig, fd, "still there");
	close(fd);
}

TEST_WITH(a_packet_to_somebody_else_is_answered_in_his_name, vsock_rig_setup, vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	rig->packet = (struct vsock_packet){ .src_cid = CID,
					     .dst_cid = 99,
					     .src_port = GUEST,
					     .dst_port = HOST,
					     .type = STREAM,
					     .op = VIRTIO_VSOCK_OP_REQUEST };
	vsock_rig_send_raw(rig, &rig->packet, 0);
	vsock_rig_expect(rig, &rig->packet, VIRTIO_VSOCK_OP_RST);
	assert_int_equal(rig->packet.src_cid, 99);
}

TEST_WITH(a_packet_in_another_s_name_is_dropped, vsock_rig_setup, vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	rig->packet = (struct vsock_packet){ .src_cid = CID + 1,
					     .dst_cid = 2,
					     .src_port = GUEST,
					     .dst_port = HOST,
					     .type = STREAM,
					     .op = VIRTIO_VSOCK_OP_REQUEST };
	vsock_rig_send_raw(rig, &rig->packet, 0);
	vsock_rig_silent(rig);
}

TEST_WITH(operations_that_do_not_fit_an_open_connection_end_it, vsock_rig_setup, vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	static const u16 ops[] = { VIRTIO_VSOCK_OP_INVALID, VIRTIO_VSOCK_OP_RESPONSE, 8, 0xffff };

	for (unsigned i = 0; i < ARRAY_SIZE(ops); i++) {
		int fd;
		char path[100];

		fd = vsock_rig_connect_guest(rig, STREAM);
		vsock_rig_say(rig, ops[i], 0);
		vsock_rig_answered(rig, STREAM, VIRTIO_VSOCK_OP_RST, GUEST, HOST);
		vsock_rig_ends(rig, fd);
		close(fd);
		snprintf(path, sizeof(path), "%s_%u", rig->path, HOST);
		unlink(path);
	}
}

TEST_WITH(a_packet_that_is_shorter_than_it_says_ends_the_connection, vsock_rig_setup,
	  vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	int fd = vsock_rig_connect_guest(rig, STREAM);

	rig->packet = (struct vsock_packet){ .src_cid = CID,
					     .dst_cid = 2,
					     .src_port = GUEST,
					     .dst_port = HOST,
					     .len = 5,
					     .type = STREAM,
					     .op = VIRTIO_VSOCK_OP_RW,
					     .buf_alloc = GUEST_CREDIT };
	vsock_rig_send_raw(rig, &rig->packet, 4);
	vsock_rig_answered(rig, STREAM, VIRTIO_VSOCK_OP_RST, GUEST, HOST);
	vsock_rig_ends(rig, fd);
	close(fd);
}

TEST_WITH(a_packet_without_a_whole_header_is_nothing, vsock_rig_setup, vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	struct wire_segment segment = { RIG_TX_DATA, 43, false };

	wire_add(&rig->tx, &segment, 1);
	wire_kick(&rig->tx);
	assert_true(wire_used(&rig->tx, NULL, NULL));
	vsock_rig_silent(rig);
	assert_false(wire_needs_reset(rig->vm, 0));
}

TEST_WITH(data_outside_ram_ends_the_connection, vsock_rig_setup, vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	int fd = vsock_rig_connect_guest(rig, STREAM);
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

	wire_write(rig->vm, RIG_TX_DATA, &header, sizeof(header));
	wire_add(&rig->tx, segments, 2);
	wire_kick(&rig->tx);
	vsock_rig_answered(rig, STREAM, VIRTIO_VSOCK_OP_RST, GUEST, HOST);
	vsock_rig_ends(rig, fd);
	close(fd);
}

TEST_WITH(a_buffer_that_cannot_be_written_loses_nothing, vsock_rig_setup_plain, vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	struct wire_segment bad[] = { { 2 * GIB, 4096, true },
				      { RIG_RX_DATA, 44, true },
				      { RIG_RX_DATA, 10, true },
				      { RIG_RX_DATA, 4096, false } };
	int fd = vsock_rig_connect_guest(rig, STREAM);
	u32 used;

	/* All of its good ones are used up. */
	for (unsigned i = 0; i < RIG_BUFFERS; i++) {
		vsock_rig_say(rig, VIRTIO_VSOCK_OP_CREDIT_REQUEST, 0);
		vsock_rig_settle(rig);
		assert_true(wire_used(&rig->rx, NULL, NULL));
	}
	assert_int_equal(send(fd, "kept", 4, 0), 4);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		wire_add(&rig->rx, &bad[i], 1);
		wire_kick(&rig->rx);
		assert_true(wire_used(&rig->rx, NULL, &used));
		assert_int_equal(used, 0);
	}
	rig->offered = rig->rx.last_used;
	vsock_rig_offer(rig, 1);
	vsock_rig_answered(rig, STREAM, VIRTIO_VSOCK_OP_RW, GUEST, HOST);
	assert_int_equal(rig->packet.len, 4);
	assert_memory_equal(rig->packet.data, "kept", 4);
	close(fd);
}

/* ---- credit ---- */

TEST_WITH(a_guest_that_sends_more_than_its_credit_loses_the_connection, vsock_rig_setup,
	  vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	int fd = vsock_rig_connect_guest(rig, STREAM), small = 4096;
	static u8 data[CREDIT + 1];

	/* The host reads nothing, and its socket holds little. */
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	for (unsigned sent = 0; sent < 64; sent++) {
		vsock_rig_send(rig, STREAM, VIRTIO_VSOCK_OP_RW, GUEST, HOST, 0, data, CREDIT / 2);
		vsock_rig_settle(rig);
		if (wire_has_used(&rig->rx) && vsock_rig_receive(rig, &rig->packet) &&
		    rig->packet.op == VIRTIO_VSOCK_OP_RST)
			break;
	}
	assert_int_equal(rig->packet.op, VIRTIO_VSOCK_OP_RST);
	/* Others do not notice. */
	vsock_rig_say(rig, VIRTIO_VSOCK_OP_CREDIT_REQUEST, 0);
	vsock_rig_answered(rig, STREAM, VIRTIO_VSOCK_OP_RST, GUEST, HOST);
	close(fd);
}

TEST_WITH(a_slow_host_holds_its_guest_back_and_gets_everything, vsock_rig_setup, vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	int fd = vsock_rig_connect_guest(rig, STREAM);
	u32 sent = 0, forwarded = 0, read_so_far = 0, total = MIB;
	static u8 data[4096], got[65536];

	while (read_so_far < total) {
		u32 len = MIN((u32)sizeof(data), MIN(CREDIT - (sent - forwarded), total - sent));

		for (u32 i = 0; i < len; i++)
			data[i] = (sent + i) * 7 >> 3;
		if (len)
			vsock_rig_send(rig, STREAM, VIRTIO_VSOCK_OP_RW, GUEST, HOST, 0, data, len);
		sent += len;
		if (!len) {
			/* Out of credit: the host reads. */
			ssize_t n = recv(fd, got, sizeof(got), MSG_DONTWAIT);

			assert_true(n > 0);
			for (ssize_t i = 0; i < n; i++)
				assert_int_equal(got[i], (u8)((read_so_far + i) * 7 >> 3));
			read_so_far += n;
			vsock_rig_settle(rig);
		}
		while (wire_has_used(&rig->rx) && vsock_rig_receive(rig, &rig->packet)) {
			assert_int_equal(rig->packet.op, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
			forwarded = rig->packet.fwd_cnt;
		}
	}
	close(fd);
}

/* What the guest says of its room on the connection. */
static void send_with_room(struct vsock_rig *rig, u16 op, u32 forwarded)
{
	rig->packet = (struct vsock_packet){ .src_cid = CID,
					     .dst_cid = 2,
					     .src_port = GUEST,
					     .dst_port = HOST,
					     .type = STREAM,
					     .op = op,
					     .buf_alloc = 100,
					     .fwd_cnt = forwarded };
	vsock_rig_send_raw(rig, &rig->packet, 0);
}

TEST_WITH(the_device_sends_no_more_than_the_guest_has_room_for, vsock_rig_setup, vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	int listener = vsock_rig_listen(rig, HOST, SOCK_STREAM), fd;
	static u8 data[10000];

	send_with_room(rig, VIRTIO_VSOCK_OP_REQUEST, 0);
	vsock_rig_answered(rig, STREAM, VIRTIO_VSOCK_OP_RESPONSE, GUEST, HOST);
	fd = vsock_rig_accept(listener);
	assert_int_equal(send(fd, data, sizeof(data), 0), sizeof(data));
	vsock_rig_answered(rig, STREAM, VIRTIO_VSOCK_OP_RW, GUEST, HOST);
	assert_int_equal(rig->packet.len, 100);
	/* It asks once. */
	vsock_rig_answered(rig, STREAM, VIRTIO_VSOCK_OP_CREDIT_REQUEST, GUEST, HOST);
	vsock_rig_silent(rig);
	/* What the guest cannot have read changes nothing. */
	send_with_room(rig, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 101);
	vsock_rig_silent(rig);
	send_with_room(rig, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 60);
	vsock_rig_answered(rig, STREAM, VIRTIO_VSOCK_OP_RW, GUEST, HOST);
	assert_int_equal(rig->packet.len, 60);
	close(fd);
	close(listener);
}

TEST_WITH(a_credit_request_is_answered, vsock_rig_setup, vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	int fd = vsock_rig_connect_guest(rig, STREAM);

	vsock_rig_write_text(rig, "abc");
	vsock_rig_say(rig, VIRTIO_VSOCK_OP_CREDIT_REQUEST, 0);
	vsock_rig_answered(rig, STREAM, VIRTIO_VSOCK_OP_CREDIT_UPDATE, GUEST, HOST);
	assert_int_equal(rig->packet.buf_alloc, CREDIT);
	assert_int_equal(rig->packet.fwd_cnt, 3);
	close(fd);
}

TEST_WITH(a_host_that_does_not_read_stops_its_own_connection_only, vsock_rig_setup,
	  vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	int slow = vsock_rig_connect_guest(rig, STREAM),
	    listener = vsock_rig_listen(rig, 53, SOCK_STREAM), fd;
	static u8 data[CREDIT];
	int small = 4096;

	setsockopt(slow, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	vsock_rig_send(rig, STREAM, VIRTIO_VSOCK_OP_REQUEST, GUEST, 53, 0, NULL, 0);
	vsock_rig_answered(rig, STREAM, VIRTIO_VSOCK_OP_RESPONSE, GUEST, 53);
	fd = vsock_rig_accept(listener);
	vsock_rig_send(rig, STREAM, VIRTIO_VSOCK_OP_RW, GUEST, HOST, 0, data, CREDIT);
	for (unsigned i = 0; i < 100; i++) {
		vsock_rig_send(rig, STREAM, VIRTIO_VSOCK_OP_RW, GUEST, 53, 0, "quick", 5);
		vsock_rig_reads(rig, fd, "quick");
	}
	close(fd);
	close(slow);
	close(listener);
}
