/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio-vsock: how connections end, messages, floods, resets and pauses. */
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

/* ---- ends ---- */

TEST_WITH(a_guest_that_closes_is_answered_and_the_host_has_everything, vsock_rig_setup,
	  vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	int fd = vsock_rig_connect_guest(rig, STREAM);

	vsock_rig_write_text(rig, "last words");
	vsock_rig_say(rig, VIRTIO_VSOCK_OP_SHUTDOWN,
		      VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND);
	vsock_rig_answered(rig, STREAM, VIRTIO_VSOCK_OP_RST, GUEST, HOST);
	vsock_rig_reads(rig, fd, "last words");
	vsock_rig_ends(rig, fd);
	close(fd);
}

TEST_WITH(what_a_closed_guest_sent_waits_for_a_slow_host, vsock_rig_setup, vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	int fd = vsock_rig_connect_guest(rig, STREAM);
	static u8 data[CREDIT / 2], got[65536];
	u32 sent = 0, total = 0;
	ssize_t n;

	/* Until some of it waits in the device. */
	for (u32 forwarded = 0; sent - forwarded < CREDIT / 2; sent += sizeof(data)) {
		vsock_rig_send(rig, STREAM, VIRTIO_VSOCK_OP_RW, GUEST, HOST, 0, data, sizeof(data));
		vsock_rig_say(rig, VIRTIO_VSOCK_OP_CREDIT_REQUEST, 0);
		while (vsock_rig_receive(rig, &rig->packet))
			forwarded = rig->packet.fwd_cnt;
		if (sent + sizeof(data) - forwarded >= CREDIT / 2) {
			sent += sizeof(data);
			break;
		}
	}
	vsock_rig_say(rig, VIRTIO_VSOCK_OP_SHUTDOWN, VIRTIO_VSOCK_SHUTDOWN_RCV);
	vsock_rig_say(rig, VIRTIO_VSOCK_OP_SHUTDOWN, VIRTIO_VSOCK_SHUTDOWN_SEND);
	vsock_rig_answered(rig, STREAM, VIRTIO_VSOCK_OP_RST, GUEST, HOST);
	/* The ports are the guest's again at once. */
	vsock_rig_say(rig, VIRTIO_VSOCK_OP_CREDIT_REQUEST, 0);
	vsock_rig_answered(rig, STREAM, VIRTIO_VSOCK_OP_RST, GUEST, HOST);
	/* Whatever becomes of the guest. */
	wire_reg_write(rig->vm, 0, VIRTIO_MMIO_STATUS, 0);
	for (;;) {
		n = recv(fd, got, sizeof(got), MSG_DONTWAIT);
		if (!n)
			break;
		assert_true(n > 0 || errno == EAGAIN);
		total += MAX(n, 0);
		loop_poll(rig->vm->loop, 10);
	}
	assert_int_equal(total, sent);
	close(fd);
}

TEST_WITH(a_guest_that_sends_no_more_still_receives, vsock_rig_setup, vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	int fd = vsock_rig_connect_guest(rig, STREAM);

	vsock_rig_write_text(rig, "question");
	vsock_rig_say(rig, VIRTIO_VSOCK_OP_SHUTDOWN, VIRTIO_VSOCK_SHUTDOWN_SEND);
	vsock_rig_reads(rig, fd, "question");
	vsock_rig_ends(rig, fd);
	assert_int_equal(send(fd, "answer", 6, 0), 6);
	vsock_rig_answered(rig, STREAM, VIRTIO_VSOCK_OP_RW, GUEST, HOST);
	assert_int_equal(rig->packet.len, 6);
	/* It has said that it would not. */
	vsock_rig_write_text(rig, "more");
	vsock_rig_answered(rig, STREAM, VIRTIO_VSOCK_OP_RST, GUEST, HOST);
	close(fd);
}

