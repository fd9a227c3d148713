/* SPDX-License-Identifier: BSD-2-Clause */
/* Arm's generic watchdog, as Linux's sbsa_gwdt and a hostile guest drive it. */
#include <sys/syscall.h>
#include <unistd.h>

#include "test.h"

#include "../../arm/map.h"
#include "../../arm/sbsa_gwdt.h"
#include "host_clock.h"
#include "wire.h"

enum { WCS = 0x0, WOR = 0x8, WOR_HIGH = 0xc, WCV = 0x10, WCV_HIGH = 0x14, IIDR = 0xfcc };
enum { ENABLED = 1, WS0 = 2, WS1 = 4 };

#define HZ     1000000
#define OFFSET 1000
#define NOW    0x100000000ull

static struct vm *vm;

static u64 now(void)
{
	return NOW + OFFSET;
}

static int make(enum watchdog_action action)
{
	static const struct sbsa_clock clock = { .frequency = HZ, .now = now, .offset = OFFSET };

	vm = wire_create();
	return sbsa_gwdt_create(vm, &clock, action);
}

static int setup(void **state)
{
	return make(WATCHDOG_EXIT);
}

static int setup_none(void **state)
{
	return make(WATCHDOG_NONE);
}

static int teardown(void **state)
{
	wire_destroy(vm);
	return 0;
}

static u32 get(u64 offset)
{
	u32 value;

	assert_true(bus_read(vm->mmio, MAP_WATCHDOG + offset, &value, 4));
	return value;
}

static void set(u64 offset, u32 value)
{
	assert_true(bus_write(vm->mmio, MAP_WATCHDOG + offset, &value, 4));
}

static void refresh(void)
{
	u32 value = 0;

	assert_true(bus_write(vm->mmio, MAP_WATCHDOG_REFRESH, &value, 4));
}

static bool ended(void)
{
	return atomic_load(&vm->stop) == VM_WATCHDOG;
}

TEST_WITH(it_says_which_version_it_is_in_both_frames, setup, teardown)
{
	u32 value;

	assert_int_equal(get(IIDR) >> 16 & 0xf, 1);
	assert_true(bus_read(vm->mmio, MAP_WATCHDOG_REFRESH + IIDR, &value, 4));
	assert_int_equal(value, get(IIDR));
}

TEST_WITH(the_first_timeout_interrupts_and_the_second_ends_the_run, setup, teardown)
{
	set(WOR, 2000);
	set(WCS, ENABLED);
	loop_poll(vm->loop, 60000);
	assert_int_equal(get(WCS), ENABLED | WS0);
	assert_true(wire_level(MAP_SPI_WATCHDOG));
	assert_false(ended());
	loop_poll(vm->loop, 60000);
	assert_int_equal(get(WCS), ENABLED | WS0 | WS1);
	assert_true(ended());
}

TEST_WITH(a_refresh_takes_the_interrupt_back, setup, teardown)
{
	set(WOR, 2000);
	set(WCS, ENABLED);
	for (unsigned i = 0; i < 5; i++) {
		loop_poll(vm->loop, 60000);
		assert_true(wire_level(MAP_SPI_WATCHDOG));
		refresh();
		assert_false(wire_level(MAP_SPI_WATCHDOG));
	}
	assert_false(ended());
}

TEST_WITH(the_compare_value_counts_as_the_guest_does, setup, teardown)
{
	set(WOR, 5000000);
	set(WOR_HIGH, 1);
	set(WCS, ENABLED);
	assert_int_equal(get(WOR_HIGH), 1);
	assert_int_equal(get(WCV), 5000000);
	assert_int_equal(get(WCV_HIGH), 2);
	/* It goes by refreshes alone. */
	set(WCV, 0);
	set(WCV_HIGH, 0);
	assert_int_equal(get(WCV_HIGH), 2);
}

TEST_WITH(a_watchdog_that_is_switched_off_is_quiet, setup, teardown)
{
	set(WOR, 2000);
	set(WCS, ENABLED);
	loop_poll(vm->loop, 60000);
	set(WCS, 0);
	assert_false(wire_level(MAP_SPI_WATCHDOG));
	assert_int_equal(loop_poll(vm->loop, 20), 0);
	assert_false(ended());
}

TEST_WITH(no_ticks_at_all_are_a_timeout_and_not_a_loop, setup_none, teardown)
{
	set(WCS, ENABLED);
	set(WOR, 0);
	loop_poll(vm->loop, 60000);
	loop_poll(vm->loop, 60000);
	assert_int_equal(get(WCS), ENABLED | WS0 | WS1);
	assert_int_equal(loop_poll(vm->loop, 20), 0);
	refresh();
	assert_int_equal(get(WCS), ENABLED);
}

TEST_WITH(time_does_not_count_while_the_vm_is_paused, setup, teardown)
{
	struct device *device = list_entry(vm->devices.prev, struct device, node);

	set(WOR, 2000);
	set(WCS, ENABLED);
	device->ops->pause(device);
	assert_int_equal(loop_poll(vm->loop, 20), 0);
	device->ops->resume(device);
	loop_poll(vm->loop, 60000);
	assert_int_equal(get(WCS), ENABLED | WS0);
}

/* The loop has slept: it is later than the timers know. */
static bool some_seconds_later(struct timespec *now)
{
	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, now);
	now->tv_sec += 3;
	return true;
}

/* Nor did the guest run, which could not refresh it. */
TEST_WITH(what_ends_while_all_of_us_sleep_ends_nothing_the_first_time, setup, teardown)
{
	set(WOR, 2000);
	set(WCS, ENABLED);
	loop_poll(vm->loop, 60000);
	host_clock_ask(some_seconds_later);
	loop_poll(vm->loop, 60000);
	assert_int_equal(get(WCS), ENABLED | WS0);
	assert_false(ended());
	/* Late each time: it ends a guest that hangs all the same. */
	loop_poll(vm->loop, 60000);
	host_clock_ask(NULL);
	assert_int_equal(get(WCS), ENABLED | WS0 | WS1);
	assert_true(ended());
}

TEST_WITH(every_access_of_every_size_is_survived, setup, teardown)
{
	static const u64 frames[] = { MAP_WATCHDOG, MAP_WATCHDOG_REFRESH };

	for (unsigned frame = 0; frame < 2; frame++) {
		for (unsigned len = 1; len <= 8; len *= 2) {
			for (u64 at = 0; at + len <= MAP_WATCHDOG_FRAME; at += len) {
				u64 value = ~0ull;

				assert_true(bus_write(vm->mmio, frames[frame] + at, &value, len));
				assert_true(bus_read(vm->mmio, frames[frame] + at, &value, len));
			}
		}
	}
}
