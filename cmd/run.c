/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "boot_time.h"
#include "cmd.h"
#include "core_dump.h"
#include "diagnosis.h"
#include "kernel_names.h"
#include "confine/confine.h"
#include "machine.h"
#include "oneshot_github.h"
#include "options_print.h"
#include "util/aside.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/symbols.h"
#include "vmm/terminal.h"
#include "vmm/vcpu.h"
#include "watch.h"

/* What the process itself adds to the loop: the signals that end nothing. */
struct run {
	const struct run_options *options;
	struct oneshot *oneshot; /* NULL: none */
	bool ran;
	struct machine machine;
	struct watch *watch;
	struct core_dump dump;
	struct symbols *symbols; /* owned; NULL: they are not read, or there are none */
	int symbols_fd;		 /* owned: the kernel's, where they may be needed; -1 */
	struct loop_source signals;
	struct error err;
};

static void on_signal(struct loop_source *source, u32 events)
{
	struct run *run = container_of(source, struct run, signals);
	struct signalfd_siginfo info;

	if (read(source->fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGCONT)
		terminal_continue(run->machine.terminal);
	terminal_resize(run->machine.terminal);
	if (run->oneshot)
		oneshot_look(run->oneshot, info.ssi_signo == SIGCONT);
}

/* SIGCONT, too: the window may have another size, and the terminal be somebody else's. */
static int watch_window(struct run *run)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGWINCH);
	sigaddset(&set, SIGCONT);
	run->signals.fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (run->signals.fd < 0)
		return -errno;
	run->signals.events = EPOLLIN;
	run->signals.handle = on_signal;
	return loop_add(run->machine.vm->loop, &run->signals);
}

static const int timeout_statuses[WATCH_LIMITS] = { EXIT_TIMEOUT, EXIT_TIMEOUT, EXIT_TIMEOUT };

/* In the run of a command the small numbers are the command's. */
static const int *statuses_of(const struct run *run)
{
	return run->oneshot ? oneshot_timeout_statuses : timeout_statuses;
}

static int exit_status(const struct run *run, enum vm_stop reason)
{
	int signal = SIGINT; /* Ctrl-A x */
	char words[128];

	switch (reason) {
	case VM_POWEROFF:
	case VM_REBOOT:
		return EXIT_OK;
	case VM_PANIC:
		/* The run of a command says of what. */
		if (!run->oneshot)
			log_warning("the guest's kernel panicked or crashed");
		return EXIT_PANIC;
	case VM_WATCHDOG:
		return EXIT_WATCHDOG;
	case VM_HANG:
		return EXIT_HANG;
	case VM_TIMEOUT:
		watch_describe(run->watch, words, sizeof(words));
		log_warning("%s", words);
		return EXIT_TIMEOUT;
	case VM_USER:
		watch_reason(run->watch, &signal);
		return EXIT_SIGNAL + signal;
	default:
		return EXIT_HOST;
	}
}

/* The guest ended well, but what it left did not: @why it was not waited for, if it was asked. */
static int worse_status(const struct run *run, int status)
{
	int signal;

	if (status != EXIT_OK)
		return status;
	switch (watch_reason(run->watch, &signal)) {
	case VM_TIMEOUT:
		return statuses_of(run)[watch_limit(run->watch)];
	case VM_USER:
		return EXIT_SIGNAL + signal;
	default:
		return run->oneshot ? EXIT_COMMAND_HOST : EXIT_HOST;
	}
}

/* What is left of all outputs' patience. */
struct patience {
	int give_up_fd;
	int timeout_ms; /* -1: no end */
	s64 began_ms;
};

static int patience_left(const struct patience *patience)
{
	s64 spent = now_ms() - patience->began_ms;

	return patience->timeout_ms < 0
		       ? -1
		       : patience->timeout_ms - MIN(spent, (s64)patience->timeout_ms);
}

/* Why a run does not begin, or what became of it. */
static void say_error(const struct run *run, const struct run_options *options)
{
	bool annotated = options->oneshot.command && !run->ran && github_is_there();

	if (!annotated)
		log_error("%s", run->err.text);
	else if (run->watch)
		watch_tell(run->watch, run->err.text);
	else
		github_refuse(run->err.text);
}

