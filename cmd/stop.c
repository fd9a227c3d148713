/* SPDX-License-Identifier: BSD-2-Clause */
/* lkvm stop. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cmd.h"
#include "control.h"
#include "list.h"
#include "util/clock.h"
#include "util/log.h"

#define STOP_SECONDS 30
/* What a VM has for its own end once it was told to: disks, its output's reader. */
#define END_MS 15000
/* And its process, once it was killed. */
#define KILL_MS 2000
/* So many are asked at once, and have so long for their answers: one that hangs keeps no other. */
#define ROUND	  64
#define ANSWER_MS 10000
/* One that takes no connection may have answered others meanwhile. */
#define AGAIN_MS 100

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
	bool busy;			 /* it took no connection */
	bool cut;			 /* it had to be ended */
	bool signalled;			 /* by a signal to its process */
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

	vm->busy = ret == -EAGAIN;
	/* It is at its end, and another VM has its name already. */
	if (!ret && vm->process >= 0 && vm->query.pid != vm->pid) {
		fclose(vm->query.answer);
		vm->query.answer = NULL;
	}
	if (ret)
		vm->query.answer = NULL;
	if (ret && !vm->busy && !(gone && (vm->listed || vm->process >= 0)))
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

static bool read_comm(const char *process, char comm[32])
{
	char path[32];
	FILE *file;
	bool done;

	snprintf(path, sizeof(path), "/proc/%s/comm", process);
	file = fopen(path, "r");
	if (!file)
		return false;
	done = fgets(comm, 32, file);
	fclose(file);
	return done;
}

/*
 * What is left of one that was killed may hold its socket, while its number is another's. What is
 * read is of the process behind vm->process, if that has not ended by now.
 */
static bool is_lkvm(struct stopping *vm)
{
	struct pollfd end = { .fd = vm->process, .events = POLLIN };
	char pid[16], its[32], ours[32];

	snprintf(pid, sizeof(pid), "%d", (int)vm->pid);
	return read_comm(pid, its) && read_comm("self", ours) && !strcmp(its, ours) &&
	       !poll(&end, 1, 0);
}

static bool send_signal(const struct stopping *vm, int signal)
{
	return !syscall(SYS_pidfd_send_signal, vm->process, signal, NULL, 0);
}

/*
 * Its process takes signals whatever its machine is at. One that was stopped takes them when it
 * goes on; to another SIGCONT means nothing.
 */
static void end_silent(struct stopping *vm)
{
	if (!vm->query.silent || vm->process < 0 || !is_lkvm(vm) || !send_signal(vm, SIGTERM))
		return;
	send_signal(vm, SIGCONT);
	log_warning("%s: its process is told to end by SIGTERM", vm->name);
	vm->status = EXIT_OK;
	vm->cut = true;
	vm->signalled = true;
}

/* By what list finds; a name may be its number. */
static pid_t listed_pid(const char *name)
{
	struct running_vm *vms;
	int count = list_running(&vms);
	pid_t pid = 0;

	for (int i = 0; i < count && !pid; i++) {
		if (!strcmp(vms[i].name, name) || vms[i].pid == atoi(name))
			pid = vms[i].pid;
	}
	free(vms);
	return pid;
}

/* There is no room for our question: it is as one that does not answer. */
static void end_busy(struct stopping *vm)
{
	vm->status = query_explain(vm->name, -EAGAIN);
	vm->query.pid = vm->listed ? vm->listed->pid : listed_pid(vm->name);
	vm->query.silent = true;
	if (vm->process < 0 && vm->query.pid)
		open_process(vm);
	end_silent(vm);
}

/* Its answer, until @end of now_ms(). One that is paused could not switch itself off. */
static void tell_finish(struct stopping *vm, const char *command, u64 end)
{
	json_t *answer;
	bool paused;

	while (vm->busy && ms_until(end)) {
		usleep(AGAIN_MS * 1000);
		tell_begin(vm, command);
	}
	if (vm->busy)
		end_busy(vm);
	if (!vm->query.answer)
		return;
	query_wait(&vm->query, ms_until(end));
	answer = take_answer(vm);
	end_silent(vm);
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
			tell_finish(&vms[i], command, end);
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

/*
 * One that took SIGTERM is gone before END_MS, whatever its host does. Whether this one is gone,
 * if it could be killed at all.
 */
static bool kill_process(struct stopping *vm)
{
	if (!vm->signalled || !send_signal(vm, SIGKILL))
		return false;
	log_warning("%s: its process did not end by SIGTERM, and is ended by SIGKILL", vm->name);
	return wait_process(vm, now_ms() + KILL_MS);
}

static void wait_for_end(struct stopping *vm, u64 end)
{
	if (!vm->status && !wait_process(vm, end) && !kill_process(vm)) {
		log_error("%s has been told to end, and has not ended yet", vm->name);
		vm->status = EXIT_HOST;
	}
	if (!vm->status)
		printf("%s %s\n", vm->name,
		       vm->cut ? "was stopped: its guest had not switched itself off"
			       : "has ended");
}

/*
 * Those that did not switch themselves off are ended, unless they are told to already. @vms is put
 * into another order.
 */
static void cut_power(struct stopping *vms, int count)
{
	int left = 0;

	for (int i = 0; i < count; i++) {
		struct stopping vm = vms[i];

		if (wait_process(&vms[i], 0) || vm.cut)
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
	for (int i = 0; seconds && i < count; i++) {
		if (!vms[i].signalled)
			wait_process(&vms[i], end);
	}
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
	"cases. A paused VM goes on first. One that does not answer is sent SIGTERM, and SIGCONT\n"
	"in case it is stopped; its process is killed if it has not ended 15 seconds "
	"later.\n" CONTROL_NAME_NOTE,
};
