/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "oneshot_result.h"
#include "run_options.h"
#include "util/log.h"
#include "util/relay.h"

#define LAST_LINES 20 /* of the console, for people */
/* In ms: a disk that works has a few KiB by then, even if the run is to end at once. */
#define WRITE_PATIENCE 50

/* ---- the words ---- */

static void describe_end(const struct verdict *verdict, struct oneshot_result *result)
{
	switch (verdict->stage) {
	case VERDICT_EXITED:
		result->verdict = "exited";
		break;
	case VERDICT_KILLED:
		result->verdict = "killed";
		break;
	case VERDICT_NO_COMMAND:
		result->verdict = "no-command";
		snprintf(result->text, sizeof(result->text), "%s: %s", verdict->text,
			 strerror(verdict->value));
		break;
	case VERDICT_FAILED:
		result->verdict = "init-failed";
		snprintf(result->text, sizeof(result->text), "in the guest: %s: %s", verdict->text,
			 strerror(verdict->value));
		break;
	case VERDICT_NONSENSE:
		result->verdict = "protocol";
		snprintf(result->text, sizeof(result->text),
			 "the guest's init did not keep to lkvm's protocol");
		break;
	case VERDICT_BOOTING:
		result->verdict = "no-init";
		snprintf(result->text, sizeof(result->text),
			 "the guest ended before lkvm's init spoke: it had no /init, or no vsock");
		break;
	default:
		result->verdict = "gone";
		snprintf(result->text, sizeof(result->text),
			 "the guest ended before the command did");
	}
}

void oneshot_result_describe(const struct oneshot *oneshot, struct oneshot_result *result)
{
	static const char *const others[] = {
		[VM_PANIC] = "panic", [VM_WATCHDOG] = "watchdog", [VM_TIMEOUT] = "timeout",
		[VM_USER] = "signal", [VM_HOST_ERROR] = "host",
	};

	if (result->reason == VM_POWEROFF || result->reason == VM_REBOOT)
		describe_end(session_verdict(oneshot->session), result);
	else
		result->verdict = result->reason < ARRAY_SIZE(others) && others[result->reason]
					  ? others[result->reason]
					  : "host";
	/* What the run says by itself of these is enough. */
	if (result->status == EXIT_COMMAND_HOST)
		result->verdict = "host";
}

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

static bool console_says_why(const struct oneshot_result *result)
{
	return strcmp(result->verdict, "exited") && strcmp(result->verdict, "killed") &&
	       strcmp(result->verdict, "no-command") && strcmp(result->verdict, "signal");
}

void oneshot_result_say(const struct oneshot *oneshot, const struct oneshot_result *result)
{
	char *console, *line, *rest;

	if (*result->text)
		log_error("%s", result->text);
	if (!console_says_why(result))
		return;
	console = rest = last_console(oneshot, LAST_LINES);
	if (!console)
		return;
	make_printable(console);
	while ((line = strsep(&rest, "\n"))) {
		if (*line)
			log_warning("console: %s", line);
	}
	free(console);
}

/* ---- --result ---- */

static json_t *milliseconds(u64 from, u64 to)
{
	return from && to >= from ? json_integer((to - from) / 1000000) : json_null();
}

static json_t *make_times(const struct oneshot *oneshot, const struct oneshot_result *result)
{
	struct session_times times = session_times(oneshot->session);

	return json_pack("{so so so}", "boot", milliseconds(oneshot->started_ns, times.ready),
			 "command", milliseconds(times.started, times.ended), "total",
			 milliseconds(oneshot->started_ns, result->ended_ns));
}

static char *make_json(const struct oneshot *oneshot, const struct oneshot_result *result)
{
	const struct verdict *verdict = session_verdict(oneshot->session);
	bool exited = !strcmp(result->verdict, "exited"),
	     killed = !strcmp(result->verdict, "killed");
	char *console = last_console(oneshot, UINT32_MAX), *text;
	json_t *all;

	if (console)
		make_printable(console);
	all = json_pack("{ss si so so ss ss so ss}", "verdict", result->verdict, "status",
			result->status, "exit_code",
			exited ? json_integer(verdict->value) : json_null(), "signal",
			killed ? json_integer(verdict->value) : json_null(), "reason", result->text,
			"kernel", oneshot->kernel, "milliseconds", make_times(oneshot, result),
			"console", console ? console : "");
	free(console);
	text = all ? json_dumps(all, JSON_INDENT(1)) : NULL;
	json_decref(all);
	return text;
}

/* A disk may be full or gone: a relay waits for it, and we only so long. */
static int write_file(int fd, const char *text, int give_up_fd, int patience)
{
	size_t len = strlen(text);
	struct relay *relay;
	int ret = relay_to(&relay, fd);
	ssize_t done = 0;

	if (ret)
		return ret;
	/* A pipe holds 64 KiB, and this is half of it at most. */
	done = write(relay_fd(relay), text, len);
	relay_end(relay);
	if (!relay_done(relay)) {
		struct pollfd fds[] = { { .fd = relay_done_fd(relay), .events = POLLIN },
					{ .fd = give_up_fd, .events = POLLIN } };

		if (!poll(fds, 1, WRITE_PATIENCE))
			poll(fds, 2, patience);
	}
	ret = relay_error(relay);
	if (!ret && (done != (ssize_t)len || !relay_done(relay)))
		ret = -ETIMEDOUT;
	relay_destroy(relay);
	return ret;
}

void oneshot_result_write(const struct oneshot *oneshot, const struct oneshot_result *result,
			  int give_up_fd, int patience)
{
	char *text;
	int ret;

	if (oneshot->result_fd < 0)
		return;
	text = make_json(oneshot, result);
	ret = text ? write_file(oneshot->result_fd, text, give_up_fd, patience) : -ENOMEM;
	free(text);
	if (ret)
		log_error("--result %s: %s", oneshot->run->oneshot.result, strerror(-ret));
}
