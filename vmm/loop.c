/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "loop_private.h"

#define LOOP_BATCH  16
#define LOOP_YIELDS 100

struct loop {
	int epoll_fd;
	int stop_fd; /* an eventfd: loop_stop() */
	atomic_bool stopped;
	pthread_mutex_t *lock; /* borrowed */
	/* What epoll_wait() returned and has not been handled yet. */
	struct epoll_event batch[LOOP_BATCH];
	int next, count;
	/*
	 * A vCPU thread may remove a source after epoll_wait() fetched its event and
	 * before we have the lock. Then the batch is dropped: events are level
	 * triggered, those that still hold come again.
	 */
	u64 removals, removals_seen;
	pthread_t thread;	 /* whose loop it is */
	pthread_cond_t progress; /* a handler has run: for loop_wait() */
	unsigned waiters;
	_Atomic unsigned wanted; /* threads that wait in loop_lock(), this one included */
	int give_up;		 /* borrowed; loop_set_patience() */
	u64 patience_end;	 /* ms of CLOCK_MONOTONIC; 0: none */
	bool gave_up;
	struct loop_timers timers;
};

int loop_create(struct loop **out, pthread_mutex_t *lock)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };
	struct loop *loop = calloc(1, sizeof(*loop));
	int ret;

	if (!loop)
		return -ENOMEM;
	loop->lock = lock;
	loop->thread = pthread_self();
	loop->give_up = -1;
	list_init(&loop->timers.list);
	pthread_cond_init(&loop->progress, NULL);
	loop->stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0 || loop->stop_fd < 0 ||
	    epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->stop_fd, &event)) {
		ret = -errno;
		loop_destroy(loop);
		return ret;
	}
	*out = loop;
	return 0;
}

void loop_destroy(struct loop *loop)
{
	if (!loop)
		return;
	if (loop->epoll_fd >= 0)
		close(loop->epoll_fd);
	if (loop->stop_fd >= 0)
		close(loop->stop_fd);
	pthread_cond_destroy(&loop->progress);
	free(loop);
}

struct loop_timers *loop_timers(struct loop *loop)
{
	return &loop->timers;
}

static int loop_control(struct loop *loop, int op, struct loop_source *source)
{
	struct epoll_event event = { .events = source->events, .data.ptr = source };

	return epoll_ctl(loop->epoll_fd, op, source->fd, &event) ? -errno : 0;
}

int loop_add(struct loop *loop, struct loop_source *source)
{
	return loop_control(loop, EPOLL_CTL_ADD, source);
}

int loop_modify(struct loop *loop, struct loop_source *source, u32 events)
{
	source->events = events;
	return loop_control(loop, EPOLL_CTL_MOD, source);
}

void loop_remove(struct loop *loop, struct loop_source *source)
{
	loop_control(loop, EPOLL_CTL_DEL, source);
	loop->removals++;
	/* The event may be at hand already, behind the one that calls us. */
	for (int i = loop->next; i < loop->count; i++) {
		if (loop->batch[i].data.ptr == source)
			loop->batch[i].data.ptr = NULL;
	}
}

void loop_lock(struct loop *loop)
{
	if (!pthread_mutex_trylock(loop->lock))
		return;
	atomic_fetch_add(&loop->wanted, 1);
	pthread_mutex_lock(loop->lock);
	atomic_fetch_sub(&loop->wanted, 1);
}

/*
 * Unlocking wakes a thread that waits, but whoever unlocked would have the lock again before that
 * runs. Bounded, in case ever more threads come.
 */
void loop_give_way(struct loop *loop)
{
	for (unsigned i = 0; i < LOOP_YIELDS && atomic_load(&loop->wanted); i++)
		sched_yield();
}

/* Lock held: a device whose work is never done would keep it. */
static void let_others(struct loop *loop)
{
	pthread_mutex_unlock(loop->lock);
	loop_give_way(loop);
	loop_lock(loop);
}