TEST_WITH(a_guest_that_receives_no_more_still_sends, vsock_rig_setup, vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	int fd = vsock_rig_connect_guest(rig, STREAM);

	vsock_rig_say(rig, VIRTIO_VSOCK_OP_SHUTDOWN, VIRTIO_VSOCK_SHUTDOWN_RCV);
	assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
	vsock_rig_write_text(rig, "still here");
	vsock_rig_reads(rig, fd, "still here");
	close(fd);
	vsock_rig_answered(rig, STREAM, VIRTIO_VSOCK_OP_SHUTDOWN, GUEST, HOST);
	assert_int_equal(rig->packet.flags, 3);
}

TEST_WITH(a_host_that_closes_is_told_behind_its_last_data, vsock_rig_setup, vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	int fd = vsock_rig_connect_guest(rig, STREAM);

	assert_int_equal(send(fd, "bye", 3, 0), 3);
	close(fd);
	vsock_rig_answered(rig, STREAM, VIRTIO_VSOCK_OP_RW, GUEST, HOST);
	assert_int_equal(rig->packet.len, 3);
	vsock_rig_answered(rig, STREAM, VIRTIO_VSOCK_OP_SHUTDOWN, GUEST, HOST);
	assert_int_equal(rig->packet.flags, 3);
	/* What the guest sends now is thrown away, and it is not held back. */
	for (unsigned i = 0; i < 3; i++) {
		static u8 data[CREDIT / 4];

		vsock_rig_send(rig, STREAM, VIRTIO_VSOCK_OP_RW, GUEST, HOST, 0, data, sizeof(data));
		vsock_rig_answered(rig, STREAM, VIRTIO_VSOCK_OP_CREDIT_UPDATE, GUEST, HOST);
	}
	vsock_rig_say(rig, VIRTIO_VSOCK_OP_RST, 0);
	vsock_rig_silent(rig);
}

TEST_WITH(a_host_that_sends_no_more_still_receives, vsock_rig_setup, vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	int fd = vsock_rig_connect_guest(rig, STREAM);

	assert_int_equal(send(fd, "question", 8, 0), 8);
	shutdown(fd, SHUT_WR);
	vsock_rig_answered(rig, STREAM, VIRTIO_VSOCK_OP_RW, GUEST, HOST);
	vsock_rig_answered(rig, STREAM, VIRTIO_VSOCK_OP_SHUTDOWN, GUEST, HOST);
	assert_int_equal(rig->packet.flags, VIRTIO_VSOCK_SHUTDOWN_SEND);
	vsock_rig_write_text(rig, "answer");
	vsock_rig_reads(rig, fd, "answer");
	vsock_rig_silent(rig);
	close(fd);
	vsock_rig_answered(rig, STREAM, VIRTIO_VSOCK_OP_SHUTDOWN, GUEST, HOST);
	assert_int_equal(rig->packet.flags, 3);
}

TEST_WITH(a_host_that_receives_no_more_still_sends, vsock_rig_setup, vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	int fd = vsock_rig_connect_guest(rig, STREAM);

	shutdown(fd, SHUT_RD);
	vsock_rig_write_text(rig, "into the void");
	vsock_rig_answered(rig, STREAM, VIRTIO_VSOCK_OP_SHUTDOWN, GUEST, HOST);
	assert_int_equal(rig->packet.flags, VIRTIO_VSOCK_SHUTDOWN_RCV);
	assert_int_equal(send(fd, "said", 4, 0), 4);
	vsock_rig_answered(rig, STREAM, VIRTIO_VSOCK_OP_RW, GUEST, HOST);
	assert_int_equal(rig->packet.len, 4);
	close(fd);
}

TEST_WITH(a_host_that_goes_without_reading_is_a_reset, vsock_rig_setup, vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	int fd = vsock_rig_connect_guest(rig, STREAM);

	vsock_rig_write_text(rig, "unread");
	close(fd);
	vsock_rig_answered(rig, STREAM, VIRTIO_VSOCK_OP_RST, GUEST, HOST);
}

/* ---- messages ---- */

