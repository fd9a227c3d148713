/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "boot_time.h"
#include "cmd.h"
#include "machine.h"
#include "oneshot.h"
#include "oneshot_result.h"
#include "oneshot_ways.h"
#include "report_file.h"
#include "run_options.h"
#include "util/clock.h"
#include "util/log.h"
#include "watch.h"

/* ---- before there is a machine ---- */

/*
 * The command has our standard streams. What the machine takes for its terminal is the guest's
 * console: nothing comes in, and what comes out is for --log-file and the result.
 */
static int take_standard(struct oneshot *oneshot, struct error *err)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return error_set(err, -errno, "/dev/null: %s", strerror(errno));
	for (int i = 0; i < 3; i++)
		oneshot->standard[i] = fcntl(i, F_DUPFD_CLOEXEC, 3);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	close(null);
	return 0;
}

static void on_over(void *arg)
{
	struct oneshot *oneshot = arg;

	/* One that died on its way there may be kept. */
	vm_guest_stop(oneshot->vm, VM_POWEROFF);
}

static void on_started(void *arg)
{
	struct oneshot *oneshot = arg;

	watch_started(oneshot->watch);
}

static void on_quit(void *arg)
{
	const struct oneshot *oneshot = arg;

	watch_quit(oneshot->watch);
}

static int make_session(struct oneshot *oneshot, struct error *err)
{
	const struct session_options options = {
		.standard = { [ONESHOT_STDIN] = oneshot->standard[0],
			      [ONESHOT_STDOUT] = oneshot->standard[1],
			      [ONESHOT_STDERR] = oneshot->standard[2] },
		.is_terminal = oneshot->is_terminal,
		.quit = on_quit,
		.over = on_over,
		.started = on_started,
		.arg = oneshot,
	};
	int ret = session_create(&oneshot->session, &options);

	return ret ? error_set(err, ret, "cannot make the command's streams: %s", strerror(-ret))
		   : 0;
}

/* --verbose: so that it can be told from what the command says. */
static void say_console(void *arg, const char *line)
{
	log_info("console: %s", line);
}

int oneshot_forget_result(const struct run_options *options, struct error *err)
{
	const char *path = options->oneshot.result;

	return path ? report_file_empty("--result", path, RESULT_START, "a result", err) : 0;
}

int oneshot_open_result(struct oneshot *oneshot, const struct run_options *options,
			struct error *err)
{
	if (!options->oneshot.result)
		return 0;
	oneshot->result_fd = report_file_open("--result", options->oneshot.result, RESULT_START,
					      "a result", err);
	return MIN(oneshot->result_fd, 0);
}

int oneshot_prepare(struct oneshot *oneshot, struct run_options *options, struct watch *watch,
		    struct error *err)
{
	int ret;

	oneshot->started_ns = now_ns();
	oneshot->watch = watch;
	oneshot->initrd_fd = initrd_build(oneshot_init, oneshot_init_end - oneshot_init,
					  oneshot->modules, &oneshot->config, err);
	if (oneshot->initrd_fd < 0)
		return oneshot->initrd_fd;
	ret = oneshot_pack_root(oneshot, err);
	if (ret)
		return ret;
	oneshot->signal_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ret = oneshot->signal_fd < 0 ? error_set(err, -errno, "%s", strerror(errno)) : 0;
	if (!ret)
		ret = take_standard(oneshot, err);
	if (!ret)
		ret = make_session(oneshot, err);
	if (ret)
		return ret;
	options->initrd_fd = oneshot->initrd_fd;
	options->channels = session_guest_ends(oneshot->session);
	/* Its own milestones are in what it prints. */
	options->more_words = options->verbose || options->boot_time ? NULL : "quiet";
	if (options->verbose)
		oneshot->findings.heard = say_console;
	return 0;
}

int oneshot_signal_fd(const struct oneshot *oneshot)
{
	return oneshot->signal_fd;
}

/* ---- while it runs ---- */

static void on_console(struct terminal_tap *tap, const void *data, size_t len)
{
	struct oneshot *oneshot = container_of(tap, struct oneshot, tap);
	const char *at = data;

	findings_take(&oneshot->findings, data, len);
	for (size_t i = 0; i < len; i++)
		oneshot->console[oneshot->console_len++ % ONESHOT_CONSOLE] = at[i];
}

