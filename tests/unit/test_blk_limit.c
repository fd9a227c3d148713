/* SPDX-License-Identifier: BSD-2-Clause */
/* The limits of a disk, by a clock of the test's. */
#include "test.h"
#include "../../virtio/blk_limit.h"

#define SECOND	    1000000000ull
#define MILLISECOND 1000000ull
/* As if the host had just started. */
#define START 5

static struct blk_limiter limiter;

static void limit(enum virtio_blk_limit which, u64 rate, u64 burst)
{
	struct virtio_blk_rate rates[VIRTIO_BLK_LIMITS] = { { 0, 0 } };

	rates[which] = (struct virtio_blk_rate){ rate, burst };
	blk_limiter_init(&limiter, rates);
}

/* How many requests of @bytes go in @time, by a caller that waits as long as it is told. */
static unsigned go(bool is_write, u64 bytes, u64 time)
{
	unsigned count = 0;
	u64 now = START, wait;

	while (now < START + time) {
		wait = blk_limiter_wait(&limiter, is_write, now);
		if (wait) {
			now += wait;
			continue;
		}
		blk_limiter_charge(&limiter, is_write, bytes, now);
		count++;
	}
	return count;
}

TEST(without_a_limit_nothing_waits)
{
	static const struct virtio_blk_rate none[VIRTIO_BLK_LIMITS];

	blk_limiter_init(&limiter, none);
	assert_false(limiter.any);
	blk_limiter_charge(&limiter, true, UINT32_MAX, START);
	assert_int_equal(blk_limiter_wait(&limiter, true, START), 0);
}

TEST(requests_a_second_are_what_the_limit_says)
{
	limit(VIRTIO_BLK_IOPS, 100, 1);
	assert_true(limiter.any);
	assert_in_range(go(false, 4096, 10 * SECOND), 1000, 1001);
}

TEST(bytes_a_second_are_what_the_limit_says)
{
	limit(VIRTIO_BLK_BPS, 10 * MIB, MIB);
	/* And what was there at first. */
	assert_in_range(go(true, 64 * KIB, 10 * SECOND), 1600 + 16 - 1, 1600 + 16 + 1);
}

TEST(a_burst_goes_at_once_and_comes_back_with_time)
{
	limit(VIRTIO_BLK_IOPS, 10, 50);
	for (unsigned i = 0; i < 50; i++) {
		assert_int_equal(blk_limiter_wait(&limiter, false, START), 0);
		blk_limiter_charge(&limiter, false, 512, START);
	}
	assert_in_range(blk_limiter_wait(&limiter, false, START), 1, SECOND / 10);
	/* After an hour there is no more than a burst. */
	for (unsigned i = 0; i < 50; i++)
		blk_limiter_charge(&limiter, false, 512, 3600 * SECOND);
	assert_true(blk_limiter_wait(&limiter, false, 3600 * SECOND));
}

TEST(a_burst_that_is_not_named_is_a_tenth_of_a_second)
{
	limit(VIRTIO_BLK_IOPS, 1000, 0);
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(blk_limiter_wait(&limiter, true, START), 0);
		blk_limiter_charge(&limiter, true, 512, START);
	}
	assert_in_range(blk_limiter_wait(&limiter, true, START), 1, MILLISECOND + 1);
}

TEST(a_request_larger_than_a_burst_goes_and_the_next_waits_the_longer)
{
	limit(VIRTIO_BLK_BPS, MIB, 64 * KIB);
	assert_int_equal(blk_limiter_wait(&limiter, true, START), 0);
	blk_limiter_charge(&limiter, true, 8 * MIB, START);
	assert_in_range(blk_limiter_wait(&limiter, true, START), 7 * SECOND, 8 * SECOND);
}

TEST(reads_do_not_wait_for_a_limit_of_writes)
{
	limit(VIRTIO_BLK_IOPS_WR, 1, 1);
	blk_limiter_charge(&limiter, true, 512, START);
	assert_true(blk_limiter_wait(&limiter, true, START));
	assert_int_equal(blk_limiter_wait(&limiter, false, START), 0);
	blk_limiter_charge(&limiter, false, 512, START);
	assert_int_equal(blk_limiter_wait(&limiter, false, START), 0);
	limit(VIRTIO_BLK_BPS_RD, 512, 512);
	blk_limiter_charge(&limiter, false, 512, START);
	assert_true(blk_limiter_wait(&limiter, false, START));
	assert_int_equal(blk_limiter_wait(&limiter, true, START), 0);
}

TEST(the_largest_numbers_do_not_overflow)
{
	limit(VIRTIO_BLK_BPS, 512, 1ull << 60);
	for (unsigned i = 0; i < 1000; i++)
		blk_limiter_charge(&limiter, true, UINT32_MAX, START);
	limit(VIRTIO_BLK_BPS, 512, 512);
	for (unsigned i = 0; i < 2; i++)
		blk_limiter_charge(&limiter, true, UINT32_MAX, START);
	assert_in_range(blk_limiter_wait(&limiter, true, START), UINT32_MAX / 512 * SECOND,
			INT64_MAX);
	limit(VIRTIO_BLK_IOPS, 1ull << 60, 0);
	assert_int_equal(blk_limiter_wait(&limiter, true, START), 0);
}
