/* SPDX-License-Identifier: BSD-2-Clause */
/* How a one-shot run ended: the verdict, the exit status, and a line that says why. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "oneshot_result.h"
#include "run_options.h"
#include "watch.h"

enum ending {
	END_EXITED,
	END_KILLED,
	END_NO_COMMAND,
	END_INIT_FAILED,
	END_PROTOCOL,
	END_NO_INIT,
	END_GONE,
	END_REBOOT,
	END_PANIC,
	END_OOPS,
	END_INIT_DIED,
	END_OUT_OF_MEMORY,
	END_CRASH,
	END_HANG,
	END_WATCHDOG,
	END_TIMEOUT,
	END_BOOT_TIMEOUT,
	END_RUN_TIMEOUT,
	END_SIGNAL,
	END_HOST,
};

/* @status: -1, it is not the same each time. */
static const struct {
	const char *word;
	int status;
	bool console_says_why;
} endings[] = {
	[END_EXITED] = { "exited", -1 },
	[END_KILLED] = { "killed", -1 },
	[END_NO_COMMAND] = { "no-command", -1 },
	[END_INIT_FAILED] = { "init-failed", EXIT_COMMAND_NO_END, true },
	[END_PROTOCOL] = { "protocol", EXIT_COMMAND_NO_END, true },
	[END_NO_INIT] = { "no-init", EXIT_COMMAND_NO_END, true },
	[END_GONE] = { "gone", EXIT_COMMAND_NO_END, true },
	[END_REBOOT] = { "reboot", EXIT_COMMAND_REBOOT, true },
	[END_PANIC] = { "panic", EXIT_COMMAND_PANIC, true },
	[END_OOPS] = { "oops", EXIT_COMMAND_OOPS, true },
	[END_INIT_DIED] = { "init-died", EXIT_COMMAND_INIT_DIED, true },
	[END_OUT_OF_MEMORY] = { "out-of-memory", EXIT_COMMAND_OUT_OF_MEMORY, true },
	[END_CRASH] = { "crash", EXIT_COMMAND_CRASH, true },
	[END_HANG] = { "hang", EXIT_COMMAND_HANG, true },
	[END_WATCHDOG] = { "watchdog", EXIT_COMMAND_WATCHDOG, true },
	[END_TIMEOUT] = { "timeout", EXIT_COMMAND_TIMEOUT, true },
	[END_BOOT_TIMEOUT] = { "boot-timeout", EXIT_COMMAND_BOOT_TIMEOUT, true },
	[END_RUN_TIMEOUT] = { "run-timeout", EXIT_COMMAND_RUN_TIMEOUT, true },
	[END_SIGNAL] = { "signal", -1 },
	[END_HOST] = { "host", EXIT_COMMAND_HOST, true },
};

const int oneshot_timeout_statuses[WATCH_LIMITS] = {
	[WATCH_TOTAL] = EXIT_COMMAND_TIMEOUT,
	[WATCH_BOOT] = EXIT_COMMAND_BOOT_TIMEOUT,
	[WATCH_RUN] = EXIT_COMMAND_RUN_TIMEOUT,
};

/* The guest switched itself off, or, if @reset, asked for another start. */
static enum ending judge_guest(const struct verdict *verdict, bool reset)
{
	switch (verdict->stage) {
	case VERDICT_EXITED:
		return END_EXITED;
	case VERDICT_KILLED:
		return END_KILLED;
	case VERDICT_NO_COMMAND:
		return END_NO_COMMAND;
	case VERDICT_FAILED:
		return END_INIT_FAILED;
	case VERDICT_NONSENSE:
		return END_PROTOCOL;
	case VERDICT_BOOTING:
		return reset ? END_REBOOT : END_NO_INIT;
	default:
		return reset ? END_REBOOT : END_GONE;
	}
}

static enum ending judge_panic(const struct oneshot *oneshot)
{
	static const enum ending of[] = {
		[FINDINGS_NO_PANIC] = END_PANIC,
		[FINDINGS_PANIC] = END_PANIC,
		[FINDINGS_OOPS] = END_OOPS,
		[FINDINGS_INIT_DIED] = END_INIT_DIED,
		[FINDINGS_OUT_OF_MEMORY] = END_OUT_OF_MEMORY,
	};

	return atomic_load(&oneshot->vm->panicked) ? of[oneshot->findings.panic] : END_CRASH;
}

static enum ending judge(const struct oneshot *oneshot, enum vm_stop reason)
{
	static const enum ending timeouts[WATCH_LIMITS] = { [WATCH_TOTAL] = END_TIMEOUT,
							    [WATCH_BOOT] = END_BOOT_TIMEOUT,
							    [WATCH_RUN] = END_RUN_TIMEOUT };

