/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "oneshot/findings.h"
#include "test.h"

static struct findings findings;

static void say(const char *text)
{
	memset(&findings, 0, sizeof(findings));
	findings_take(&findings, text, strlen(text));
	findings_end(&findings);
}

static void panics_of(const char *words, enum findings_panic panic)
{
	char line[300];

	snprintf(line, sizeof(line), "[    1.5] Kernel panic - not syncing: %s\r\n", words);
	say(line);
	assert_int_equal(findings.panic, panic);
	assert_string_equal(findings.panic_words, words);
}

TEST(a_panic_says_of_what)
{
	panics_of("sysrq triggered crash", FINDINGS_PANIC);
	panics_of("Fatal exception in interrupt", FINDINGS_OOPS);
	panics_of("Oops: Fatal exception", FINDINGS_OOPS);
	panics_of("Attempted to kill init! exitcode=0x00000009", FINDINGS_INIT_DIED);
	panics_of("No working init found.  Try passing init= option to kernel.",
		  FINDINGS_INIT_DIED);
	panics_of("Out of memory: system-wide panic_on_oom is enabled", FINDINGS_OUT_OF_MEMORY);
	panics_of("System is deadlocked on memory", FINDINGS_OUT_OF_MEMORY);
}

TEST(the_first_panic_stands)
{
	say("Kernel panic - not syncing: one\nKernel panic - not syncing: Fatal exception\n");
	assert_int_equal(findings.panic, FINDINGS_PANIC);
	assert_string_equal(findings.panic_words, "one");
}

static void is_a(const char *kind, const char *line)
{
	say(line);
	assert_int_equal(findings.total, 1);
	assert_string_equal(findings.list[0].kind, kind);
}

TEST(warnings_and_oopses_are_found)
{
	is_a("warning", "[    2.1] WARNING: CPU: 0 PID: 1 at kernel/panic.c:1 f+0x1/0x2");
	is_a("bug", "BUG: KASAN: slab-out-of-bounds in f+0x1/0x2");
	is_a("bug", "BUG: kernel NULL pointer dereference, address: 0000000000000000");
	is_a("oops", "Oops: 0002 [#1] PREEMPT SMP NOPTI");
	is_a("oops", "Internal error: Oops: 0000000096000044 [#1] SMP");
	is_a("oops", "kernel BUG at mm/slub.c:1!");
	is_a("lockup", "watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [sh:1]");
	is_a("stall", "rcu: INFO: rcu_preempt self-detected stall on CPU");
	is_a("stall", "INFO: task sh:1 blocked for more than 120 seconds.");
	is_a("out-of-memory", "Out of memory: Killed process 77 (sh) total-vm:1kB");
	say("all is well\nwarning: small\n");
	assert_int_equal(findings.total, 0);
}

TEST(what_is_found_is_bounded_and_printable)
{
	char line[2 * FINDINGS_LINE];
	unsigned len = snprintf(line, sizeof(line), "WARNING: \x1b]0;x\a\xff\xc3");

	memset(line + len, 'x', sizeof(line) - len);
	line[sizeof(line) - 1] = '\n';
	memset(&findings, 0, sizeof(findings));
	for (unsigned i = 0; i < 1000; i++) {
		for (unsigned at = 0; at < sizeof(line); at++)
			findings_take(&findings, line + at, 1);
	}
	assert_int_equal(findings.total, 1000);
	assert_int_equal(findings.count, FINDINGS_MAX);
	for (unsigned i = 0; i < FINDINGS_MAX; i++) {
		const char *text = findings.list[i].line;

		assert_int_equal(strlen(text), FINDINGS_LINE - 1);
		assert_memory_equal(text, "WARNING: ?]0;x???xxx", 20);
	}
}
