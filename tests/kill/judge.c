/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * judge BEFORE AFTER SEED FLUSHED: whether the raw disk AFTER is what the guest disk_play, started
 * with SEED on BEFORE, may have left when it was killed: FLUSHED batches of its operations were
 * acknowledged and flushed; more of them may have begun. Exit status 1 and a line if it is not.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "play.h"

#define SECTOR 512
/* Batches that the guest may have done without our having heard of it. */
#define UNHEARD 4096

struct judge {
	u8 *before, *after;
	u64 must[PLAY_SECTORS]; /* what was flushed */
	bool may_be_zero[PLAY_SECTORS], right[PLAY_SECTORS];
};

static u8 *load(const char *path)
{
	u8 *data = malloc(PLAY_SECTORS * SECTOR);
	FILE *file = fopen(path, "r");

	if (!file || fread(data, SECTOR, PLAY_SECTORS, file) != PLAY_SECTORS) {
		fprintf(stderr, "judge: cannot read %s\n", path);
		exit(2);
	}
	fclose(file);
	return data;
}

/* The number that a whole sector has; one that is torn is none of ours. */
static bool is(const u8 *disk, u32 sector, u64 value)
{
	u64 numbers[SECTOR / 8];

	memcpy(numbers, disk + sector * SECTOR, SECTOR);
	for (unsigned i = 0; i < SECTOR / 8; i++) {
		if (numbers[i] != value)
			return false;
	}
	return true;
}

static void apply(struct judge *judge, const struct play *play)
{
	for (u32 s = play->sector; s < play->sector + play->count; s++) {
		if (play->kind == PLAY_DISCARD) {
			judge->may_be_zero[s] = true;
		} else if (play->kind != PLAY_FLUSH) {
			judge->may_be_zero[s] = false;
			judge->must[s] = play->kind == PLAY_WRITE ? play_value(play, s) : 0;
		}
	}
}

/* It may have been carried out, all of it or some. */
static void allow(struct judge *judge, const struct play *play)
{
	for (u32 s = play->sector; s < play->sector + play->count && play->kind != PLAY_FLUSH; s++)
		judge->right[s] |= is(judge->after, s,
				      play->kind == PLAY_WRITE ? play_value(play, s) : 0);
}

static void for_each(struct judge *judge, u64 seed, u64 first, u64 end,
		     void (*what)(struct judge *judge, const struct play *play))
{
	for (u64 batch = first; batch < end; batch++) {
		for (u32 slot = 0; slot < PLAY_AT_ONCE; slot++) {
			struct play play = play_make(seed, batch, slot);

			what(judge, &play);
		}
	}
}

int main(int argc, char **argv)
{
	static struct judge judge;
	u64 seed, flushed;
	u32 wrong = 0;

	if (argc != 5)
		return 2;
	judge.before = load(argv[1]);
	judge.after = load(argv[2]);
	seed = strtoul(argv[3], NULL, 10);
	flushed = strtoul(argv[4], NULL, 10);
	for (u32 s = 0; s < PLAY_SECTORS; s++)
		memcpy(&judge.must[s], judge.before + s * SECTOR, 8);
	for_each(&judge, seed, 0, flushed, apply);
	for (u32 s = 0; s < PLAY_SECTORS; s++)
		judge.right[s] = is(judge.after, s, judge.must[s]) ||
				 (judge.may_be_zero[s] && is(judge.after, s, 0));
	for_each(&judge, seed, flushed, flushed + UNHEARD, allow);
	for (u32 s = 0; s < PLAY_SECTORS; s++) {
		if (!judge.right[s] && !wrong++)
			printf("sector %u is not what was flushed, nor anything later\n", s);
	}
	if (wrong)
		printf("%u sectors in all\n", wrong);
	free(judge.before);
	free(judge.after);
	return wrong != 0;
}
