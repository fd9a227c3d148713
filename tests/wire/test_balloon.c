/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio-balloon (virtio 1.4, "Traditional Memory Balloon Device"). */
#include <errno.h>

#include <linux/virtio_balloon.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_mmio.h>

#include "test.h"
#include "virtio/balloon.h"
#include "virtio/mmio.h"
#include "wire.h"

#define RINGS(n) (0x10000 + 0x10000 * (n))
#define PFNS	 0x80000
#define STATS_AT 0x90000
#define PAGES	 0x200000 /* given back */
#define PAGE	 4096
#define MARK	 0xa5
#define F(name)	 (1ull << VIRTIO_BALLOON_F_##name)
#define USUAL	 (F(STATS_VQ) | F(REPORTING) | F(DEFLATE_ON_OOM))

enum { INFLATE, DEFLATE, STATS, REPORT, QUEUES };

static struct vm *vm;
static struct virtio_device *device;
static struct wire_queue queues[QUEUES];

static void bring_up(u64 features, unsigned report)
{
	static const unsigned usual[QUEUES] = { 0, 1, 2, 3 };

	assert_true(wire_negotiate(vm, 0, features));
	for (unsigned i = 0; i < QUEUES; i++) {
		unsigned index = i == REPORT ? report : usual[i];

		if (i == STATS && !(features & F(STATS_VQ)))
			continue;
		wire_queue_init(&queues[i], vm, 0, index, 16, RINGS(i));
	}
	wire_driver_ok(vm, 0);
}

static int setup_with(const struct virtio_balloon_options *options)
{
	struct device_resource slot;

	vm = wire_create();
	assert_int_equal(
		virtio_balloon_create(&device, options, vm->loop, vm->memory, &vm->identity.space),
		0);
	wire_slot(0, &slot);
	assert_int_equal(virtio_mmio_create(vm, device, &slot, DEVICE_NO_ENDPOINT, false), 0);
	wire_fill(vm, PAGES, MARK, 64 * PAGE);
	wire_fill(vm, WIRE_HIGH, MARK, WIRE_RAM);
	return 0;
}

static int setup(void **state)
{
	const struct virtio_balloon_options options = { .reporting = true, .deflate_on_oom = true };
	int ret = setup_with(&options);

	bring_up(USUAL, 3);
	return ret;
}

static int setup_pinned(void **state)
{
	const struct virtio_balloon_options options = { .reporting = true, .pinned = true };

	return setup_with(&options);
}

static int teardown(void **state)
{
	wire_destroy(vm);
	return 0;
}

/* What the first byte of a page is: MARK, or 0 of one that was given back. */
static u8 page_at(gpa_t page)
{
	u8 first, last;

	wire_read(vm, page, &first, 1);
	wire_read(vm, page + PAGE - 1, &last, 1);
	assert_int_equal(first, last);
	return first;
}

static void give(unsigned queue, const u32 *pfns, unsigned count)
{
	struct wire_segment segment = { PFNS, count * 4, false };

	for (unsigned i = 0; i < count; i++) {
		le32 pfn = cpu_to_le32(pfns[i]);

		wire_write(vm, PFNS + 4 * i, &pfn, sizeof(pfn));
	}
	wire_add(&queues[queue], &segment, 1);
	wire_kick(&queues[queue]);
	assert_true(wire_used(&queues[queue], NULL, NULL));
}

static u64 given_back(void)
{
	struct balloon_stats stats;

	balloon_get_stats(device, &stats);
	return stats.given_back;
}

/* ---- inflation and deflation ---- */

TEST_WITH(inflated_pages_are_given_back_and_their_neighbours_stay, setup, teardown)
{
	static const u32 pfns[] = { PAGES / PAGE + 3, PAGES / PAGE + 4, PAGES / PAGE + 9,
				    PAGES / PAGE + 8, PAGES / PAGE + 20 };

	assert_int_equal(wire_reg_read(vm, 0, VIRTIO_MMIO_DEVICE_ID), VIRTIO_ID_BALLOON);
	give(INFLATE, pfns, ARRAY_SIZE(pfns));
	for (unsigned i = 0; i < 64; i++) {
		bool gone = i == 3 || i == 4 || i == 8 || i == 9 || i == 20;

		assert_int_equal(page_at(PAGES + i * PAGE), gone ? 0 : MARK);
	}
	assert_int_equal(given_back(), 5 * PAGE);
}

