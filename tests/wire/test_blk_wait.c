/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests that wait for a limit, or for a host that failed them. */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "test.h"
#include "blk_rig.h"
#include "fake_disk.h"

#define UNANSWERED 0xee

static struct blk_rig rig;

static int tear_down(void **state)
{
	blk_rig_destroy(&rig);
	return 0;
}

static void set_up(enum blk_place place, struct virtio_blk_options options)
{
	struct disk *disk = fake_disk_create(DISK_SIZE, false, true, NULL);

	disk->info.direct = true;
	fake_disk_fill(disk);
	blk_rig_create(&rig, place, options, disk);
	blk_rig_up(&rig, blk_rig_features(&rig) & ~BLK_F(VIRTIO_F_ACCESS_PLATFORM));
}

static u64 now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ull + now.tv_nsec / 1000000;
}

static void add_many(unsigned first, unsigned count, u32 type)
{
	for (unsigned i = first; i < first + count; i++)
		blk_rig_add(&rig, 0, i, type, i);
}

static unsigned answered(unsigned count)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < count; i++)
		sum += blk_rig_status(&rig, i) != UNANSWERED;
	return sum;
}

static void all_are_answered(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		assert_true(blk_rig_used(&rig, 0));
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(blk_rig_status(&rig, i), VIRTIO_BLK_S_OK);
}

/* ---- limits ---- */

/* As good as none in an hour, after the first two. */
static int two_requests(void **state)
{
	struct virtio_blk_options options = { .queues = 2 };

	options.limits[VIRTIO_BLK_IOPS] = (struct virtio_blk_rate){ 1, 2 };
	options.limits[VIRTIO_BLK_BPS] = (struct virtio_blk_rate){ 512, 1 << 20 };
	set_up(BLK_ON_MMIO, options);
	return 0;
}

TEST_WITH(what_a_limit_does_not_allow_stays_in_the_ring, two_requests, tear_down)
{
	add_many(0, 20, VIRTIO_BLK_T_OUT);
	blk_rig_kick(&rig, 0);
	blk_rig_poll(&rig);
	assert_in_range(answered(20), 2, 4);
	assert_int_equal(rig.disk->submits, answered(20));
	/* The other queue has no more. */
	blk_rig_start(&rig, 1, 30, VIRTIO_BLK_T_IN, 0);
	blk_rig_poll(&rig);
	assert_int_equal(blk_rig_status(&rig, 30), UNANSWERED);
}

TEST_WITH(a_reset_ends_the_wait_for_a_limit, two_requests, tear_down)
{
	add_many(0, 10, VIRTIO_BLK_T_OUT);
	blk_rig_kick(&rig, 0);
	blk_rig_poll(&rig);
	blk_rig_up(&rig, 0);
	blk_rig_poll(&rig);
	assert_false(wire_has_used(&rig.queues[0]));
	/* What is no transfer goes by, but for what is behind in the ring. */
	assert_true(answered(10) < 10);
}

static int quick(void **state)
{
	struct virtio_blk_options options = { .queues = 2 };

	options.limits[VIRTIO_BLK_IOPS] = (struct virtio_blk_rate){ 100, 1 };
	set_up((enum blk_place)(uintptr_t)*state, options);
	return 0;
}

static void what_waits_for_a_limit_goes_on_by_itself(void **state)
{
	u64 start = now_ms();

	add_many(0, 11, VIRTIO_BLK_T_IN);
	blk_rig_kick(&rig, 0);
	all_are_answered(11);
	/* The first at once, each other 10 ms later. */
	assert_true(now_ms() - start >= 95);
}

TEST_NAMED("what waits for a limit goes on by itself: mmio",
	   what_waits_for_a_limit_goes_on_by_itself, quick, tear_down, (void *)BLK_ON_MMIO)
TEST_NAMED("what waits for a limit goes on by itself: pci",
	   what_waits_for_a_limit_goes_on_by_itself, quick, tear_down, (void *)BLK_ON_PCI)
TEST_NAMED("what waits for a limit goes on by itself: mmio, iommu",
	   what_waits_for_a_limit_goes_on_by_itself, quick, tear_down, (void *)BLK_ON_MMIO_BEHIND)
TEST_NAMED("what waits for a limit goes on by itself: pci, iommu",
	   what_waits_for_a_limit_goes_on_by_itself, quick, tear_down, (void *)BLK_ON_PCI_BEHIND)

