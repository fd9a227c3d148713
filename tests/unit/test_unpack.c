/* SPDX-License-Identifier: BSD-2-Clause */
/* LZ4 as kernels have it: by hand, as no library of its own is needed for it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test.h"
#include "util/unpack.h"

#define BLOCK (8 * MIB)

struct frame {
	u8 bytes[256 * KIB];
	size_t len;
};

static struct frame frame;

static void put(const void *bytes, size_t len)
{
	assert_true(len <= sizeof(frame.bytes) - frame.len);
	memcpy(frame.bytes + frame.len, bytes, len);
	frame.len += len;
}

static void begin(void)
{
	frame.len = 0;
	put("\x02\x21\x4c\x18", 4);
}

/* A block of these bytes. */
static void put_block(const void *bytes, size_t len)
{
	const u8 size[4] = { len, len >> 8, len >> 16, len >> 24 };

	put(size, sizeof(size));
	put(bytes, len);
}

/* Its status; what came is in @out. */
static int unpack_frame(void *out, u64 room, u64 *produced)
{
	const struct packed packed = { PACK_LZ4, 0, frame.len };
	int fd = memfd_create("lz4", MFD_CLOEXEC), ret;

	assert_int_equal(write(fd, frame.bytes, frame.len), frame.len);
	ret = unpack(&packed, fd, out, room, produced);
	close(fd);
	return ret;
}

static void gives(const char *text)
{
	char out[256] = "";
	u64 produced;

	assert_int_equal(unpack_frame(out, sizeof(out), &produced), 0);
	assert_int_equal(produced, strlen(text));
	assert_memory_equal(out, text, produced);
}

static void is_damaged(const char *block, size_t len)
{
	char out[256];
	u64 produced;

	begin();
	put_block(block, len);
	assert_int_equal(unpack_frame(out, sizeof(out), &produced), -EINVAL);
}

TEST(literals_and_matches_come_out)
{
	begin();
	put_block("\x50"
		  "abcde",
		  6);
	gives("abcde");
	begin();
	/* "abc", six from three back, "xy". */
	put_block("\x32"
		  "abc"
		  "\x03\x00"
		  "\x20"
		  "xy",
		  9);
	gives("abcabcabcxy");
	begin();
	/* One that repeats itself, of 4 + 15 + 10. */
	put_block("\x1f"
		  "z"
		  "\x01\x00"
		  "\x0a"
		  "\x10"
		  ".",
		  7);
	gives("zzzzzzzzzzzzzzzzzzzzzzzzzzzzzz.");
	begin();
	/* 15 + 3 literals. */
	put_block("\xf0\x03"
		  "0123456789abcdefgh",
		  20);
	gives("0123456789abcdefgh");
}

TEST(a_block_that_lies_is_damaged)
{
	is_damaged("\x50"
		   "abcd",
		   5);		       /* fewer literals than it says */
	is_damaged("\xf0\xff\xff", 3); /* a length without an end */
	is_damaged("\x14"
		   "a"
		   "\x00\x00"
		   "\x10"
		   "b",
		   6); /* a match at itself */
	is_damaged("\x14"
		   "a"
		   "\x02\x00"
		   "\x10"
		   "b",
		   6); /* before the beginning */
	is_damaged("\x14"
		   "a"
		   "\x01",
		   3); /* half an offset */
	is_damaged("\x1f"
		   "a"
		   "\x01\x00",
		   4); /* a match's length without an end */
	is_damaged("\x14"
		   "a"
		   "\x01\x00",
		   4); /* a match at the end */
}

TEST(a_frame_that_lies_is_damaged)
{
	char out[16];
	u64 produced;

	frame.len = 0;
	put("\x02\x21\x4c\x19\x01\x00\x00\x00\x00", 9);
	assert_int_equal(unpack_frame(out, sizeof(out), &produced), -EINVAL);
	begin();
	put("\xff\xff\xff\xff", 4);
	assert_int_equal(unpack_frame(out, sizeof(out), &produced), -EINVAL);
	begin();
	put("\x00\x00\x00\x00", 4);
	assert_int_equal(unpack_frame(out, sizeof(out), &produced), -EINVAL);
	begin();
	put("\x05\x00\x00\x00"
	    "\x10",
	    5);
	assert_int_equal(unpack_frame(out, sizeof(out), &produced), -ENODATA);
	begin();
	put_block("\x50"
		  "abcde",
		  6);
	assert_int_equal(unpack_frame(out, 4, &produced), -ENOSPC);
}

/* A full block of one byte: a literal, a match of all but a few, and these. */
static void put_full_block(void)
{
	static u8 block[64 * KIB];
	size_t len = 0, rest = BLOCK - 1 - 5 - 4 - 15;

	block[len++] = 0x1f;
	block[len++] = 'a';
	block[len++] = 1;
	block[len++] = 0;
	for (; rest >= 255; rest -= 255)
		block[len++] = 255;
	block[len++] = rest;
	memcpy(block + len,
	       "\x50"
	       "bcdef",
	       6);
	put_block(block, len + 6);
}

TEST(blocks_follow_each_other_while_they_are_full)
{
	u8 *out = calloc(1, 2 * BLOCK + 16);
	u64 produced;

	begin();
	put_full_block();
	put_full_block();
	assert_int_equal(unpack_frame(out, 2 * BLOCK + 16, &produced), 0);
	assert_int_equal(produced, 2 * BLOCK);
	put_block("\x20"
		  "xy",
		  3);
	assert_int_equal(unpack_frame(out, 2 * BLOCK + 16, &produced), 0);
	assert_int_equal(produced, 2 * BLOCK + 2);
	assert_memory_equal(out + BLOCK - 6, "abcdefaaaa", 10);
	assert_memory_equal(out + 2 * BLOCK - 6, "abcdefxy", 8);
	free(out);
}

TEST(a_block_that_unpacks_to_more_than_blocks_have_is_damaged)
{
	static u8 block[64 * KIB];
	u8 *out = malloc(2 * BLOCK);
	size_t len = 0;
	u64 produced;

	memcpy(block,
	       "\x1f"
	       "a"
	       "\x01",
	       4);
	for (len = 4; len < 40000; len++)
		block[len] = 255;
	block[len++] = 0;
	memcpy(block + len,
	       "\x10"
	       "b",
	       2);
	begin();
	put_block(block, len + 2);
	assert_int_equal(unpack_frame(out, 2 * BLOCK, &produced), -EINVAL);
	free(out);
}

TEST(packed_data_is_known_by_its_first_bytes)
{
	static const struct {
		enum pack pack;
		u8 start[16];
	} kinds[] = {
		{ PACK_GZIP, { 0x1f, 0x8b, 8 } },
		{ PACK_ZSTD, { 0x28, 0xb5, 0x2f, 0xfd } },
		{ PACK_XZ, { 0xfd, '7', 'z', 'X', 'Z' } },
		{ PACK_LZMA, { 0x5d } },
		{ PACK_LZ4, { 2, 0x21, 0x4c, 0x18 } },
		{ PACK_NONE, { 'B', 'Z', 'h', '9' } },
		{ PACK_NONE, { 0x89, 'L', 'Z', 'O' } },
		{ PACK_NONE, { 0x7f, 'E', 'L', 'F' } },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++)
		assert_int_equal(unpack_kind(kinds[i].start), kinds[i].pack);
}