TEST_WITH(a_page_that_is_deflated_can_be_used_again, setup, teardown)
{
	static const u32 pfn = PAGES / PAGE;

	give(INFLATE, &pfn, 1);
	give(DEFLATE, &pfn, 1);
	wire_fill(vm, PAGES, 1, PAGE);
	assert_int_equal(page_at(PAGES), 1);
}

TEST_WITH(pages_twice_and_outside_ram_and_across_its_edges_do_no_harm, setup, teardown)
{
	const u32 hole = WIRE_RAM / PAGE, high = WIRE_HIGH / PAGE;
	const u32 pfns[] = { PAGES / PAGE, PAGES / PAGE, hole,	      hole - 1,
			     hole,	   hole + 1,	 high - 1,    high,
			     high + 1,	   0xffffffff,	 high + hole, high + hole - 1 };

	wire_fill(vm, WIRE_RAM - PAGE, MARK, PAGE);
	give(INFLATE, pfns, ARRAY_SIZE(pfns));
	assert_int_equal(page_at(PAGES), 0);
	assert_int_equal(page_at(PAGES + PAGE), MARK);
	assert_int_equal(page_at(WIRE_RAM - PAGE), 0);
	assert_int_equal(page_at(WIRE_HIGH), 0);
	assert_int_equal(page_at(WIRE_HIGH + PAGE), 0);
	assert_int_equal(page_at(WIRE_HIGH + 2 * PAGE), MARK);
	assert_int_equal(page_at(WIRE_HIGH + WIRE_RAM - PAGE), 0);
	assert_false(wire_needs_reset(vm, 0));
}

TEST_WITH(a_long_list_of_pages_is_served_to_its_end, setup, teardown)
{
	/* All of high RAM, several times over. */
	const unsigned count = 4 * WIRE_RAM / PAGE;
	struct wire_segment segments[] = { { PFNS, 4 * count - 4, false },
					   { PFNS + 4 * count - 4, 7, false } };

	for (unsigned i = 0; i < count; i++) {
		le32 pfn = cpu_to_le32(WIRE_HIGH / PAGE + i % (WIRE_RAM / PAGE));

		wire_write(vm, PFNS + 4 * i, &pfn, sizeof(pfn));
	}
	wire_add(&queues[INFLATE], segments, 2);
	wire_kick(&queues[INFLATE]);
	assert_true(wire_used(&queues[INFLATE], NULL, NULL));
	for (unsigned i = 0; i < WIRE_RAM / PAGE; i++)
		assert_int_equal(page_at(WIRE_HIGH + i * PAGE), 0);
	assert_int_equal(given_back(), 4 * WIRE_RAM);
}

TEST_WITH(lists_that_cannot_be_read_come_back, setup, teardown)
{
	struct wire_segment bad[] = { { 2 * GIB, 400, false },
				      { PFNS, 3, false },
				      { PFNS, 400, true } };

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		wire_add(&queues[INFLATE], &bad[i], 1);
		wire_kick(&queues[INFLATE]);
		assert_true(wire_used(&queues[INFLATE], NULL, NULL));
	}
	assert_int_equal(given_back(), 0);
	assert_false(wire_needs_reset(vm, 0));
}

/* ---- reports ---- */

static void report(u64 address, u32 len, bool writable)
{
	struct wire_segment segment = { address, len, writable };

	wire_add(&queues[REPORT], &segment, 1);
	wire_kick(&queues[REPORT]);
	assert_true(wire_used(&queues[REPORT], NULL, NULL));
}

