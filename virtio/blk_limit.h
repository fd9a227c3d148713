/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How much a disk may do in a second: a bucket of tokens for each limit. A request may begin while
 * each bucket that is about it has one request, or some bytes. It may overdraw them: so the
 * largest is possible whatever the limit, and those behind it wait the longer.
 */
#ifndef VIRTIO_BLK_LIMIT_H
#define VIRTIO_BLK_LIMIT_H

#include "virtio/blk.h"

struct blk_limiter {
	bool any; /* there is a limit */
	struct virtio_blk_rate rates[VIRTIO_BLK_LIMITS];
	/* When the bucket holds nothing and is not overdrawn: it fills as time goes on. */
	s64 empty_at[VIRTIO_BLK_LIMITS];
};

/* Times are nanoseconds of one clock that does not go back. Buckets are full at first. */
void blk_limiter_init(struct blk_limiter *limiter, const struct virtio_blk_rate *rates);
/* How long from @now until a read or a write may begin; 0: it may. */
u64 blk_limiter_wait(const struct blk_limiter *limiter, bool is_write, u64 now);
/* One of @bytes begins. */
void blk_limiter_charge(struct blk_limiter *limiter, bool is_write, u64 bytes, u64 now);

#endif
