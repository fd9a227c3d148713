/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmocka_all.h"
#include "shim.h"
#include "util/log.h"

void fuzz_failed(const char *what, const char *file, int line)
{
	fprintf(stderr, "%s:%d: failed: %s\n", file, line, what);
	abort();
}

/* ---- cmocka, as far as the sources of the wire tests use it ---- */

void _assert_true(const LargestIntegralType result, const char *const expression,
		  const char *const file, const int line)
{
	if (!result)
		fuzz_failed(expression, file, line);
}

void _assert_int_equal(const LargestIntegralType a, const LargestIntegralType b,
		       const char *const file, const int line)
{
	if (a == b)
		return;
	fprintf(stderr, "0x%llx is not 0x%llx\n", (unsigned long long)a, (unsigned long long)b);
	fuzz_failed("assert_int_equal", file, line);
}

void _assert_in_range(const LargestIntegralType value, const LargestIntegralType minimum,
		      const LargestIntegralType maximum, const char *const file, const int line)
{
	if (value < minimum || value > maximum)
		fuzz_failed("assert_in_range", file, line);
}

void _fail(const char *const file, const int line)
{
	fuzz_failed("fail", file, line);
}

void print_error(const char *const format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
}

/* ---- util/log.h ---- */

static void drop(const char *format, va_list args)
{
	char line[512];

	vsnprintf(line, sizeof(line), format, args);
}

void log_print(enum log_level level, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	drop(format, args);
	va_end(args);
}

void log_limited(struct log_limit *limit, enum log_level level, const char *format, ...)
{
	va_list args;

	limit->total++;
	va_start(args, format);
	drop(format, args);
	va_end(args);
}

void log_set_level(enum log_level level)
{
}

enum log_level log_get_level(void)
{
	return LOG_DEBUG;
}

void log_set_raw(bool raw)
{
}

/* ---- allocations: the linker sends them here (--wrap) ---- */

static unsigned fail_in;
static bool has_failed;

void alloc_fail(unsigned nth)
{
	fail_in = nth;
	has_failed = false;
}

bool alloc_failed(void)
{
	fail_in = 0;
	return has_failed;
}

bool alloc_fails_now(void)
{
	if (!fail_in || --fail_in)
		return false;
	has_failed = true;
	return true;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);

void *__wrap_malloc(size_t size)
{
	return alloc_fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return alloc_fails_now() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return alloc_fails_now() ? NULL : __real_realloc(old, size);
}

void *__wrap_aligned_alloc(size_t align, size_t size)
{
	return alloc_fails_now() ? NULL : __real_aligned_alloc(align, size);
}