static void pause_by_user(void)
{
	vm_pause(rig.vm, VM_PAUSE_USER, NULL);
	for (unsigned i = 0; i < 1000 && !vm_is_paused(rig.vm); i++)
		loop_poll(rig.vm->loop, 10);
	assert_true(vm_is_paused(rig.vm));
}

TEST_WITH(a_pause_does_not_wait_for_a_limit_and_nothing_begins_in_it, quick, tear_down)
{
	unsigned before;

	add_many(0, 20, VIRTIO_BLK_T_OUT);
	blk_rig_kick(&rig, 0);
	blk_rig_poll(&rig);
	pause_by_user();
	before = rig.disk->submits;
	assert_true(before < 20);
	for (unsigned i = 0; i < 20; i++)
		loop_poll(rig.vm->loop, 2);
	usleep(30000);
	blk_rig_poll(&rig);
	assert_int_equal(rig.disk->submits, before);
	vm_resume(rig.vm, VM_PAUSE_USER);
	all_are_answered(20);
}

static int few_writes(void **state)
{
	struct virtio_blk_options options = { 0 };

	options.limits[VIRTIO_BLK_IOPS_WR] = (struct virtio_blk_rate){ 1, 1 };
	options.limits[VIRTIO_BLK_BPS_WR] = (struct virtio_blk_rate){ 512, 512 };
	set_up(BLK_ON_MMIO, options);
	return 0;
}

TEST_WITH(reads_pass_writes_that_wait_for_a_limit, few_writes, tear_down)
{
	add_many(0, 10, VIRTIO_BLK_T_OUT);
	add_many(10, 5, VIRTIO_BLK_T_IN);
	blk_rig_kick(&rig, 0);
	blk_rig_poll(&rig);
	for (unsigned i = 10; i < 15; i++)
		assert_int_equal(blk_rig_status(&rig, i), VIRTIO_BLK_S_OK);
	assert_true(answered(10) < 10);
	assert_int_equal(blk_rig_status(&rig, 9), UNANSWERED);
}

TEST_WITH(a_request_that_turns_into_another_while_it_waits_is_looked_at_anew, quick, tear_down)
{
	struct virtio_blk_outhdr header = { .type = htole32(VIRTIO_BLK_T_IN),
					    .sector = htole64(1ull << 60) };

	/* The limit is used up, and one is in wait. */
	blk_rig_add(&rig, 0, 0, VIRTIO_BLK_T_OUT, 0);
	blk_rig_add(&rig, 0, 1, VIRTIO_BLK_T_OUT, 1);
	blk_rig_kick(&rig, 0);
	blk_rig_poll(&rig);
	wire_write(rig.vm, BLK_RIG_HEADER + 16, &header, sizeof(header));
	assert_true(blk_rig_used(&rig, 0));
	assert_true(blk_rig_used(&rig, 0));
	assert_int_equal(blk_rig_status(&rig, 1), VIRTIO_BLK_S_IOERR);
}

/* ---- a host that fails ---- */

static int stopping(enum blk_place place, enum virtio_blk_policy policy)
{
	set_up(place, (struct virtio_blk_options){
			      .queues = 2, .on_write_error = policy, .on_read_error = policy });
	return 0;
}

static int stop_for_room(void **state)
{
	return stopping((enum blk_place)(uintptr_t)*state, VIRTIO_BLK_NOSPC);
}

static int stop_always(void **state)
{
	return stopping(BLK_ON_MMIO, VIRTIO_BLK_STOP);
}

static void fail_one(u32 type, int error)
{
	rig.disk->fault = error;
	blk_rig_start(&rig, 0, 0, type, 3);
	blk_rig_poll(&rig);
}

static void expect_stopped(void)
{
	assert_true(vm_is_paused(rig.vm));
	assert_int_equal(blk_rig_status(&rig, 0), UNANSWERED);
	assert_false(wire_has_used(&rig.queues[0]));
}

static void expect_running(void)
{
	assert_false(vm_is_paused(rig.vm));
	assert_int_equal(rig.vm->pause_wanted, 0);
}

