/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a user names as the other end of a port: files, ptys and sockets that somebody comes to.
 *
 * One file, though long: the three are judged by the same words of the guest's and the same
 * readers, who come, stop, go and come back.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "keeper_rig.h"
#include "test.h"
#include "util/error.h"
#include "util/log.h"
#include "vmm/loop.h"
#include "vmm/terminal.h"

#define KEPT (64 * KIB)

static struct keeper *keeper;

struct bench {
	pthread_mutex_t lock;
	struct loop *loop;
	struct terminal_target target;
	struct terminal *terminal;
	struct terminal_client client;
	char folder[32], path[64];
	u64 written; /* bytes of the pattern */
	bool full, finished;
	char input[4096];
	size_t input_len;
};

static u8 pattern(u64 n)
{
	return n * 7 + n / 251;
}

static void on_readable(struct terminal_client *client)
{
	struct bench *bench = container_of(client, struct bench, client);

	bench->input_len += terminal_read(bench->terminal, bench->input + bench->input_len,
					  sizeof(bench->input) - bench->input_len);
}

static void on_writable(struct terminal_client *client)
{
	container_of(client, struct bench, client)->full = false;
}

static int setup(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));

	strcpy(bench->folder, "/tmp/lkvm-terminal-XXXXXX");
	assert_non_null(mkdtemp(bench->folder));
	snprintf(bench->path, sizeof(bench->path), "%s/end", bench->folder);
	pthread_mutex_init(&bench->lock, NULL);
	assert_int_equal(loop_create(&bench->loop, &bench->lock), 0);
	bench->client = (struct terminal_client){ .readable = on_readable,
						  .writable = on_writable };
	*state = bench;
	return 0;
}

static int teardown(void **state)
{
	struct bench *bench = *state;

	terminal_destroy(bench->terminal);
	terminal_target_close(&bench->target);
	loop_destroy(bench->loop);
	unlink(bench->path);
	assert_int_equal(rmdir(bench->folder), 0);
	free(bench);
	return 0;
}

static void create(struct bench *bench)
{
	assert_int_equal(terminal_create_at(&bench->terminal, bench->loop, "ttyS1", &bench->target),
			 0);
	terminal_set_client(bench->terminal, &bench->client);
}

/* @kind: "pty", "file", "socket:". */
static void open_end(struct bench *bench, const char *kind)
{
	static char value[80];
	struct error err = { "" };

	snprintf(value, sizeof(value), "%s%s", strcmp(kind, "file") ? kind : "",
		 strcmp(kind, "pty") ? bench->path : "");
	assert_int_equal(terminal_target_set(&bench->target, value, "--serial", &err), 0);
	assert_int_equal(terminal_target_open(&bench->target, keeper, "--serial", &err), 0);
	create(bench);
}

static void serve(struct bench *bench, int ms)
{
	while (loop_poll(bench->loop, ms) > 0)
		ms = 0;
}

/* Until @done says so; it is for the test's own patience to end it otherwise. */
#define SERVE_UNTIL(bench, done)                                                                   \
	do {                                                                                       \
		for (unsigned tries = 0; !(done) && tries < 3000; tries++)                         \
			loop_poll((bench)->loop, 10);                                              \
		assert_true(done);                                                                 \
	} while (0)

/* The next @count bytes of the pattern, or as many as are taken. */
static u64 put(struct bench *bench, u64 count)
{
	u64 done = 0;

	while (done < count && !bench->full) {
		u8 data[1000];
		size_t len = MIN(sizeof(data), count - done), taken;

		for (size_t i = 0; i < len; i++)
			data[i] = pattern(bench->written + i);
		taken = terminal_write(bench->terminal, data, len);
		bench->full = taken < len;
		bench->written += taken;
		done += taken;
	}
	return done;
}

