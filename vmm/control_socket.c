/* SPDX-License-Identifier: BSD-2-Clause */
/* The sockets' names, and who may have one. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <linux/magic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/aside.h"
#include "util/listener.h"
#include "vmm/control.h"

/* A client waits as long for somebody to listen at a socket that is being made. */
#define MAKING_MS 200

int control_check_name(const char *name, struct error *err)
{
	size_t len = strlen(name);
	bool good = len && len <= CONTROL_NAME && name[0] != '.' && name[0] != '-';

	for (; *name; name++)
		good = good && *name > ' ' && *name <= '~' && *name != '/';
	/* The name itself is not repeated: it may be made to do things to a terminal. */
	return good ? 0
		    : error_set(err, -EINVAL,
				"that is no name of a VM: 1 to %d characters of ASCII, without "
				"spaces and '/', and neither '.' nor '-' in front",
				CONTROL_NAME);
}

static bool is_anothers(const char *path)
{
	struct stat st;

	return !stat(path, &st) && st.st_uid != geteuid();
}

static int put_path(char path[PATH_MAX], const char *format, const char *folder)
{
	int len = snprintf(path, PATH_MAX, format, folder);

	return len < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* A folder that a variable names, if it may be trusted. */
static const char *folder_variable(const char *name)
{
	const char *folder = getenv(name);

	return folder && folder[0] == '/' && !(!geteuid() && is_anothers(folder)) ? folder : NULL;
}

static int runtime_folder(char path[PATH_MAX])
{
	const char *runtime = folder_variable("XDG_RUNTIME_DIR");

	if (runtime)
		return put_path(path, "%s/lkvm", runtime);
	return geteuid() ? -ENOENT : put_path(path, "%s", "/run/lkvm");
}

/* kvmtool's. */
static int home_folder(char path[PATH_MAX])
{
	const char *home = folder_variable("HOME");

	return home ? put_path(path, "%s/.lkvm", home) : -ENOENT;
}

/* Ours, and nobody else writes there. */
static bool is_own_folder(const char *path)
{
	struct stat st;

	return !lstat(path, &st) && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
	       !(st.st_mode & 022);
}

int control_folder(unsigned n, char path[PATH_MAX])
{
	char other[PATH_MAX];
	bool at_home = !home_folder(other) && is_own_folder(other);

	switch (n) {
	case 0:
		if (at_home || runtime_folder(path) == -ENOENT)
			return home_folder(path);
		return runtime_folder(path);
	case 1:
		return at_home ? runtime_folder(path) : -ENOENT;
	default:
		return -ENOENT;
	}
}

bool control_may_freeze(void)
{
	char path[PATH_MAX];
	struct statfs fs;

	if (control_folder(0, path))
		return false;
	/* The folder itself may not be there yet. */
	*strrchr(path, '/') = '\0';
	return statfs(path, &fs) || (fs.f_type != TMPFS_MAGIC && fs.f_type != RAMFS_MAGIC);
}

/* Of @name in the folder @n. */
static int socket_address(unsigned n, const char *name, struct sockaddr_un *address)
{
	char folder[PATH_MAX];
	int ret = control_folder(n, folder), len;

	if (ret)
		return ret;
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	/* As a string of ours it needs a byte more than as the kernel's. */
	len = strlen(folder) + 1 + strlen(name) + strlen(".sock");
	if (len >= (int)sizeof(address->sun_path))
		return -ENAMETOOLONG;
	stpcpy(stpcpy(stpcpy(stpcpy(address->sun_path, folder), "/"), name), ".sock");
	return 0;
}

static int socket_open(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? -errno : fd;
}

/* Whoever may write to the folder may listen there. What another user says is not for us. */
static int check_listener(int fd, pid_t *pid)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size))
		return -errno;
	if (peer.uid && peer.uid != geteuid())
		return -EPERM;
	if (pid)
		*pid = peer.pid;
	return 0;
}