static void a_full_host_pauses_the_guest_until_there_is_room(void **state)
{
	fail_one(VIRTIO_BLK_T_OUT, -ENOSPC);
	expect_stopped();
	/* It is tried again and again, and there is none. */
	while (rig.disk->submits < 2)
		loop_poll(rig.vm->loop, 100);
	blk_rig_poll(&rig);
	expect_stopped();
	rig.disk->fault = 0;
	assert_true(blk_rig_used(&rig, 0));
	assert_int_equal(blk_rig_status(&rig, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(rig.disk->submits, 3);
	expect_running();
	/* And all is as it was. */
	assert_int_equal(blk_rig_do(&rig, VIRTIO_BLK_T_IN, 3), VIRTIO_BLK_S_OK);
}

TEST_NAMED("a full host pauses the guest until there is room: mmio",
	   a_full_host_pauses_the_guest_until_there_is_room, stop_for_room, tear_down,
	   (void *)BLK_ON_MMIO)
TEST_NAMED("a full host pauses the guest until there is room: pci",
	   a_full_host_pauses_the_guest_until_there_is_room, stop_for_room, tear_down,
	   (void *)BLK_ON_PCI)
TEST_NAMED("a full host pauses the guest until there is room: mmio, iommu",
	   a_full_host_pauses_the_guest_until_there_is_room, stop_for_room, tear_down,
	   (void *)BLK_ON_MMIO_BEHIND)
TEST_NAMED("a full host pauses the guest until there is room: pci, iommu",
	   a_full_host_pauses_the_guest_until_there_is_room, stop_for_room, tear_down,
	   (void *)BLK_ON_PCI_BEHIND)

TEST_WITH(the_users_resume_tries_at_once, stop_always, tear_down)
{
	fail_one(VIRTIO_BLK_T_OUT, -EIO);
	expect_stopped();
	vm_resume(rig.vm, VM_PAUSE_USER);
	blk_rig_poll(&rig);
	expect_stopped();
	assert_int_equal(rig.disk->submits, 2);
	rig.disk->fault = 0;
	vm_resume(rig.vm, VM_PAUSE_USER);
	blk_rig_poll(&rig);
	assert_int_equal(blk_rig_status(&rig, 0), VIRTIO_BLK_S_OK);
	expect_running();
}

TEST_WITH(without_lack_of_room_only_the_user_has_it_tried_again, stop_always, tear_down)
{
	fail_one(VIRTIO_BLK_T_IN, -EIO);
	expect_stopped();
	for (unsigned i = 0; i < 12; i++)
		loop_poll(rig.vm->loop, 100);
	assert_int_equal(rig.disk->submits, 1);
}

TEST_WITH(other_errors_are_reported_where_only_lack_of_room_stops, stop_for_room, tear_down)
{
	fail_one(VIRTIO_BLK_T_OUT, -EIO);
	assert_int_equal(blk_rig_status(&rig, 0), VIRTIO_BLK_S_IOERR);
	expect_running();
}

TEST_WITH(what_is_refused_or_unsupported_never_stops, stop_always, tear_down)
{
	fail_one(VIRTIO_BLK_T_OUT, -EPERM);
	assert_int_equal(blk_rig_status(&rig, 0), VIRTIO_BLK_S_IOERR);
	assert_true(blk_rig_used(&rig, 0));
	fail_one(VIRTIO_BLK_T_OUT, -EOPNOTSUPP);
	assert_int_equal(blk_rig_status(&rig, 0), VIRTIO_BLK_S_UNSUPP);
	expect_running();
}

TEST_WITH(what_no_other_try_can_mend_never_stops, stop_always, tear_down)
{
	fail_one(VIRTIO_BLK_T_OUT, -ENOTRECOVERABLE);
	assert_int_equal(blk_rig_status(&rig, 0), VIRTIO_BLK_S_IOERR);
	expect_running();
}

TEST_WITH(a_flush_that_fails_is_reported_where_the_host_may_forget_what_it_had, stop_always,
	  tear_down)
{
	fail_one(VIRTIO_BLK_T_FLUSH, -EIO);
	expect_stopped();
	rig.disk->fault = 0;
	vm_resume(rig.vm, VM_PAUSE_USER);
	assert_true(blk_rig_used(&rig, 0));
}

static int report(void **state)
{
	return stopping(BLK_ON_MMIO, VIRTIO_BLK_REPORT);
}

TEST_WITH(by_default_the_guest_is_told, report, tear_down)
{
	fail_one(VIRTIO_BLK_T_OUT, -ENOSPC);
	assert_int_equal(blk_rig_status(&rig, 0), VIRTIO_BLK_S_IOERR);
	expect_running();
}

TEST_WITH(all_that_failed_is_tried_again_and_answered_once, stop_always, tear_down)
{
	rig.disk->fault = -ENOSPC;
	add_many(0, 6, VIRTIO_BLK_T_OUT);
	blk_rig_kick(&rig, 0);
	for (unsigned i = 6; i < 10; i++)
		blk_rig_add(&rig, 1, i, VIRTIO_BLK_T_IN, i);
	blk_rig_kick(&rig, 1);
	blk_rig_poll(&rig);
	assert_int_equal(answered(10), 0);
	rig.disk->fault = 0;
	vm_resume(rig.vm, VM_PAUSE_USER);
	all_are_answered(6);
	for (unsigned i = 6; i < 10; i++)
		assert_true(blk_rig_used(&rig, 1));
	assert_int_equal(answered(10), 10);
	assert_false(wire_has_used(&rig.queues[0]) || wire_has_used(&rig.queues[1]));
	expect_running();
}

TEST_WITH(a_reset_of_a_stopped_device_lets_the_guest_go_on, stop_always, tear_down)
{
	fail_one(VIRTIO_BLK_T_OUT, -EIO);
	expect_stopped();
	rig.disk->fault = 0;
	blk_rig_up(&rig, 0);
	expect_running();
	assert_false(wire_has_used(&rig.queues[0]));
	assert_int_equal(blk_rig_do(&rig, VIRTIO_BLK_T_IN, 3), VIRTIO_BLK_S_OK);
}

TEST_WITH(a_reset_while_it_is_tried_again_lets_the_guest_go_on, stop_always, tear_down)
{
	fail_one(VIRTIO_BLK_T_OUT, -EIO);
	rig.disk->fault = 0;
	fake_disk_hold(rig.disk, true);
	vm_resume(rig.vm, VM_PAUSE_USER);
	assert_int_equal(rig.disk->submits, 2);
	fake_disk_release(rig.disk, 1);
	blk_rig_up(&rig, 0);
	blk_rig_poll(&rig);
	expect_running();
	assert_false(wire_has_used(&rig.queues[0]));
}

TEST_WITH(what_the_user_holds_is_not_tried_again, stop_for_room, tear_down)
{
	fail_one(VIRTIO_BLK_T_OUT, -ENOSPC);
	expect_stopped();
	rig.disk->fault = 0;
	pause_by_user();
	for (unsigned i = 0; i < 12; i++)
		loop_poll(rig.vm->loop, 100);
	assert_int_equal(rig.disk->submits, 1);
	vm_resume(rig.vm, VM_PAUSE_USER);
	assert_true(blk_rig_used(&rig, 0));
	expect_running();
}

TEST_WITH(a_pause_waits_for_what_is_tried_again, stop_always, tear_down)
{
	fail_one(VIRTIO_BLK_T_OUT, -EIO);
	rig.disk->fault = 0;
	fake_disk_hold(rig.disk, true);
	vm_resume(rig.vm, VM_PAUSE_USER);
	vm_pause(rig.vm, VM_PAUSE_USER, NULL);
	assert_false(vm_is_paused(rig.vm));
	fake_disk_hold(rig.disk, false);
	pause_by_user();
	assert_int_equal(blk_rig_status(&rig, 0), VIRTIO_BLK_S_OK);
	vm_resume(rig.vm, VM_PAUSE_USER);
	expect_running();
}

TEST_WITH(a_device_that_broke_while_it_was_stopped_lets_the_guest_go_on, stop_always, tear_down)
{
	fail_one(VIRTIO_BLK_T_OUT, -EIO);
	virtio_device_broken(rig.device, "it was told to");
	rig.disk->fault = 0;
	vm_resume(rig.vm, VM_PAUSE_USER);
	blk_rig_poll(&rig);
	expect_running();
	assert_int_equal(rig.disk->submits, 1);
	assert_false(wire_has_used(&rig.queues[0]));
}

TEST_WITH(a_machine_may_end_while_it_waits_for_the_host, stop_always, tear_down)
{
	fail_one(VIRTIO_BLK_T_OUT, -ENOSPC);
	expect_stopped();
}
