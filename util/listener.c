/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "util/aside.h"
#include "util/listener.h"
#include "util/log.h"
#include "util/types.h"

#define BACKLOG	    128
#define LOCK_TRIES  20
#define LOCK_NS	    50000000
#define PATIENCE_MS 1000

/* ---- on an aside ---- */

/* 0, or why what is there is not ours to remove: somebody listens, or it is no socket at all. */
static int check_dead(const struct sockaddr_un *address, int type)
{
	struct stat st;
	int fd, ret = -EADDRINUSE;

	if (lstat(address->sun_path, &st))
		return errno == ENOENT ? 0 : ret;
	if (!S_ISSOCK(st.st_mode))
		return -ENOTSOCK;
	fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return ret;
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) &&
	    errno == ECONNREFUSED)
		ret = 0;
	close(fd);
	return ret;
}

static int bind_there(struct listener *sock, int type)
{
	const struct sockaddr *at = (const struct sockaddr *)&sock->address;
	int ret;

	if (!bind(sock->fd, at, sizeof(sock->address)))
		return 0;
	if (errno != EADDRINUSE)
		return -errno;
	ret = check_dead(&sock->address, type);
	if (ret)
		return ret;
	if (unlink(sock->address.sun_path) && errno != ENOENT)
		return -errno;
	return bind(sock->fd, at, sizeof(sock->address)) ? -errno : 0;
}

static int listen_there(struct listener *sock, int type)
{
	struct stat st;
	int ret = bind_there(sock, type);

	if (ret)
		return ret;
	if (listen(sock->fd, BACKLOG) || lstat(sock->address.sun_path, &st)) {
		ret = -errno;
		unlink(sock->address.sun_path);
		return ret;
	}
	sock->dev = st.st_dev;
	sock->ino = st.st_ino;
	sock->bound = true;
	return 0;
}

/* No other lkvm replaces a dead socket between our look at it and our bind. */
static int lock_folder(const char *path)
{
	const struct timespec delay = { .tv_nsec = LOCK_NS };
	char folder[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	int fd, ret;

	snprintf(folder, sizeof(folder), "%s", path);
	fd = open(dirname(folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	for (unsigned i = 0; (ret = flock(fd, LOCK_EX | LOCK_NB)) && i < LOCK_TRIES; i++)
		nanosleep(&delay, NULL);
	if (!ret)
		return fd;
	close(fd);
	return -EBUSY;
}

struct listening {
	struct listener *socket;
	int type;
	int ret;
};

static void listen_aside(void *arg)
{
	struct listening *listening = arg;
	int folder = lock_folder(listening->socket->address.sun_path);

	if (folder < 0) {
		listening->ret = folder;
		return;
	}
	listening->ret = listen_there(listening->socket, listening->type);
	close(folder);
}

static void remove_aside(void *arg)
{
	const struct listener *sock = arg;
	struct stat st;

	if (!lstat(sock->address.sun_path, &st) && st.st_dev == sock->dev && st.st_ino == sock->ino)
		unlink(sock->address.sun_path);
}

/* ---- for the caller ---- */

static const char *reason(int error)
{
	switch (error) {
	case -EADDRINUSE:
		return "is in use: choose another path";
	case -ENOTSOCK:
		return "is there, and no socket: remove it, or choose another path";
	case -EBUSY:
		return "somebody else has its folder locked";
	default:
		return strerror(-error);
	}
}

int listener_open(struct listener *sock, const char *option, const char *path, int type,
		  struct error *err)
{
	struct listening listening = { sock, type, -EIO };

	*sock = (struct listener){ .address.sun_family = AF_UNIX };
	snprintf(sock->address.sun_path, sizeof(sock->address.sun_path), "%s", path);
	sock->fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (sock->fd < 0)
		return error_set(err, -errno, "%s: no socket: %s", option, strerror(errno));
	aside_call("lkvm-listen", listen_aside, &listening);
	if (!listening.ret)
		return 0;
	close(sock->fd);
	sock->fd = -1;
	return error_set(err, listening.ret, "%s: %s: %s", option, path, reason(listening.ret));
}

void listener_remove(struct listener *sock)
{
	const struct aside_config config = { .name = "lkvm-listen",
					     .main = remove_aside,
					     .arg = sock };
	struct aside *aside;

	if (!sock->bound)
		return;
	sock->bound = false;
	if (aside_start(&aside, &config)) {
		remove_aside(sock);
	} else if (aside_wait(aside, PATIENCE_MS)) {
		aside_destroy(aside);
	} else {
		log_warning("%s is left behind: its file system does not answer",
			    sock->address.sun_path);
	}
}
