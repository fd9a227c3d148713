/* SPDX-License-Identifier: BSD-2-Clause */
/* "lkvm vsock": a port of a running guest's, on standard input and output. */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "cmd.h"
#include "util/log.h"
#include "util/parse.h"
#include "verbs.h"
#include "vmm/control.h"
#include "vsock.h"

#define ANSWER_SECONDS 20
#define BUFFER_SIZE    (64 * KIB)

/* ---- connecting ---- */

static int check_peer(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len))
		return -errno;
	return peer.uid == geteuid() || !peer.uid ? 0 : -EPERM;
}

static int connect_path(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, ret = 0;

	if (snprintf(address.sun_path, sizeof(address.sun_path), "%s", path) >=
	    (int)sizeof(address.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)))
		ret = -errno;
	if (!ret)
		ret = check_peer(fd);
	if (!ret)
		return fd;
	close(fd);
	return ret;
}

static int connect_name(const char *name, struct error *err)
{
	char folder[PATH_MAX], path[PATH_MAX + 80];
	int ret = -ENOENT;

	if (strchr(name, '/')) {
		ret = connect_path(name);
		return ret >= 0 ? ret : error_set(err, ret, "%s: %s", name, strerror(-ret));
	}
	if (control_check_name(name, err))
		return -EINVAL;
	for (unsigned n = 0; !control_folder(n, folder); n++) {
		snprintf(path, sizeof(path), "%s/%s.vsock", folder, name);
		ret = connect_path(path);
		if (ret != -ENOENT && ret != -ECONNREFUSED)
			break;
	}
	if (ret >= 0)
		return ret;
	if (ret == -ENOENT || ret == -ECONNREFUSED)
		return error_set(err, -ENOENT,
				 "%s: no VM of this name has a vsock: start it with --name %s "
				 "--vsock 3, or name its path= here",
				 name, name);
	return error_set(err, ret, "%s: %s", name,
			 ret == -EPERM ? "another user's" : strerror(-ret));
}

/* Its first line and not a byte more. */
static int read_answer(int fd, char *line, size_t size)
{
	for (size_t len = 0; len < size - 1; len++) {
		ssize_t got = read(fd, line + len, 1);

		if (got <= 0)
			return got ? -errno : -ECONNREFUSED;
		line[len + 1] = '\0';
		if (line[len] == '\n')
			return strncmp(line, "OK ", 3) ? -EPROTO : 0;
	}
	return -EPROTO;
}

static int greet(int fd, u32 port)
{
	struct timeval patience = { .tv_sec = ANSWER_SECONDS };
	char line[64];
	int len = snprintf(line, sizeof(line), "CONNECT %u\n", port), ret;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (send(fd, line, len, MSG_NOSIGNAL) != len)
		return -errno;
	ret = read_answer(fd, line, sizeof(line));
	patience = (struct timeval){ 0 };
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return ret;
}

int vsock_dial_guest(const char *name, u32 port, struct error *err)
{
	int fd = connect_name(name, err), ret;

	if (fd < 0)
		return fd;
	ret = greet(fd, port);
	if (!ret)
		return fd;
	close(fd);
	if (ret == -EAGAIN)
		return error_set(err, ret, "%s: the guest did not answer in %u seconds", name,
				 ANSWER_SECONDS);
	if (ret == -ECONNREFUSED || ret == -ECONNRESET)
		return error_set(err, ret,
				 "%s: nobody in the guest listens at vsock port %u, or it has no "
				 "driver for vsock yet",
				 name, port);
	return error_set(err, ret, "%s: %s", name, strerror(-ret));
}

int vsock_exit_status(int error)
{
	return error == -ENOENT || error == -EINVAL || error == -ENAMETOOLONG ? EXIT_USAGE
									      : EXIT_HOST;
}

/* ---- carrying ---- */

static bool write_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t done = write(fd, data, len);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		data += done;
		len -= done;
	}
	return true;
}

/* Some of what there is. False: there is no more, or nobody wants it. */
static bool carry(int from, int to)
{
	static char data[BUFFER_SIZE];
	ssize_t got = read(from, data, sizeof(data));

	if (got < 0 && errno == EINTR)
		return true;
	return got > 0 && write_all(to, data, got);
}

/* Until the guest ends the connection. */
static void carry_both(int fd)
{
	struct pollfd ends[] = { { .fd = STDIN_FILENO, .events = POLLIN },
				 { .fd = fd, .events = POLLIN } };

	while (poll(ends, 2, -1) > 0 || errno == EINTR) {
		if (ends[1].revents && !carry(fd, STDOUT_FILENO))
			return;
		if (ends[0].revents && !carry(STDIN_FILENO, fd)) {
			shutdown(fd, SHUT_WR);
			ends[0].fd = -1;
		}
	}
}

/* ---- the verb ---- */

struct vsock_options {
	const char *name;
	u64 port;
};

static int set_word(void *arg, unsigned n, char *word, struct error *err)
{
	struct vsock_options *options = arg;

	if (!n)
		options->name = word;
	else if (n > 1)
		return error_set(err, -EINVAL, "'%s': one word too many", word);
	else if (parse_u64(word, UINT32_MAX - 1, &options->port))
		return error_set(err, -EINVAL, "'%s': a port: 0 to 4294967294", word);
	return 0;
}

static int run_vsock(const void *arg)
{
	const struct vsock_options *options = arg;
	struct error err = { "" };
	int fd = vsock_dial_guest(options->name, options->port, &err);

	if (fd < 0) {
		log_error("%s", err.text);
		return vsock_exit_status(fd);
	}
	signal(SIGPIPE, SIG_IGN);
	carry_both(fd);
	close(fd);
	return EXIT_OK;
}

static_assert(sizeof(struct vsock_options) <= VERB_OPTIONS_SIZE, "its options have room");

const struct verb vsock_verb = {
	"vsock",
	"NAME PORT",
	"connect to a port of a running guest's",
	NULL,
	set_word,
	2,
	run_vsock,
	"Connect standard input and output to a vsock port of a running guest's, until it\n"
	"ends the connection. NAME is that of 'lkvm run --name NAME --vsock CID', or, with a\n"
	"'/' in it, the path= that --vsock was given.",
};