/* Read the pattern from @first on, @count bytes of it, while the terminal is served. */
static void expect_from(struct bench *bench, int fd, u64 first, u64 count)
{
	for (u64 done = 0; done < count;) {
		struct pollfd ready = { .fd = fd, .events = POLLIN };
		u8 data[4096];
		ssize_t len;

		serve(bench, 0);
		if (!poll(&ready, 1, 20))
			continue;
		len = read(fd, data, MIN(sizeof(data), count - done));
		assert_true(len > 0);
		for (ssize_t i = 0; i < len; i++)
			assert_int_equal(data[i], pattern(first + done + i));
		done += len;
	}
}

static int open_pty_end(const struct bench *bench)
{
	int fd = open(bench->target.path, O_RDWR | O_NOCTTY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static int connect_end(const struct bench *bench)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, bench->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static u64 finish(struct bench *bench, int timeout_ms, int *error)
{
	return terminal_finish(bench->terminal, -1, timeout_ms, error);
}

/* ---- nobody is there ---- */

TEST_WITH(a_pty_that_nobody_has_open_takes_everything_and_keeps_the_last_64_kib, setup, teardown)
{
	struct bench *bench = *state;
	int fd;

	open_end(bench, "pty");
	serve(bench, 0);
	assert_int_equal(put(bench, 1000000), 1000000);
	fd = open_pty_end(bench);
	expect_from(bench, fd, 1000000 - KEPT, KEPT);
	close(fd);
}

TEST_WITH(a_pty_that_nobody_has_open_never_wakes_the_loop, setup, teardown)
{
	struct bench *bench = *state;

	open_end(bench, "pty");
	serve(bench, 0);
	/* Three times as long as it is looked for where there is no inotify. */
	assert_int_equal(loop_poll(bench->loop, 600), 0);
}

TEST_WITH(whoever_opens_a_pty_again_is_served_again, setup, teardown)
{
	struct bench *bench = *state;

	open_end(bench, "pty");
	for (unsigned turn = 0; turn < 3; turn++) {
		int fd = open_pty_end(bench);

		serve(bench, 0);
		put(bench, 1000);
		expect_from(bench, fd, turn * 1000, 1000);
		close(fd);
		SERVE_UNTIL(bench, loop_poll(bench->loop, 300) == 0);
	}
}

TEST_WITH(a_socket_without_a_client_does_the_same, setup, teardown)
{
	struct bench *bench = *state;
	int fd;

	open_end(bench, "socket:");
	serve(bench, 0);
	assert_int_equal(put(bench, 1000000), 1000000);
	fd = connect_end(bench);
	expect_from(bench, fd, 1000000 - KEPT, KEPT);
	close(fd);
}

TEST_WITH(less_than_that_is_kept_from_its_beginning, setup, teardown)
{
	struct bench *bench = *state;
	int fd;

	open_end(bench, "socket:");
	put(bench, 50000);
	fd = connect_end(bench);
	expect_from(bench, fd, 0, 50000);
	close(fd);
}

TEST_WITH(at_the_end_nobody_is_waited_for_who_is_not_there, setup, teardown)
{
	struct bench *bench = *state;
	int error;

	open_end(bench, "pty");
	serve(bench, 0);
	put(bench, 5000);
	assert_int_equal(finish(bench, -1, &error), 0);
	assert_int_equal(error, 0);
}

/* ---- somebody is slow ---- */

static void check_slow(struct bench *bench, int fd)
{
	u64 before;

	put(bench, 100);
	expect_from(bench, fd, 0, 100);
	while (!bench->full) {
		put(bench, 1000000);
		serve(bench, 20);
	}
	/* It stands, however long that is. */
	serve(bench, 50);
	assert_true(bench->full);
	before = bench->written;
	expect_from(bench, fd, 100, before - 100);
	SERVE_UNTIL(bench, !bench->full);
	put(bench, 3000);
	expect_from(bench, fd, before, 3000);
	close(fd);
}

TEST_WITH(a_pty_whose_reader_stops_holds_the_device_back_and_loses_nothing, setup, teardown)
{
	struct bench *bench = *state;
	int fd;

	open_end(bench, "pty");
	fd = open_pty_end(bench);
	check_slow(bench, fd);
}

TEST_WITH(a_client_that_stops_reading_holds_the_device_back_and_loses_nothing, setup, teardown)
{
	struct bench *bench = *state;
	int fd;

	open_end(bench, "socket:");
	fd = connect_end(bench);
	check_slow(bench, fd);
}

TEST_WITH(a_reader_that_leaves_lets_the_device_go_on, setup, teardown)
{
	struct bench *bench = *state;
	int fd;

	open_end(bench, "socket:");
	fd = connect_end(bench);
	while (!bench->full) {
		put(bench, 1000000);
		serve(bench, 20);
	}
	close(fd);
	SERVE_UNTIL(bench, !bench->full);
	assert_int_equal(put(bench, 200000), 200000);
	fd = connect_end(bench);
	expect_from(bench, fd, bench->written - KEPT, KEPT);
	close(fd);
}

static void *read_slowly(void *arg)
{
	struct bench *bench = arg;
	u8 data[700];
	int fd = open_pty_end(bench);
	u64 done = 0;

	__atomic_store_n(&bench->finished, true, __ATOMIC_SEQ_CST);
	while (done < 30000) {
		ssize_t len = read(fd, data, sizeof(data));

		assert_true(len > 0);
		for (ssize_t i = 0; i < len; i++)
			assert_int_equal(data[i], pattern(done + i));
		done += len;
		usleep(1000);
	}
	close(fd);
	return NULL;
}

TEST_WITH(the_last_words_on_a_pty_are_read_before_it_goes, setup, teardown)
{
	struct bench *bench = *state;
	pthread_t reader;
	int error;

	open_end(bench, "pty");
	pthread_create(&reader, NULL, read_slowly, bench);
	SERVE_UNTIL(bench, __atomic_load_n(&bench->finished, __ATOMIC_SEQ_CST));
	put(bench, 30000);
	for (unsigned i = 0; i < 30; i++)
		serve(bench, 10);
	assert_int_equal(finish(bench, -1, &error), 0);
	terminal_destroy(bench->terminal);
	bench->terminal = NULL;
	terminal_target_close(&bench->target);
	pthread_join(reader, NULL);
}

/* ---- coming and going ---- */

TEST_WITH(what_is_written_to_a_pty_arrives_unchanged_and_without_an_echo, setup, teardown)
{
	static const char keys[] = "a\r\nb\x03\x04\x11\x13\x7f\xff";
	struct pollfd quiet = { .events = POLLIN };
	struct bench *bench = *state;

	open_end(bench, "pty");
	quiet.fd = open_pty_end(bench);
	assert_int_equal(write(quiet.fd, keys, sizeof(keys)), sizeof(keys));
	SERVE_UNTIL(bench, bench->input_len == sizeof(keys));
	assert_memory_equal(bench->input, keys, sizeof(keys));
	assert_int_equal(poll(&quiet, 1, 20), 0);
	close(quiet.fd);
}

TEST_WITH(what_was_written_to_a_pty_before_it_was_closed_arrives, setup, teardown)
{
	struct bench *bench = *state;

	open_end(bench, "pty");
	serve(bench, 0);
	for (unsigned i = 0; i < 3; i++) {
		int fd = open_pty_end(bench);

		assert_int_equal(write(fd, "abc", 3), 3);
		close(fd);
		SERVE_UNTIL(bench, bench->input_len == 3 * (i + 1));
	}
	assert_memory_equal(bench->input, "abcabcabc", 9);
}

TEST_WITH(a_client_comes_back_and_finds_what_it_missed, setup, teardown)
{
	struct bench *bench = *state;
	int fd;

	open_end(bench, "socket:");
	for (u64 first = 0; first < 50; first += 10) {
		fd = connect_end(bench);
		assert_int_equal(write(fd, "hello", 5), 5);
		SERVE_UNTIL(bench, bench->input_len == first / 2 + 5);
		put(bench, 4);
		expect_from(bench, fd, first, 4);
		close(fd);
		serve(bench, 20);
		put(bench, 6);
		fd = connect_end(bench);
		expect_from(bench, fd, first + 4, 6);
		close(fd);
		serve(bench, 20);
	}
}

TEST_WITH(a_second_client_waits_for_the_first_one_to_go, setup, teardown)
{
	struct bench *bench = *state;
	struct pollfd second;
	int first;

	open_end(bench, "socket:");
	first = connect_end(bench);
	put(bench, 10);
	expect_from(bench, first, 0, 10);
	second = (struct pollfd){ .fd = connect_end(bench), .events = POLLIN };
	put(bench, 10);
	serve(bench, 50);
	assert_int_equal(poll(&second, 1, 0), 0);
	expect_from(bench, first, 10, 10);
	close(first);
	serve(bench, 50);
	put(bench, 10);
	expect_from(bench, second.fd, 20, 10);
	close(second.fd);
}

TEST_WITH(a_client_that_has_said_everything_still_hears, setup, teardown)
{
	struct bench *bench = *state;
	int fd;

	open_end(bench, "socket:");
	fd = connect_end(bench);
	assert_int_equal(write(fd, "all", 3), 3);
	shutdown(fd, SHUT_WR);
	SERVE_UNTIL(bench, bench->input_len == 3);
	serve(bench, 50);
	put(bench, 100000);
	expect_from(bench, fd, 0, 100000);
	close(fd);
}

TEST_WITH(input_that_the_guest_does_not_take_waits_for_it, setup, teardown)
{
	struct bench *bench = *state;
	u8 data[20000];
	size_t got = 0;
	int fd;

	open_end(bench, "socket:");
	terminal_set_client(bench->terminal, NULL);
	fd = connect_end(bench);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = pattern(i);
	assert_int_equal(write(fd, data, sizeof(data)), sizeof(data));
	close(fd);
	serve(bench, 50);
	while (got < sizeof(data)) {
		u8 some[500];
		size_t len = terminal_read(bench->terminal, some, sizeof(some));

		for (size_t i = 0; i < len; i++)
			assert_int_equal(some[i], pattern(got + i));
		got += len;
		serve(bench, 0);
	}
}

/* ---- files ---- */

static void expect_file(const char *path, const char *before, u64 count)
{
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	while (*before)
		assert_int_equal(fgetc(file), *before++);
	for (u64 i = 0; i < count; i++)
		assert_int_equal(fgetc(file), pattern(i));
	assert_int_equal(fgetc(file), EOF);
	fclose(file);
}

TEST_WITH(a_file_is_appended_to, setup, teardown)
{
	struct bench *bench = *state;
	FILE *file = fopen(bench->path, "w");
	int error;

	fputs("before", file);
	fclose(file);
	open_end(bench, "file");
	while (bench->written < 500000) {
		put(bench, 500000 - bench->written);
		serve(bench, 10);
	}
	assert_int_equal(finish(bench, -1, &error), 0);
	expect_file(bench->path, "before", 500000);
}

TEST_WITH(a_full_disk_is_a_loss_that_does_not_stop_the_device, setup, teardown)
{
	struct bench *bench = *state;
	int error;

	bench->target = (struct terminal_target){ .kind = TERMINAL_FILE, .path = "/dev/full" };
	bench->target.fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	create(bench);
	log_set_level(LOG_ERROR);
	while (bench->written < 500000) {
		put(bench, 500000 - bench->written);
		serve(bench, 10);
	}
	log_set_level(LOG_WARNING);
	assert_int_equal(finish(bench, -1, &error), 500000);
	assert_int_equal(error, -ENOSPC);
}

TEST_WITH(a_file_that_takes_nothing_holds_the_device_back_and_ends_in_time, setup, teardown)
{
	struct bench *bench = *state;
	int ends[2], error;

	/* A pipe that blocks is what a frozen file system is. */
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	bench->target = (struct terminal_target){ .kind = TERMINAL_FILE, .fd = ends[1] };
	create(bench);
	while (!bench->full) {
		put(bench, 1000000);
		serve(bench, 20);
	}
	assert_true(finish(bench, 50, &error) > 0);
	assert_int_equal(error, -ETIMEDOUT);
	/* Its process ends before its memory is looked for. */
	close(ends[0]);
	finish(bench, -1, &error);
}

TEST_WITH(a_log_has_all_output_and_holds_the_device_back_as_a_reader_does, setup, teardown)
{
	struct bench *bench = *state;
	struct terminal_target log = { .kind = TERMINAL_FILE, .path = "log" };
	int ends[2], error;
	u64 before;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	log.fd = ends[1];
	open_end(bench, "file");
	assert_int_equal(terminal_log_to(bench->terminal, &log), 0);
	while (!bench->full) {
		put(bench, 1000000);
		serve(bench, 20);
	}
	before = bench->written;
	expect_from(bench, ends[0], 0, before);
	SERVE_UNTIL(bench, !bench->full);
	put(bench, 1000);
	assert_int_equal(finish(bench, -1, &error), 0);
	assert_int_equal(terminal_finish_log(bench->terminal, -1, -1, &error), 0);
	expect_from(bench, ends[0], before, 1000);
	expect_file(bench->path, "", before + 1000);
	close(ends[0]);
	close(ends[1]);
}

TEST_WITH(what_is_nowhere_takes_everything_and_gives_nothing, setup, teardown)
{
	struct bench *bench = *state;
	struct error err = { "" };
	char byte;
	int error;

	assert_int_equal(terminal_target_set(&bench->target, "none", "--serial", &err), 0);
	assert_int_equal(terminal_target_open(&bench->target, keeper, "--serial", &err), 0);
	create(bench);
	assert_int_equal(put(bench, 1000000), 1000000);
	assert_int_equal(terminal_read(bench->terminal, &byte, 1), 0);
	assert_int_equal(finish(bench, -1, &error), 0);
	assert_int_equal(error, 0);
}

static void count_panic(void *arg)
{
	++*(unsigned *)arg;
}

TEST_WITH(a_panic_is_heard_where_nobody_reads, setup, teardown)
{
	static const char words[] = "...\nKernel panic - not syncing: test\n";
	struct bench *bench = *state;
	unsigned heard = 0;
	struct terminal_events events = { .panic = count_panic, .arg = &heard };
	struct error err = { "" };

	assert_int_equal(terminal_target_set(&bench->target, "none", "--serial", &err), 0);
	create(bench);
	terminal_write(bench->terminal, words, sizeof(words) - 1);
	assert_int_equal(heard, 0);
	terminal_hear(bench->terminal, &events);
	terminal_write(bench->terminal, words, sizeof(words) - 1);
	assert_int_equal(heard, 1);
}

/* ---- names ---- */

static void refused(const char *value, const char *why)
{
	struct terminal_target target;
	struct error err = { "" };
	int ret = terminal_target_set(&target, value, "--serial", &err);

	if (!ret)
		ret = terminal_target_open(&target, keeper, "--serial", &err);
	assert_true(ret < 0);
	if (!strstr(err.text, why))
		fail_msg("%s", err.text);
	terminal_target_close(&target);
}

TEST(what_cannot_be_an_end_is_refused)
{
	char longer[200] = "socket:/tmp/";

	refused("", "the name of a file is missing");
	refused("socket:", "the path is missing");
	memset(longer + strlen(longer), 'x', 120);
	refused(longer, "longer than the 107 characters");
	refused("/tmp", "is not a regular file");
	refused("/dev/null", "is not a regular file");
	refused("/nowhere/file", "No such file");
	refused("socket:/nowhere/socket", "No such file");
}

TEST_WITH(a_socket_is_removed_at_the_end_and_one_that_is_used_is_left_alone, setup, teardown)
{
	struct bench *bench = *state;
	char value[80];

	open_end(bench, "socket:");
	snprintf(value, sizeof(value), "socket:%s", bench->path);
	refused(value, "is in use");
	terminal_destroy(bench->terminal);
	bench->terminal = NULL;
	terminal_target_close(&bench->target);
	assert_int_equal(access(bench->path, F_OK), -1);
	fclose(fopen(bench->path, "w"));
	refused(value, "is there, and no socket");
}

static int begin(void **state)
{
	keeper = keeper_rig_create();
	return 0;
}

static int end(void **state)
{
	keeper_destroy(keeper);
	return 0;
}

TEST_PROGRAM(begin, end)
