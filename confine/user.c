/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whose a thread is. To the kernel each thread has a user of its own; the C library's functions
 * would have all threads of the process change theirs, and wake each of them three times for it.
 */
#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "confine/confine.h"
#include "private.h"

/*
 * Behind what sssd, FreeIPA (to 2000200000) and subuid(5) (to 600100000) give away by default, and
 * before systemd's from 0x7ffe0000 on; see its UIDS-GIDS.md. With any process's number in front of
 * it (at most 1 << 22) it stays there.
 */
#define OWN_FIRST 0x78000000u

#define SAME ((unsigned)-1)

/* More than any run has. */
#define MOST_THREADS 4096

struct confine_user confine_own_user(void)
{
	unsigned id = OWN_FIRST + getpid();

	return (struct confine_user){
		.uid = id,
		.gid = id,
		/* Root by its file's mode is not root who started it: its user could not end it. */
		.wanted = !getuid() && !geteuid(),
		.is_own = true,
	};
}

int user_death_signal(void)
{
	int signal = 0;

	prctl(PR_GET_PDEATHSIG, &signal);
	return signal;
}

/* A change has the kernel forget that, and @parent may have ended meanwhile. */
static void ask_again(int death_signal, pid_t parent)
{
	if (!death_signal)
		return;
	prctl(PR_SET_PDEATHSIG, death_signal);
	/* Not raise(): the thread may be a process aside. */
	if (getppid() != parent)
		syscall(SYS_tgkill, syscall(SYS_getpid), syscall(SYS_gettid), death_signal);
}

/*
 * The kernel counts how many threads each user has, and does not hold root to the limit. False: as
 * another user this process could not start all of its threads.
 */
static bool lift_thread_limit(void)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };

	if (!setrlimit(RLIMIT_NPROC, &limit) || getrlimit(RLIMIT_NPROC, &limit))
		return true;
	/* Without CAP_SYS_RESOURCE. */
	limit.rlim_cur = limit.rlim_max;
	return !setrlimit(RLIMIT_NPROC, &limit) && limit.rlim_cur >= MOST_THREADS;
}

/* The user first: it is not to be had where the group is not. */
static int prepare(const struct confine_user *user)
{
	gid_t real, effective, saved;
	int ret;

	/* Whoever started us could not end us: root without that right. */
	if (user->is_own && !capabilities_have(1u << CAP_KILL))
		return -EPERM;
	if (!lift_thread_limit() && user->is_own)
		return -EAGAIN;
	if (getresgid(&real, &effective, &saved) || syscall(SYS_setresuid, SAME, SAME, user->uid))
		return -errno;
	if (!syscall(SYS_setresgid, user->gid, user->gid, user->gid) &&
	    !syscall(SYS_setgroups, 0, NULL))
		return 0;
	ret = -errno;
	syscall(SYS_setresgid, real, effective, saved);
	user_prepare_undo();
	return ret;
}

int user_prepare(const struct confine_user *user, int death_signal)
{
	pid_t parent = getppid();
	int ret = prepare(user);

	ask_again(death_signal, parent);
	return ret;
}

void user_prepare_undo(void)
{
	syscall(SYS_setresuid, SAME, SAME, 0);
}

/* The groups while there are rights; without, they are the user's already. */
static int become(const struct confine_user *user)
{
	if (capabilities_any() && (syscall(SYS_setgroups, 0, NULL) ||
				   syscall(SYS_setresgid, user->gid, user->gid, user->gid)))
		return -errno;
	return syscall(SYS_setresuid, user->uid, user->uid, user->uid) ? -errno : 0;
}

int user_become(const struct confine_user *user, int death_signal)
{
	pid_t parent = getppid();
	int ret = become(user);

	ask_again(death_signal, parent);
	/*
	 * A user that somebody named may have other processes, which are not to look into this one.
	 * Else it is as the host has it for programs that change their user: root alone looks, and
	 * /proc/sys/fs/suid_dumpable says whether root gets a core.
	 */
	if (!ret && !user->is_own)
		prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	return ret;
}