/* Lock held. Nearly always there is nobody to tell. */
static void loop_tell(struct loop *loop)
{
	if (loop->waiters)
		pthread_cond_broadcast(&loop->progress);
}

int loop_poll(struct loop *loop, int timeout_ms)
{
	int handled = 0, count;

	count = epoll_wait(loop->epoll_fd, loop->batch, LOOP_BATCH, timeout_ms);
	if (count < 0)
		return errno == EINTR ? 0 : -errno;
	/*
	 * The lock is taken for each handler: an exit that waits for it gets its
	 * turn between two of them. A vCPU thread may remove a source in such a
	 * gap, so the batch is looked at under the lock only.
	 */
	loop_lock(loop);
	if (loop->removals != loop->removals_seen)
		count = 0;
	for (loop->next = 0, loop->count = count; loop->next < loop->count;) {
		struct epoll_event *event = &loop->batch[loop->next++];
		struct loop_source *source = event->data.ptr;

		if (!source)
			continue;
		source->handle(source, event->events);
		handled++;
		loop_tell(loop);
		let_others(loop);
	}
	loop->next = loop->count = 0;
	loop->removals_seen = loop->removals;
	if (atomic_load(&loop->stopped))
		loop_tell(loop);
	pthread_mutex_unlock(loop->lock);
	return handled;
}

int loop_run(struct loop *loop)
{
	int ret = 0;

	while (ret >= 0 && !atomic_load(&loop->stopped))
		ret = loop_poll(loop, -1);
	/* Nobody serves it any more: who comes to wait from now on sees that it is stopped. */
	atomic_store(&loop->stopped, true);
	pthread_mutex_lock(loop->lock);
	loop_tell(loop);
	pthread_mutex_unlock(loop->lock);
	return MIN(ret, 0);
}

static bool serve_one_round(struct loop *loop)
{
	int ret;

	pthread_mutex_unlock(loop->lock);
	ret = loop_poll(loop, -1);
	pthread_mutex_lock(loop->lock);
	return ret >= 0;
}

bool loop_wait(struct loop *loop)
{
	if (atomic_load(&loop->stopped))
		return false;
	if (pthread_equal(pthread_self(), loop->thread))
		return serve_one_round(loop) && !atomic_load(&loop->stopped);
	loop->waiters++;
	pthread_cond_wait(&loop->progress, loop->lock);
	loop->waiters--;
	return !atomic_load(&loop->stopped);
}

void loop_stop(struct loop *loop)
{
	u64 one = 1;
	int saved = errno;

	atomic_store(&loop->stopped, true);
	/* Cannot fail but by overflow, and then it is readable already. */
	if (write(loop->stop_fd, &one, sizeof(one)) < 0) {
	}
	errno = saved;
}

static u64 now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

void loop_set_patience(struct loop *loop, int give_up, int timeout_ms)
{
	loop->give_up = give_up;
	loop->patience_end = timeout_ms < 0 ? 0 : now_ms() + timeout_ms;
}

/* ms of patience that are left; -1: no end. */
static int patience_left(const struct loop *loop)
{
	u64 now = now_ms();

	return loop->patience_end ? (int)(loop->patience_end - MIN(now, loop->patience_end)) : -1;
}

static bool wait_for(const struct loop *loop, int fd, int left)
{
	struct pollfd fds[] = { { .fd = fd, .events = POLLIN },
				{ .fd = loop->give_up, .events = POLLIN } };
	int ret;

	do
		ret = poll(fds, 2, left);
	while (ret < 0 && errno == EINTR);
	return ret > 0 && fds[0].revents;
}

bool loop_await(struct loop *loop, int fd)
{
	bool there = wait_for(loop, fd, patience_left(loop));

	loop->gave_up |= !there;
	return there;
}

bool loop_await_for(struct loop *loop, int fd, int longest_ms)
{
	int left = patience_left(loop);

	return wait_for(loop, fd, left < 0 ? longest_ms : MIN(left, longest_ms));
}

bool loop_gave_up(const struct loop *loop)
{
	return loop->gave_up;
}