/* False: some of it is lost. */
static bool finish_terminal(struct terminal *terminal, const struct patience *patience,
			    const char *whose)
{
	int errors[2];
	u64 lost[] = {
		terminal_finish(terminal, patience->give_up_fd, patience_left(patience),
				&errors[0]),
		terminal_finish_log(terminal, patience->give_up_fd, patience_left(patience),
				    &errors[1]),
	};

	for (unsigned i = 0; i < 2; i++) {
		if (errors[i])
			log_error("%llu bytes of %s%s are lost: %s", (unsigned long long)lost[i],
				  whose, i ? " in the log" : "",
				  errors[i] == -ETIMEDOUT ? "nobody took them in time"
							  : strerror(-errors[i]));
	}
	return !errors[0] && !errors[1];
}

/* False: the same. */
static bool finish_output(struct run *run, enum vm_stop ended_by)
{
	const struct patience patience = { watch_give_up_fd(run->watch),
					   watch_output_patience(run->watch, ended_by), now_ms() };
	struct list_node *terminals = &run->machine.vm->terminals, *node;
	bool whole = finish_terminal(run->machine.terminal, &patience, "the guest's output");
	char whose[64];

	list_for_each(node, terminals) {
		struct terminal *terminal = terminal_of_node(node);

		snprintf(whose, sizeof(whose), "the output of %s", terminal_name(terminal));
		whole &= finish_terminal(terminal, &patience, whose);
	}
	return whole;
}

/* What the vCPUs were at, where that tells why. NULL: it does not. */
static struct diagnosis *diagnose(struct run *run, enum vm_stop reason, enum vm_stop ended_by)
{
	bool hung = reason == VM_TIMEOUT || reason == VM_HANG || reason == VM_WATCHDOG;
	struct diagnosis *diagnosis;

	if (!hung && !(reason == VM_PANIC && (run->oneshot || run->dump.path)))
		return NULL;
	/* --timeout leaves that much, and a System.map in the host's memory needs less. */
	if (!run->symbols && run->symbols_fd >= 0)
		run->symbols = kernel_names_load(run->symbols_fd,
						 ended_by == VM_TIMEOUT ? 150 : 3000);
	diagnosis = diagnosis_make(&run->machine, run->symbols);
	if (diagnosis && hung)
		diagnosis_say(diagnosis);
	return diagnosis;
}

/* Run and report; the machine is the caller's to destroy. */
static int run_machine(struct run *run)
{
	struct boot_time *times = run->options->boot_time;
	struct oneshot_end end = { .why = run->err.text };
	struct diagnosis *diagnosis;
	enum vm_stop reason, ended_by, told;
	int status;

	run->ran = true;
	watch_run(run->watch, run->machine.vm);
	boot_time_note(times, "guest begins");
	machine_begin(&run->machine);
	reason = vm_run(run->machine.vm, run->machine.image, &run->err);
	/* Of a guest that panicked before the run was ended that is the verdict; whoever ended it
	 * waits no longer for that. */
	ended_by = atomic_load(&run->machine.vm->stop);
	boot_time_note(times, "guest has ended");
	/* Whatever is still to be waited for, the user has the terminal. */
	terminal_restore();
	watch_end(run->watch);
	machine_judge(&run->machine, reason);
	machine_finish(&run->machine, reason);
	if (reason != VM_HOST_ERROR)
		machine_hint(&run->machine);
	if (run->options->debug)
		machine_report(&run->machine);
	told = run->oneshot ? oneshot_reason(run->oneshot, reason) : reason;
	status = exit_status(run, told);
	diagnosis = diagnose(run, told, ended_by);
	if (diagnosis && run->dump.path)
		core_dump_take(&run->dump, &run->machine, diagnosis, run->watch);
	loop_set_patience(run->machine.vm->loop, watch_give_up_fd(run->watch),
			  watch_disk_patience(ended_by));
	end.output_lost = !finish_output(run, ended_by);
	if (run->oneshot && run->dump.is_there)
		run->oneshot->core = run->dump.path;
	if (run->oneshot)
		oneshot_note_times(run->oneshot, times);
	boot_time_finish(times, watch_give_up_fd(run->watch), watch_disk_patience(ended_by));
	end.reason = reason;
	end.ended_by = ended_by;
	end.said = status;
	end.diagnosis = diagnosis;
	if (run->oneshot)
		status = oneshot_finish(run->oneshot, &end);
	else if (end.output_lost)
		status = worse_status(run, status);
	diagnosis_free(diagnosis);
	return status;
}

