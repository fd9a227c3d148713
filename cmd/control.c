/* SPDX-License-Identifier: BSD-2-Clause */
/* lkvm pause, resume and stop. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"
#include "control.h"
#include "list.h"
#include "util/clock.h"
#include "util/log.h"
#include "vmm/control.h"

int control_set_name(void *arg, char *word, struct error *err)
{
	struct control_options *options = arg;

	if (options->name)
		return error_set(err, -EINVAL, "'%s': one VM at a time", word);
	options->name = word;
	return control_check_name(word, err);
}

int control_set_word(void *options, unsigned n, char *word, struct error *err)
{
	return control_set_name(options, word, err);
}

int control_run(const char *verb, const struct control_options *options,
		int (*one)(const struct query_to *to, const void *options))
{
	const struct query_to to = { .name = options->name };

	if (options->all == (options->name != NULL)) {
		log_error("usage: lkvm %s NAME, or --all", verb);
		return EXIT_USAGE;
	}
	return options->all ? query_each(one, options) : one(&to, options);
}

/* ---- pause and resume ---- */

/*
 * Tell it, and print which of two words its answer means: it runs, or is paused. Nothing of one
 * that has gone where that is no mistake. @silence: query.h.
 */
static int tell_one(const struct query_to *to, const char *command, const char *silence,
		    const char *const words[2])
{
	struct query query;
	json_t *answer;
	int status = query_begin_to(&query, to, json_pack("{ss}", "command", command));

	if (status || !query.answer)
		return status;
	query.silence = silence;
	answer = query_next(&query);
	if (answer)
		printf("%s %s\n", to->name, words[json_is_true(json_object_get(answer, "paused"))]);
	json_decref(answer);
	fclose(query.answer);
	return query.status;
}

static const char unfinished[] =
	"has not paused yet, perhaps because the host does not finish its I/O: it pauses when that "
	"is over, unless 'lkvm resume' comes first";

static int pause_one(const struct query_to *to, const void *options)
{
	static const char *const words[] = { "runs", "is paused" };

	return tell_one(to, "pause", unfinished, words);
}

static int resume_one(const struct query_to *to, const void *options)
{
	static const char *const words[] = { "runs", "stays paused: it waits for the host" };

	return tell_one(to, "resume", NULL, words);
}

static int run_pause(const void *options)
{
	return control_run("pause", options, pause_one);
}

static int run_resume(const void *options)
{
	return control_run("resume", options, resume_one);
}

static const struct option_spec pause_specs[] = { CONTROL_NAME_SPEC, CONTROL_ALL_SPEC, { 0 } };

const struct verb pause_verb = {
	"pause",
	"NAME|--all",
	"hold a running VM still",
	pause_specs,
	control_set_word,
	0,
	run_pause,
	"Hold a VM still: return when its CPUs have stopped and its devices have finished\n"
	"what they had begun. The guest's clocks go on, and so does --timeout.\n" CONTROL_NAME_NOTE,
};

const struct verb resume_verb = {
	"resume",
	"NAME|--all",
	"let a paused VM go on",
	pause_specs,
	control_set_word,
	0,
	run_resume,
	"Let a paused VM go on.\n" CONTROL_NAME_NOTE,
};

/* ---- stop ---- */

#define STOP_SECONDS 30
/* What a VM has for its own end once it was told to: disks, its output's reader. */
#define END_MS 15000
/* So many are asked at once, and have so long for their answers: one that hangs keeps no other. */
#define ROUND	  64
#define ANSWER_MS 10000

static u64 ms_until(u64 end)
{
	u64 now = now_ms();

	return end > now ? end - now : 0;
}

/* One that is being stopped. */
struct stopping {
	const char *name;
	const struct running_vm *listed; /* NULL: it was named */
	struct query query;		 /* its answer is open while it is asked */
	int process;			 /* a pidfd, owned; -1: it has ended, or we failed */
	pid_t pid;			 /* of that */
	bool cut;			 /* it had to be ended */
	int status;
};

static void forget_process(struct stopping *vm)
{
	if (vm->process >= 0)
		close(vm->process);
	vm->process = -1;
}

/* ---- telling it ---- */

/* One that was there before may have ended since. */
static void stop_connect(struct stopping *vm)
{
	int ret = vm->listed ? query_open_at(&vm->query, vm->listed)
			     : query_open(&vm->query, vm->name);
	bool gone = ret == -ENOENT || ret == -ECONNREFUSED;

	/* It is at its end, and another VM has its name already. */
	if (!ret && vm->process >= 0 && vm->query.pid != vm->pid) {
		fclose(vm->query.answer);
		vm->query.answer = NULL;
	}
	if (ret)
		vm->query.answer = NULL;
	if (ret && !(gone && (vm->listed || vm->process >= 0)))
		vm->status = query_explain(vm->name, ret);
	vm->query.may_end = true;
}

/*
 * Before it is asked: it answers only while it lives, so with an answer the number was not another
 * process's by then.
 */
static void open_process(struct stopping *vm)
{
	vm->pid = vm->query.pid;
	vm->process = syscall(SYS_pidfd_open, vm->pid, 0);
	if (vm->process >= 0 || errno == ESRCH)
		return;
	log_error("%s is told to end, but cannot be waited for: %s", vm->name, strerror(errno));
	vm->status = EXIT_HOST;
}

