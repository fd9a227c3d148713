/* SPDX-License-Identifier: BSD-2-Clause */
/* A relay: bytes between a pipe of ours and a file that may block. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "test.h"
#include "util/relay.h"

static void wait_until_done(const struct relay *relay)
{
	struct pollfd done = { .fd = relay_done_fd(relay), .events = POLLIN };

	assert_int_equal(poll(&done, 1, 30000), 1);
	assert_true(relay_done(relay));
}

TEST(what_is_written_arrives_and_is_counted)
{
	FILE *file = tmpfile();
	struct relay *relay;
	char data[16];

	assert_int_equal(relay_to(&relay, fileno(file)), 0);
	assert_int_equal(write(relay_fd(relay), "hello ", 6), 6);
	assert_int_equal(write(relay_fd(relay), "world", 5), 5);
	relay_end(relay);
	wait_until_done(relay);
	assert_int_equal(relay_written(relay), 11);
	assert_int_equal(relay_error(relay), 0);
	relay_destroy(relay);
	assert_int_equal(pread(fileno(file), data, sizeof(data), 0), 11);
	assert_memory_equal(data, "hello world", 11);
	fclose(file);
}

TEST(what_is_read_ends_where_the_file_ends)
{
	FILE *file = tmpfile();
	struct relay *relay;
	char data[16];

	assert_int_equal(pwrite(fileno(file), "hello", 5, 0), 5);
	assert_int_equal(relay_from(&relay, fileno(file)), 0);
	wait_until_done(relay);
	assert_int_equal(read(relay_fd(relay), data, sizeof(data)), 5);
	assert_memory_equal(data, "hello", 5);
	assert_int_equal(read(relay_fd(relay), data, sizeof(data)), 0);
	relay_destroy(relay);
	fclose(file);
}

TEST(a_file_that_takes_nothing_gives_its_error)
{
	struct relay *relay;
	int full = open("/dev/full", O_WRONLY);

	assert_int_equal(relay_to(&relay, full), 0);
	assert_int_equal(write(relay_fd(relay), "lost", 4), 4);
	relay_end(relay);
	wait_until_done(relay);
	assert_int_equal(relay_written(relay), 0);
	assert_int_equal(relay_error(relay), -ENOSPC);
	relay_destroy(relay);
	close(full);
}

/* Its reader sleeps; a relay takes what its pipe holds, and then says so at once. */
TEST(a_reader_that_sleeps_blocks_nobody)
{
	static const char data[4096];
	struct relay *relay;
	ssize_t count;
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(relay_to(&relay, ends[1]), 0);
	do
		count = write(relay_fd(relay), data, sizeof(data));
	while (count > 0);
	assert_int_equal(errno, EAGAIN);
	assert_false(relay_done(relay));
	/* It goes away: that ends the relay. */
	close(ends[0]);
	wait_until_done(relay);
	assert_int_equal(relay_error(relay), -EPIPE);
	relay_destroy(relay);
	close(ends[1]);
}
