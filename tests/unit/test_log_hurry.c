/* SPDX-License-Identifier: BSD-2-Clause */
/* What a process that ends does about its log: it waits for nobody, and opens nothing. */
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test.h"
#include "util/log.h"

#define PATIENCE 30 /* seconds: of the test itself */

static __thread bool is_stuck;
static sem_t writes, go;

/* Takes the C library's place in this program. */
ssize_t write(int fd, const void *data, size_t len)
{
	if (is_stuck) {
		sem_post(&writes);
		while (sem_wait(&go))
			;
	}
	return syscall(SYS_write, fd, data, len);
}

static unsigned opens; /* since it was set */

int open(const char *path, int flags, ...)
{
	opens++;
	return syscall(SYS_openat, AT_FDCWD, path, flags, 0);
}

static void *say(void *arg)
{
	is_stuck = true;
	log_warning("of one that is stuck");
	return NULL;
}

TEST(a_line_and_the_end_do_without_one_who_does_not_come_back)
{
	int stderr_copy = dup(STDERR_FILENO), ends[2];
	pthread_t thread;

	/* A pipe is written to directly. */
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	dup2(ends[1], STDERR_FILENO);
	sem_init(&writes, 0, 0);
	sem_init(&go, 0, 0);
	assert_int_equal(pthread_create(&thread, NULL, say, NULL), 0);
	while (sem_wait(&writes))
		;
	alarm(PATIENCE);
	log_hurry(50);
	log_warning("the host does not answer");
	log_flush(50);
	alarm(0);
	sem_post(&go);
	pthread_join(thread, NULL);
	log_flush(0);
	dup2(stderr_copy, STDERR_FILENO);
	close(stderr_copy);
}

/* It may be any thread's, in the moment before the end. It is the last test: a log is sealed for
 * good. */
TEST(a_line_after_the_last_flush_opens_nothing_once_the_machine_is_sealed)
{
	int stderr_copy = dup(STDERR_FILENO), ends[2];

	/* What is opened once more. */
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	dup2(ends[1], STDERR_FILENO);
	opens = 0;
	log_seal();
	assert_int_equal(opens, 1);
	log_flush(0);
	log_warning("too late");
	assert_int_equal(opens, 1);
	dup2(stderr_copy, STDERR_FILENO);
	close(stderr_copy);
}