TEST_WITH(reported_pages_are_given_back, setup, teardown)
{
	report(PAGES, 16 * PAGE, true);
	assert_int_equal(page_at(PAGES), 0);
	assert_int_equal(page_at(PAGES + 15 * PAGE), 0);
	assert_int_equal(page_at(PAGES + 16 * PAGE), MARK);
	assert_int_equal(given_back(), 16 * PAGE);
}

TEST_WITH(a_driver_without_statistics_reports_in_the_next_queue, setup, teardown)
{
	bring_up(F(REPORTING), 2);
	report(PAGES, PAGE, true);
	assert_int_equal(page_at(PAGES), 0);
}

TEST_WITH(a_driver_that_numbers_queues_by_the_specification_is_heard, setup, teardown)
{
	bring_up(USUAL, 4);
	report(PAGES, PAGE, true);
	assert_int_equal(page_at(PAGES), 0);
}

TEST_WITH(a_queue_for_what_was_not_agreed_on_is_left_alone, setup, teardown)
{
	struct wire_segment segment = { PAGES, PAGE, true };

	for (unsigned index = 2; index <= 4; index++) {
		bring_up(0, index);
		wire_add(&queues[REPORT], &segment, 1);
		wire_kick(&queues[REPORT]);
		for (unsigned i = 0; i < 8; i++)
			loop_poll(vm->loop, 0);
		assert_false(wire_has_used(&queues[REPORT]));
		assert_false(wire_needs_reset(vm, 0));
	}
	assert_int_equal(page_at(PAGES), MARK);
}

TEST_WITH(reports_of_parts_of_pages_and_of_what_is_no_ram_do_no_harm, setup, teardown)
{
	report(PAGES + 1, PAGE, true);
	assert_int_equal(page_at(PAGES), MARK);
	assert_int_equal(page_at(PAGES + PAGE), MARK);
	report(PAGES + 1, 2 * PAGE, true);
	assert_int_equal(page_at(PAGES), MARK);
	assert_int_equal(page_at(PAGES + PAGE), 0);
	assert_int_equal(page_at(PAGES + 2 * PAGE), MARK);
	report(PAGES + 8 * PAGE, PAGE, false);
	assert_int_equal(page_at(PAGES + 8 * PAGE), MARK);
	report(3 * GIB, 0x40000000, true);
	report(WIRE_HIGH - PAGE, 2 * PAGE, true);
	assert_int_equal(page_at(WIRE_HIGH), 0);
	assert_int_equal(page_at(WIRE_HIGH + PAGE), MARK);
	report(0xffffffffffffff00ull, 0x100, true);
	assert_false(wire_needs_reset(vm, 0));
}

TEST_WITH(a_guest_that_poisons_free_pages_keeps_them, setup, teardown)
{
	bring_up(USUAL | F(PAGE_POISON), 3);
	wire_config_write(vm, 0, 12, 0xaaaaaaaa, 4);
	assert_int_equal(wire_config_read(vm, 0, 12, 4), 0xaaaaaaaa);
	report(PAGES, PAGE, true);
	assert_int_equal(page_at(PAGES), MARK);
	/* With zeroes for poison a page that is given back is right. */
	wire_config_write(vm, 0, 12, 0, 4);
	report(PAGES, PAGE, true);
	assert_int_equal(page_at(PAGES), 0);
}

TEST_WITH(a_driver_without_poison_has_no_word_in_it, setup, teardown)
{
	wire_config_write(vm, 0, 12, 0xaaaaaaaa, 4);
	assert_int_equal(wire_config_read(vm, 0, 12, 4), 0);
}

/* ---- memory that somebody holds ---- */

TEST_WITH(memory_that_a_passed_device_holds_stays, setup_pinned, teardown)
{
	static const u32 pfn = PAGES / PAGE;

	assert_false(wire_features(vm, 0) & F(REPORTING));
	assert_false(wire_negotiate(vm, 0, USUAL));
	bring_up(F(STATS_VQ), 3);
	give(INFLATE, &pfn, 1);
	assert_int_equal(page_at(PAGES), MARK);
	assert_int_equal(given_back(), 0);
}

/* ---- the target ---- */

