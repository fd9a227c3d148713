/* SPDX-License-Identifier: BSD-2-Clause */
/* One command from its start to its end. */
#include "init.h"

int run_begin(void)
{
	struct ends ends;
	struct failure failure;
	int report, pid;

	ends_make(&ends);
	pid = command_start(&ends, &report);
	for (unsigned i = ONESHOT_STDIN; i < ONESHOT_CHANNELS; i++)
		stream_begin(i, &ends);
	if (sys_read(report, &failure, sizeof(failure)) == sizeof(failure)) {
		for (unsigned i = ONESHOT_STDIN; i < ONESHOT_CHANNELS; i++)
			stream_end(&streams[i]);
		host_tell(ONESHOT_NO_COMMAND, -failure.error, failure.text);
		host_leave();
	}
	sys_close(report);
	/* The terminal ends with its command, and a shell may come. */
	streams[ONESHOT_STDOUT].stays = terminal_is_there() && config_next(ONESHOT_KEEP, NULL);
	host_tell(ONESHOT_STARTED, 0, "");
	return pid;
}

/* -1: it runs still. Other processes that ended are init's to collect. */
static int collect(int command)
{
	int status, pid;

	while ((pid = sys_wait(-1, &status, SYS_WNOHANG)) > 0) {
		if (pid == command)
			return status;
	}
	return -1;
}

static void hear(int command)
{
	bool over;
	const struct oneshot_message *message = host_hear(&over);

	/* Nobody is there any more: as of a terminal that was hung up. */
	if (over) {
		close_fd(&channels[ONESHOT_CONTROL]);
		sys_kill(-command, SIGHUP);
	}
	if (!message)
		return;
	if (message->type == ONESHOT_SIGNAL)
		sys_kill(-command, message->value);
	else if (message->type == ONESHOT_WINDOW && terminal_is_there())
		terminal_set_window(message->value);
}

int run_attend(int command, int children, const struct visitors *visitors)
{
	struct pollfd polls[ONESHOT_CHANNELS + 2];
	int status;

	while ((status = collect(command)) < 0) {
		char info[128];

		polls[ONESHOT_CONTROL] = (struct pollfd){ .fd = channels[ONESHOT_CONTROL],
							  .events = POLLIN };
		polls[ONESHOT_CHANNELS] = (struct pollfd){ .fd = children, .events = POLLIN };
		polls[ONESHOT_CHANNELS + 1] = (struct pollfd){ .fd = visitors->fd,
							       .events = POLLIN };
		for (unsigned i = ONESHOT_STDIN; i < ONESHOT_CHANNELS; i++)
			stream_watch(&streams[i], &polls[i]);
		sys_poll(polls, ONESHOT_CHANNELS + 2, -1);
		if (polls[ONESHOT_CHANNELS + 1].revents)
			visitors->come(children);
		if (polls[ONESHOT_CHANNELS].revents)
			sys_read(children, info, sizeof(info));
		if (polls[ONESHOT_CONTROL].revents)
			hear(command);
		for (unsigned i = ONESHOT_STDIN; i < ONESHOT_CHANNELS; i++)
			stream_serve(&streams[i], &polls[i]);
	}
	return status;
}

void run_drain(void)
{
	struct pollfd polls[ONESHOT_CHANNELS];
	bool done;

	/* The others' commands are not a server's. */
	if (!host_is_served())
		sys_kill(-1, SIGKILL);
	stream_end(&streams[ONESHOT_STDIN]);
	do {
		bool waits = false;

		done = true;
		for (unsigned i = ONESHOT_STDOUT; i < ONESHOT_CHANNELS; i++) {
			done &= stream_move(&streams[i]);
			stream_watch(&streams[i], &polls[i]);
			waits |= streams[i].count;
		}
		/* A slow reader is waited for as long as the run lasts. */
		if (!done && !sys_poll(polls + ONESHOT_STDOUT, 2, waits ? -1 : DRAIN_MS))
			break;
		for (unsigned i = ONESHOT_STDOUT; i < ONESHOT_CHANNELS; i++)
			stream_serve(&streams[i], &polls[i]);
		collect(0);
	} while (!done);
	for (unsigned i = ONESHOT_STDOUT; i < ONESHOT_CHANNELS; i++)
		stream_end(&streams[i]);
}

void run_tell_end(int status)
{
	unsigned signal = status & 0x7f;

	/* What the command wrote to disks and folders is there before anybody hears of its end. */
	sys_sync();
	if (signal)
		host_tell(ONESHOT_KILLED, signal, "");
	else
		host_tell(ONESHOT_EXITED, status >> 8 & 0xff, "");
}
