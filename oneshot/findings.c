/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <string.h>

#include "oneshot/findings.h"

/* Of a line, the first row whose words are in it. */
static const struct {
	const char *kind, *words, *more; /* @more: NULL, or what must be there as well */
} rows[] = {
	{ "panic", "Kernel panic - not syncing" },
	{ "lockup", "BUG: soft lockup" },
	{ "lockup", "hard LOCKUP" },
	{ "stall", "rcu", "detected stall" },
	{ "stall", "rcu", "self-detected stall" },
	{ "stall", "INFO: task ", "blocked for more than" },
	{ "out-of-memory", "Out of memory: Killed process" },
	{ "out-of-memory", "Memory cgroup out of memory: Killed process" },
	{ "oops", "Oops: " },
	{ "oops", "Oops - " },
	{ "oops", "Internal error: " },
	{ "oops", "kernel BUG at " },
	{ "oops", "Unable to handle kernel " },
	{ "bug", "BUG: " },
	{ "bug", "UBSAN: " },
	{ "warning", "WARNING: " },
};

static const struct {
	const char *words;
	enum findings_panic panic;
} panics[] = {
	{ "Attempted to kill init", FINDINGS_INIT_DIED },
	{ "No working init found", FINDINGS_INIT_DIED },
	{ "Requested init ", FINDINGS_INIT_DIED },
	{ "Out of memory", FINDINGS_OUT_OF_MEMORY },
	{ "deadlocked on memory", FINDINGS_OUT_OF_MEMORY },
	{ "Fatal exception", FINDINGS_OOPS },
};

static void take_panic(struct findings *findings, const char *words)
{
	if (findings->panic)
		return;
	words += strncmp(words, ": ", 2) ? 0 : 2;
	findings->panic = FINDINGS_PANIC;
	snprintf(findings->panic_words, sizeof(findings->panic_words), "%s", words);
	for (unsigned i = 0; i < ARRAY_SIZE(panics); i++) {
		if (strstr(words, panics[i].words)) {
			findings->panic = panics[i].panic;
			return;
		}
	}
}

static void judge_line(struct findings *findings)
{
	const char *line = findings->line, *at;

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		at = strstr(line, rows[i].words);
		if (!at || (rows[i].more && !strstr(line, rows[i].more)))
			continue;
		if (!i)
			take_panic(findings, at + strlen(rows[i].words));
		findings->total++;
		if (findings->count == FINDINGS_MAX)
			return;
		findings->list[findings->count].kind = rows[i].kind;
		memcpy(findings->list[findings->count++].line, line, FINDINGS_LINE);
		return;
	}
}

void findings_end(struct findings *findings)
{
	findings->line[findings->len] = '\0';
	judge_line(findings);
	if (findings->heard && findings->len)
		findings->heard(findings->arg, findings->line);
	findings->len = 0;
}

void findings_take(struct findings *findings, const void *data, size_t len)
{
	const char *at = data;

	for (size_t i = 0; i < len; i++) {
		if (at[i] == '\n')
			findings_end(findings);
		else if (at[i] != '\r' && findings->len < FINDINGS_LINE - 1)
			findings->line[findings->len++] = at[i] >= ' ' && at[i] <= '~' ? at[i]
										       : '?';
	}
}