static int build_machine(struct run *run)
{
	int ret = machine_build(&run->machine, &run->err);

	if (!ret)
		ret = watch_window(run);
	if (!ret && run->oneshot)
		ret = oneshot_start(run->oneshot, &run->machine, &run->err);
	if (!ret)
		ret = machine_seal(&run->machine, &run->err);
	if (!ret)
		watch_seal(run->watch);
	if (!ret)
		return EXIT_OK;
	error_set(&run->err, ret, "cannot start: %s", strerror(-ret));
	/* The user asked for what this host lacks: only a VM could tell. */
	return ret == -ENODEV ? EXIT_USAGE : EXIT_HOST;
}

static void open_symbols(void *arg)
{
	struct run *run = arg;
	struct error why = { "" };

	if (symbols_open(&run->symbols, run->options->symbols, &why))
		error_set(&run->err, -EINVAL, "--symbols %s", why.text);
}

/* By a process aside: a file may keep whoever reads it. */
static int load_symbols(struct run *run)
{
	const struct run_options *options = run->options;
	const unsigned *limits = options->limits;

	if (options->symbols)
		aside_call("lkvm-symbols", open_symbols, run);
	else if (options->kernel &&
		 (limits[WATCH_TOTAL] || options->hang || options->dump || run->oneshot ||
		  devices_asked_for(&options->devices, "watchdog")))
		run->symbols_fd = kernel_names_open(options->kernel, &run->symbols);
	return run->err.text[0] ? -EINVAL : 0;
}

/* When no mistake is left, so that an earlier drawing is lost to none. */
static int open_drawing(struct run *run)
{
	const struct run_options *options = run->options;

	if (!options->drawing || !options->boot_time)
		return 0;
	return boot_time_draw(options->boot_time, options->drawing, &run->err);
}

static int prepare_build_run(struct run *run)
{
	int status = EXIT_USAGE, signal;
	bool gone;

	if (devices_give_back(&run->options->devices))
		watch_be_careful(run->watch);
	if (!machine_prepare(&run->machine, run->options, run->watch, &run->err) &&
	    !load_symbols(run) && !core_dump_prepare(&run->dump, run->options->dump, &run->err) &&
	    !open_drawing(run)) {
		status = build_machine(run);
		if (status == EXIT_OK)
			status = run_machine(run);
	}
	/* What was given up because an end was asked for is nobody's mistake. */
	if (run->err.text[0] && watch_reason(run->watch, &signal) != VM_RUNNING)
		status = worse_status(run, EXIT_OK);
	boot_time_stop(run->options->boot_time);
	if (run->oneshot)
		oneshot_free(run->oneshot);
	gone = machine_destroy(&run->machine);
	if (run->err.text[0])
		say_error(run, run->options);
	if (!gone) {
		watch_tell(run->watch, "the host did not finish the guest's I/O");
		watch_leave(worse_status(run, status));
	}
	if (run->signals.fd >= 0)
		close(run->signals.fd);
	core_dump_close(&run->dump);
	symbols_close(run->symbols);
	if (run->symbols_fd >= 0)
		close(run->symbols_fd);
	return status;
}

/* The last options, which are found and not given. A file system may not answer: --timeout is on.
 */
static int begin(struct run_options *options, struct error *err)
{
	int ret = options->firmware ? 0 : run_options_find_kernel(options, err);

	if (ret)
		return ret;
	/* kvmtool's first line. */
	log_info("# lkvm run -%c %s -m %llu -c %u --name %s", options->firmware ? 'f' : 'k',
		 options->firmware ? options->firmware
		 : options->kernel ? options->kernel
				   : "",
		 (unsigned long long)(options->ram / MIB), options->cpus, options->name);
	return 0;
}

/* A plan that was asked for is all; or KVM is there, and what the run needs is made. */
static int prepare_oneshot(struct run *run, struct run_options *options, int *status)
{
	struct vm_host host = { -1 };

	*status = EXIT_USAGE;
	if (!options->oneshot.dry_run && oneshot_forget_result(options, &run->err))
		return -EINVAL;
	if (run_options_plan(options, run->oneshot, &run->err))
		return -EINVAL;
	if (options->oneshot.dry_run) {
		oneshot_print(run->oneshot);
		*status = EXIT_OK;
		return 1;
	}
	if (oneshot_open_result(run->oneshot, options, &run->err))
		return -EINVAL;
	*status = EXIT_COMMAND_NO_KVM;
	if (vm_check_host(&host, options->kvm ? options->kvm : VM_KVM_FILE, &run->err))
		return -ENODEV;
	vm_host_close(&host);
	*status = EXIT_USAGE;
	if (oneshot_prepare(run->oneshot, options, run->watch, &run->err))
		return -EINVAL;
	watch_pass(run->watch, oneshot_signal_fd(run->oneshot));
	return 0;
}

