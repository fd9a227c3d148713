/* SPDX-License-Identifier: BSD-2-Clause */
#include "test.h"
#include "vmm/loop.h"

#define HOUR	    3600000000000ull
#define MILLISECOND 1000000ull

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

struct probe {
	struct loop_timer timer;
	struct loop_timer *victim; /* disarmed when this one expires */
	bool again;		   /* arm it once more then */
	int calls;
};

static void on_expired(struct loop_timer *timer)
{
	struct probe *probe = container_of(timer, struct probe, timer);

	probe->calls++;
	assert_false(timer->armed);
	if (probe->victim)
		loop_timer_disarm(probe->victim);
	if (probe->again)
		loop_timer_arm(timer, 0);
	probe->again = false;
}

static int setup(void **state)
{
	return loop_create((struct loop **)state, &lock);
}

static int teardown(void **state)
{
	loop_destroy(*state);
	return 0;
}

TEST_WITH(a_timer_expires_once, setup, teardown)
{
	struct probe probe = { 0 };

	assert_int_equal(loop_timer_create(&probe.timer, *state, on_expired), 0);
	loop_timer_arm(&probe.timer, MILLISECOND);
	assert_int_equal(loop_poll(*state, 60000), 1);
	assert_int_equal(loop_poll(*state, 0), 0);
	assert_int_equal(probe.calls, 1);
	loop_timer_destroy(&probe.timer);
}

TEST_WITH(a_timer_may_be_armed_again_when_it_expires, setup, teardown)
{
	struct probe probe = { .again = true };

	assert_int_equal(loop_timer_create(&probe.timer, *state, on_expired), 0);
	loop_timer_arm(&probe.timer, 0);
	loop_poll(*state, 60000);
	loop_poll(*state, 60000);
	assert_int_equal(probe.calls, 2);
	loop_timer_destroy(&probe.timer);
}

TEST_WITH(a_later_time_replaces_an_earlier_one, setup, teardown)
{
	struct probe probe = { 0 };

	assert_int_equal(loop_timer_create(&probe.timer, *state, on_expired), 0);
	loop_timer_arm(&probe.timer, MILLISECOND);
	loop_timer_arm(&probe.timer, HOUR);
	assert_int_equal(loop_poll(*state, 20), 0);
	assert_int_equal(probe.calls, 0);
	loop_timer_destroy(&probe.timer);
}

TEST_WITH(a_disarmed_timer_is_not_called_for_an_expiry_at_hand, setup, teardown)
{
	struct probe a = { .victim = NULL }, b = { .victim = &a.timer };

	a.victim = &b.timer;
	assert_int_equal(loop_timer_create(&a.timer, *state, on_expired), 0);
	assert_int_equal(loop_timer_create(&b.timer, *state, on_expired), 0);
	loop_timer_arm(&a.timer, 0);
	loop_timer_arm(&b.timer, 0);
	loop_poll(*state, 60000);
	loop_poll(*state, 20);
	assert_int_equal(a.calls + b.calls, 1);
	loop_timer_destroy(&a.timer);
	loop_timer_destroy(&b.timer);
}

/* They share a descriptor: the later one must not take the earlier one's place, nor be forgotten.
 */
TEST_WITH(each_of_several_timers_expires_at_its_own_time, setup, teardown)
{
	struct probe late = { 0 }, soon = { 0 }, never = { 0 };

	assert_int_equal(loop_timer_create(&late.timer, *state, on_expired), 0);
	assert_int_equal(loop_timer_create(&soon.timer, *state, on_expired), 0);
	assert_int_equal(loop_timer_create(&never.timer, *state, on_expired), 0);
	loop_timer_arm(&never.timer, ~0ull);
	loop_timer_arm(&soon.timer, 0);
	loop_timer_arm(&late.timer, 30 * MILLISECOND);
	loop_poll(*state, 60000);
	assert_int_equal(soon.calls, 1);
	while (!late.calls)
		loop_poll(*state, 60000);
	assert_int_equal(late.calls + soon.calls, 2);
	assert_true(never.timer.armed && loop_timer_left(&never.timer) > HOUR);
	loop_timer_destroy(&soon.timer);
	loop_timer_arm(&late.timer, 0);
	assert_int_equal(loop_poll(*state, 60000), 1);
	assert_int_equal(late.calls, 2);
	loop_timer_destroy(&late.timer);
	loop_timer_destroy(&never.timer);
}

static struct loop_timer other;

static void destroy_all(struct loop_timer *timer)
{
	loop_timer_destroy(timer);
	loop_timer_destroy(&other);
}

TEST_WITH(the_last_timers_may_be_destroyed_when_they_expire, setup, teardown)
{
	struct loop_timer timer;

	assert_int_equal(loop_timer_create(&timer, *state, destroy_all), 0);
	assert_int_equal(loop_timer_create(&other, *state, destroy_all), 0);
	loop_timer_arm(&timer, 0);
	loop_timer_arm(&other, 0);
	assert_int_equal(loop_poll(*state, 60000), 1);
	/* And the descriptor comes anew. */
	assert_int_equal(loop_timer_create(&timer, *state, destroy_all), 0);
	loop_timer_arm(&timer, 0);
	assert_int_equal(loop_poll(*state, 60000), 1);
}

TEST_WITH(destroying_a_timer_that_was_never_created_is_harmless, setup, teardown)
{
	struct loop_timer timer = { 0 };

	loop_timer_destroy(&timer);
}
