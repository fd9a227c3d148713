/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the guest disk_play does to its disk, for the guest and for who judges the disk afterwards:
 * batches of operations that are under way at once and touch no sector twice. Every fourth batch
 * is followed by a flush alone.
 */
#ifndef TESTS_KILL_PLAY_H
#define TESTS_KILL_PLAY_H

#include "../guest/types.h"

#define PLAY_SECTORS 131072u /* of the disk */
#define PLAY_AT_ONCE 16u
#define PLAY_LONGEST 128u /* sectors of one operation */
/* Each of a batch has a part of the disk. */
#define PLAY_PART (PLAY_SECTORS / PLAY_AT_ONCE)

enum play_kind { PLAY_WRITE, PLAY_DISCARD, PLAY_ZERO, PLAY_FLUSH };

struct play {
	enum play_kind kind;
	u32 sector, count;
	u64 stamp;
};

static inline u64 play_mix(u64 value)
{
	value = (value ^ value >> 31) * 0x9e3779b97f4a7c15UL;
	value = (value ^ value >> 29) * 0xbf58476d1ce4e5b9UL;
	return value ^ value >> 32;
}

static inline struct play play_make(u64 seed, u64 batch, u32 slot)
{
	static const u8 kinds[16] = { [10] = PLAY_DISCARD,
				      [11] = PLAY_DISCARD,
				      [12] = PLAY_DISCARD,
				      [13] = PLAY_ZERO,
				      [14] = PLAY_ZERO };
	u64 random = play_mix(seed << 40 ^ batch << 8 ^ slot);
	struct play play = { .kind = kinds[random & 15], .stamp = random };

	if (slot == PLAY_AT_ONCE - 1 && !(random >> 8 & 31))
		play.kind = PLAY_FLUSH;
	play.count = 1 + (random >> 16) % 64;
	if (!(random >> 24 & 3))
		play.count = PLAY_LONGEST;
	play.sector = (random >> 32) % (PLAY_PART - play.count + 1);
	if (play.count == PLAY_LONGEST)
		play.sector -= play.sector % PLAY_LONGEST;
	/* Some go on where they were. */
	if (slot < 4) {
		play.count = 64;
		play.sector = batch * 64 % PLAY_PART;
	}
	play.sector += slot * PLAY_PART;
	return play;
}

/* What the write puts into each eight bytes of a sector: never 0. */
static inline u64 play_value(const struct play *play, u32 sector)
{
	return play_mix(play->stamp + sector) | 1;
}

static inline int play_is_flushed(u64 batch)
{
	return batch % 4 == 3;
}

#endif
