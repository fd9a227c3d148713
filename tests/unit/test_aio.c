/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's AIO with a real file; how often it is called for completions is counted here. */
#include <fcntl.h>
#include <libaio.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test.h"
#include "../../disk/aio.h"

#define BLOCK	    4096
#define BLOCKS	    64
#define ROUNDS	    400 /* the ring's places are used again and again */
#define PATIENCE_MS 20000

static unsigned calls;
static bool foreign;

/* libaio's, but for the one that makes a ring of a kind that nobody knows. */
int io_setup(int depth, io_context_t *context)
{
	u32 *ring;

	if (syscall(SYS_io_setup, depth, context))
		return -1;
	ring = (u32 *)*context;
	if (foreign)
		ring[4] ^= 1;
	return 0;
}

int io_getevents(io_context_t context, long least, long most, struct io_event *events,
		 struct timespec *timeout)
{
	calls++;
	return syscall(SYS_io_getevents, context, least, most, events, timeout);
}

struct fixture {
	int fd, event_fd;
	struct aio *aio;
	struct disk_request requests[BLOCKS];
	struct iovec iovs[BLOCKS];
	unsigned answers[BLOCKS]; /* in the round */
	u8 *memory;
};

static int setup(void **state)
{
	char path[] = "/var/tmp/lkvm-test-XXXXXX";
	struct fixture *f = calloc(1, sizeof(*f));

	f->fd = mkstemp(path);
	assert_true(f->fd >= 0);
	f->memory = aligned_alloc(BLOCK, BLOCKS * BLOCK);
	for (unsigned i = 0; i < BLOCKS; i++)
		memset(f->memory + i * BLOCK, i + 1, BLOCK);
	assert_int_equal(pwrite(f->fd, f->memory, BLOCKS * BLOCK, 0), BLOCKS * BLOCK);
	f->event_fd = eventfd(0, EFD_NONBLOCK);
	assert_int_equal(aio_create(&f->aio, f->fd, f->event_fd), 0);
	unlink(path);
	calls = 0;
	*state = f;
	return 0;
}

static int setup_foreign(void **state)
{
	foreign = true;
	setup(state);
	foreign = false;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	aio_destroy(f->aio);
	close(f->fd);
	close(f->event_fd);
	free(f->memory);
	free(f);
	return 0;
}

static void submit_all(struct fixture *f, unsigned round)
{
	struct aio_batch batch = { 0 };

	for (unsigned i = 0; i < BLOCKS; i++) {
		f->iovs[i] = (struct iovec){ f->memory + i * BLOCK, BLOCK };
		f->answers[i] = 0;
		f->requests[i] = (struct disk_request){
			.op = DISK_READ,
			.place = (i + round) % BLOCKS * BLOCK,
			.len = BLOCK,
			.iov = &f->iovs[i],
			.iov_count = 1,
			.result = 1,
		};
		assert_true(aio_add(f->aio, &batch, &f->requests[i], false));
	}
	aio_submit(f->aio, &batch);
	assert_null(aio_take_refused(f->aio, &batch));
}

static unsigned take(struct fixture *f)
{
	struct request_list finished = { 0 };
	struct pollfd wait = { .fd = f->event_fd, .events = POLLIN };
	struct disk_request *request;
	unsigned count = 0;
	eventfd_t rung;

	assert_int_equal(poll(&wait, 1, PATIENCE_MS), 1);
	assert_int_equal(eventfd_read(f->event_fd, &rung), 0);
	aio_reap(f->aio, &finished);
	while ((request = request_pop(&finished))) {
		assert_int_equal(request->result, 0);
		f->answers[request - f->requests]++;
		count++;
	}
	return count;
}

static void read_in_rounds(struct fixture *f)
{
	for (unsigned round = 0; round < ROUNDS; round++) {
		submit_all(f, round);
		for (unsigned done = 0; done < BLOCKS; done += take(f))
			;
		for (unsigned i = 0; i < BLOCKS; i++) {
			assert_int_equal(f->answers[i], 1);
			assert_int_equal(f->memory[i * BLOCK], (i + round) % BLOCKS + 1);
		}
	}
}

TEST_WITH(completions_are_taken_once_each_and_without_a_call, setup, teardown)
{
	read_in_rounds(*state);
	assert_int_equal(calls, 0);
}

TEST_WITH(of_a_ring_that_is_not_known_the_kernel_is_asked, setup_foreign, teardown)
{
	read_in_rounds(*state);
	assert_true(calls > 0);
}

TEST_WITH(nothing_is_taken_where_nothing_is_complete, setup, teardown)
{
	struct fixture *f = *state;
	struct request_list finished = { 0 };

	aio_reap(f->aio, &finished);
	assert_null(finished.first);
}
