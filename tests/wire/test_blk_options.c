/* SPDX-License-Identifier: BSD-2-Clause */
/* What can be said of a disk: serial number, queues, cache, discards; wherever it sits. */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <linux/virtio_mmio.h>
#include <linux/virtio_pci.h>

#include "test.h"
#include "blk_rig.h"
#include "fake_disk.h"
#include "vcpus.h"

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

static int plain(void **state)
{
	set_up(BLK_ON_MMIO, (struct virtio_blk_options){ 0 });
	return 0;
}

#define CONFIG(field, len) blk_rig_config(&rig, offsetof(struct virtio_blk_config, field), len)

/* ---- serial numbers ---- */

static int named(void **state)
{
	set_up(BLK_ON_MMIO, (struct virtio_blk_options){ .serial = "root-1" });
	return 0;
}

TEST_WITH(a_serial_number_that_was_given_is_the_guests_to_read, named, tear_down)
{
	char id[20];

	assert_int_equal(blk_rig_do(&rig, VIRTIO_BLK_T_GET_ID, 0), VIRTIO_BLK_S_OK);
	wire_read(rig.vm, BLK_RIG_DATA, id, sizeof(id));
	assert_memory_equal(id, "root-1\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
}

static int named_at_length(void **state)
{
	set_up(BLK_ON_MMIO, (struct virtio_blk_options){ .serial = "abcdefghijklmnopqrst" });
	return 0;
}

TEST_WITH(a_serial_number_of_20_bytes_has_no_end, named_at_length, tear_down)
{
	char id[20];

	assert_int_equal(blk_rig_do(&rig, VIRTIO_BLK_T_GET_ID, 0), VIRTIO_BLK_S_OK);
	wire_read(rig.vm, BLK_RIG_DATA, id, sizeof(id));
	assert_memory_equal(id, "abcdefghijklmnopqrst", 20);
}

/* ---- queues ---- */

static int four_queues(void **state)
{
	set_up((enum blk_place)(uintptr_t)*state, (struct virtio_blk_options){ .queues = 4 });
	return 0;
}

static void program_vectors(void)
{
	for (unsigned i = 0; i <= rig.count; i++)
		pci_driver_vector(&rig.pci, i, RIG_DOORBELL, RIG_MESSAGE(i), false);
	pci_driver_msix(&rig.pci, true);
	for (unsigned i = 0; i < rig.count; i++) {
		pci_driver_put(&rig.pci, &rig.pci.common, VIRTIO_PCI_COMMON_Q_SELECT, i, 2);
		pci_driver_put(&rig.pci, &rig.pci.common, VIRTIO_PCI_COMMON_Q_MSIX, i + 1, 2);
	}
}

static void each_queue_answers(void)
{
	u8 data[512];

	for (unsigned i = 0; i < rig.count; i++) {
		blk_rig_start(&rig, i, i, VIRTIO_BLK_T_IN, 7 * i);
		assert_true(blk_rig_used(&rig, i));
		assert_int_equal(blk_rig_status(&rig, i), VIRTIO_BLK_S_OK);
		wire_read(rig.vm, BLK_RIG_DATA + 512 * i, data, sizeof(data));
		assert_memory_equal(data, rig.disk->data + 512 * 7 * i, sizeof(data));
	}
}

static void each_of_several_queues_is_served(void **state)
{
	assert_true(blk_rig_features(&rig) >> VIRTIO_BLK_F_MQ & 1);
	assert_int_equal(CONFIG(num_queues, 2), 4);
	each_queue_answers();
}

TEST_NAMED("each of several queues is served: mmio", each_of_several_queues_is_served, four_queues,
	   tear_down, (void *)BLK_ON_MMIO)
TEST_NAMED("each of several queues is served: pci", each_of_several_queues_is_served, four_queues,
	   tear_down, (void *)BLK_ON_PCI)
TEST_NAMED("each of several queues is served: mmio, iommu", each_of_several_queues_is_served,
	   four_queues, tear_down, (void *)BLK_ON_MMIO_BEHIND)
TEST_NAMED("each of several queues is served: pci, iommu", each_of_several_queues_is_served,
	   four_queues, tear_down, (void *)BLK_ON_PCI_BEHIND)

static int four_queues_on_pci(void **state)
{
	set_up(BLK_ON_PCI, (struct virtio_blk_options){ .queues = 4 });
	return 0;
}

TEST_WITH(each_queue_has_a_vector_of_its_own, four_queues_on_pci, tear_down)
{
	struct msi_message message;

	program_vectors();
	for (unsigned i = 0; i < rig.count; i++) {
		unsigned before = wire_msis(NULL);

		blk_rig_start(&rig, i, i, VIRTIO_BLK_T_IN, i);
		assert_true(blk_rig_used(&rig, i));
		assert_int_equal(wire_msis(&message), before + 1);
		assert_int_equal(message.data, RIG_MESSAGE(i + 1));
	}
}

static int eight_queues(void **state)
{
	set_up(BLK_ON_MMIO, (struct virtio_blk_options){ .queues = 8 });
	return 0;
}

TEST_WITH(all_entries_of_all_queues_may_be_out_at_once, eight_queues, tear_down)
{
	unsigned n = 0;

	fake_disk_hold(rig.disk, true);
	for (unsigned i = 0; i < 8; i++) {
		for (unsigned j = 0; j < 21; j++, n++)
			blk_rig_add(&rig, i, n % 96, VIRTIO_BLK_T_OUT, n);
		blk_rig_kick(&rig, i);
	}
	blk_rig_poll(&rig);
	assert_int_equal(rig.disk->submits, 8 * 21);
	fake_disk_hold(rig.disk, false);
	for (unsigned i = 0; i < 8; i++) {
		for (unsigned j = 0; j < 21; j++)
			assert_true(blk_rig_used(&rig, i));
	}
}

TEST_WITH(a_queue_that_is_reset_leaves_the_others_alone, four_queues_on_pci, tear_down)
{
	fake_disk_hold(rig.disk, true);
	blk_rig_start(&rig, 0, 0, VIRTIO_BLK_T_IN, 0);
	blk_rig_start(&rig, 1, 1, VIRTIO_BLK_T_IN, 1);
	blk_rig_poll(&rig);
	assert_int_equal(rig.disk->submits, 2);
	/* The reset waits for the second one, and the disk answers the first one first. */
	fake_disk_release(rig.disk, 2);
	pci_driver_put(&rig.pci, &rig.pci.common, VIRTIO_PCI_COMMON_Q_SELECT, 1, 2);
	pci_driver_put(&rig.pci, &rig.pci.common, VIRTIO_PCI_COMMON_Q_RESET, 1, 2);
	assert_int_equal(blk_rig_status(&rig, 1), 0xee);
	assert_false(wire_has_used(&rig.queues[1]));
	assert_true(blk_rig_used(&rig, 0));
	assert_int_equal(blk_rig_status(&rig, 0), VIRTIO_BLK_S_OK);
	fake_disk_hold(rig.disk, false);
	blk_rig_start(&rig, 2, 2, VIRTIO_BLK_T_IN, 2);
	assert_true(blk_rig_used(&rig, 2));
}

TEST_WITH(a_disk_of_one_queue_offers_no_more, plain, tear_down)
{
	assert_false(blk_rig_features(&rig) >> VIRTIO_BLK_F_MQ & 1);
}

/* ---- the cache ---- */

static unsigned flushes_of_a_write(void)
{
	unsigned before = rig.disk->syncs;

	assert_int_equal(blk_rig_do(&rig, VIRTIO_BLK_T_OUT, 1), VIRTIO_BLK_S_OK);
	return rig.disk->syncs - before;
}

static void set_write_back(bool on)
{
	blk_rig_set_config(&rig, offsetof(struct virtio_blk_config, wce), on);
}

static int write_through(void **state)
{
	set_up((enum blk_place)(uintptr_t)*state,
	       (struct virtio_blk_options){ .write_through = true });
	return 0;
}

static void what_is_written_through_is_flushed_before_its_answer(void **state)
{
	assert_int_equal(CONFIG(wce, 1), 0);
	assert_int_equal(flushes_of_a_write(), 1);
	assert_int_equal(blk_rig_do(&rig, VIRTIO_BLK_T_IN, 1), VIRTIO_BLK_S_OK);
	assert_int_equal(rig.disk->syncs, 1);
	/* A driver that flushes and knows of no switch has it all the same. */
	blk_rig_up(&rig, BLK_F(VIRTIO_BLK_F_FLUSH));
	assert_int_equal(flushes_of_a_write(), 1);
}

TEST_NAMED("what is written through is flushed before its answer: mmio",
	   what_is_written_through_is_flushed_before_its_answer, write_through, tear_down,
	   (void *)BLK_ON_MMIO)
TEST_NAMED("what is written through is flushed before its answer: pci, iommu",
	   what_is_written_through_is_flushed_before_its_answer, write_through, tear_down,
	   (void *)BLK_ON_PCI_BEHIND)

static void the_guest_may_switch_the_cache(void **state)
{
	assert_true(blk_rig_features(&rig) >> VIRTIO_BLK_F_CONFIG_WCE & 1);
	assert_int_equal(CONFIG(wce, 1), 1);
	assert_int_equal(flushes_of_a_write(), 0);
	/* It will flush no more: what it wrote before is flushed at once. */
	set_write_back(false);
	assert_int_equal(rig.disk->syncs, 1);
	assert_int_equal(CONFIG(wce, 1), 0);
	assert_int_equal(flushes_of_a_write(), 1);
	set_write_back(true);
	assert_int_equal(CONFIG(wce, 1), 1);
	assert_int_equal(flushes_of_a_write(), 0);
	set_write_back(false);
	blk_rig_up(&rig, BLK_F(VIRTIO_BLK_F_FLUSH) | BLK_F(VIRTIO_BLK_F_CONFIG_WCE));
	assert_int_equal(CONFIG(wce, 1), 1);
}

static int write_back(void **state)
{
	set_up((enum blk_place)(uintptr_t)*state, (struct virtio_blk_options){ 0 });
	return 0;
}

TEST_NAMED("the guest may switch the cache: mmio", the_guest_may_switch_the_cache, write_back,
	   tear_down, (void *)BLK_ON_MMIO)
TEST_NAMED("the guest may switch the cache: pci", the_guest_may_switch_the_cache, write_back,
	   tear_down, (void *)BLK_ON_PCI)

TEST_WITH(a_driver_without_the_switch_switches_nothing, plain, tear_down)
{
	blk_rig_up(&rig, BLK_F(VIRTIO_BLK_F_FLUSH));
	set_write_back(false);
	assert_int_equal(rig.disk->syncs, 0);
	assert_int_equal(flushes_of_a_write(), 0);
}

TEST_WITH(without_flush_the_cache_cannot_be_switched_on, plain, tear_down)
{
	blk_rig_up(&rig, BLK_F(VIRTIO_BLK_F_CONFIG_WCE));
	assert_int_equal(CONFIG(wce, 1), 0);
	set_write_back(true);
	assert_int_equal(CONFIG(wce, 1), 0);
	assert_int_equal(flushes_of_a_write(), 1);
}

TEST_WITH(a_switch_is_over_when_the_flush_is, plain, tear_down)
{
	fake_disk_hold(rig.disk, true);
	blk_rig_start(&rig, 0, 0, VIRTIO_BLK_T_OUT, 0);
	fake_disk_release(rig.disk, 2);
	set_write_back(false);
	assert_int_equal(rig.disk->syncs, 1);
	fake_disk_hold(rig.disk, false);
	assert_true(blk_rig_used(&rig, 0));
}

static struct vcpu_write *vcpu_sets_write_back(bool on)
{
	u32 wce = VIRTIO_MMIO_CONFIG + offsetof(struct virtio_blk_config, wce);
	struct vcpu_write *write = vcpu_writes(rig.vm, BLK_RIG_SLOT, wce, on, 1);

	while (CONFIG(wce, 1) != on)
		pause_ms(1);
	return write;
}

/* What was written between the last two switches may have come after the first one's flush. */
TEST_WITH(each_switch_has_a_flush_that_begins_after_it, plain, tear_down)
{
	struct vcpu_write *switches[3];

	fake_disk_hold(rig.disk, true);
	for (unsigned i = 0; i < 3; i++)
		switches[i] = vcpu_sets_write_back(i % 2);
	fake_disk_hold(rig.disk, false);
	for (unsigned i = 0; i < 3; i++)
		vcpu_ends(switches[i], rig.vm);
	assert_int_equal(rig.disk->syncs, 2);
}

/* The host may have lost it while others flushed: disk.h. */
TEST_WITH(a_flush_for_a_write_is_about_what_was_lost_since_the_write_began, write_through,
	  tear_down)
{
	fake_disk_hold(rig.disk, true);
	rig.disk->losses = 3;
	blk_rig_start(&rig, 0, 0, VIRTIO_BLK_T_OUT, 0);
	blk_rig_poll(&rig);
	assert_int_equal(rig.disk->submits, 1);
	rig.disk->losses = 4;
	fake_disk_hold(rig.disk, false);
	assert_true(blk_rig_used(&rig, 0));
	assert_int_equal(rig.disk->syncs, 1);
	assert_int_equal(rig.disk->synced_losses, 3);
}

TEST_WITH(a_switch_whose_flush_fails_stops_the_device, plain, tear_down)
{
	assert_int_equal(blk_rig_do(&rig, VIRTIO_BLK_T_OUT, 0), VIRTIO_BLK_S_OK);
	rig.disk->fault = -EIO;
	set_write_back(false);
	assert_true(wire_needs_reset(rig.vm, BLK_RIG_SLOT));
	rig.disk->fault = 0;
	blk_rig_up(&rig, BLK_F(VIRTIO_BLK_F_FLUSH));
	assert_int_equal(blk_rig_do(&rig, VIRTIO_BLK_T_OUT, 0), VIRTIO_BLK_S_OK);
}

/* ---- discards ---- */

static int ignoring(void **state)
{
	set_up(BLK_ON_MMIO, (struct virtio_blk_options){ .ignore_discard = true });
	return 0;
}

TEST_WITH(discards_that_are_ignored_are_not_offered, ignoring, tear_down)
{
	u64 features = blk_rig_features(&rig);

	assert_false(features >> VIRTIO_BLK_F_DISCARD & 1);
	assert_true(features >> VIRTIO_BLK_F_WRITE_ZEROES & 1);
	assert_int_equal(CONFIG(write_zeroes_may_unmap, 1), 0);
	assert_int_equal(CONFIG(max_discard_sectors, 4), 0);
	assert_int_equal(blk_rig_do(&rig, VIRTIO_BLK_T_DISCARD, 0), VIRTIO_BLK_S_UNSUPP);
}