TEST_WITH(the_driver_is_told_of_a_new_target, setup, teardown)
{
	unsigned before = wire_interrupts(WIRE_GSI);
	struct balloon_stats stats;

	assert_int_equal(wire_config_read(vm, 0, 0, 4), 0);
	vm_lock(vm);
	assert_int_equal(balloon_set_target(device, MIB + 5), 0);
	vm_unlock(vm);
	assert_int_equal(wire_config_read(vm, 0, 0, 4), MIB / PAGE);
	assert_int_equal(wire_interrupts(WIRE_GSI), before + 1);
	wire_config_write(vm, 0, 4, 200, 4);
	assert_int_equal(wire_config_read(vm, 0, 4, 4), 200);
	balloon_get_stats(device, &stats);
	assert_int_equal(stats.target, MIB);
	assert_int_equal(stats.actual, 200 * PAGE);
	/* The target is not the driver's. */
	wire_config_write(vm, 0, 0, 7, 4);
	assert_int_equal(wire_config_read(vm, 0, 0, 4), MIB / PAGE);
}

TEST_WITH(a_target_beyond_the_guest_s_memory_is_refused, setup, teardown)
{
	assert_int_equal(balloon_set_target(device, 2 * WIRE_RAM), 0);
	assert_int_equal(balloon_set_target(device, 2 * WIRE_RAM + 1), -ERANGE);
	assert_int_equal(wire_config_read(vm, 0, 0, 4), 2 * WIRE_RAM / PAGE);
}

TEST_WITH(a_target_outlives_a_reset_of_the_device, setup, teardown)
{
	balloon_set_target(device, MIB);
	wire_config_write(vm, 0, 4, 200, 4);
	bring_up(USUAL, 3);
	assert_int_equal(wire_config_read(vm, 0, 0, 4), MIB / PAGE);
	assert_int_equal(wire_config_read(vm, 0, 4, 4), 0);
}

/* ---- statistics ---- */

struct watcher {
	struct balloon_watch watch;
	unsigned told;
	bool fresh;
};

static void on_told(struct balloon_watch *watch, bool fresh)
{
	struct watcher *watcher = container_of(watch, struct watcher, watch);

	watcher->told++;
	watcher->fresh = fresh;
}

static void say_numbers(const struct virtio_balloon_stat *stats, unsigned count)
{
	struct wire_segment segment = { STATS_AT, count * sizeof(*stats), false };

	wire_write(vm, STATS_AT, stats, segment.len);
	wire_add(&queues[STATS], &segment, 1);
	wire_kick(&queues[STATS]);
	while (loop_poll(vm->loop, 0) > 0)
		;
}

static struct virtio_balloon_stat number(u16 tag, u64 value)
{
	return (struct virtio_balloon_stat){ (lkvm_force __virtio16)htole16(tag),
					     (lkvm_force __virtio64)htole64(value) };
}

TEST_WITH(a_question_gets_the_guest_s_next_numbers, setup, teardown)
{
	struct virtio_balloon_stat stats[] = { number(VIRTIO_BALLOON_S_MEMFREE, 1),
					       number(VIRTIO_BALLOON_S_MEMTOT, 2), number(999, 3) };
	struct watcher watcher = { .watch.told = on_told };
	struct balloon_stats got;

	list_init(&watcher.watch.node);
	say_numbers(stats, 3);
	assert_false(wire_has_used(&queues[STATS]));
	vm_lock(vm);
	balloon_ask(device, &watcher.watch);
	vm_unlock(vm);
	/* The old ones are not the answer: it is asked for new ones. */
	assert_int_equal(watcher.told, 0);
	assert_true(wire_used(&queues[STATS], NULL, NULL));
	stats[0] = number(VIRTIO_BALLOON_S_MEMFREE, 77);
	say_numbers(stats, 3);
	assert_int_equal(watcher.told, 1);
	assert_true(watcher.fresh);
	balloon_get_stats(device, &got);
	assert_true(got.has_driver);
	assert_int_equal(got.known, 1 << VIRTIO_BALLOON_S_MEMFREE | 1 << VIRTIO_BALLOON_S_MEMTOT);
	assert_int_equal(got.values[VIRTIO_BALLOON_S_MEMFREE], 77);
	assert_int_equal(got.values[VIRTIO_BALLOON_S_MEMTOT], 2);
}

