/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What stands behind a fuzz target in place of cmocka, of util/log.c and, when a target
 * says so, of malloc(): a failed assertion aborts, a message is formatted and thrown
 * away, an allocation fails.
 */
#ifndef TESTS_FUZZ_SHIM_H
#define TESTS_FUZZ_SHIM_H

#include "util/types.h"

/* Abort, saying where. */
#define fuzz_check(condition)                                                                      \
	do {                                                                                       \
		if (!(condition))                                                                  \
			fuzz_failed(#condition, __FILE__, __LINE__);                               \
	} while (0)
void fuzz_failed(const char *what, const char *file, int line) __attribute__((noreturn));

/* Let the @nth malloc(), calloc(), mmap() ... from now fail, once; 0: none. */
void alloc_fail(unsigned nth);
/* Whether it has; disarms it. */
bool alloc_failed(void);

/* For who allocates in another way: whether this one is to fail. */
bool alloc_fails_now(void);

/* One input; 0 always: libFuzzer's. */
int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#endif
