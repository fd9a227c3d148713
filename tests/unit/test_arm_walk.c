/* SPDX-License-Identifier: BSD-2-Clause */
/* The guest's tables, which the guest has made. */
#include <errno.h>
#include <string.h>

#include "test.h"

#include "../../arm/walk.h"
#include "vmm/memory.h"

#define RAM   0x80000000ULL
#define TABLE (RAM + 0x100000)
#define PAGE  (RAM + 0x200000)
#define UPPER 0xffff000000000000ULL

/* 48 bits in both halves; TG0, TG1. */
#define TCR(tg0, tg1) (16ULL | 16ULL << 16 | (u64)(tg0) << 14 | (u64)(tg1) << 30)
#define TCR_4K	      TCR(0, 2)
#define TCR_16K	      TCR(2, 1)
#define TCR_64K	      TCR(1, 3)

static struct guest_memory *memory;

static int setup(void **state)
{
	static const struct range ram = { RAM, RAM + 0xffffff };

	return memory_create(&memory, NULL, &ram, 1, NULL);
}

static int teardown(void **state)
{
	memory_destroy(memory);
	return 0;
}

/* Entry @index of the table at @table. */
static void put(u64 table, u64 index, u64 entry)
{
	const le64 raw = cpu_to_le64(entry);

	assert_int_equal(memory_write(memory, table + 8 * index, &raw, sizeof(raw)), 0);
}

static void expect(const struct walk *walk, u64 address, u64 gpa)
{
	gpa_t found = 0;

	assert_int_equal(walk_translate(walk, memory, address, &found), 0);
	assert_int_equal(found, gpa);
}

static void expect_fault(const struct walk *walk, u64 address)
{
	gpa_t found;

	assert_int_equal(walk_translate(walk, memory, address, &found), -EFAULT);
}

TEST_WITH(without_tables_addresses_are_physical, setup, teardown)
{
	const struct walk walk = { .enabled = false };

	expect(&walk, 0x12345678, 0x12345678);
}

TEST_WITH(four_levels_of_4_kib_lead_to_a_page, setup, teardown)
{
	const struct walk walk = { .tcr = TCR_4K, .ttbr1 = TABLE | 1, .enabled = true };
	const u64 address = UPPER | 1ULL << 39 | 2ULL << 30 | 3ULL << 21 | 4ULL << 12 | 0x567;

	expect_fault(&walk, address);
	put(TABLE, 1, (TABLE + 0x1000) | 3);
	put(TABLE + 0x1000, 2, (TABLE + 0x2000) | 3);
	put(TABLE + 0x2000, 3, (TABLE + 0x3000) | 3);
	put(TABLE + 0x3000, 4, PAGE | 3 | 1ULL << 54);
	expect(&walk, address, PAGE + 0x567);
	expect_fault(&walk, address + 0x1000);
	/* At the last level a block is none. */
	put(TABLE + 0x3000, 4, PAGE | 1);
	expect_fault(&walk, address);
}

TEST_WITH(a_block_ends_the_walk, setup, teardown)
{
	const struct walk walk = { .tcr = TCR_4K, .ttbr0 = TABLE, .enabled = true };

	put(TABLE, 0, (TABLE + 0x1000) | 3);
	put(TABLE + 0x1000, 1, 0x40000000 | 1);
	expect(&walk, 0x40123456, 0x40123456);
}

TEST_WITH(larger_granules_have_fewer_levels, setup, teardown)
{
	const struct walk walk64 = { .tcr = TCR_64K, .ttbr1 = TABLE, .enabled = true };
	const struct walk walk16 = { .tcr = TCR_16K, .ttbr1 = TABLE, .enabled = true };

	put(TABLE, 0, (TABLE + 0x10000) | 3);
	put(TABLE + 0x10000, 5, 0x20000000 | 1); /* 512 MiB */
	expect(&walk64, UPPER | 5ULL << 29 | 0x1234567, 0x21234567);
	put(TABLE, 1, (TABLE + 0x4000) | 3);
	put(TABLE + 0x4000, 2, (TABLE + 0x8000) | 3);
	put(TABLE + 0x8000, 3, 0x2000000 | 1); /* 32 MiB */
	expect(&walk16, UPPER | 1ULL << 47 | 2ULL << 36 | 3ULL << 25 | 0x1234567, 0x3234567);
}

TEST_WITH(no_tables_lead_out_of_ram_or_around_for_ever, setup, teardown)
{
	struct walk walk = { .tcr = TCR_4K, .ttbr0 = TABLE, .enabled = true };

	put(TABLE, 0, TABLE | 3);
	expect(&walk, 0, TABLE);
	put(TABLE, 0, 0x1000 | 3);
	expect_fault(&walk, 0);
	for (unsigned bit = 0; bit < 64; bit++) {
		gpa_t gpa;

		walk.tcr = TCR_4K ^ 1ULL << bit;
		walk_translate(&walk, memory, UPPER, &gpa);
		walk_translate(&walk, memory, 0x7fffffffffff, &gpa);
		walk.ttbr0 = ~0ULL << bit;
		walk_translate(&walk, memory, 0x7fffffffffff, &gpa);
	}
}
