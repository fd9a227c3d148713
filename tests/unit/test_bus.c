/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>

#include "test.h"
#include "vmm/bus.h"

static u64 last_offset, last_value;

static u64 read_offset(struct bus_region *region, u64 offset, unsigned len)
{
	return region->start + offset;
}

static void write_note(struct bus_region *region, u64 offset, u64 value, unsigned len)
{
	last_offset = offset;
	last_value = value;
}

static const struct bus_ops ops = { .read = read_offset, .write = write_note };

TEST(an_access_reaches_its_region)
{
	struct bus_region low = { 0x1000, 0x1fff, &ops }, high = { 0x3000, 0x300f, &ops };
	struct bus *bus;
	u32 value;

	assert_int_equal(bus_create(&bus), 0);
	assert_int_equal(bus_add(bus, &high), 0);
	assert_int_equal(bus_add(bus, &low), 0);
	assert_true(bus_read(bus, 0x3004, &value, 4));
	assert_int_equal(value, 0x3004);
	value = 0xdeadbeef;
	assert_true(bus_write(bus, 0x1010, &value, 2));
	assert_int_equal(last_offset, 0x10);
	assert_int_equal(last_value, 0xbeef);
	bus_remove(bus, &low);
	assert_false(bus_write(bus, 0x1010, &value, 4));
	bus_destroy(bus);
}

TEST(what_nobody_claims_reads_all_ones)
{
	struct bus_region region = { 0x1000, 0x1007, &ops };
	struct bus *bus;
	u64 value = 0;

	assert_int_equal(bus_create(&bus), 0);
	assert_int_equal(bus_add(bus, &region), 0);
	assert_false(bus_read(bus, 0xfff, &value, 1));
	assert_int_equal(value, 0xff);
	assert_false(bus_read(bus, 0x1004, &value, 8)); /* half of it outside */
	assert_int_equal(value, UINT64_MAX);
	assert_false(bus_read(bus, UINT64_MAX, &value, 4)); /* wraps */
	bus_destroy(bus);
}

TEST(regions_do_not_overlap)
{
	struct bus_region a = { 0x1000, 0x1fff, &ops }, b = { 0x1fff, 0x2fff, &ops },
			  c = { 0x0, 0x1000, &ops }, all = { 0, UINT64_MAX, &ops };
	struct bus *bus;

	assert_int_equal(bus_create(&bus), 0);
	assert_int_equal(bus_add(bus, &a), 0);
	assert_int_equal(bus_add(bus, &b), -EEXIST);
	assert_int_equal(bus_add(bus, &c), -EEXIST);
	assert_int_equal(bus_add(bus, &all), -EEXIST);
	bus_remove(bus, &b); /* was never there */
	bus_destroy(bus);
}
