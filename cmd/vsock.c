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

/* For each of what it says and hears; 0: for ever. */
static void set_patience(int fd, unsigned seconds)
{
	const struct timeval limit = { .tv_sec = seconds };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

/* Its patience is ANSWER_SECONDS. */
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
	/* A VM that stands still may have as many waiting as it can. */
	set_patience(fd, ANSWER_SECONDS);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)))
		ret = -errno;
	if (!ret)
		ret = check_peer(fd);
	if (!ret)
		return fd;
	close(fd);
	return ret;
}

static int say_refusal(const char *name, int ret, struct error *err)
{
	return error_set(err, ret, "%s: %s", name,
			 ret == -EPERM	  ? "not permitted: another user's"
			 : ret == -EAGAIN ? "does not answer"
					  : strerror(-ret));
}

static int connect_name(const char *name, struct error *err)
{
	char folder[PATH_MAX], path[PATH_MAX + 80];
	int ret = -ENOENT;

	if (strchr(name, '/')) {
		ret = connect_path(name);
		return ret >= 0 ? ret : say_refusal(name, ret, err);
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
	return say_refusal(name, ret, err);
}

/* Its first line and not a byte more. */
static int read_answer(int fd, char *line, size_t size)
{
	for (size_t len = 0; len < size - 1; len++) {
		ssize_t got;

		/* With a deadline, who was stopped and goes on is interrupted: signal(7). */
		do
			got = read(fd, line + len, 1);
		while (got < 0 && errno == EINTR);
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
	char line[64];
	int len = snprintf(line, sizeof(line), "CONNECT %u\n", port);

	return send(fd, line, len, MSG_NOSIGNAL) == len ? read_answer(fd, line, sizeof(line))
							: -errno;
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

/* One direction: what waits is data[start..start + count). */
struct way {
	int from, to;
	bool over; /* no more comes, or nobody wants it */
	size_t start, count;
	char data[BUFFER_SIZE];
};

static bool may_come_later(void)
{
	return errno == EINTR || errno == EAGAIN;
}

static void fill(struct way *way)
{
	ssize_t got = read(way->from, way->data, sizeof(way->data));

	way->over = !got || (got < 0 && !may_come_later());
	way->start = 0;
	way->count = MAX(got, 0);
}

/* After poll() so much goes into any pipe at once: neither direction waits for the other. */
static int empty(struct way *way, bool is_socket)
{
	const char *data = way->data + way->start;
	ssize_t done = is_socket ? send(way->to, data, way->count, MSG_DONTWAIT | MSG_NOSIGNAL)
				 : write(way->to, data, MIN(way->count, (size_t)PIPE_BUF));

	if (done < 0 && !may_come_later())
		return -errno;
	way->start += MAX(done, 0);
	way->count -= MAX(done, 0);
	return 0;
}

static short wanted(const struct way *way, bool is_from)
{
	if (is_from)
		return way->count || way->over ? 0 : POLLIN;
	return way->count ? POLLOUT : 0;
}

/* A hang-up cannot be masked: what nothing is wanted of is left out. */
static struct pollfd watch(int fd, short events)
{
	return (struct pollfd){ .fd = events ? fd : -1, .events = events };
}

static void carry_in(struct way *in, bool comes, bool goes)
{
	if (comes) {
		fill(in);
	} else if (goes && in->count && empty(in, true)) {
		in->over = true;
		in->count = 0;
	}
	if (in->over && !in->count && in->from >= 0) {
		shutdown(in->to, SHUT_WR);
		in->from = -1;
	}
}

/* Until the guest ends the connection. -errno of standard output, which has not taken all. */
static int carry_both(int fd)
{
	static struct way in, out;
	int ret = 0;

	in = (struct way){ .from = STDIN_FILENO, .to = fd };
	out = (struct way){ .from = fd, .to = STDOUT_FILENO };
	while (!ret && (out.count || !out.over)) {
		struct pollfd ends[] = { watch(STDIN_FILENO, wanted(&in, true)),
					 watch(fd, wanted(&in, false) | wanted(&out, true)),
					 watch(STDOUT_FILENO, wanted(&out, false)) };

		if (poll(ends, 3, -1) < 0)
			continue;
		if (ends[1].revents & ~POLLOUT && wanted(&out, true))
			fill(&out);
		if (ends[2].revents)
			ret = empty(&out, false);
		carry_in(&in, ends[0].revents, ends[1].revents & ~POLLIN);
	}
	return ret;
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
	int fd = vsock_dial_guest(options->name, options->port, &err), ret;

	if (fd < 0) {
		log_error("%s", err.text);
		return vsock_exit_status(fd);
	}
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	set_patience(fd, 0);
	ret = carry_both(fd);
	close(fd);
	/* A reader that went away wanted no more. */
	if (!ret || ret == -EPIPE)
		return EXIT_OK;
	log_error("cannot write to standard output: %s", strerror(-ret));
	return EXIT_HOST;
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