TEST_WITH(messages_stay_whole_both_ways, vsock_rig_setup, vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	int fd = vsock_rig_connect_guest(rig, SEQPACKET);
	static u8 data[10000], got[20000];
	u32 have = 0;

	vsock_rig_send(rig, SEQPACKET, VIRTIO_VSOCK_OP_RW, GUEST, HOST, 0, "one ", 4);
	vsock_rig_settle(rig);
	assert_int_equal(recv(fd, got, sizeof(got), MSG_DONTWAIT), -1);
	vsock_rig_send(rig, SEQPACKET, VIRTIO_VSOCK_OP_RW, GUEST, HOST, VIRTIO_VSOCK_SEQ_EOM,
		       "message", 7);
	vsock_rig_send(rig, SEQPACKET, VIRTIO_VSOCK_OP_RW, GUEST, HOST,
		       VIRTIO_VSOCK_SEQ_EOM | VIRTIO_VSOCK_SEQ_EOR, "two", 3);
	vsock_rig_settle(rig);
	assert_int_equal(recv(fd, got, sizeof(got), MSG_DONTWAIT), 11);
	assert_memory_equal(got, "one message", 11);
	assert_int_equal(recv(fd, got, sizeof(got), MSG_DONTWAIT), 3);
	/* One of the host's that fills several buffers. */
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = i * 5;
	assert_int_equal(send(fd, data, sizeof(data), 0), sizeof(data));
	assert_int_equal(send(fd, "x", 1, 0), 1);
	while (have < sizeof(data)) {
		vsock_rig_answered(rig, SEQPACKET, VIRTIO_VSOCK_OP_RW, GUEST, HOST);
		memcpy(got + have, rig->packet.data, rig->packet.len);
		have += rig->packet.len;
		assert_int_equal(rig->packet.flags,
				 have == sizeof(data) ? VIRTIO_VSOCK_SEQ_EOM : 0);
	}
	assert_int_equal(have, sizeof(data));
	assert_memory_equal(got, data, sizeof(data));
	vsock_rig_answered(rig, SEQPACKET, VIRTIO_VSOCK_OP_RW, GUEST, HOST);
	assert_int_equal(rig->packet.len, 1);
	assert_int_equal(rig->packet.flags, VIRTIO_VSOCK_SEQ_EOM);
	close(fd);
}

TEST_WITH(messages_that_wait_for_a_slow_host_stay_whole, vsock_rig_setup, vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	int fd = vsock_rig_connect_guest(rig, SEQPACKET);
	unsigned sent = 0, got = 0;
	u32 bytes = 0, forwarded = 0;
	u8 data[1000];

	/* Until its credit is used up, of which the socket takes some. */
	for (;; sent++) {
		u32 len = 1 + sent * 37 % sizeof(data);

		while (wire_has_used(&rig->rx) && vsock_rig_receive(rig, &rig->packet))
			forwarded = rig->packet.fwd_cnt;
		if (bytes - forwarded + len > CREDIT)
			break;
		memset(data, sent, len);
		vsock_rig_send(rig, SEQPACKET, VIRTIO_VSOCK_OP_RW, GUEST, HOST,
			       VIRTIO_VSOCK_SEQ_EOM, data, len);
		bytes += len;
	}
	assert_true(sent > 100);
	while (got < sent) {
		ssize_t n = recv(fd, data, sizeof(data), MSG_DONTWAIT);

		if (n < 0) {
			assert_int_equal(errno, EAGAIN);
			loop_poll(rig->vm->loop, 10);
			continue;
		}
		assert_int_equal(n, 1 + got * 37 % sizeof(data));
		for (ssize_t i = 0; i < n; i++)
			assert_int_equal(data[i], (u8)got);
		got++;
	}
	close(fd);
}

TEST_WITH(a_message_longer_than_the_guest_s_credit_ends_the_connection, vsock_rig_setup,
	  vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	int fd = vsock_rig_connect_guest(rig, SEQPACKET);
	static u8 data[CREDIT + 1];

	assert_int_equal(send(fd, data, sizeof(data), 0), sizeof(data));
	vsock_rig_answered(rig, SEQPACKET, VIRTIO_VSOCK_OP_RST, GUEST, HOST);
	close(fd);
}