/* Ctrl-C is the command's; before there is one, and after its guest died, it ends the run. */
static void on_signal(struct loop_source *source, u32 events)
{
	struct oneshot *oneshot = container_of(source, struct oneshot, signals);
	eventfd_t count;

	if (eventfd_read(source->fd, &count))
		return;
	if (oneshot->vm->kept || !session_signal(oneshot->session, SIGINT))
		watch_quit(oneshot->watch);
}

void oneshot_look(struct oneshot *oneshot, bool continued)
{
	session_look(oneshot->session, continued);
}

int oneshot_start(struct oneshot *oneshot, struct machine *machine, struct error *err)
{
	int ret;

	close(oneshot->initrd_fd);
	oneshot->initrd_fd = -1;
	oneshot->machine = machine;
	oneshot->terminal = machine->terminal;
	oneshot->tap.output = on_console;
	terminal_add_tap(machine->terminal, &oneshot->tap);
	oneshot->signals = (struct loop_source){ oneshot->signal_fd, EPOLLIN, on_signal };
	ret = loop_add(machine->vm->loop, &oneshot->signals);
	oneshot->vm = ret ? NULL : machine->vm;
	if (!ret)
		ret = session_start(oneshot->session, machine->vm->loop);
	return ret ? error_set(err, ret, "cannot serve the command's streams: %s", strerror(-ret))
		   : 0;
}

/* ---- the end ---- */

void oneshot_note_times(const struct oneshot *oneshot, struct boot_time *boot_time)
{
	struct session_times times = session_times(oneshot->session);

	boot_time_note_at(boot_time, "lkvm's init is there", times.ready);
	boot_time_note_at(boot_time, "command begins", times.started);
	boot_time_note_at(boot_time, "command has ended", times.ended);
}

static void remove_tap(struct oneshot *oneshot)
{
	if (oneshot->terminal)
		terminal_remove_tap(&oneshot->tap);
	oneshot->terminal = NULL;
}

/* False: some of it is lost. */
static bool finish_output(const struct oneshot *oneshot, enum vm_stop ended_by, int give_up_fd)
{
	int error;
	u64 lost = session_finish(oneshot->session, give_up_fd,
				  watch_output_patience(oneshot->watch, ended_by), &error);

	if (lost)
		log_error("%llu bytes of the command's output are lost: %s",
			  (unsigned long long)lost, session_loss(error));
	else if (error)
		log_error("some of the command's output is lost: %s", session_loss(error));
	return !error;
}

/* Of what the host did not do the first is the verdict, unless the command had failed. */
static void note_failures(const struct oneshot *oneshot, const struct oneshot_end *end,
			  int give_up_fd, struct oneshot_result *result)
{
	bool whole = finish_output(oneshot, end->ended_by, give_up_fd);

	if (result->status != EXIT_OK)
		return;
	if (!whole)
		oneshot_result_host_failed(result, "not all of the command's output was taken");
	else if (end->output_lost)
		oneshot_result_host_failed(result, "not all of the guest's output was taken");
}

int oneshot_finish(struct oneshot *oneshot, const struct oneshot_end *end)
{
	struct oneshot_result result = { .diagnosis = end->diagnosis };
	int give_up_fd = watch_give_up_fd(oneshot->watch);

	findings_end(&oneshot->findings);
	oneshot_result_judge(oneshot, end, &result);
	note_failures(oneshot, end, give_up_fd, &result);
	result.ended_ns = now_ns();
	/* A command that did well may have a host that does not, yet. */
	if (result.status != EXIT_OK)
		watch_tell(oneshot->watch, NULL);
	oneshot_result_say(oneshot, &result);
	if (oneshot_result_write(oneshot, &result, give_up_fd,
				 watch_disk_patience(end->ended_by)) &&
	    result.status == EXIT_OK)
		return EXIT_COMMAND_HOST;
	return result.status;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

void oneshot_free(struct oneshot *oneshot)
{
	if (!oneshot->run)
		return;
	remove_tap(oneshot);
	if (oneshot->vm)
		loop_remove(oneshot->vm->loop, &oneshot->signals);
	session_destroy(oneshot->session);
	modules_close(oneshot->modules);
	initrd_config_free(&oneshot->config);
	for (unsigned i = 0; i < oneshot->given_count; i++)
		free(oneshot->given[i]);
	for (unsigned i = 0; i < ARRAY_SIZE(oneshot->standard); i++)
		close_fd(oneshot->standard[i]);
	close_fd(oneshot->initrd_fd);
	close_fd(oneshot->result_fd);
	close_fd(oneshot->signal_fd);
	oneshot->run = NULL;
}