static int start(struct run *run, struct run_options *options)
{
	int status = EXIT_USAGE;

	if (run->oneshot ? prepare_oneshot(run, options, &status) : begin(options, &run->err)) {
		if (run->err.text[0])
			say_error(run, options);
		return status;
	}
	status = prepare_build_run(run);
	return run->oneshot && !run->ran && status == EXIT_HOST ? EXIT_COMMAND_HOST : status;
}

/* The status for what has been said. */
static int begin_watch(struct run *run, const struct run_options *options)
{
	int ret = watch_start(&run->watch, options->limits, statuses_of(run));

	if (ret) {
		error_set(&run->err, ret, "cannot start a thread: %s%s", strerror(-ret),
			  ret == -EAGAIN ? "; " THREADS_REMEDY : "");
		say_error(run, options);
		return EXIT_HOST;
	}
	if (run->oneshot && github_is_there())
		watch_tell_by(run->watch, github_refuse);
	return EXIT_OK;
}

int cmd_run(int argc, char **argv)
{
	struct run run = { .signals.fd = -1, .symbols_fd = -1, .err = { "" } };
	struct run_options options;
	struct oneshot oneshot = { .run = NULL };
	struct confine_user user;
	char default_name[32];
	int ret = run_options_parse(&options, argc, argv, &run.err), status;

	if (ret || options.help) {
		if (ret)
			say_error(&run, &options);
		else
			cmd_run_help();
		devices_free(&options.devices);
		return ret ? EXIT_USAGE : EXIT_OK;
	}
	log_set_level(options.log_level);
	if (github_is_there())
		log_break_commands();
	if (options.timed && boot_time_create(&options.boot_time))
		log_warning("--boot-time: out of memory");
	snprintf(default_name, sizeof(default_name), "guest-%d", getpid());
	options.is_named = options.name;
	if (!options.is_named)
		options.name = default_name;
	run.options = &options;
	run.oneshot = options.oneshot.command ? &oneshot : NULL;
	user = options.run_as;
	if (!user.wanted && !options.keep_user)
		user = confine_own_user();
	status = begin_watch(&run, &options);
	if (!status && !options.no_confine)
		confine_begin(terminal_restore, &user);
	if (!status)
		status = start(&run, &options);
	/* What else fails is logged where it does. */
	if (run.watch && status)
		watch_tell(run.watch, "the host failed, as the lines above say");
	oneshot_free(&oneshot);
	boot_time_destroy(options.boot_time);
	devices_free(&options.devices);
	return status;
}

void cmd_run_help(void)
{
	printf("usage: lkvm run [OPTIONS] [KERNEL]\n"
	       "       lkvm run [OPTIONS] [DIR] -- COMMAND [ARG...]\n\n");
	options_print_help(run_option_specs);
	printf("\narm64:\n");
	options_print_help(arm64_option_specs);
	printf("\nRuns of a command:\n");
	options_print_help(oneshot_option_specs);
	printf("\nDevices:\n");
	for (unsigned row = 0; device_classes[row]; row++) {
		if (device_classes[row]->options)
			options_print_help(device_classes[row]->options);
	}
	printf("\nCtrl-A x ends the guest, Ctrl-A Ctrl-A types one Ctrl-A.\n"
	       "Exit status: 0 the guest powered off or rebooted, 1 the host failed,\n"
	       "2 wrong usage, 3 the guest panicked, 4 --timeout, 5 --watchdog, 6 --hang,\n"
	       "128+n signal n. Of a run for a command: its own, 128+n if signal n killed it;\n"
	       "112 the guest reset itself, 113 a panic without memory, 114 init died,\n"
	       "115 an oops, 116 a crash, 117 --hang, 118 --timeout run=, 119 --timeout boot=,\n"
	       "120 no KVM, 121 the guest ended before it, 122 --watchdog, 123 panic,\n"
	       "124 --timeout, 125 the host, 126 it cannot be run, 127 it is not there.\n");
}
