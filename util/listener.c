/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "util/aside.h"
#include "util/listener.h"
#include "util/keeper.h"
#include "util/log.h"
#include "util/reach.h"
#include "util/types.h"

#define BACKLOG	    128
#define LOCK_TRIES  20
#define UNDO_TRIES  4
#define LOCK_NS	    50000000
#define PATIENCE_MS 500

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
	return 0;
}

/* No other lkvm replaces a dead socket between our look at it and our bind, or our unlink. */
static int lock_folder(const char *path, unsigned tries)
{
	const struct timespec delay = { .tv_nsec = LOCK_NS };
	char folder[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	int fd, ret;

	snprintf(folder, sizeof(folder), "%s", path);
	fd = open(dirname(folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	for (unsigned i = 0; (ret = flock(fd, LOCK_EX | LOCK_NB)) && i < tries; i++)
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
	int folder = lock_folder(listening->socket->address.sun_path, LOCK_TRIES);

	if (folder < 0) {
		listening->ret = folder;
		return;
	}
	listening->ret = listen_there(listening->socket, listening->type);
	close(folder);
}

/* ---- what is undone: in the keeper, or on an aside ---- */

struct socket_file {
	int type;
	u64 dev, ino; /* once it is there; 0: nobody has said so */
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
};

static bool is_in_memory(const void *data)
{
	char folder[sizeof(((struct socket_file *)NULL)->path)];
	struct statfs fs;

	strcpy(folder, ((const struct socket_file *)data)->path);
	return !statfs(dirname(folder), &fs) &&
	       (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC);
}

/* In the process that made it, which knows which it is and has little right to look around. */
static int remove_own(const struct socket_file *file, struct error *err)
{
	struct stat st;

	if (lstat(file->path, &st) || st.st_dev != file->dev || st.st_ino != file->ino)
		return 0;
	return unlink(file->path) && errno != ENOENT ? error_set(err, -errno, "%s", strerror(errno))
						     : 0;
}

/* By the keeper, which was told of it before it was there. */
static int remove_dead(const struct socket_file *file, struct error *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int folder = lock_folder(file->path, UNDO_TRIES), ret;

	if (folder < 0)
		return folder == -ENOENT ? 0 : error_set(err, folder, "%s", strerror(-folder));
	strcpy(address.sun_path, file->path);
	ret = check_dead(&address, file->type);
	if (!ret && unlink(file->path) && errno != ENOENT)
		ret = error_set(err, -errno, "%s", strerror(errno));
	/* Somebody listens there: after our end it may be what is left of us. */
	if (ret == -EADDRINUSE)
		ret = error_set(err, -EBUSY, "somebody listens there");
	close(folder);
	return ret == -ENOTSOCK ? 0 : ret;
}

static int remove_file(const void *data, const int *fds, struct error *err)
{
	return fds ? remove_dead(data, err) : remove_own(data, err);
}

const struct keeper_kind listener_file_kind = {
	.name = "a socket's file",
	.worth = KEEPER_WANTED,
	.size = sizeof(struct socket_file),
	.undo_ms = PATIENCE_MS,
	.is_quick = is_in_memory,
	.undo = remove_file,
};

const struct keeper_kind listener_file_along_kind = {
	.name = "a socket's file",
	.worth = KEEPER_ALONG,
	.size = sizeof(struct socket_file),
	.undo_ms = PATIENCE_MS,
	.is_quick = is_in_memory,
	.undo = remove_file,
};

void listener_made(struct keeper *keeper, int note, const char *path, u64 dev, u64 ino)
{
	struct socket_file file = { .type = SOCK_STREAM, .dev = dev, .ino = ino };

	snprintf(file.path, sizeof(file.path), "%s", path);
	keeper_amend(keeper, note, &file);
}

int listener_note(struct keeper *keeper, const struct keeper_kind *kind, const char *path, int type,
		  struct error *err)
{
	struct socket_file file = { .type = type };
	const struct keeper_note note = { .kind = kind, .data = &file, .give_up_fd = -1 };

	snprintf(file.path, sizeof(file.path), "%s", path);
	return keeper_add(keeper, &note, err);
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

/* Its fd is there. */
static int make_file(struct listener *sock, const char *option, int type, struct error *err)
{
	struct listening listening = { sock, type, -EIO };
	const char *path = sock->address.sun_path;

	sock->note = listener_note(sock->keeper, &listener_file_kind, path, type, err);
	if (sock->note < 0)
		return sock->note;
	aside_call("lkvm-listen", listen_aside, &listening);
	if (!listening.ret) {
		sock->bound = true;
		listener_made(sock->keeper, sock->note, path, sock->dev, sock->ino);
		return 0;
	}
	keeper_drop(sock->keeper, sock->note);
	return error_set(err, listening.ret, "%s: %s: %s", option, path, reason(listening.ret));
}

int listener_open(struct listener *sock, struct keeper *keeper, const char *option,
		  const char *path, int type, struct error *err)
{
	int ret;

	*sock = (struct listener){ .address.sun_family = AF_UNIX, .keeper = keeper };
	snprintf(sock->address.sun_path, sizeof(sock->address.sun_path), "%s", path);
	sock->fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (sock->fd < 0)
		return error_set(err, -errno, "%s: no socket: %s", option, strerror(errno));
	ret = make_file(sock, option, type, err);
	if (!ret)
		ret = reach_add_folder_of(path, REACH_REMOVE);
	if (!ret)
		return 0;
	listener_remove(sock);
	close(sock->fd);
	sock->fd = -1;
	return ret;
}

void listener_remove(struct listener *sock)
{
	if (!sock->bound)
		return;
	sock->bound = false;
	if (keeper_undo(sock->keeper, sock->note, NULL) == -ETIMEDOUT)
		log_warning("%s is left behind: its file system does not answer",
			    sock->address.sun_path);
}
