/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "test.h"
#include "vmm/loop.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

struct probe {
	struct loop_source source;
	struct loop *loop;
	struct probe *victim; /* removed by our handler */
	int calls;
};

static void on_event(struct loop_source *source, u32 events)
{
	struct probe *probe = container_of(source, struct probe, source);

	probe->calls++;
	assert_int_equal(pthread_mutex_trylock(&lock), EBUSY); /* the VM lock is held */
	if (probe->victim)
		loop_remove(probe->loop, &probe->victim->source);
}

static void probe_init(struct probe *probe, struct loop *loop)
{
	*probe = (struct probe){ .loop = loop };
	probe->source.fd = eventfd(1, EFD_NONBLOCK);
	probe->source.events = EPOLLIN;
	probe->source.handle = on_event;
	assert_int_equal(loop_add(loop, &probe->source), 0);
}

TEST(handlers_run_under_the_lock)
{
	struct loop *loop;
	struct probe probe;

	assert_int_equal(loop_create(&loop, &lock), 0);
	probe_init(&probe, loop);
	assert_int_equal(loop_poll(loop, 1000), 1);
	assert_int_equal(loop_modify(loop, &probe.source, 0), 0);
	assert_int_equal(loop_poll(loop, 0), 0);
	assert_int_equal(probe.calls, 1);
	loop_remove(loop, &probe.source);
	close(probe.source.fd);
	loop_destroy(loop);
}

TEST(a_removed_source_is_not_called_for_an_event_at_hand)
{
	struct loop *loop;
	struct probe a, b;

	assert_int_equal(loop_create(&loop, &lock), 0);
	probe_init(&a, loop);
	probe_init(&b, loop);
	a.victim = &b;
	b.victim = &a;
	/* Both are ready: whichever comes first removes the other. */
	assert_int_equal(loop_poll(loop, 1000), 1);
	assert_int_equal(a.calls + b.calls, 1);
	close(a.source.fd);
	close(b.source.fd);
	loop_destroy(loop);
}

TEST(stop_before_run_is_not_lost)
{
	struct loop *loop;

	assert_int_equal(loop_create(&loop, &lock), 0);
	loop_stop(loop);
	assert_int_equal(loop_run(loop), 0);
	loop_destroy(loop);
}

struct waiter {
	struct loop *loop;
	pthread_t thread;
	bool waiting; /* under the lock */
	bool result;
};

static void *wait_once(void *arg)
{
	struct waiter *waiter = arg;

	pthread_mutex_lock(&lock);
	waiter->waiting = true;
	waiter->result = loop_wait(waiter->loop);
	pthread_mutex_unlock(&lock);
	return NULL;
}

static void start_waiter(struct waiter *waiter, struct loop *loop)
{
	bool waiting = false;

	*waiter = (struct waiter){ .loop = loop };
	assert_int_equal(pthread_create(&waiter->thread, NULL, wait_once, waiter), 0);
	while (!waiting) {
		pthread_mutex_lock(&lock);
		waiting = waiter->waiting;
		pthread_mutex_unlock(&lock);
		sched_yield();
	}
}

TEST(who_waits_comes_back_when_a_handler_has_run)
{
	struct waiter waiters[3];
	struct loop *loop;
	struct probe probe;

	assert_int_equal(loop_create(&loop, &lock), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(waiters); i++)
		start_waiter(&waiters[i], loop);
	probe_init(&probe, loop);
	assert_int_equal(loop_poll(loop, 1000), 1);
	for (unsigned i = 0; i < ARRAY_SIZE(waiters); i++) {
		assert_int_equal(pthread_join(waiters[i].thread, NULL), 0);
		assert_true(waiters[i].result);
	}
	loop_remove(loop, &probe.source);
	close(probe.source.fd);
	loop_destroy(loop);
}

TEST(nobody_waits_for_a_loop_that_has_stopped)
{
	struct waiter before, after;
	struct loop *loop;

	assert_int_equal(loop_create(&loop, &lock), 0);
	start_waiter(&before, loop);
	loop_stop(loop);
	assert_int_equal(loop_run(loop), 0);
	start_waiter(&after, loop);
	assert_int_equal(pthread_join(before.thread, NULL), 0);
	assert_int_equal(pthread_join(after.thread, NULL), 0);
	assert_false(before.result);
	assert_false(after.result);
	loop_destroy(loop);
}

TEST(who_waits_on_the_loops_own_thread_serves_it)
{
	struct loop *loop;
	struct probe probe;

	assert_int_equal(loop_create(&loop, &lock), 0);
	probe_init(&probe, loop);
	pthread_mutex_lock(&lock);
	assert_true(loop_wait(loop));
	assert_int_equal(probe.calls, 1);
	loop_stop(loop);
	assert_false(loop_wait(loop));
	pthread_mutex_unlock(&lock);
	loop_remove(loop, &probe.source);
	close(probe.source.fd);
	loop_destroy(loop);
}

TEST(files_cannot_be_waited_for)
{
	struct loop_source source = { .fd = open("/proc/self/exe", O_RDONLY), .events = EPOLLIN };
	struct loop *loop;

	assert_int_equal(loop_create(&loop, &lock), 0);
	assert_int_equal(loop_add(loop, &source), -EPERM);
	close(source.fd);
	loop_destroy(loop);
}