TEST_WITH(an_empty_message_of_the_host_is_not_its_end, vsock_rig_setup, vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	int fd = vsock_rig_connect_guest(rig, SEQPACKET);

	assert_int_equal(send(fd, "", 0, 0), 0);
	assert_int_equal(send(fd, "x", 1, 0), 1);
	vsock_rig_answered(rig, SEQPACKET, VIRTIO_VSOCK_OP_RW, GUEST, HOST);
	assert_int_equal(rig->packet.len, 1);
	close(fd);
	vsock_rig_answered(rig, SEQPACKET, VIRTIO_VSOCK_OP_SHUTDOWN, GUEST, HOST);
}

TEST_WITH(a_program_of_the_host_connects_for_messages, vsock_rig_setup, vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	int fd = vsock_rig_connect(rig, SOCK_SEQPACKET, "CONNECT 80");
	char line[32];

	vsock_rig_expect(rig, &rig->packet, VIRTIO_VSOCK_OP_REQUEST);
	assert_int_equal(rig->packet.type, SEQPACKET);
	vsock_rig_send(rig, SEQPACKET, VIRTIO_VSOCK_OP_RESPONSE, 80, rig->packet.src_port, 0, NULL,
		       0);
	snprintf(line, sizeof(line), "OK %u\n", rig->packet.src_port);
	vsock_rig_reads(rig, fd, line);
	close(fd);
}

/* ---- floods ---- */

TEST_WITH(answers_that_the_guest_has_no_room_for_hold_its_packets_back, vsock_rig_setup,
	  vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	struct virtio_vsock_hdr header = { .src_cid = cpu_to_le64(CID),
					   .dst_cid = cpu_to_le64(2),
					   .type = cpu_to_le16(STREAM),
					   .op = cpu_to_le16(VIRTIO_VSOCK_OP_RW) };
	struct wire_segment segment = { RIG_TX_DATA, sizeof(header), false };
	unsigned served = 0, answers = RIG_BUFFERS;

	wire_write(rig->vm, RIG_TX_DATA, &header, sizeof(header));
	for (unsigned i = 0; i < 400; i++) {
		wire_add(&rig->tx, &segment, 1);
		wire_kick(&rig->tx);
		vsock_rig_settle(rig);
		if (!wire_has_used(&rig->tx))
			break;
		assert_true(wire_used(&rig->tx, NULL, NULL));
		served++;
	}
	/* Some wait in the device, and the rest in the guest's ring. */
	assert_true(served > RIG_BUFFERS && served < 200);
	for (unsigned i = 0; i < RIG_BUFFERS; i++)
		assert_true(wire_used(&rig->rx, NULL, NULL));
	/* With room they are served again: none is lost. */
	while (answers < served + 1) {
		vsock_rig_offer(rig, 1);
		vsock_rig_settle(rig);
		assert_true(wire_used(&rig->rx, NULL, NULL));
		answers++;
	}
	assert_true(wire_used(&rig->tx, NULL, NULL));
	vsock_rig_silent(rig);
}

TEST_WITH(packets_that_waited_for_room_are_served_without_another_kick, vsock_rig_setup,
	  vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	struct virtio_vsock_hdr header = { .src_cid = cpu_to_le64(CID),
					   .dst_cid = cpu_to_le64(2),
					   .type = cpu_to_le16(STREAM),
					   .op = cpu_to_le16(VIRTIO_VSOCK_OP_RW) };
	struct wire_segment segment = { RIG_TX_DATA, sizeof(header), false };

	wire_write(rig->vm, RIG_TX_DATA, &header, sizeof(header));
	/* All buffers are used, and nearly all places for answers. */
	for (unsigned i = 0; i < RIG_BUFFERS + 60; i++) {
		wire_add(&rig->tx, &segment, 1);
		wire_kick(&rig->tx);
		assert_true(wire_used(&rig->tx, NULL, NULL));
	}
	for (unsigned i = 0; i < RIG_BUFFERS; i++)
		assert_true(wire_used(&rig->rx, NULL, NULL));
	/* Buffers of which the device learns by the kick of the other queue. */
	for (unsigned i = 0; i < RIG_BUFFERS; i++) {
		struct wire_segment buffer = { RIG_RX_DATA + i * RIG_BUFFER, RIG_BUFFER, true };

		wire_add(&rig->rx, &buffer, 1);
	}
	for (unsigned i = 0; i < 10; i++)
		wire_add(&rig->tx, &segment, 1);
	wire_kick(&rig->tx);
	for (unsigned i = 0; i < 10; i++)
		assert_true(wire_used(&rig->tx, NULL, NULL));
}

