/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "blk_limit.h"

#define NANOSECONDS 1000000000ull
/* A burst that was not named, as time. */
#define USUAL_BURST (NANOSECONDS / 10)
/* Longer than anything runs, and far from overflow. */
#define FOR_EVER (INT64_MAX / 4)

/* How long @rate takes to bring @amount. */
static s64 time_of(u64 amount, u64 rate)
{
	unsigned __int128 time = (unsigned __int128)amount * NANOSECONDS / rate;

	return time > FOR_EVER ? FOR_EVER : (s64)time;
}

/* How long a bucket takes to fill. */
static s64 full(const struct virtio_blk_rate *rate)
{
	return rate->burst ? time_of(rate->burst, rate->rate) : (s64)USUAL_BURST;
}

/* What must be in it, as time: a whole request, or the least of bytes. */
static s64 least(const struct virtio_blk_rate *rate, unsigned limit)
{
	return limit < VIRTIO_BLK_IOPS ? 1 : MIN(time_of(1, rate->rate), full(rate));
}

static bool is_about(unsigned limit, bool is_write)
{
	static const bool reads[VIRTIO_BLK_LIMITS] = {
		[VIRTIO_BLK_BPS] = true,
		[VIRTIO_BLK_BPS_RD] = true,
		[VIRTIO_BLK_IOPS] = true,
		[VIRTIO_BLK_IOPS_RD] = true,
	};
	static const bool writes[VIRTIO_BLK_LIMITS] = {
		[VIRTIO_BLK_BPS] = true,
		[VIRTIO_BLK_BPS_WR] = true,
		[VIRTIO_BLK_IOPS] = true,
		[VIRTIO_BLK_IOPS_WR] = true,
	};

	return is_write ? writes[limit] : reads[limit];
}

void blk_limiter_init(struct blk_limiter *limiter, const struct virtio_blk_rate *rates)
{
	limiter->any = false;
	memcpy(limiter->rates, rates, sizeof(limiter->rates));
	for (unsigned i = 0; i < VIRTIO_BLK_LIMITS; i++) {
		limiter->any |= rates[i].rate != 0;
		limiter->empty_at[i] = -FOR_EVER;
	}
}

u64 blk_limiter_wait(const struct blk_limiter *limiter, bool is_write, u64 now)
{
	s64 wait = 0;

	for (unsigned i = 0; i < VIRTIO_BLK_LIMITS; i++) {
		const struct virtio_blk_rate *rate = &limiter->rates[i];

		if (rate->rate && is_about(i, is_write))
			wait = MAX(wait, limiter->empty_at[i] + least(rate, i) - (s64)now);
	}
	return wait;
}

static void charge(struct blk_limiter *limiter, unsigned limit, u64 amount, u64 now)
{
	const struct virtio_blk_rate *rate = &limiter->rates[limit];

	/* More than a full bucket there never is. */
	limiter->empty_at[limit] = MAX(limiter->empty_at[limit], (s64)now - full(rate)) +
				   time_of(amount, rate->rate);
}

void blk_limiter_charge(struct blk_limiter *limiter, bool is_write, u64 bytes, u64 now)
{
	for (unsigned i = 0; i < VIRTIO_BLK_LIMITS; i++) {
		if (limiter->rates[i].rate && is_about(i, is_write))
			charge(limiter, i, i < VIRTIO_BLK_IOPS ? bytes : 1, now);
	}
}
