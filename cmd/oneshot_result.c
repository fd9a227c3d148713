/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "boot_time.h"
#include "diagnosis.h"
#include "json_name.h"
#include "machine.h"
#include "oneshot_github.h"
#include "oneshot_result.h"
#include "report_file.h"
#include "run_options.h"
#include "util/log.h"

#define LAST_LINES 20 /* of the console, for people */

/* ---- the console ---- */

/* The last @lines of it, terminated and the caller's; NULL. */
static char *last_console(const struct oneshot *oneshot, unsigned lines)
{
	u64 have = MIN(oneshot->console_len, ONESHOT_CONSOLE), from;
	char *text = malloc(have + 1);

	if (!text)
		return NULL;
	for (u64 i = 0; i < have; i++)
		text[i] = oneshot->console[(oneshot->console_len - have + i) % ONESHOT_CONSOLE];
	text[have] = '\0';
	for (from = have; from && lines; from--)
		lines -= text[from - 1] == '\n' && from != have;
	if (!lines && from < have)
		from++;
	memmove(text, text + from, have - from + 1);
	return text;
}

/* It is the guest's: nothing of it may steer the user's terminal, or be no UTF-8. */
static void make_printable(char *text)
{
	char *to = text;

	for (; *text; text++) {
		if ((*text >= ' ' && *text <= '~') || *text == '\n' || *text == '\t')
			*to++ = *text;
	}
	*to = '\0';
}

void oneshot_result_say(const struct oneshot *oneshot, const struct oneshot_result *result)
{
	bool github = github_is_there();
	char *console, *line, *rest;

	if (*result->text && !result->said && !github)
		log_error("%s", result->text);
	/* Whoever heard it all need not hear it again. */
	if ((!result->console_says_why || oneshot->run->verbose) && !github)
		return;
	console = rest = last_console(oneshot, github ? UINT32_MAX : LAST_LINES);
	if (!console)
		return;
	make_printable(console);
	if (github)
		github_say(console, result);
	while (!github && (line = strsep(&rest, "\n"))) {
		if (*line)
			log_warning("console: %s", line);
	}
	free(console);
}

/* ---- --result ---- */

/* Exits of all vCPUs by kind, out of what "lkvm stat" has of each. */
static json_t *sum_exits(const json_t *lines)
{
	json_t *sums = json_object(), *line, *count;
	const char *key;
	size_t i;

	json_array_foreach((json_t *)lines, i, line)
	{
		const char *part = json_string_value(json_object_get(line, "part"));

		if (!part || strncmp(part, "vCPU ", 5))
			continue;
		json_object_foreach(json_object_get(line, "counters"), key, count)
		{
			json_int_t sum = json_integer_value(json_object_get(sums, key));

			json_object_set_new(sums, key,
					    json_integer(sum + json_integer_value(count)));
		}
	}
	return sums;
}

static json_t *make_findings(const struct findings *findings)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < findings->count; i++)
		json_array_append_new(list, json_pack("{ss,ss}", "kind", findings->list[i].kind,
						      "line", findings->list[i].line));
	return list;
}

/* Of this process: the guest's memory as far as it was used, and ours. */
static json_t *make_memory(const struct oneshot *oneshot, const json_t *lines)
{
	/* "memory" is the first of the parts. The peak is counted late. */
	const json_t *now = json_object_get(json_array_get(lines, 0), "counters");
	json_int_t resident = json_integer_value(json_object_get(now, "resident"));
	struct rusage usage = { .ru_maxrss = 0 };

	getrusage(RUSAGE_SELF, &usage);
	return json_pack("{sI,sI}", "guest", (json_int_t)oneshot->run->ram, "peak",
			 MAX(resident, (json_int_t)usage.ru_maxrss * 1024));
}

static json_t *milliseconds(u64 from, u64 to)
{
	return from && to >= from ? json_integer((to - from) / 1000000) : json_null();
}

static json_t *make_times(const struct oneshot *oneshot, const struct oneshot_result *result)
{
	struct session_times times = session_times(oneshot->session);

	return json_pack("{so so so}", "boot", milliseconds(oneshot->started_ns, times.ready),
			 "command",
			 milliseconds(times.started, times.ended ? times.ended : result->ended_ns),
			 "total", milliseconds(oneshot->started_ns, result->ended_ns));
}

static char *make_json(const struct oneshot *oneshot, const struct oneshot_result *result)
{
	const struct verdict *verdict = session_verdict(oneshot->session);
	bool exited = verdict->stage == VERDICT_EXITED, killed = verdict->stage == VERDICT_KILLED;
	char *console = last_console(oneshot, UINT32_MAX), *text;
	json_t *all, *counters;

	if (console)
		make_printable(console);
	all = json_pack(
		"{ss si so so so so so ss}", "verdict", result->verdict, "status", result->status,
		"exit_code", exited ? json_integer(verdict->value) : json_null(), "signal",
		killed ? json_integer(verdict->value) : json_null(), "reason",
		json_name(result->text), "kernel", json_name(oneshot->kernel), "milliseconds",
		make_times(oneshot, result), "console", console ? console : "");
	free(console);
	counters = machine_stat_json(oneshot->machine);
	json_object_set_new(all, "panic",
			    *oneshot->findings.panic_words
				    ? json_string(oneshot->findings.panic_words)
				    : json_null());
	json_object_set_new(all, "findings", make_findings(&oneshot->findings));
	json_object_set_new(all, "findings_total", json_integer(oneshot->findings.total));
	json_object_set_new(all, "memory", make_memory(oneshot, counters));
	json_object_set_new(all, "exits", sum_exits(counters));
	json_object_set_new(all, "counters", counters);
	json_object_set_new(all, "vcpus",
			    result->diagnosis ? diagnosis_json(result->diagnosis) : json_array());
	json_object_set_new(all, "core", oneshot->core ? json_name(oneshot->core) : json_null());
	boot_time_add(oneshot->run->boot_time, all);
	text = all ? json_dumps(all, JSON_INDENT(1)) : NULL;
	json_decref(all);
	return text;
}

int oneshot_result_write(const struct oneshot *oneshot, const struct oneshot_result *result,
			 int give_up_fd, int patience)
{
	char *text;
	int ret;

	if (oneshot->result_fd < 0)
		return 0;
	text = make_json(oneshot, result);
	ret = text ? report_file_write(oneshot->result_fd, text, give_up_fd, patience) : -ENOMEM;
	free(text);
	if (ret)
		log_error("--result %s: %s", oneshot->run->oneshot.result,
			  ret == -ETIMEDOUT ? "its disk does not take it" : strerror(-ret));
	return ret;
}
