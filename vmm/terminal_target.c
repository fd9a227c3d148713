/* SPDX-License-Identifier: BSD-2-Clause */
/* What a user can name as the other end of a port. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "util/aside.h"
#include "util/error.h"
#include "util/file.h"
#include "vmm/terminal.h"

#define SOCKET_WORD "socket:"

static const char *const words[] = {
	[TERMINAL_STDIO] = "stdio", [TERMINAL_NONE] = "none",	  [TERMINAL_FILE] = "file",
	[TERMINAL_PTY] = "pty",	    [TERMINAL_SOCKET] = "socket",
};

const char *terminal_kind_name(enum terminal_kind kind)
{
	return words[kind];
}

static int check_socket_path(const char *path, const char *option, struct error *err)
{
	size_t most = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;

	if (!*path)
		return error_set(err, -EINVAL, "%s socket:PATH: the path is missing", option);
	if (strlen(path) > most)
		return error_set(err, -EINVAL,
				 "%s %s: longer than the %zu characters that the name of a socket "
				 "can have",
				 option, path, most);
	return 0;
}

int terminal_target_set(struct terminal_target *target, const char *value, const char *option,
			struct error *err)
{
	*target = (struct terminal_target){ .kind = TERMINAL_FILE, .fd = -1, .listener.fd = -1 };
	if (!strncmp(value, SOCKET_WORD, strlen(SOCKET_WORD))) {
		target->kind = TERMINAL_SOCKET;
		target->path = value + strlen(SOCKET_WORD);
		return check_socket_path(target->path, option, err);
	}
	if (!strcmp(value, words[TERMINAL_PTY]))
		target->kind = TERMINAL_PTY;
	else if (!strcmp(value, words[TERMINAL_STDIO]))
		target->kind = TERMINAL_STDIO;
	else if (!strcmp(value, words[TERMINAL_NONE]))
		target->kind = TERMINAL_NONE;
	else if (*value)
		target->path = value;
	else
		return error_set(err, -EINVAL, "%s: the name of a file is missing", option);
	return 0;
}

/* ---- a file ---- */

struct opening {
	struct terminal_target *target;
	const char *option;
	struct error *err;
	int ret;
};

/*
 * Several may append to one file. One that is a disk, or another output, is refused: its lock shows
 * it, where we may read the file.
 */
static int open_to_append(const char *path)
{
	const int flags = O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	int fd = open(path, O_RDWR | flags, 0600), ret;

	if (fd < 0) {
		fd = errno == EACCES ? open(path, O_WRONLY | flags, 0600) : -1;
		return fd < 0 ? -errno : fd;
	}
	ret = file_share(fd);
	if (!ret)
		return fd;
	close(fd);
	return ret;
}

/* Nobody's data is overwritten: it is appended to. */
static void open_file_aside(void *arg)
{
	struct opening *opening = arg;
	struct terminal_target *target = opening->target;
	struct stat st;

	/* Not to wait for a pipe's reader, nor to do to a device what opening it does. */
	if (!stat(target->path, &st) && !S_ISREG(st.st_mode)) {
		opening->ret = error_set(opening->err, -EINVAL, "%s %s: is not a regular file",
					 opening->option, target->path);
		return;
	}
	target->fd = open_to_append(target->path);
	opening->ret = MIN(target->fd, 0);
	if (opening->ret == -EBUSY)
		error_set(opening->err, -EBUSY,
			  "%s %s: is in use, as a disk or for other output: choose another name",
			  opening->option, target->path);
	else if (opening->ret)
		error_set(opening->err, opening->ret, "%s %s: %s", opening->option, target->path,
			  strerror(-opening->ret));
	target->fd = MAX(target->fd, -1);
}

static int open_file(struct terminal_target *target, const char *option, struct error *err)
{
	struct opening opening = { target, option, err, -EIO };

	aside_call("lkvm-open", open_file_aside, &opening);
	return opening.ret;
}

/* ---- a pty ---- */

/*
 * Raw, so that the host's kernel neither echoes nor changes a byte. Opened and closed once, it is
 * hung up until somebody opens it.
 */
static int set_up_pty(struct terminal_target *target)
{
	struct termios raw;
	int theirs;

	if (grantpt(target->fd) || unlockpt(target->fd) ||
	    ptsname_r(target->fd, target->pty, sizeof(target->pty)))
		return -errno;
	theirs = open(target->pty, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (theirs < 0)
		return -errno;
	if (tcgetattr(theirs, &raw)) {
		close(theirs);
		return -errno;
	}
	cfmakeraw(&raw);
	tcsetattr(theirs, TCSANOW, &raw);
	close(theirs);
	target->path = target->pty;
	target->opens = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (target->opens >= 0 && inotify_add_watch(target->opens, target->pty, IN_OPEN) < 0) {
		close(target->opens);
		target->opens = -1;
	}
	return 0;
}

static int open_pty(struct terminal_target *target, const char *option, struct error *err)
{
	int ret;

	target->opens = -1;
	target->fd = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	ret = target->fd < 0 ? -errno : set_up_pty(target);
	return ret ? error_set(err, ret, "%s pty: there is none to be had: %s", option,
			       strerror(-ret))
		   : 0;
}

/* ---- all ---- */

int terminal_target_open(struct terminal_target *target, struct keeper *keeper, const char *option,
			 struct error *err)
{
	switch (target->kind) {
	case TERMINAL_FILE:
		return open_file(target, option, err);
	case TERMINAL_PTY:
		return open_pty(target, option, err);
	case TERMINAL_SOCKET:
		return listener_open(&target->listener, keeper, option, target->path, SOCK_STREAM,
				     err);
	default:
		return 0;
	}
}

void terminal_target_close(struct terminal_target *target)
{
	if (target->kind == TERMINAL_SOCKET) {
		if (target->listener.bound)
			close(target->listener.fd);
		listener_remove(&target->listener);
	} else if (target->kind != TERMINAL_STDIO && target->fd >= 0) {
		close(target->fd);
		if (target->kind == TERMINAL_PTY && target->opens >= 0)
			close(target->opens);
	}
	target->fd = -1;
}