TEST_WITH(half_open_connections_are_bounded_and_can_be_ended, vsock_rig_setup_few,
	  vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	int fds[6];
	u32 ports[4];

	for (unsigned i = 0; i < 6; i++)
		fds[i] = vsock_rig_connect(rig, SOCK_STREAM, "CONNECT 80\n");
	for (unsigned i = 0; i < 4; i++) {
		vsock_rig_expect(rig, &rig->packet, VIRTIO_VSOCK_OP_REQUEST);
		ports[i] = rig->packet.src_port;
	}
	vsock_rig_silent(rig);
	vsock_rig_ends(rig, fds[4]);
	vsock_rig_ends(rig, fds[5]);
	for (unsigned i = 0; i < 4; i++)
		vsock_rig_send(rig, STREAM, VIRTIO_VSOCK_OP_RST, 80, ports[i], 0, NULL, 0);
	close(fds[4]);
	fds[4] = vsock_rig_connect(rig, SOCK_STREAM, "CONNECT 80\n");
	vsock_rig_expect(rig, &rig->packet, VIRTIO_VSOCK_OP_REQUEST);
	for (unsigned i = 0; i < 6; i++)
		close(fds[i]);
}

/* ---- resets and pauses ---- */

TEST_WITH(no_connection_survives_a_reset, vsock_rig_setup, vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	int fd = vsock_rig_connect_guest(rig, STREAM),
	    asked = vsock_rig_connect(rig, SOCK_STREAM, "CONNECT 80\n");
	int greeter = vsock_rig_connect(rig, SOCK_STREAM, "CONNECT ");

	vsock_rig_expect(rig, &rig->packet, VIRTIO_VSOCK_OP_REQUEST);
	wire_reg_write(rig->vm, 0, VIRTIO_MMIO_STATUS, 0);
	vsock_rig_ends(rig, fd);
	vsock_rig_ends(rig, asked);
	vsock_rig_up(rig, VSOCK_FEATURES);
	vsock_rig_offer(rig, RIG_BUFFERS);
	vsock_rig_say(rig, VIRTIO_VSOCK_OP_CREDIT_REQUEST, 0);
	vsock_rig_answered(rig, STREAM, VIRTIO_VSOCK_OP_RST, GUEST, HOST);
	/* One that has not said whom it wants finds the new driver. */
	assert_int_equal(send(greeter, "90\n", 3, 0), 3);
	vsock_rig_expect(rig, &rig->packet, VIRTIO_VSOCK_OP_REQUEST);
	assert_int_equal(rig->packet.dst_port, 90);
	close(fd);
	close(asked);
	close(greeter);
}

TEST_WITH(a_reset_while_the_host_is_asked_is_harmless, vsock_rig_setup, vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	int listener = vsock_rig_listen(rig, HOST, SOCK_STREAM);

	for (unsigned i = 0; i < 20; i++) {
		vsock_rig_say(rig, VIRTIO_VSOCK_OP_REQUEST, 0);
		if (i % 2)
			loop_poll(rig->vm->loop, 1);
		wire_reg_write(rig->vm, 0, VIRTIO_MMIO_STATUS, 0);
		vsock_rig_up(rig, VSOCK_FEATURES);
		vsock_rig_offer(rig, RIG_BUFFERS);
	}
	vsock_rig_settle(rig);
	vsock_rig_silent(rig);
	close(listener);
}

