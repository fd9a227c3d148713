/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A test is named once, where it is defined:
 *
 *   TEST(what_is_true) { ... }                          without a fixture
 *   TEST_WITH(what_is_true, setup, teardown) { ... }    with one; either may be NULL
 *   TEST_AGAIN(what_is_true, setup2, teardown2)         the same test, with another fixture
 *
 * The body has the parameter void **state. tests/common/test_main.c has the main() that runs them,
 * in the order in which they stand in the file. It lets SIGPIPE and SIGXFSZ be errors of a write,
 * as lkvm does.
 */
#ifndef TESTS_TEST_H
#define TESTS_TEST_H

#include "cmocka_all.h"

struct test {
	struct CMUnitTest test;
	struct test *next;
};

/* Run it after those that are registered. @test: stays the caller's. */
void test_register(struct test *test);
/* Before the first test of the program and after the last; either may be NULL. */
void test_register_program(CMFixtureFunction setup, CMFixtureFunction teardown);

#define TEST(name) TEST_WITH(name, NULL, NULL)
#define TEST_WITH(name, setup, teardown)                                                           \
	static void name(void **state);                                                            \
	TEST_ENTRY(name, #name, name, setup, teardown, NULL)                                       \
	static void name(void **state)
#define TEST_AGAIN(name, setup, teardown) TEST_NAMED(#name, name, setup, teardown, NULL)
/* @body as the test @label, a string, with @initial for *state. */
#define TEST_NAMED(label, body, setup, teardown, initial)                                          \
	TEST_ENTRY_AT(__LINE__, label, body, setup, teardown, initial)
/* Once in a program: fixtures of the whole. */
#define TEST_PROGRAM(setup, teardown)                                                              \
	static void __attribute__((constructor)) test_program(void)                                \
	{                                                                                          \
		test_register_program(setup, teardown);                                            \
	}

#define TEST_ENTRY_AT(line, label, body, setup, teardown, initial)                                 \
	TEST_ENTRY(line, label, body, setup, teardown, initial)
#define TEST_ENTRY(id, label, body, setup, teardown, initial)                                      \
	static void __attribute__((constructor)) test_enter_##id(void)                             \
	{                                                                                          \
		static struct test entry;                                                          \
                                                                                                   \
		entry.test = (struct CMUnitTest){ label, body, setup, teardown, initial };         \
		test_register(&entry);                                                             \
	}

#endif
