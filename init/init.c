/* SPDX-License-Identifier: BSD-2-Clause */
/* The first process in the guest of a one-shot run: the order of what it does. */
#include "init.h"

/* What is in the old terminal is shown, and the streams are those of a new one. */
static void change_terminals(struct ends *ends)
{
	struct stream *typed = &streams[ONESHOT_STDIN], *shown = &streams[ONESHOT_STDOUT];
	struct pollfd poll;

	terminal_close();
	for (;;) {
		if (stream_move(shown))
			break;
		stream_watch(shown, &poll);
		if (!sys_poll(&poll, 1, shown->count ? -1 : DRAIN_MS))
			break;
		stream_serve(shown, &poll);
	}
	close_fd(&shown->from);
	close_fd(&typed->to);
	typed->count = 0;
	ends->theirs[ONESHOT_STDERR] = ends->theirs[ONESHOT_STDOUT] = ends->theirs[ONESHOT_STDIN] =
		terminal_make(terminal_window());
	shown->from = terminal_copy();
	typed->to = terminal_copy();
	sys_set_flags(shown->from, O_NONBLOCK);
}

static const char kept[] = "\r\nlkvm: the command failed: this is a shell in its guest; its end is "
			   "the run's\r\n";

/* Only whoever sits there can look around: without a terminal nothing is kept. */
static void run_shell(const char *shell, int children, const struct visitors *visitors)
{
	struct stream *shown = &streams[ONESHOT_STDOUT];
	struct ends ends;
	int report, pid;

	change_terminals(&ends);
	if (shown->to < 0)
		return;
	command_set_word(shell);
	memcpy(shown->data, kept, sizeof(kept) - 1);
	shown->start = 0;
	shown->count = sizeof(kept) - 1;
	pid = command_start(&ends, &report);
	sys_close(ends.theirs[ONESHOT_STDIN]);
	sys_close(report);
	run_attend(pid, children, visitors);
}

/* A kernel without a network has none to bring up. */
static void bring_loopback_up(void)
{
	struct sys_interface interface = { .name = "lo", .flags = SYS_IF_UP };
	int fd = sys_socket(SYS_AF_INET, SYS_SOCK_DGRAM | O_CLOEXEC);

	sys_control(fd, SYS_SET_IF_FLAGS, &interface);
	sys_close(fd);
}

void init_main(void)
{
	const struct visitors *visitors;
	const char *name;
	int command, children, status;

	sys_block_signals(~0ul);
	sys_mkdir(NEW_ROOT, 0755);
	sys_mkdir("/lower", 0755);
	sys_mkdir("/scratch", 0755);
	config_read();
	modules_load();
	channels_connect();
	root_mount();
	name = config_next(ONESHOT_HOST_NAME, NULL);
	if (name)
		sys_host_name(name, text_length(name));
	bring_loopback_up();
	command_collect_variables();
	if (!command_collect_words())
		host_fail("no command in the configuration", -EINVAL);
	children = sys_signal_fd(1ul << (SIGCHLD - 1), O_NONBLOCK | O_CLOEXEC);
	visitors = server_listen();
	command = run_begin();
	status = run_attend(command, children, visitors);
	name = config_next(ONESHOT_KEEP, NULL);
	if (status && name && terminal_is_there())
		run_shell(name, children, visitors);
	run_drain();
	run_tell_end(status);
	host_leave();
}
