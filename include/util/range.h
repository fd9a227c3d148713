/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ranges are [start, last], both inside, so that the whole 64-bit space can be
 * written down; an empty range cannot. A start and a length that come from
 * outside are turned into a range here, where the sum is checked.
 */
#ifndef UTIL_RANGE_H
#define UTIL_RANGE_H

#include "util/types.h"

struct range {
	u64 start;
	u64 last; /* inclusive; >= start */
};

/* [start, start + len - 1] into @out; false if empty or past 2^64 - 1. */
static inline bool range_make(u64 start, u64 len, struct range *out)
{
	if (!len || start > UINT64_MAX - (len - 1))
		return false;
	out->start = start;
	out->last = start + (len - 1);
	return true;
}

static inline bool range_overlaps(u64 start, u64 last, u64 other, u64 other_last)
{
	return start <= other_last && other <= last;
}

/* Whether [start, last] lies wholly inside [outer, outer_last]. */
static inline bool range_contains(u64 outer, u64 outer_last, u64 start, u64 last)
{
	return start >= outer && last <= outer_last;
}

/* @align is a power of two, here and below. */
static inline bool is_aligned(u64 value, u64 align)
{
	return !(value & (align - 1));
}

static inline u64 align_down(u64 value, u64 align)
{
	return value & ~(align - 1);
}

/* Rounds up; wraps to 0 past the last multiple: check large values first. */
static inline u64 align_up(u64 value, u64 align)
{
	return (value + align - 1) & ~(align - 1);
}

#endif