	switch (reason) {
	case VM_POWEROFF:
	case VM_REBOOT:
		return judge_guest(session_verdict(oneshot->session), reason == VM_REBOOT);
	case VM_PANIC:
		return judge_panic(oneshot);
	case VM_WATCHDOG:
		return END_WATCHDOG;
	case VM_HANG:
		return END_HANG;
	case VM_TIMEOUT:
		return timeouts[watch_limit(oneshot->watch)];
	case VM_USER:
		return END_SIGNAL;
	default:
		return END_HOST;
	}
}

static int status_of(enum ending end, const struct verdict *verdict, int said)
{
	if (endings[end].status >= 0)
		return endings[end].status;
	switch (end) {
	case END_EXITED:
		return verdict->value;
	case END_KILLED:
		return EXIT_SIGNAL + verdict->value;
	case END_NO_COMMAND:
		return verdict->value == ENOENT ? EXIT_COMMAND_NOT_FOUND : EXIT_COMMAND_NO_PROGRAM;
	default:
		return said;
	}
}

/* ---- the words ---- */

static void describe(const struct oneshot *oneshot, enum ending end, const char *why, char *text,
		     size_t size)
{
	const struct verdict *verdict = session_verdict(oneshot->session);
	const char *panic = oneshot->findings.panic_words;

	switch (end) {
	case END_EXITED:
		snprintf(text, size, "the command ended with status %u", verdict->value);
		break;
	case END_KILLED:
		snprintf(text, size, "signal %u killed the command", verdict->value);
		break;
	case END_NO_COMMAND:
		snprintf(text, size, "%s: %s", verdict->text, strerror(verdict->value));
		break;
	case END_INIT_FAILED:
		snprintf(text, size, "in the guest: %s: %s", verdict->text,
			 strerror(verdict->value));
		break;
	case END_PROTOCOL:
		snprintf(text, size, "the guest's init did not keep to lkvm's protocol");
		break;
	case END_NO_INIT:
		snprintf(text, size,
			 "the guest ended before lkvm's init spoke: it had no /init, or no %s",
			 oneshot->ways.streams == WAYS_PORTS ? "virtio_console" : "vsock");
		break;
	case END_GONE:
		snprintf(text, size, "the guest ended before the command did");
		break;
	case END_REBOOT:
		snprintf(text, size,
			 "the guest reset the machine before the command had ended; a run ends at "
			 "the first reset, so it does not reset itself for ever");
		break;
	case END_PANIC:
	case END_OOPS:
	case END_INIT_DIED:
	case END_OUT_OF_MEMORY:
		snprintf(text, size, "the guest's kernel panicked%s%s", *panic ? ": " : "", panic);
		break;
	case END_CRASH:
	case END_HOST:
		snprintf(text, size, "%s", *oneshot->vm->died ? oneshot->vm->died : why);
		break;
	case END_HANG:
		snprintf(text, size, "the guest hung for %u seconds", oneshot->run->hang);
		break;
	case END_WATCHDOG:
		snprintf(text, size, "the guest's watchdog ran out");
		break;
	case END_TIMEOUT:
	case END_BOOT_TIMEOUT:
	case END_RUN_TIMEOUT:
		watch_describe(oneshot->watch, text, size);
		break;
	case END_SIGNAL:
		snprintf(text, size, "a signal ended the run");
		break;
	}
}

enum vm_stop oneshot_reason(const struct oneshot *oneshot, enum vm_stop reason)
{
	bool of_a_phase = reason == VM_TIMEOUT && watch_limit(oneshot->watch) != WATCH_TOTAL;

	return of_a_phase && verdict_is_end(session_verdict(oneshot->session)) ? VM_POWEROFF
									       : reason;
}

void oneshot_result_judge(const struct oneshot *oneshot, const struct oneshot_end *how,
			  struct oneshot_result *result)
{
	enum vm_stop reason = oneshot_reason(oneshot, how->reason);
	enum ending end = judge(oneshot, reason);

	result->verdict = endings[end].word;
	result->status = status_of(end, session_verdict(oneshot->session), how->said);
	result->console_says_why = endings[end].console_says_why;
	/* A command's end is no news, and of the others the run has told by itself. */
	result->said = end == END_EXITED || end == END_KILLED || end == END_SIGNAL ||
		       end == END_CRASH || end == END_HANG || end == END_WATCHDOG ||
		       end == END_HOST || reason == VM_TIMEOUT;
	describe(oneshot, end, how->why, result->text, sizeof(result->text));
}

void oneshot_result_host_failed(struct oneshot_result *result, const char *what)
{
	result->verdict = endings[END_HOST].word;
	result->status = endings[END_HOST].status;
	result->console_says_why = false;
	result->said = true;
	snprintf(result->text, sizeof(result->text), "%s", what);
}