TEST_WITH(a_queue_reset_forgets_its_buffer_and_nothing_else, vsock_rig_setup_plain,
	  vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	int fd = vsock_rig_connect_guest(rig, STREAM);

	wire_reg_write(rig->vm, 0, VIRTIO_MMIO_QUEUE_SEL, 0);
	wire_reg_write(rig->vm, 0, VIRTIO_MMIO_QUEUE_READY, 0);
	assert_int_equal(send(fd, "waits", 5, 0), 5);
	vsock_rig_settle(rig);
	wire_queue_init(&rig->rx, rig->vm, 0, 0, RIG_BUFFERS, 0x10000);
	rig->offered = 0;
	vsock_rig_offer(rig, RIG_BUFFERS);
	vsock_rig_answered(rig, STREAM, VIRTIO_VSOCK_OP_RW, GUEST, HOST);
	assert_int_equal(rig->packet.len, 5);
	close(fd);
}

TEST_WITH(a_paused_guest_gets_nothing_and_loses_nothing, vsock_rig_setup, vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	int fd = vsock_rig_connect_guest(rig, STREAM);
	unsigned handled = 0;

	vm_lock(rig->vm);
	vm_pause(rig->vm, VM_PAUSE_USER, NULL);
	vm_unlock(rig->vm);
	vsock_rig_settle(rig);
	assert_int_equal(send(fd, "later", 5, 0), 5);
	close(fd);
	vsock_rig_silent(rig);
	/* Nor does the loop spin meanwhile. */
	for (unsigned i = 0; i < 10; i++)
		handled += loop_poll(rig->vm->loop, 0);
	assert_int_equal(handled, 0);
	vm_lock(rig->vm);
	vm_resume(rig->vm, VM_PAUSE_USER);
	vm_unlock(rig->vm);
	vsock_rig_answered(rig, STREAM, VIRTIO_VSOCK_OP_RW, GUEST, HOST);
	assert_int_equal(rig->packet.len, 5);
	vsock_rig_answered(rig, STREAM, VIRTIO_VSOCK_OP_SHUTDOWN, GUEST, HOST);
}

TEST_WITH(the_loop_rests_while_the_guest_has_no_buffers, vsock_rig_setup_plain, vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	int fd = vsock_rig_connect_guest(rig, STREAM);
	unsigned handled = 0;

	for (unsigned i = 0; i < RIG_BUFFERS; i++) {
		vsock_rig_say(rig, VIRTIO_VSOCK_OP_CREDIT_REQUEST, 0);
		vsock_rig_settle(rig);
		assert_true(wire_used(&rig->rx, NULL, NULL));
	}
	assert_int_equal(send(fd, "waits", 5, 0), 5);
	close(fd);
	vsock_rig_settle(rig);
	for (unsigned i = 0; i < 10; i++)
		handled += loop_poll(rig->vm->loop, 0);
	assert_int_equal(handled, 0);
	vsock_rig_offer(rig, 2);
	vsock_rig_answered(rig, STREAM, VIRTIO_VSOCK_OP_RW, GUEST, HOST);
	vsock_rig_answered(rig, STREAM, VIRTIO_VSOCK_OP_SHUTDOWN, GUEST, HOST);
}

TEST_WITH(a_broken_ring_stops_the_device_until_its_reset, vsock_rig_setup, vsock_rig_teardown)
{
	struct vsock_rig *rig = *state;
	int fd = vsock_rig_connect_guest(rig, STREAM);

	wire_break_ring(&rig->tx);
	wire_kick(&rig->tx);
	vsock_rig_settle(rig);
	assert_true(wire_needs_reset(rig->vm, 0));
	assert_int_equal(send(fd, "x", 1, 0), 1);
	vsock_rig_settle(rig);
	wire_reg_write(rig->vm, 0, VIRTIO_MMIO_STATUS, 0);
	vsock_rig_ends(rig, fd);
	vsock_rig_up(rig, VSOCK_FEATURES);
	vsock_rig_offer(rig, RIG_BUFFERS);
	vsock_rig_say(rig, VIRTIO_VSOCK_OP_CREDIT_REQUEST, 0);
	vsock_rig_answered(rig, STREAM, VIRTIO_VSOCK_OP_RST, GUEST, HOST);
	close(fd);
}