int control_connect_at(unsigned folder, const char *name, pid_t *pid)
{
	struct sockaddr_un address;
	int ret = socket_address(folder, name, &address), fd;

	if (ret)
		return ret;
	fd = socket_open();
	if (fd < 0)
		return fd;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) || fcntl(fd, F_SETFL, 0))
		ret = -errno;
	if (!ret)
		ret = check_listener(fd, pid);
	if (!ret)
		return fd;
	close(fd);
	return ret;
}

static int connect_anywhere(const char *name, pid_t *pid)
{
	int fd = control_connect_at(0, name, pid), other;

	if (fd != -ENOENT && fd != -ECONNREFUSED)
		return fd;
	other = control_connect_at(1, name, pid);
	return other == -ENOENT ? fd : other;
}

/* A socket's file is there before anybody listens; until then the folder is locked. */
static bool is_being_made(void)
{
	char path[PATH_MAX];
	bool locked;
	int folder;

	if (control_folder(0, path))
		return false;
	folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (folder < 0)
		return false;
	locked = flock(folder, LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK;
	close(folder);
	return locked;
}

int control_connect(const char *name, pid_t *pid)
{
	int fd = connect_anywhere(name, pid);

	for (unsigned i = 0; fd == -ECONNREFUSED && is_being_made() && i < MAKING_MS; i++) {
		usleep(1000);
		fd = connect_anywhere(name, pid);
	}
	/* It may have been made between our two looks. */
	return fd == -ECONNREFUSED ? connect_anywhere(name, pid) : fd;
}

/*
 * What others may not do there. They may look into $HOME/.lkvm, which kvmtool makes so: the socket
 * itself refuses them.
 */
static mode_t forbidden_modes(const char *path)
{
	char home[PATH_MAX];

	return !home_folder(home) && !strcmp(home, path) ? 022 : 077;
}

/* The folder: an fd, or -errno if it is not there or not safely ours. */
static int folder_open(const char *path, struct error *err)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st)) {
		int ret = -errno;

		if (fd >= 0)
			close(fd);
		return error_set(err, ret, "%s: %s", path, strerror(-ret));
	}
	if (st.st_uid != geteuid() || st.st_mode & forbidden_modes(path)) {
		close(fd);
		return error_set(err, -EPERM, "%s: others may enter it, or it is another user's",
				 path);
	}
	return fd;
}

struct making {
	const char *path;
	struct error *err;
	int ret;
};

static void make_folder(void *arg)
{
	struct making *making = arg;
	int folder;

	if (mkdir(making->path, 0700) && errno != EEXIST) {
		making->ret = error_set(making->err, -errno, "%s: %s", making->path,
					strerror(errno));
		return;
	}
	folder = folder_open(making->path, making->err);
	making->ret = MIN(folder, 0);
	if (folder >= 0)
		close(folder);
}

int control_make_folder(char path[PATH_MAX], struct error *err)
{
	struct making making = { path, err, control_folder(0, path) };

	if (making.ret)
		return error_set(err, making.ret, "XDG_RUNTIME_DIR is not set, or is too long");
	aside_call("lkvm-folder", make_folder, &making);
	return making.ret;
}

/* Whether somebody listens there. Nobody: the file is a dead one's. */
static bool socket_lives(unsigned folder, const char *name)
{
	int fd = control_connect_at(folder, name, NULL);

	if (fd >= 0)
		close(fd);
	return fd != -ECONNREFUSED && fd != -ENOENT;
}

/* Nothing else than a socket is taken away: it would be somebody's data. */
static int socket_unlink(const char *path)
{
	struct stat st;

	if (lstat(path, &st))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	return unlink(path) && errno != ENOENT ? -errno : 0;
}

