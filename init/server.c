/* SPDX-License-Identifier: BSD-2-Clause */
/* More commands beside the first (lkvm exec): a process for each. */
#include "init.h"

static void take(int children);
static struct visitors visitors = { .fd = -1, .come = take };

static bool read_whole(int fd, void *data, size_t len)
{
	for (size_t at = 0; at < len;) {
		long got = sys_read(fd, (char *)data + at, len - at);

		if (got <= 0)
			return false;
		at += got;
	}
	return true;
}

/* The words are in the place of the first command's; its variables stay where they are. */
static void read_command(int fd)
{
	static char asked[ONESHOT_CONFIG_SIZE];
	unsigned len = 0;
	size_t end;

	if (!read_whole(fd, &len, sizeof(len)) || len >= ONESHOT_EXEC_SIZE ||
	    !read_whole(fd, asked, len))
		sys_exit(1);
	end = len;
	asked[end] = '\0';
	for (const char *at = config_text(); *at && end < ONESHOT_CONFIG_SIZE - 4096;
	     at += text_length(at) + 1) {
		if (*at != ONESHOT_UID && *at != ONESHOT_GID && *at != ONESHOT_PWD)
			continue;
		text_join(asked + end, ONESHOT_CONFIG_SIZE - end, at, "");
		end += text_length(at) + 1;
		asked[end] = '\0';
	}
	config_use(asked);
	if (!command_collect_words())
		sys_exit(1);
}

/* The host alone may: another process of the guest's would become root by it. */
static int accept_host(int fd)
{
	struct sys_vsock_address who;
	int peer = sys_accept(fd, &who);

	if (peer < 0 || who.cid == SYS_CID_HOST)
		return peer;
	sys_close(peer);
	return -EPERM;
}

/* Its caller says nothing before it has them, but that it has gone. */
static int take_stream(int fd)
{
	struct pollfd polls[] = { { .fd = fd, .events = POLLIN },
				  { .fd = channels[ONESHOT_CONTROL], .events = POLLIN } };

	sys_poll(polls, 2, -1);
	if (!polls[0].revents && polls[1].revents)
		sys_exit(1);
	return polls[0].revents ? accept_host(fd) : -EPERM;
}

static void take_streams(void)
{
	struct sys_vsock_address address = { .family = SYS_AF_VSOCK,
					     .port = SYS_PORT_ANY,
					     .cid = SYS_CID_ANY };
	int fd = sys_listen(&address);

	if (fd < 0 || sys_write(channels[ONESHOT_CONTROL], &address.port, 4) != 4)
		sys_exit(1);
	for (unsigned i = ONESHOT_STDIN; i < ONESHOT_CHANNELS; i++) {
		while ((channels[i] = take_stream(fd)) == -EPERM)
			;
	}
	sys_close(fd);
}

/* In a process of its own, from the control channel @fd on. */
static void serve(int fd) __attribute__((noreturn));
static void serve(int fd)
{
	int command, children, status;

	close_fd(&visitors.fd);
	terminal_close();
	for (unsigned i = ONESHOT_STDIN; i < ONESHOT_CHANNELS; i++) {
		stream_end(&streams[i]);
		streams[i].stays = false;
	}
	host_serve(fd);
	read_command(fd);
	take_streams();
	host_tell(ONESHOT_READY, ONESHOT_VERSION, "");
	children = sys_signal_fd(1ul << (SIGCHLD - 1), O_NONBLOCK | O_CLOEXEC);
	command = run_begin();
	status = run_attend(command, children, &visitors);
	run_drain();
	run_tell_end(status);
	host_leave();
}

/* A process for each command, with streams of its own. */
static void take(int children)
{
	int peer = accept_host(visitors.fd), pid;

	if (peer < 0)
		return;
	pid = sys_fork();
	if (!pid) {
		sys_close(children);
		serve(peer);
	}
	sys_close(peer);
}

const struct visitors *server_listen(void)
{
	struct sys_vsock_address address = { .family = SYS_AF_VSOCK,
					     .port = ONESHOT_EXEC_PORT,
					     .cid = SYS_CID_ANY };

	if (config_next(ONESHOT_EXEC, NULL))
		visitors.fd = sys_listen(&address);
	return &visitors;
}
