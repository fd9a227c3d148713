/* SPDX-License-Identifier: BSD-2-Clause */
/* The PC's clock, through its ports. */
#include "test.h"

#include "../../x86/layout.h"
#include "../../x86/rtc.h"
#include "host_clock.h"
#include "wire.h"

#define NOW 1795391998 /* 2026-11-22 23:59:58 UTC */

enum { SECONDS_ALARM = 1, MINUTES_ALARM = 3, HOURS_ALARM = 5, B = 11, C = 12 };
enum { SET = 0x80, ALARM = 0x20, UPDATE = 0x10, HOURS_24 = 2, REQUEST = 0x80, ANY = 0xff };

static struct vm *vm;

static int setup(void **state)
{
	host_clock_set(NOW);
	vm = wire_create();
	return rtc_create(vm);
}

static int teardown(void **state)
{
	wire_destroy(vm);
	return 0;
}

static u8 get(u8 index)
{
	u8 value;

	assert_true(bus_write(vm->ports, PORT_RTC, &index, 1));
	assert_true(bus_read(vm->ports, PORT_RTC + 1, &value, 1));
	return value;
}

static void set(u8 index, u8 value)
{
	assert_true(bus_write(vm->ports, PORT_RTC, &index, 1));
	assert_true(bus_write(vm->ports, PORT_RTC + 1, &value, 1));
}

/* In BCD. */
static void set_alarm(u8 hours, u8 minutes, u8 seconds)
{
	set(HOURS_ALARM, hours);
	set(MINUTES_ALARM, minutes);
	set(SECONDS_ALARM, seconds);
}

static void turn(void)
{
	while (!loop_poll(vm->loop, 1000))
		;
}

TEST_WITH(the_alarm_raises_irq_8_until_register_c_is_read, setup, teardown)
{
	set_alarm(0x00, 0x00, 0x05);
	set(B, HOURS_24 | ALARM);
	host_clock_almost(NOW + 7); /* 00:00:05, tomorrow */
	get(0);
	set(B, HOURS_24 | ALARM);
	assert_false(wire_level(8));
	host_clock_set(NOW + 7);
	turn();
	assert_true(wire_level(8));
	assert_int_equal(get(C), REQUEST | ALARM | UPDATE);
	assert_false(wire_level(8));
	assert_int_equal(get(C), 0);
	assert_int_equal(wire_interrupts(8), 1);
}

TEST_WITH(an_alarm_that_is_not_enabled_sets_its_flag_alone, setup, teardown)
{
	set_alarm(0x23, 0x59, 0x59);
	host_clock_set(NOW + 1);
	assert_int_equal(get(C), ALARM | UPDATE);
	assert_int_equal(wire_interrupts(8), 0);
}

TEST_WITH(a_flag_that_is_up_interrupts_when_it_is_enabled, setup, teardown)
{
	set_alarm(0x23, 0x59, 0x59);
	host_clock_set(NOW + 1);
	set(B, HOURS_24 | ALARM);
	assert_true(wire_level(8));
}

TEST_WITH(an_alarm_may_be_for_any_hour_minute_or_second, setup, teardown)
{
	set_alarm(ANY, ANY, 0x00);
	get(C);
	host_clock_set(NOW + 1);
	assert_int_equal(get(C) & ALARM, 0);
	host_clock_set(NOW + 2);
	assert_int_equal(get(C) & ALARM, ALARM);
	set_alarm(ANY, ANY, ANY);
	host_clock_set(NOW + 3);
	assert_int_equal(get(C) & ALARM, ALARM);
}

TEST_WITH(an_alarm_comes_however_late_somebody_looks, setup, teardown)
{
	set_alarm(0x12, 0x00, 0x00);
	host_clock_set(NOW + 12 * 3600 + 1);
	assert_int_equal(get(C) & ALARM, 0);
	host_clock_set(NOW + 86400 * 3);
	assert_int_equal(get(C) & ALARM, ALARM);
}

TEST_WITH(an_alarm_for_no_time_of_any_day_never_comes, setup, teardown)
{
	set_alarm(0x24, 0x00, 0x00);
	set(B, HOURS_24 | ALARM);
	host_clock_set(NOW + 86400 * 3);
	assert_int_equal(get(C) & ALARM, 0);
	set_alarm(ANY, ANY, 0x60);
	host_clock_set(NOW + 86400 * 6);
	assert_int_equal(get(C) & ALARM, 0);
	assert_int_equal(loop_poll(vm->loop, 0), 0);
}

TEST_WITH(the_alarm_is_in_the_guests_time, setup, teardown)
{
	set(B, HOURS_24 | SET);
	set(4, 0x10);
	set(2, 0x30);
	set(0, 0x00);
	set_alarm(0x10, 0x30, 0x02);
	set(B, HOURS_24 | ALARM);
	host_clock_set(NOW + 1);
	assert_int_equal(get(C) & ALARM, 0);
	host_clock_set(NOW + 2);
	assert_int_equal(get(C) & ALARM, ALARM);
}

TEST_WITH(while_the_clock_is_set_nothing_comes, setup, teardown)
{
	set_alarm(0x23, 0x59, 0x59);
	set(B, HOURS_24 | SET | ALARM | UPDATE);
	host_clock_set(NOW + 5);
	assert_int_equal(get(C), 0);
	assert_false(wire_level(8));
}

TEST_WITH(each_second_interrupts_where_it_is_enabled, setup, teardown)
{
	host_clock_almost(NOW + 1);
	set(B, HOURS_24 | UPDATE);
	assert_false(wire_level(8));
	host_clock_almost(NOW + 2);
	turn();
	assert_true(wire_level(8));
	assert_int_equal(get(C), REQUEST | UPDATE);
	assert_false(wire_level(8));
	host_clock_almost(NOW + 3);
	turn();
	assert_true(wire_level(8));
}

TEST_WITH(an_alarm_that_is_due_in_a_pause_comes_after_it, setup, teardown)
{
	struct device *device = list_entry(vm->devices.next, struct device, node);

	set_alarm(0x23, 0x59, 0x59);
	set(B, HOURS_24 | ALARM);
	device->ops->pause(device);
	host_clock_set(NOW + 1);
	assert_int_equal(loop_poll(vm->loop, 0), 0);
	assert_false(wire_level(8));
	device->ops->resume(device);
	assert_true(wire_level(8));
}

TEST_WITH(any_byte_in_any_register_is_harmless, setup, teardown)
{
	for (unsigned round = 0; round < 64; round++) {
		for (unsigned index = 0; index < 256; index++) {
			u32 word = index | (index * 37 + round * 91) << 8;

			bus_write(vm->ports, PORT_RTC, &word, 2);
			host_clock_set(NOW + round * 5000 + index);
			get(index);
		}
		loop_poll(vm->loop, 0);
	}
}
