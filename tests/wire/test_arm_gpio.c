/* SPDX-License-Identifier: BSD-2-Clause */
/* arm64's power button, through the registers of its GPIO controller. */
#include "test.h"

#include <time.h>

#include "../../arm/map.h"
#include "../../arm/pl061.h"
#include "vmm/power.h"
#include "wire.h"

#define LINE   (1u << PL061_POWER_LINE)
#define OTHERS (0xff & ~LINE)

enum {
	DATA = 0x3fc, /* of all lines */
	DIR = 0x400,
	IS = 0x404,
	IBE = 0x408,
	IEV = 0x40c,
	IE = 0x410,
	RIS = 0x414,
	MIS = 0x418,
	IC = 0x41c,
	ID = 0xfe0
};

static struct vm *vm;

static int setup(void **state)
{
	vm = wire_create();
	return pl061_create(vm);
}

static int teardown(void **state)
{
	wire_destroy(vm);
	return 0;
}

static u32 get(u32 offset)
{
	u32 value;

	assert_true(bus_read(vm->mmio, MAP_GPIO + offset, &value, 4));
	return value;
}

static void set(u32 offset, u32 value)
{
	assert_true(bus_write(vm->mmio, MAP_GPIO + offset, &value, 4));
}

static void press(void)
{
	vm->power_button->press(vm->power_button);
}

static void wait_for_release(void)
{
	while (get(DATA) & LINE)
		loop_poll(vm->loop, 1000);
}

TEST_WITH(it_says_what_it_is, setup, teardown)
{
	static const u8 id[] = { 0x61, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1 };

	for (unsigned i = 0; i < sizeof(id); i++)
		assert_int_equal(get(ID + 4 * i), id[i]);
}

TEST_WITH(a_press_is_seen_on_its_line_and_ends_by_itself, setup, teardown)
{
	assert_int_equal(get(DATA), 0);
	press();
	assert_int_equal(get(DATA), LINE);
	assert_int_equal(get(LINE << 2), LINE);
	assert_int_equal(get(OTHERS << 2), 0);
	wait_for_release();
}

TEST_WITH(both_edges_of_a_press_interrupt_a_driver_that_wants_both, setup, teardown)
{
	set(IBE, LINE);
	set(IE, LINE);
	press();
	assert_int_equal(get(MIS), LINE);
	assert_true(wire_level(MAP_SPI_GPIO));
	set(IC, LINE);
	assert_false(wire_level(MAP_SPI_GPIO));
	wait_for_release();
	assert_true(wire_level(MAP_SPI_GPIO));
	set(IC, 0xff);
	assert_int_equal(get(RIS), 0);
}

TEST_WITH(one_edge_interrupts_a_driver_that_wants_that_one, setup, teardown)
{
	set(IEV, LINE);
	set(IE, LINE);
	press();
	assert_int_equal(get(MIS), LINE);
	set(IC, LINE);
	wait_for_release();
	assert_int_equal(get(RIS), 0);
	set(IEV, 0);
	press();
	assert_int_equal(get(RIS), 0);
	wait_for_release();
	assert_int_equal(get(MIS), LINE);
}

TEST_WITH(a_level_interrupts_as_long_as_it_is_there, setup, teardown)
{
	set(IS, LINE);
	set(IEV, 0xff);
	set(IE, LINE);
	press();
	set(IC, 0xff);
	assert_true(wire_level(MAP_SPI_GPIO));
	wait_for_release();
	assert_false(wire_level(MAP_SPI_GPIO));
}

TEST_WITH(a_line_that_is_masked_is_noted_and_interrupts_when_it_is_unmasked, setup, teardown)
{
	set(IBE, LINE);
	press();
	assert_false(wire_level(MAP_SPI_GPIO));
	assert_int_equal(get(RIS), LINE);
	set(IE, LINE);
	assert_true(wire_level(MAP_SPI_GPIO));
}

TEST_WITH(a_line_that_the_guest_drives_does_not_show_the_button, setup, teardown)
{
	set(DIR, LINE);
	press();
	assert_int_equal(get(DATA), 0);
	set(DATA, 0xff);
	assert_int_equal(get(DATA), LINE);
	set(OTHERS << 2, 0);
	assert_int_equal(get(DATA), LINE);
}

TEST_WITH(nonsense_in_all_registers_does_no_harm, setup, teardown)
{
	for (u32 offset = 0; offset < MAP_GPIO_SIZE; offset++) {
		for (unsigned len = 1; len <= 8; len *= 2) {
			u64 value = ~0ULL;

			bus_write(vm->mmio, MAP_GPIO + offset, &value, len);
			bus_read(vm->mmio, MAP_GPIO + offset, &value, len);
		}
	}
	press();
}
