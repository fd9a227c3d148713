/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mode=user: a program of its own, confined, that makes the network of this user's sockets. Frames
 * go through a packet socket. libslirp and GLib are its, not ours; a hole in them leads nowhere.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io.h"
#include "user.h"
#include "util/log.h"

#ifndef LKVM_LIBEXEC
#define LKVM_LIBEXEC "/usr/local/libexec"
#endif

#define READY_MS 10000
#define BUFFER	 (1 << 20) /* of the socket, each way */

struct net_user {
	struct net_backend backend;
	bool ready;  /* the program said so */
	bool waits;  /* it is to be started on demand */
	int its_end; /* of the socket, until it is started; -1 */
	struct net_child *child;
	struct net_user_args args;
	char path[PATH_MAX];
};

static struct net_user *user_of(struct net_backend *backend)
{
	return container_of(backend, struct net_user, backend);
}

/* ---- frames ---- */

static int user_send(struct net_backend *backend, unsigned pair, const struct iovec *iov,
		     unsigned count)
{
	return net_io_send(backend->fds[0], iov, count);
}

/* The program's first packet. 0: it is ready. -EAGAIN: nothing yet. */
static int hear(struct net_user *user, char *text, size_t size)
{
	struct iovec iov = { text, size - 1 };
	ssize_t len = net_io_receive(user->backend.fds[0], &iov, 1);

	if (len < 0)
		return len;
	text[len] = '\0';
	if (strncmp(text, "ok", 2))
		return -EPIPE;
	user->ready = true;
	return 0;
}

static ssize_t user_receive(struct net_backend *backend, unsigned pair, const struct iovec *iov,
			    unsigned count)
{
	struct net_user *user = user_of(backend);
	char text[400] = "";

	if (!user->ready) {
		int ret = hear(user, text, sizeof(text));

		if (ret == -EPIPE && text[0])
			log_warning("%s: %s", backend->name, text);
		if (ret)
			return ret;
		log_debug("%s: %s", backend->name, text);
	}
	return net_io_receive(backend->fds[0], iov, count);
}

/* ---- life ---- */

/* Once. -errno: there is no thread. */
static int go(struct net_user *user)
{
	int ret = user->waits ? net_child_go(user->child) : 0;

	user->waits = false;
	return ret;
}

/* Its process is there before the machine is sealed, whenever it becomes the program. */
static int begin(struct net_user *user, bool on_demand)
{
	int ret = net_child_prepare(&user->child, user->path, &user->args, user->its_end);

	if (ret && on_demand) {
		/* Nobody asked for it: the run goes on without, and the guest's link is down. */
		log_warning("%s: no process: %s", user->backend.name, strerror(-ret));
		close(user->its_end);
		user->its_end = -1;
		return 0;
	}
	if (ret)
		return ret;
	user->its_end = -1;
	user->waits = true;
	return on_demand ? 0 : go(user);
}

static void user_start(struct net_backend *backend)
{
	int ret = go(user_of(backend));

	if (!ret)
		return;
	log_warning("%s: no thread: %s", backend->name, strerror(-ret));
	/* The guest's link is down by that. */
	shutdown(backend->fds[0], SHUT_RDWR);
}

static void user_close(struct net_backend *backend)
{
	struct net_user *user = user_of(backend);

	/* The program ends by that. */
	if (user->backend.fds[0] >= 0)
		shutdown(user->backend.fds[0], SHUT_RDWR);
	net_child_end(user->child);
	if (user->its_end >= 0)
		close(user->its_end);
	if (backend->fds[0] >= 0)
		close(backend->fds[0]);
	free(user);
}

static const struct net_ops user_ops = {
	.send = user_send,
	.receive = user_receive,
	.start = user_start,
	.close = user_close,
};

/* Beside lkvm, or where it was installed. */
static int find_program(char *path, size_t size)
{
	ssize_t len = readlink("/proc/self/exe", path, size - 1);
	char *slash;

	if (len > 0) {
		path[len] = '\0';
		slash = strrchr(path, '/');
		if (slash &&
		    (size_t)snprintf(slash + 1, size - (slash + 1 - path), "%s", NET_USER_PROGRAM) <
			    size - (slash + 1 - path) &&
		    !access(path, X_OK))
			return 0;
	}
	snprintf(path, size, "%s/%s", LKVM_LIBEXEC, NET_USER_PROGRAM);
	return access(path, X_OK) ? -ENOENT : 0;
}

