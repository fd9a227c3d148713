/* SPDX-License-Identifier: BSD-2-Clause */
/* --pcap: what passes is in the file, and no file of anybody's is destroyed. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"
#include "net/pcap.h"
#include "vmm/loop.h"

static char folder[] = "/tmp/lkvm-pcap-XXXXXX", path[64];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct loop *loop;
static struct net_pcap *pcap;
static struct error err;
static u8 file[100000];

/* ---- a network that echoes ---- */

static bool closed;
static u8 frame[2000];

static int echo_send(struct net_backend *backend, unsigned pair, const struct iovec *iov,
		     unsigned count)
{
	return 0;
}

static ssize_t echo_receive(struct net_backend *backend, unsigned pair, const struct iovec *iov,
			    unsigned count)
{
	return -EAGAIN;
}

static void echo_close(struct net_backend *backend)
{
	closed = true;
}

static const struct net_ops echo_ops = { .send = echo_send,
					 .receive = echo_receive,
					 .close = echo_close };

static struct net_backend echo = { .ops = &echo_ops, .pairs = 1, .header = true };

static int give_up = -1;
static unsigned waits_for_give_up; /* and for no longer than that */

int poll(struct pollfd *fds, nfds_t count, int timeout)
{
	const struct timespec time = { timeout / 1000, timeout % 1000 * 1000000L };
	int ret = ppoll(fds, count, timeout < 0 ? NULL : &time, NULL);

	for (nfds_t i = 0; give_up >= 0 && i < count; i++)
		waits_for_give_up += fds[i].fd == give_up && fds[i].revents;
	return ret;
}

static int setup(void **state)
{
	snprintf(path, sizeof(path), "%s/capture", folder);
	unlink(path);
	err.text[0] = '\0';
	closed = false;
	return loop_create(&loop, &lock);
}

static int teardown(void **state)
{
	loop_destroy(loop);
	return 0;
}

static size_t read_file(void)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = read(fd, file, sizeof(file));

	close(fd);
	return len > 0 ? len : 0;
}

static u32 get32(size_t at)
{
	u32 value;

	memcpy(&value, file + at, sizeof(value));
	return value;
}

static void send_frames(unsigned count)
{
	struct iovec iov[] = { { frame, 5 }, { frame + 5, 10 }, { frame + 15, 97 } };
	struct net_backend *wrapped;

	assert_int_equal(net_pcap_wrap(&wrapped, pcap, &echo), 0);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(wrapped->ops->send(wrapped, 0, iov, 3), 0);
	/* The capture with it. */
	net_close(wrapped);
	assert_true(closed);
}

TEST_WITH(frames_are_in_the_file_without_virtios_header, setup, teardown)
{
	for (unsigned i = 0; i < sizeof(frame); i++)
		frame[i] = i * 3;
	assert_int_equal(net_pcap_open(&pcap, path, &err), 0);
	assert_int_equal(net_pcap_start(pcap, loop), 0);
	send_frames(3);
	assert_int_equal(read_file(), 24 + 3 * (16 + 100));
	assert_int_equal(get32(0), 0xa1b23c4d);
	assert_int_equal(get32(20), 1);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(get32(24 + 116 * i + 8), 100);
		assert_memory_equal(file + 24 + 116 * i + 16, frame + 12, 100);
	}
}

TEST_WITH(what_the_file_is_too_slow_for_is_left_out, setup, teardown)
{
	size_t len;

	/* No turn of the loop comes for the job's end: what does not fit is counted. */
	assert_int_equal(net_pcap_open(&pcap, path, &err), 0);
	assert_int_equal(net_pcap_start(pcap, loop), 0);
	send_frames(100000);
	len = read_file();
	assert_int_equal(len, sizeof(file));
	assert_int_equal(get32(24 + 116 * 500 + 8), 100);
}

TEST_WITH(the_loop_rests_when_all_is_written, setup, teardown)
{
	assert_int_equal(net_pcap_open(&pcap, path, &err), 0);
	assert_int_equal(net_pcap_start(pcap, loop), 0);
	/* The file's beginning. */
	assert_int_equal(loop_poll(loop, 60000), 1);
	assert_int_equal(loop_poll(loop, 20), 0);
	send_frames(1);
}

/* A reader that stops may have the end of the capture, but not the rest of lkvm's end. */
TEST_WITH(a_pipe_that_nobody_empties_is_not_waited_for_when_patience_is_over, setup, teardown)
{
	int reader;

	give_up = eventfd(1, EFD_CLOEXEC);

	assert_int_equal(mkfifo(path, 0600), 0);
	reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(reader >= 0);
	assert_int_equal(net_pcap_open(&pcap, path, &err), 0);
	assert_int_equal(net_pcap_start(pcap, loop), 0);
	loop_set_patience(loop, give_up, -1);
	send_frames(10000);
	assert_true(waits_for_give_up >= 1);
	/* What is lost is no reason to leave anything else as it is. */
	assert_false(loop_gave_up(loop));
	close(reader);
	close(give_up);
	give_up = -1;
}

TEST_WITH(a_capture_from_before_is_replaced, setup, teardown)
{
	frames_are_in_the_file_without_virtios_header(state);
	frames_are_in_the_file_without_virtios_header(state);
}

TEST_WITH(two_captures_do_not_share_a_file, setup, teardown)
{
	struct net_pcap *other;

	assert_int_equal(net_pcap_open(&pcap, path, &err), 0);
	assert_int_equal(net_pcap_open(&other, path, &err), -EBUSY);
	assert_non_null(strstr(err.text, "is in use"));
	net_pcap_close(pcap);
}

TEST_WITH(another_file_is_left_as_it_is, setup, teardown)
{
	const char words[] = "a thesis";
	FILE *other = fopen(path, "w");

	fputs(words, other);
	fclose(other);
	assert_int_equal(net_pcap_open(&pcap, path, &err), -EEXIST);
	assert_non_null(strstr(err.text, "not a capture"));
	assert_int_equal(read_file(), strlen(words));
	assert_memory_equal(file, words, strlen(words));
}

TEST_WITH(what_cannot_be_written_is_refused, setup, teardown)
{
	assert_true(net_pcap_open(&pcap, "/nowhere/file", &err) < 0);
	assert_true(net_pcap_open(&pcap, folder, &err) < 0);
	err.text[0] = '\0';
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(net_pcap_open(&pcap, path, &err), -ENXIO);
	assert_non_null(strstr(err.text, "nobody reads"));
}

static int clean(void **state)
{
	unlink(path);
	return rmdir(folder);
}

static int begin(void **state)
{
	assert_non_null(mkdtemp(folder));
	return 0;
}

TEST_PROGRAM(begin, clean)