static void tell_begin(struct stopping *vm, const char *command)
{
	stop_connect(vm);
	if (!vm->query.answer)
		return;
	if (vm->process < 0)
		open_process(vm);
	query_tell(&vm->query, json_pack("{ss}", "command", command));
}

static json_t *take_answer(struct stopping *vm)
{
	json_t *answer = query_next(&vm->query);

	fclose(vm->query.answer);
	vm->status = vm->query.status ? vm->query.status : vm->status;
	return answer;
}

/* Its answer, until @end of now_ms(). One that is paused could not switch itself off. */
static void tell_finish(struct stopping *vm, u64 end)
{
	json_t *answer;
	bool paused;

	if (!vm->query.answer)
		return;
	query_wait(&vm->query, ms_until(end));
	answer = take_answer(vm);
	paused = json_is_true(json_object_get(answer, "paused"));
	json_decref(answer);
	if (!vm->status && paused)
		stop_connect(vm);
	if (vm->status || !paused || !vm->query.answer)
		return;
	query_tell(&vm->query, json_pack("{ss}", "command", "resume"));
	json_decref(take_answer(vm));
}

/* Those of @vms that are still to be told. */
static void tell_all(struct stopping *vms, int count, const char *command)
{
	for (int from = 0; from < count; from += ROUND) {
		int to = MIN(from + ROUND, count);
		u64 end;

		for (int i = from; i < to; i++)
			tell_begin(&vms[i], command);
		end = now_ms() + ANSWER_MS;
		for (int i = from; i < to; i++)
			tell_finish(&vms[i], end);
	}
	/* One that does not answer is not waited for. */
	for (int i = 0; i < count; i++) {
		if (vms[i].status)
			forget_process(&vms[i]);
	}
}

/* ---- waiting for its end ---- */

/* Whether it ends before @end of now_ms(). */
static bool wait_process(struct stopping *vm, u64 end)
{
	struct pollfd fd = { .fd = vm->process, .events = POLLIN };

	if (vm->process < 0)
		return true;
	while (poll(&fd, 1, (int)MIN(ms_until(end), (u64)INT32_MAX)) < 0 && errno == EINTR)
		;
	if (!fd.revents)
		return false;
	forget_process(vm);
	return true;
}

static void wait_for_end(struct stopping *vm, u64 end)
{
	if (!vm->status && !wait_process(vm, end)) {
		log_error("%s has been told to end, and has not ended yet", vm->name);
		vm->status = EXIT_HOST;
	}
	if (!vm->status)
		printf("%s %s\n", vm->name,
		       vm->cut ? "was stopped: its guest had not switched itself off"
			       : "has ended");
}

/* Those that did not switch themselves off are ended. @vms is put into another order. */
static void cut_power(struct stopping *vms, int count)
{
	int left = 0;

	for (int i = 0; i < count; i++) {
		struct stopping vm = vms[i];

		if (wait_process(&vms[i], 0))
			continue;
		vm.cut = true;
		vms[i] = vms[left];
		vms[left++] = vm;
	}
	tell_all(vms, left, "stop");
}

static int stop_all(struct stopping *vms, int count, unsigned seconds)
{
	int status = EXIT_OK;
	u64 end;

	tell_all(vms, count, seconds ? "power-button" : "stop");
	end = now_ms() + seconds * 1000ULL;
	for (int i = 0; seconds && i < count; i++)
		wait_process(&vms[i], end);
	if (seconds)
		cut_power(vms, count);
	end = now_ms() + END_MS;
	for (int i = 0; i < count; i++) {
		wait_for_end(&vms[i], end);
		status = vms[i].status ? vms[i].status : status;
	}
	return status;
}

static int stop_each(unsigned seconds)
{
	struct running_vm *vms;
	struct stopping *stopping;
	int count = list_running(&vms), status;

	if (count < 0) {
		log_error("cannot look for running VMs: %s", strerror(-count));
		return EXIT_HOST;
	}
	stopping = calloc(count + 1, sizeof(*stopping));
	for (int i = 0; stopping && i < count; i++)
		stopping[i] =
			(struct stopping){ .name = vms[i].name, .listed = &vms[i], .process = -1 };
	status = stopping ? stop_all(stopping, count, seconds) : EXIT_HOST;
	free(stopping);
	free(vms);
	return status;
}

static int run_stop(const void *arg)
{
	const struct control_options *options = arg;
	struct stopping one = { .name = options->name, .process = -1 };

	if (options->all == (options->name != NULL)) {
		log_error("usage: lkvm stop NAME, or --all");
		return EXIT_USAGE;
	}
	return options->all ? stop_each(options->timeout) : stop_all(&one, 1, options->timeout);
}

static const struct option_spec stop_specs[] = {
	CONTROL_NAME_SPEC,
	CONTROL_ALL_SPEC,
	{ 0, "timeout", OPTION_NUMBER, "SECONDS", "how long the guest may take; 0: it is not asked",
	  OPTION_FIELD(struct control_options, timeout), .max = 1000000, .preset = STOP_SECONDS },
	{ 0 },
};

const struct verb stop_verb = {
	"stop",
	"NAME|--all [--timeout SECONDS]",
	"end a running VM",
	stop_specs,
	control_set_word,
	0,
	run_stop,
	"Press the VM's power button, so that its guest switches itself off, and wait for that.\n"
	"After --timeout the VM is ended, as by pulling its plug; 'lkvm run' has status 0 in both\n"
	"cases. A paused VM goes on first.\n" CONTROL_NAME_NOTE,
};