int net_user_available(void)
{
	char path[PATH_MAX];

	return find_program(path, sizeof(path));
}

static void add_arg(struct net_user_args *args, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void add_arg(struct net_user_args *args, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(args->text[args->count++], sizeof(args->text[0]), format, list);
	va_end(list);
}

static void write_args(struct net_user_args *args, const struct net_options *options)
{
	char host[INET_ADDRSTRLEN], guest[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &options->host_ip, host, sizeof(host));
	inet_ntop(AF_INET, &options->guest_ip, guest, sizeof(guest));
	args->count = 0;
	add_arg(args, "%s", NET_USER_PROGRAM);
	add_arg(args, "host=%s", host);
	add_arg(args, "guest=%s", guest);
	if (options->mtu)
		add_arg(args, "mtu=%u", options->mtu);
	for (unsigned i = 0; i < options->forward_count; i++) {
		const struct net_forward *forward = &options->forwards[i];

		inet_ntop(AF_INET, &forward->host, host, sizeof(host));
		inet_ntop(AF_INET, &forward->guest, guest, sizeof(guest));
		add_arg(args, "fwd=%s:%s:%u:%s:%u", forward->udp ? "udp" : "tcp", host,
			forward->host_port, guest, forward->guest_port);
	}
}

/* What can fail on the host's side has failed, or not. */
static int wait_until_ready(struct net_user *user, int give_up_fd, struct error *err)
{
	struct pollfd wait[] = { { .fd = user->backend.fds[0], .events = POLLIN },
				 { .fd = give_up_fd, .events = POLLIN } };
	char text[400] = "";
	int ret;

	do {
		ret = poll(wait, ARRAY_SIZE(wait), READY_MS);
		if (ret > 0 && wait[1].revents)
			return error_set(err, -EINTR, "interrupted before the network was ready");
		if (!ret)
			return error_set(err, -ETIMEDOUT,
					 "--network mode=user: %s does not come up", user->path);
		ret = hear(user, text, sizeof(text));
	} while (ret == -EAGAIN);
	if (!ret)
		return 0;
	return error_set(err, -EINVAL, "--network mode=user: %s",
			 text[0] ? text : NET_USER_PROGRAM " ended at once");
}

/* A packet holds a frame whole, and the socket many of them. */
static int make_sockets(struct net_user *user)
{
	const int size = BUFFER;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return -errno;
	for (unsigned i = 0; i < 2; i++)
		setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	user->backend.fds[0] = ends[0];
	user->its_end = ends[1];
	return fcntl(ends[0], F_SETFL, O_NONBLOCK) ? -errno : 0;
}

/* The guest, its gateway and the name server are neighbours. */
static int check_addresses(const struct net_options *options, struct error *err)
{
	const u32 net = htonl(0xffffff00);
	u32 host = options->host_ip.s_addr, guest = options->guest_ip.s_addr;

	if ((host & net) == (guest & net) && host != guest && host & ~net && guest & ~net)
		return 0;
	return error_set(err, -EINVAL,
			 "--network mode=user: host_ip and guest_ip are two addresses of one /24");
}

int net_user_open(struct net_backend **backend, const struct net_options *options,
		  struct error *err)
{
	struct net_user *user;
	int ret = check_addresses(options, err);

	if (ret)
		return ret;
	user = calloc(1, sizeof(*user));
	if (!user)
		return error_set(err, -ENOMEM, "--network mode=user: %s", strerror(ENOMEM));
	user->its_end = -1;
	user->backend = (struct net_backend){
		.ops = &user_ops,
		.name = "user",
		.pairs = 1,
		.fds[0] = -1,
		.vhost_fd = -1,
		.mtu = options->mtu,
	};
	write_args(&user->args, options);
	if (find_program(user->path, sizeof(user->path)))
		ret = error_set(err, -ENOENT,
				"--network mode=user: no %s beside lkvm or in %s: build lkvm where "
				"libslirp-dev and libseccomp-dev are, or use mode=tap",
				NET_USER_PROGRAM, LKVM_LIBEXEC);
	if (!ret)
		ret = make_sockets(user);
	if (!ret)
		ret = begin(user, options->on_demand);
	if (!ret && options->forward_count)
		ret = wait_until_ready(user, options->give_up_fd, err);
	if (ret) {
		error_set(err, ret, "--network mode=user: %s%s", strerror(-ret),
			  ret == -EAGAIN ? "; " THREADS_REMEDY : "");
		user_close(&user->backend);
		return ret;
	}
	*backend = &user->backend;
	return 0;
}
