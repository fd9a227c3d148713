/* SPDX-License-Identifier: BSD-2-Clause */
/* What a thread is to the host while it serves: its files' names, its mask, whose it is. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
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

/* Of this thread; the C library has no function for it. */
static void raise_dac_override(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &head, data))
		return;
	data[0].effective |= data[0].permitted & 1u << CAP_DAC_OVERRIDE;
	syscall(SYS_capset, &head, data);
}

static bool is_switched(const struct folder *folder, const struct folder_cred *cred)
{
	return folder->options.map == FOLDER_MAP_HOST && cred &&
	       (cred->uid != folder->uid || cred->gid != folder->gid);
}

/*
 * The kernel takes the powers over files away with the file system user ID of root. One comes back:
 * the process may have the right to the directory by a supplementary group. Without CAP_FSETID
 * the host takes set-ID bits away where a local file system would.
 */
void cred_enter(const struct folder *folder, const struct folder_cred *cred)
{
	if (!is_switched(folder, cred))
		return;
	setfsgid(cred->gid);
	setfsuid(cred->uid);
	if (cred->uid != folder->uid)
		raise_dac_override();
}

void cred_leave(const struct folder *folder, const struct folder_cred *cred)
{
	if (!is_switched(folder, cred))
		return;
	setfsuid(folder->uid);
	setfsgid(folder->gid);
}

/* ---- trouble ---- */

/* What the user wants to hear of, as the guest is not to blame for it. The first is our own. */
static const int troubles[] = { ENOENT, ENOSPC, EDQUOT,	 EIO,	   EROFS,     ENFILE,	EMFILE,
				ENOMEM, ENODEV, EUCLEAN, ENOTCONN, ESHUTDOWN, ETIMEDOUT };

void folder_note_error(struct folder *folder, int error)
{
	if (error == -EROFS && folder->options.read_only)
		return; /* that one is ours */
	for (unsigned i = 1; i < ARRAY_SIZE(troubles); i++) {
		if (error == -troubles[i])
			folder->noted |= 1u << i;
	}
}

void trouble_root_gone(struct folder *folder)
{
	folder->noted |= 1u;
}

int folder_trouble(struct folder *folder)
{
	u32 fresh = folder->noted & ~folder->told;
	unsigned i = 0;

	if (!fresh)
		return 0;
	while (!(fresh & 1u << i))
		i++;
	folder->told |= 1u << i;
	return troubles[i];
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
