/* SPDX-License-Identifier: BSD-2-Clause */
/* A process aside has our memory, and its own descriptors: what it logs goes out by ours. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"
#include "util/aside.h"
#include "util/log.h"

static char text[256];
static int theirs; /* open in the aside, where it is the only one */

static void say(void *arg)
{
	log_warning("said aside");
}

/* As a server of folders does: what it opens gets the lowest numbers, standard error's too. */
static void open_and_say(void *arg)
{
	for (int i = 0; i < 3; i++)
		dup(theirs);
	say(arg);
}

static void run_aside(void (*main)(void *arg))
{
	struct aside_config config = {
		.name = "test", .main = main, .keep = { theirs }, .keep_count = 1
	};
	struct aside *aside;

	assert_int_equal(aside_start(&aside, &config), 0);
	assert_true(aside_wait(aside, 60000));
	aside_destroy(aside);
}

static int open_file(void)
{
	char name[] = "/tmp/lkvm-log.XXXXXX";
	int fd = mkstemp(name);

	assert_true(fd >= 0);
	unlink(name);
	return fd;
}

/* What stands in it, from its beginning. */
static const char *text_of(int fd)
{
	ssize_t count = pread(fd, text, sizeof(text) - 1, 0);

	assert_true(count >= 0);
	text[count] = 0;
	return text;
}

/* What standard error, a file, gets while @main runs aside, and of @more lines of ours. */
static int catch_log(void (*main)(void *arg), bool more)
{
	int file = open_file(), before = dup(STDERR_FILENO);

	log_flush(10000);
	dup2(file, STDERR_FILENO);
	run_aside(main);
	if (more)
		log_warning("said here");
	log_flush(10000);
	dup2(before, STDERR_FILENO);
	close(before);
	return file;
}

TEST(a_line_of_a_process_aside_goes_to_our_standard_error_once)
{
	int file;

	theirs = open_file();
	file = catch_log(say, false);
	assert_string_equal(text_of(file), "lkvm: warning: said aside\n");
	close(file);
	close(theirs);
}

TEST(it_comes_before_our_next_line)
{
	int file;

	theirs = open_file();
	file = catch_log(say, true);
	assert_string_equal(text_of(file), "lkvm: warning: said aside\nlkvm: warning: said here\n");
	close(file);
	close(theirs);
}

TEST(no_line_goes_into_what_the_process_aside_has_open)
{
	int file;

	theirs = open_file();
	file = catch_log(open_and_say, false);
	assert_string_equal(text_of(theirs), "");
	assert_string_equal(text_of(file), "lkvm: warning: said aside\n");
	close(file);
	close(theirs);
}
