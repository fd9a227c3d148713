/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cmocka_all.h"
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

static void handlers_run_under_the_lock(void **state)
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

static void a_removed_source_is_not_called_for_an_event_at_hand(void **state)
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

static void stop_before_run_is_not_lost(void **state)
{
	struct loop *loop;

	assert_int_equal(loop_create(&loop, &lock), 0);
	loop_stop(loop);
	assert_int_equal(loop_run(loop), 0);
	loop_destroy(loop);
}

static void files_cannot_be_waited_for(void **state)
{
	struct loop_source source = { .fd = open("/proc/self/exe", O_RDONLY), .events = EPOLLIN };
	struct loop *loop;

	assert_int_equal(loop_create(&loop, &lock), 0);
	assert_int_equal(loop_add(loop, &source), -EPERM);
	close(source.fd);
	loop_destroy(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(handlers_run_under_the_lock),
		cmocka_unit_test(a_removed_source_is_not_called_for_an_event_at_hand),
		cmocka_unit_test(stop_before_run_is_not_lost),
		cmocka_unit_test(files_cannot_be_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