TEST_WITH(a_guest_that_does_not_answer_is_not_waited_for, setup, teardown)
{
	struct watcher watchers[2] = { { .watch.told = on_told }, { .watch.told = on_told } };

	for (unsigned i = 0; i < 2; i++) {
		list_init(&watchers[i].watch.node);
		balloon_ask(device, &watchers[i].watch);
	}
	balloon_forget(&watchers[0].watch);
	for (unsigned i = 0; i < 100 && !watchers[1].told; i++)
		loop_poll(vm->loop, 100);
	assert_int_equal(watchers[0].told, 0);
	assert_int_equal(watchers[1].told, 1);
	assert_false(watchers[1].fresh);
}

TEST_WITH(a_paused_guest_is_asked_nothing, setup, teardown)
{
	struct virtio_balloon_stat stat = number(VIRTIO_BALLOON_S_MEMFREE, 5);
	struct watcher watcher = { .watch.told = on_told };

	list_init(&watcher.watch.node);
	say_numbers(&stat, 1);
	vm_lock(vm);
	vm_pause(vm, VM_PAUSE_USER, NULL);
	balloon_ask(device, &watcher.watch);
	vm_unlock(vm);
	for (unsigned i = 0; i < 100 && !watcher.told; i++)
		loop_poll(vm->loop, 100);
	assert_int_equal(watcher.told, 1);
	assert_false(watcher.fresh);
	assert_false(wire_has_used(&queues[STATS]));
	vm_lock(vm);
	vm_resume(vm, VM_PAUSE_USER);
	vm_unlock(vm);
}

TEST_WITH(two_buffers_for_statistics_do_no_harm, setup, teardown)
{
	struct virtio_balloon_stat stat = number(VIRTIO_BALLOON_S_MEMFREE, 5);

	for (unsigned i = 0; i < 5; i++)
		say_numbers(&stat, 1);
	for (unsigned i = 0; i < 4; i++)
		assert_true(wire_used(&queues[STATS], NULL, NULL));
	assert_false(wire_has_used(&queues[STATS]));
}

/* ---- resets and pauses ---- */

TEST_WITH(a_reset_waits_until_no_page_is_given_back_any_more, setup, teardown)
{
	for (unsigned i = 0; i < 50; i++) {
		struct wire_segment segment = { WIRE_HIGH, WIRE_RAM, true };

		wire_add(&queues[REPORT], &segment, 1);
		wire_kick(&queues[REPORT]);
		wire_reg_write(vm, 0, VIRTIO_MMIO_STATUS, 0);
		/* The guest's next kernel has it. */
		wire_fill(vm, WIRE_HIGH, MARK, WIRE_RAM);
		while (loop_poll(vm->loop, 0) > 0)
			;
		for (unsigned page = 0; page < WIRE_RAM / PAGE; page++)
			assert_int_equal(page_at(WIRE_HIGH + page * PAGE), MARK);
		bring_up(USUAL, 3);
	}
}

TEST_WITH(a_paused_guest_s_pages_stay_until_it_goes_on, setup, teardown)
{
	struct wire_segment segment = { PAGES, PAGE, true };

	vm_lock(vm);
	vm_pause(vm, VM_PAUSE_USER, NULL);
	vm_unlock(vm);
	wire_add(&queues[REPORT], &segment, 1);
	wire_kick(&queues[REPORT]);
	for (unsigned i = 0; i < 10; i++)
		loop_poll(vm->loop, 1);
	assert_int_equal(page_at(PAGES), MARK);
	vm_lock(vm);
	vm_resume(vm, VM_PAUSE_USER);
	vm_unlock(vm);
	assert_true(wire_used(&queues[REPORT], NULL, NULL));
	assert_int_equal(page_at(PAGES), 0);
}
