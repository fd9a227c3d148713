/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <grp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "confine/confine.h"
#include "private.h"

/*
 * The C library has all threads do it, by signals that nobody can block: those that wait for an
 * aside and those of vCPUs, which were there before. By the kernel alone it is one thread's.
 */
int user_become(const struct confine_user *user)
{
	int signal = 0;

	prctl(PR_GET_PDEATHSIG, &signal);
	if (setgroups(0, NULL) || setresgid(user->gid, user->gid, user->gid) ||
	    setresuid(user->uid, user->uid, user->uid))
		return -errno;
	/* Whoever started us may have asked for our end with its own, which the change undid. */
	prctl(PR_SET_PDEATHSIG, signal);
	/* The user may have other processes, which are not to look into this one. */
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) ? -errno : 0;
}

int user_become_alone(const struct confine_user *user)
{
	int signal = 0;

	prctl(PR_GET_PDEATHSIG, &signal);
	if (syscall(SYS_setgroups, 0, NULL) ||
	    syscall(SYS_setresgid, user->gid, user->gid, user->gid) ||
	    syscall(SYS_setresuid, user->uid, user->uid, user->uid))
		return -errno;
	/* The same: an aside may have asked for its end with ours, and looks afterwards. */
	return prctl(PR_SET_PDEATHSIG, signal) ? -errno : 0;
}
