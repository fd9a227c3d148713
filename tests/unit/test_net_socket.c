/* SPDX-License-Identifier: BSD-2-Clause */
/* mode=socket: frames on a stream, however it is cut, with the test as the peer. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "test.h"
#include "net/options.h"

static struct net_backend *net;
static int peer;
static char path[64];
static u8 sent[NET_MAX_FRAME], got[NET_MAX_FRAME + 10];

static int listen_at(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(path, sizeof(path), "/tmp/lkvm-net-%d", getpid());
	strcpy(address.sun_path, path);
	unlink(path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static int setup(void **state)
{
	struct error err = { "" };
	int fd = listen_at();

	assert_int_equal(net_socket_open(&net, path, &err), 0);
	peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	assert_true(peer >= 0);
	close(fd);
	unlink(path);
	for (unsigned i = 0; i < sizeof(sent); i++)
		sent[i] = i * 5 + (i >> 8);
	return 0;
}

static int teardown(void **state)
{
	net_close(net);
	if (peer >= 0)
		close(peer);
	return 0;
}

static void say(const void *data, size_t len)
{
	assert_int_equal(write(peer, data, len), len);
}

static void say_frame(u32 len)
{
	u32 length = htonl(len);

	say(&length, 4);
	say(sent, len);
}

static ssize_t receive(size_t room)
{
	/* Two pieces, as a guest's buffers are. */
	struct iovec iov[] = { { got, room / 3 }, { got + room / 3, room - room / 3 } };

	return net->ops->receive(net, 0, iov, 2);
}

static int send_frame(u32 len)
{
	struct iovec iov[] = { { sent, len / 2 }, { sent + len / 2, len - len / 2 } };

	return net->ops->send(net, 0, iov, 2);
}

TEST_WITH(frames_that_come_in_one_piece_are_told_apart, setup, teardown)
{
	for (u32 len = 14; len < 20; len++)
		say_frame(len);
	for (u32 len = 14; len < 20; len++) {
		assert_int_equal(receive(2000), len);
		assert_memory_equal(got, sent, len);
	}
	assert_int_equal(receive(2000), -EAGAIN);
}

TEST_WITH(a_frame_that_comes_byte_by_byte_is_whole, setup, teardown)
{
	u32 length = htonl(60);

	for (unsigned i = 0; i < 4 + 60; i++) {
		assert_int_equal(receive(2000), -EAGAIN);
		say(i < 4 ? (u8 *)&length + i : sent + i - 4, 1);
	}
	assert_int_equal(receive(2000), 60);
	assert_memory_equal(got, sent, 60);
}

TEST_WITH(the_longest_frame_comes_and_its_successor, setup, teardown)
{
	say_frame(NET_MAX_FRAME);
	say_frame(14);
	assert_int_equal(receive(sizeof(got)), NET_MAX_FRAME);
	assert_memory_equal(got, sent, NET_MAX_FRAME);
	assert_int_equal(receive(2000), 14);
}

TEST_WITH(a_frame_longer_than_its_buffer_is_cut_and_the_next_is_whole, setup, teardown)
{
	say_frame(1000);
	say_frame(60);
	assert_int_equal(receive(300), 300);
	assert_int_equal(receive(300), 60);
}

TEST_WITH(a_length_that_cannot_be_ends_the_stream, setup, teardown)
{
	static const u32 bad[] = { 0, 13, NET_MAX_FRAME + 1, 0xffffffff };

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		u32 length = htonl(bad[i]);

		if (i) {
			teardown(state);
			setup(state);
		}
		say(&length, 4);
		assert_int_equal(receive(2000), -EPIPE);
	}
}

TEST_WITH(the_peers_end_is_seen_after_its_last_frame, setup, teardown)
{
	say_frame(60);
	close(peer);
	peer = -1;
	assert_int_equal(receive(2000), 60);
	assert_int_equal(receive(2000), -EPIPE);
	assert_int_equal(send_frame(60), -EPIPE);
}

/* Read @len bytes of the peer's, giving the back end its turns. */
static void hear(void *data, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t part = read(peer, (u8 *)data + done, len - done);

		if (part > 0)
			done += part;
		else
			assert_true(net->ops->flush(net, 0) <= 0);
	}
}

TEST_WITH(what_a_full_stream_cuts_is_sent_when_there_is_room, setup, teardown)
{
	unsigned frames = 0;
	u32 length;

	while (!send_frame(50000))
		frames++;
	assert_in_range(frames, 1, 100);
	assert_int_equal(net->ops->flush(net, 0), -EAGAIN);
	for (unsigned i = 0; i < frames; i++) {
		hear(&length, 4);
		assert_int_equal(ntohl(length), 50000);
		hear(got, 50000);
		assert_memory_equal(got, sent, 50000);
	}
	assert_int_equal(net->ops->flush(net, 0), 0);
	assert_int_equal(send_frame(60), 0);
	hear(&length, 4);
	assert_int_equal(ntohl(length), 60);
}

TEST(a_socket_whose_listener_is_busy_is_refused_with_the_reason)
{
	struct net_backend *guests[2], *none;
	struct error err = { "" };
	int fd = listen_at();

	/* Two may wait for accept(), which nobody calls. */
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(net_socket_open(&guests[i], path, &err), 0);
	assert_int_equal(net_socket_open(&none, path, &err), -EAGAIN);
	assert_non_null(strstr(err.text, "does not answer"));
	for (unsigned i = 0; i < 2; i++)
		guests[i]->ops->close(guests[i]);
	close(fd);
	unlink(path);
}

TEST(a_socket_that_nobody_listens_on_is_refused_with_the_remedy)
{
	struct net_backend *none;
	struct error err = { "" };
	int fd = listen_at();
	char longer[200];

	close(fd);
	assert_int_equal(net_socket_open(&none, path, &err), -ECONNREFUSED);
	assert_non_null(strstr(err.text, "passt --socket"));
	unlink(path);
	err.text[0] = '\0';
	assert_int_equal(net_socket_open(&none, path, &err), -ENOENT);
	assert_non_null(strstr(err.text, "passt --socket"));
	memset(longer, 'x', sizeof(longer));
	longer[199] = '\0';
	err.text[0] = '\0';
	assert_int_equal(net_socket_open(&none, longer, &err), -ENAMETOOLONG);
}
