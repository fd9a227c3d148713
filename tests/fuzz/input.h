/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The fuzzer's bytes, taken from the front. What is not there reads as zero, so every
 * input is a whole story, and a mutation in one place leaves the rest as it was.
 */
#ifndef TESTS_FUZZ_INPUT_H
#define TESTS_FUZZ_INPUT_H

#include <string.h>

#include "util/types.h"

struct input {
	const u8 *data;
	size_t left;
};

static inline void input_bytes(struct input *in, void *out, size_t size)
{
	size_t have = MIN(size, in->left);

	memset(out, 0, size);
	if (!have)
		return;
	memcpy(out, in->data, have);
	in->data += have;
	in->left -= have;
}

static inline u8 input_u8(struct input *in)
{
	u8 value;

	input_bytes(in, &value, sizeof(value));
	return value;
}

static inline u16 input_u16(struct input *in)
{
	le16 value;

	input_bytes(in, &value, sizeof(value));
	return le16_to_cpu(value);
}

static inline u32 input_u32(struct input *in)
{
	le32 value;

	input_bytes(in, &value, sizeof(value));
	return le32_to_cpu(value);
}

static inline u64 input_u64(struct input *in)
{
	le64 value;

	input_bytes(in, &value, sizeof(value));
	return le64_to_cpu(value);
}

/* 0 to @count - 1. */
static inline unsigned input_below(struct input *in, unsigned count)
{
	return input_u8(in) % count;
}

#endif
