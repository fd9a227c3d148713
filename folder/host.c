/* SPDX-License-Identifier: BSD-2-Clause */
/* What a thread is to the host while it serves: its files' names, its mask, whose it is. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "private.h"

/* In a process aside /proc/self is another one than where the folder was opened. */
static int open_proc(struct folder *folder)
{
	int fd = 0;

	pthread_mutex_lock(&folder->lock);
	if (folder->process != getpid()) {
		fd = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0) {
			folder->proc_fd = fd;
			folder->process = getpid();
		}
	}
	fd = fd < 0 ? -errno : folder->proc_fd;
	pthread_mutex_unlock(&folder->lock);
	return fd;
}

int folder_thread_start(struct folder *folder)
{
	int proc_fd = open_proc(folder);

	if (proc_fd < 0)
		return proc_fd;
	/* Modes are the guest's business, umask included. */
	if (unshare(CLONE_FS) || fchdir(proc_fd))
		return -errno;
	umask(0);
	/* Not setgroups(), which changes the groups of all threads. */
	if (folder->options.map == FOLDER_MAP_HOST && syscall(SYS_setgroups, 0, NULL))
		return -errno;
	return 0;
}

/* The kernel takes the powers over files away with the file system user ID of root. */
void cred_enter(const struct folder *folder, const struct folder_cred *cred)
{
	if (folder->options.map != FOLDER_MAP_HOST || !cred)
		return;
	setfsgid(cred->gid);
	setfsuid(cred->uid);
}

void cred_leave(const struct folder *folder, const struct folder_cred *cred)
{
	if (folder->options.map != FOLDER_MAP_HOST || !cred)
		return;
	setfsuid(geteuid());
	setfsgid(getegid());
}

int name_check(const char *name)
{
	if (!*name || strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, ".."))
		return -EINVAL;
	return 0;
}

const char *fd_name(struct fd_name *name, int fd)
{
	snprintf(name->text, sizeof(name->text), "%d", fd);
	return name->text;
}