/* The folder is locked: no other lkvm replaces the socket between our look and our bind. */
static int socket_bind(int fd, const struct sockaddr_un *address, const char *name)
{
	const struct sockaddr *at = (const struct sockaddr *)address;

	if (bind(fd, at, sizeof(*address))) {
		int ret = errno == EADDRINUSE ? 0 : -errno;

		if (!ret && socket_lives(0, name))
			ret = -EADDRINUSE;
		if (!ret)
			ret = socket_unlink(address->sun_path);
		if (ret)
			return ret;
		if (bind(fd, at, sizeof(*address)))
			return -errno;
	}
	return 0;
}

static int socket_listen(struct control_socket *socket, const struct sockaddr_un *address,
			 const char *name)
{
	struct stat st;
	int ret = socket_bind(socket->fd, address, name);

	if (ret)
		return ret;
	if (listen(socket->fd, CONTROL_BACKLOG) || lstat(address->sun_path, &st)) {
		ret = -errno;
		unlink(address->sun_path);
		return ret;
	}
	socket->dev = st.st_dev;
	socket->ino = st.st_ino;
	strcpy(socket->path, address->sun_path);
	return 0;
}

/* Whether the folder can be made where it is not yet. */
static int folder_check_parent(const char *path, struct error *err)
{
	char parent[PATH_MAX];

	snprintf(parent, sizeof(parent), "%s", path);
	if (!access(dirname(parent), W_OK | X_OK))
		return 0;
	return error_set(err, -errno, "%s: %s", path, strerror(errno));
}

/* Folder and address of the socket @name; -errno with a line. */
static int find_place(const char *name, struct sockaddr_un *address, char folder[PATH_MAX],
		      struct error *err)
{
	int ret = socket_address(0, name, address);

	if (ret == -ENOENT)
		return error_set(err, ret, "neither XDG_RUNTIME_DIR nor HOME is set");
	if (ret || control_folder(0, folder))
		return error_set(err, ret,
				 "the path of the socket is too long: a shorter name, or a "
				 "shorter XDG_RUNTIME_DIR or HOME");
	return 0;
}

int control_check_place(const char *name, struct error *err)
{
	struct sockaddr_un address;
	char path[PATH_MAX];
	struct stat st;
	int ret = find_place(name, &address, path, err), folder;

	if (ret)
		return ret;
	if (lstat(path, &st) && errno == ENOENT)
		return folder_check_parent(path, err);
	folder = folder_open(path, err);
	if (folder < 0)
		return folder;
	close(folder);
	return 0;
}

int control_open(struct control_socket *socket)
{
	int fd = socket_open();

	socket->fd = MAX(fd, -1);
	return MIN(fd, 0);
}

int control_listen(struct control_socket *socket, const char *name, bool yields, struct error *err)
{
	struct sockaddr_un address;
	char path[PATH_MAX];
	int ret = find_place(name, &address, path, err), folder;

	if (ret)
		return ret;
	if (mkdir(path, 0700) && errno != EEXIST)
		return error_set(err, -errno, "%s: %s", path, strerror(errno));
	folder = folder_open(path, err);
	if (folder < 0)
		return folder;
	ret = flock(folder, LOCK_EX | LOCK_NB) && yields ? -errno : 0;
	if (!ret)
		ret = socket_listen(socket, &address, name);
	close(folder);
	return ret ? error_set(err, ret, "%s: %s", address.sun_path, strerror(-ret)) : 0;
}

void control_forget(unsigned n, const char *name)
{
	struct sockaddr_un address;
	char path[PATH_MAX];
	int folder;

	if (socket_address(n, name, &address) || control_folder(n, path))
		return;
	folder = folder_open(path, NULL);
	if (folder < 0)
		return;
	if (!flock(folder, LOCK_EX | LOCK_NB) && !socket_lives(n, name))
		socket_unlink(address.sun_path);
	close(folder);
}

int control_note(struct keeper *keeper, const char *name)
{
	struct sockaddr_un address;
	int ret = socket_address(0, name, &address);

	return ret ? ret
		   : listener_note(keeper, &listener_file_along_kind, address.sun_path, SOCK_STREAM,
				   NULL);
}
