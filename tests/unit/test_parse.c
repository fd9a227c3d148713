/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>

#include "test.h"
#include "util/parse.h"

TEST(sizes_take_suffixes)
{
	u64 bytes;

	assert_int_equal(parse_size("256", MIB, &bytes), 0);
	assert_int_equal(bytes, 256 * MIB);
	assert_int_equal(parse_size("1g", MIB, &bytes), 0);
	assert_int_equal(bytes, GIB);
	assert_int_equal(parse_size("2p", MIB, &bytes), 0);
	assert_int_equal(bytes, 2048 * 1024 * GIB);
	assert_int_equal(parse_size("4096B", MIB, &bytes), 0);
	assert_int_equal(bytes, 4096);
	assert_int_equal(parse_size("0x10K", MIB, &bytes), 0);
	assert_int_equal(bytes, 16384);
}

TEST(sizes_refuse_nonsense)
{
	static const char *const bad[] = { "", "-1", " 1", "+1", "M", "1MM", "1.5G", "1x", "0x" };
	u64 bytes;

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		if (parse_size(bad[i], MIB, &bytes) != -EINVAL)
			fail_msg("\"%s\" was taken", bad[i]);
	}
	assert_int_equal(parse_size("18446744073709551616", 1, &bytes), -ERANGE);
	assert_int_equal(parse_size("16777216T", 1, &bytes), -ERANGE);
}

TEST(numbers_have_a_maximum)
{
	u64 value;

	assert_int_equal(parse_u64("255", 255, &value), 0);
	assert_int_equal(parse_u64("256", 255, &value), -ERANGE);
	assert_int_equal(parse_u64("1k", 5000, &value), -EINVAL);
}

TEST(options_split_at_commas)
{
	char text[] = "path=/x,ro,direct=on";
	char *cursor = text, *value;

	assert_string_equal(parse_next_option(&cursor, &value), "path");
	assert_string_equal(value, "/x");
	assert_string_equal(parse_next_option(&cursor, &value), "ro");
	assert_null(value);
	assert_string_equal(parse_next_option(&cursor, &value), "direct");
	assert_string_equal(value, "on");
	assert_null(parse_next_option(&cursor, &value));
}

TEST(two_commas_are_one_within_an_item)
{
	char text[] = "/a,,b,,,ro,path=,,x=y,", tail[] = ",,";
	char *cursor = text, *value;

	assert_string_equal(parse_next_item(&cursor), "/a,b,");
	assert_string_equal(parse_next_option(&cursor, &value), "ro");
	assert_null(value);
	assert_string_equal(parse_next_option(&cursor, &value), "path");
	assert_string_equal(value, ",x=y");
	assert_null(parse_next_item(&cursor));
	cursor = tail;
	assert_string_equal(parse_next_item(&cursor), ",");
	assert_null(parse_next_item(&cursor));
}

TEST(nearest_word_is_a_slip_away)
{
	static const char *const words[] = { "--kernel", "--disk", "--mem", "ro", NULL };

	assert_string_equal(parse_nearest("--kernal", words), "--kernel");
	assert_string_equal(parse_nearest("--dsk", words), "--disk");
	assert_null(parse_nearest("--frobnicate", words));
	assert_null(parse_nearest("rw", words));
}

TEST(lists_of_CPUs_are_as_linux_writes_them)
{
	static const char *const bad[] = { "", ",", "1,", "-1", "3-1", "1-", "a", "1 2", "0-3x" };
	cpu_set_t set;

	assert_int_equal(parse_cpus("0-2,5,7-8", &set), 0);
	assert_int_equal(CPU_COUNT(&set), 6);
	assert_true(CPU_ISSET(2, &set) && CPU_ISSET(5, &set) && CPU_ISSET(8, &set));
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(parse_cpus(bad[i], &set), -EINVAL);
	assert_int_equal(parse_cpus("0-99999999999", &set), -ERANGE);
}
