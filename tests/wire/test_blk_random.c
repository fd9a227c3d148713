/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A disk with several queues, limits and policies, whose host fails and recovers, whose user
 * pauses and resumes, and whose driver resets: at random, many times. Each request is answered
 * once, or forgotten by a reset, and in the end nothing waits.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"
#include "blk_rig.h"
#include "fake_disk.h"

#define QUEUES	  3
#define EACH	  12 /* requests of a queue that may be out: three descriptors each */
#define STEPS	  6000
#define REQUESTS  (QUEUES * EACH)
#define UNTOUCHED 0xee

static struct blk_rig rig;
static bool out[REQUESTS]; /* which of them are the device's */
static u64 answers, resets;

static unsigned below(unsigned count)
{
	return (unsigned)random() % count;
}

static void bring_up(void)
{
	blk_rig_up(&rig, BLK_F(VIRTIO_BLK_F_FLUSH) | BLK_F(VIRTIO_BLK_F_MQ) |
				 BLK_F(VIRTIO_BLK_F_CONFIG_WCE));
	memset(out, 0, sizeof(out));
}

static void set_up(enum blk_place place, u64 iops)
{
	struct disk *disk = fake_disk_create(DISK_SIZE, false, true, NULL);
	struct virtio_blk_options options = { .queues = QUEUES,
					      .on_read_error = VIRTIO_BLK_STOP,
					      .on_write_error = VIRTIO_BLK_NOSPC };

	disk->info.direct = true;
	options.limits[VIRTIO_BLK_IOPS_WR] = (struct virtio_blk_rate){ iops, iops ? 2 : 0 };
	blk_rig_create(&rig, place, options, disk);
	bring_up();
	srandom(1);
	answers = resets = 0;
}

static void add_request(void)
{
	static const u32 types[] = { VIRTIO_BLK_T_IN, VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_FLUSH,
				     VIRTIO_BLK_T_GET_ID };
	unsigned n = below(REQUESTS);

	if (out[n])
		return;
	blk_rig_add(&rig, n / EACH, n, types[below(ARRAY_SIZE(types))], below(100));
	out[n] = true;
	if (below(3))
		blk_rig_kick(&rig, n / EACH);
}

/* What is answered has a status, and was out. */
static void take_answers(void)
{
	for (unsigned n = 0; n < REQUESTS; n++) {
		if (out[n] && blk_rig_status(&rig, n) != UNTOUCHED) {
			out[n] = false;
			answers++;
		}
	}
	for (unsigned i = 0; i < QUEUES; i++) {
		while (wire_has_used(&rig.queues[i]))
			assert_true(blk_rig_used(&rig, i));
	}
}

static bool any_out(void)
{
	for (unsigned n = 0; n < REQUESTS; n++) {
		if (out[n])
			return true;
	}
	return false;
}

static void step(void)
{
	static const int faults[] = { 0, 0, 0, -ENOSPC, -EIO, -EDQUOT, -EPERM };

	switch (below(24)) {
	case 0:
		rig.disk->fault = faults[below(ARRAY_SIZE(faults))];
		break;
	case 1:
		fake_disk_hold(rig.disk, below(2));
		break;
	case 2:
		fake_disk_release(rig.disk, below(4));
		break;
	case 3:
	case 4:
		vm_resume(rig.vm, VM_PAUSE_USER);
		break;
	case 5:
		vm_pause(rig.vm, VM_PAUSE_USER, NULL);
		break;
	case 6:
		/* The loop is served until it is over. */
		if (below(8))
			break;
		fake_disk_hold(rig.disk, false);
		bring_up();
		resets++;
		break;
	case 7:
		/* A flush that fails stops the device. */
		rig.disk->fault = 0;
		fake_disk_hold(rig.disk, false);
		blk_rig_set_config(&rig, offsetof(struct virtio_blk_config, wce), below(2));
		break;
	case 8:
	case 9:
	case 10:
		blk_rig_poll(&rig);
		take_answers();
		break;
	default:
		add_request();
	}
}

/* The host works, the user resumes. */
static void everything_comes_to_an_end(void)
{
	rig.disk->fault = 0;
	fake_disk_hold(rig.disk, false);
	for (unsigned i = 0; i < QUEUES; i++)
		blk_rig_kick(&rig, i);
	for (unsigned i = 0; i < 3000 && (any_out() || rig.vm->pause_wanted); i++) {
		vm_resume(rig.vm, VM_PAUSE_USER);
		loop_poll(rig.vm->loop, 1);
		take_answers();
	}
	assert_false(any_out());
	assert_int_equal(rig.vm->pause_wanted, 0);
	assert_false(vm_is_paused(rig.vm));
}

static void play(enum blk_place place, u64 iops)
{
	set_up(place, iops);
	for (unsigned i = 0; i < STEPS; i++) {
		step();
		if (i % 1000 == 999)
			everything_comes_to_an_end();
	}
	everything_comes_to_an_end();
	assert_true(answers > STEPS / 20 && resets);
	blk_rig_destroy(&rig);
}

TEST(each_request_is_answered_once_whatever_the_host_does)
{
	play(BLK_ON_MMIO, 0);
}

TEST(each_request_is_answered_once_under_a_limit)
{
	play(BLK_ON_MMIO, 2000);
}

TEST(each_request_is_answered_once_on_pci)
{
	play(BLK_ON_PCI, 3000);
}
