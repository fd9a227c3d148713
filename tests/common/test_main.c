/* SPDX-License-Identifier: BSD-2-Clause */
/* The main() of test programs. It is in an archive: a file that has its own is linked with that. */
#include <signal.h>
#include <stdlib.h>

#include "test.h"

static struct test *first, **end = &first;
static CMFixtureFunction program_setup, program_teardown;

void test_register(struct test *test)
{
	*end = test;
	end = &test->next;
}

void test_register_program(CMFixtureFunction setup, CMFixtureFunction teardown)
{
	program_setup = setup;
	program_teardown = teardown;
}

int main(void)
{
	struct CMUnitTest *tests;
	size_t count = 0;
	int failed;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	for (const struct test *test = first; test; test = test->next)
		count++;
	tests = calloc(count + 1, sizeof(*tests));
	if (!tests)
		return 1;
	count = 0;
	for (const struct test *test = first; test; test = test->next)
		tests[count++] = test->test;
	failed = _cmocka_run_group_tests("tests", tests, count, program_setup, program_teardown);
	free(tests);
	return failed;
}
