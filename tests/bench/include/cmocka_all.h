/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Instead of tests/include's: what the fake machine and driver say of cmocka, without it. There is
 * no static library of it, and a benchmark in an emulated host wants to be static.
 */
#ifndef TESTS_BENCH_CMOCKA_ALL_H
#define TESTS_BENCH_CMOCKA_ALL_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define fail_msg(text)                                                                             \
	do {                                                                                       \
		fprintf(stderr, "bench: %s:%d: %s\n", __FILE__, __LINE__, text);                   \
		exit(1);                                                                           \
	} while (0)
#define assert_true(held)                                                                          \
	do {                                                                                       \
		if (!(held))                                                                       \
			fail_msg("not " #held);                                                    \
	} while (0)
#define assert_false(held)	     assert_true(!(held))
#define assert_null(pointer)	     assert_true(!(pointer))
#define assert_non_null(pointer)     assert_true(pointer)
#define assert_int_equal(one, other) assert_true((one) == (other))

#endif
