/* SPDX-License-Identifier: BSD-2-Clause */
/* arm64's clock, through its registers. */
#include "test.h"

#include <time.h>

#include "../../arm/map.h"
#include "../../arm/pl031.h"
#include "host_clock.h"
#include "vmm/alarm.h"
#include "wire.h"

#define NOW 1795391998 /* 2026-11-22 23:59:58 UTC */

enum { DR = 0, MR = 4, LR = 8, CR = 12, IMSC = 16, RIS = 20, MIS = 24, ICR = 28, ID = 0xfe0 };

static struct vm *vm;

static int setup(void **state)
{
	host_clock_set(NOW);
	vm = wire_create();
	return pl031_create(vm);
}

static int teardown(void **state)
{
	wire_destroy(vm);
	return 0;
}

static u32 get(u32 offset)
{
	u32 value;

	assert_true(bus_read(vm->mmio, MAP_RTC + offset, &value, 4));
	return value;
}

static void set(u32 offset, u32 value)
{
	assert_true(bus_write(vm->mmio, MAP_RTC + offset, &value, 4));
}

/* Serve the loop until it has called a handler. */
static void turn(void)
{
	while (!loop_poll(vm->loop, 1000))
		;
}

/* Longer than host_clock_almost() leaves. */
static void pause_a_while(void)
{
	const struct timespec time = { .tv_nsec = 1000000 };

	nanosleep(&time, NULL);
}

TEST_WITH(linux_knows_it_by_its_id, setup, teardown)
{
	u32 id = 0;

	for (unsigned i = 0; i < 4; i++)
		id |= get(ID + 4 * i) << 8 * i;
	assert_int_equal(id & 0xfffff, 0x41031);
	assert_int_equal(get(ID + 16) | get(ID + 20) << 8 | get(ID + 24) << 16 | get(ID + 28) << 24,
			 0xb105f00d);
}

TEST_WITH(it_shows_the_hosts_time, setup, teardown)
{
	assert_int_equal(get(DR), NOW);
	host_clock_set(NOW + 100);
	assert_int_equal(get(DR), NOW + 100);
	assert_int_equal(get(CR), 1);
}

TEST_WITH(a_time_that_was_set_runs_on, setup, teardown)
{
	set(LR, 5);
	assert_int_equal(get(DR), 5);
	assert_int_equal(get(LR), 5);
	host_clock_set(NOW + 7);
	assert_int_equal(get(DR), 12);
}

TEST_WITH(the_alarm_raises_the_interrupt_until_it_is_cleared, setup, teardown)
{
	set(MR, NOW + 2);
	set(IMSC, 1);
	host_clock_almost(NOW + 2);
	set(MR, NOW + 2);
	assert_false(wire_level(MAP_SPI_RTC));
	host_clock_set(NOW + 2);
	turn();
	assert_true(wire_level(MAP_SPI_RTC));
	assert_int_equal(get(RIS), 1);
	assert_int_equal(get(MIS), 1);
	set(ICR, 0);
	assert_true(wire_level(MAP_SPI_RTC));
	set(ICR, 1);
	assert_false(wire_level(MAP_SPI_RTC));
	assert_int_equal(get(RIS), 0);
}

TEST_WITH(an_alarm_that_is_masked_is_seen_and_not_heard, setup, teardown)
{
	set(MR, NOW);
	turn();
	assert_int_equal(get(RIS), 1);
	assert_int_equal(get(MIS), 0);
	assert_int_equal(wire_interrupts(MAP_SPI_RTC), 0);
	set(IMSC, 1);
	assert_true(wire_level(MAP_SPI_RTC));
}

TEST_WITH(the_alarm_is_in_the_guests_time, setup, teardown)
{
	host_clock_almost(NOW);
	set(LR, 1000); /* at NOW - 1 */
	set(IMSC, 1);
	set(MR, 1001);
	host_clock_set(NOW);
	turn();
	assert_true(wire_level(MAP_SPI_RTC));
}

TEST_WITH(an_alarm_in_the_past_is_for_when_the_counter_has_wrapped, setup, teardown)
{
	set(IMSC, 1);
	set(MR, NOW - 1);
	assert_int_equal(loop_poll(vm->loop, 0), 0);
	assert_int_equal(get(RIS), 0);
}

TEST_WITH(an_alarm_that_is_due_in_a_pause_comes_after_it, setup, teardown)
{
	struct device *device = list_entry(vm->devices.next, struct device, node);

	host_clock_almost(NOW);
	set(IMSC, 1);
	set(MR, NOW);
	device->ops->pause(device);
	host_clock_set(NOW + 1);
	pause_a_while();
	assert_int_equal(loop_poll(vm->loop, 0), 0);
	device->ops->resume(device);
	turn();
	assert_true(wire_level(MAP_SPI_RTC));
}

TEST_WITH(a_pause_brings_no_alarm_that_was_not_set, setup, teardown)
{
	struct device *device = list_entry(vm->devices.next, struct device, node);

	set(IMSC, 1);
	device->ops->pause(device);
	device->ops->resume(device);
	assert_int_equal(loop_poll(vm->loop, 0), 0);
	assert_false(wire_level(MAP_SPI_RTC));
}

TEST_WITH(any_value_in_any_register_in_any_width_is_harmless, setup, teardown)
{
	static const u64 values[] = { 0, 1, UINT32_MAX, UINT64_MAX, 1ULL << 63 };

	for (unsigned i = 0; i < ARRAY_SIZE(values); i++) {
		for (u32 offset = 0; offset < 0x1000; offset += 1 + offset / 64) {
			u64 value = values[i];

			bus_write(vm->mmio, MAP_RTC + offset, &value, 1);
			bus_write(vm->mmio, MAP_RTC + offset, &value, 4);
			bus_write(vm->mmio, MAP_RTC + offset, &value, 8);
			bus_read(vm->mmio, MAP_RTC + offset, &value, 8);
			bus_read(vm->mmio, MAP_RTC + offset, &value, 2);
		}
		loop_poll(vm->loop, 0);
	}
}

/* ---- vmm/alarm.h, which both architectures' clocks wait with ---- */

static struct alarm alarm_;
static unsigned due;

static void on_due(struct alarm *a)
{
	due++;
}

static u64 seconds_left(void)
{
	return loop_timer_left(&alarm_.timer) / 1000000000;
}

TEST_WITH(an_alarm_looks_at_the_hosts_clock_again_and_again, setup, teardown)
{
	due = 0;
	assert_int_equal(alarm_create(&alarm_, vm->loop, on_due), 0);
	alarm_set(&alarm_, NOW + 1000000);
	assert_in_range(seconds_left(), 1, 10);
	/* The clock is set forward: it is due at the next look. */
	host_clock_set(NOW + 1000000);
	loop_timer_arm(&alarm_.timer, 0);
	turn();
	assert_int_equal(due, 1);
	/* And back: it is not. */
	host_clock_almost(NOW);
	alarm_set(&alarm_, NOW);
	host_clock_set(NOW - 1000);
	turn();
	assert_int_equal(due, 1);
	assert_in_range(seconds_left(), 1, 10);
	alarm_clear(&alarm_);
	assert_int_equal(seconds_left(), 0);
	alarm_destroy(&alarm_);
}
