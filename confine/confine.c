/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "confine/confine.h"
#include "private.h"
#include "util/log.h"
#include "util/reach.h"
#include "util/types.h"

/* The process's; written before the seal is closed, and read by its threads after it. */
static struct {
	bool report;
	bool sealed;
	int landlock;	   /* for threads that were there before; -1: none */
	bool system_calls; /* filtered */
	bool has_rights;   /* any at all, before */
	bool keeps_rights; /* and some thread of it after */
	bool leaves_user;  /* threads that were there before become @user */
	int death_signal;  /* the main thread's */
	struct confine_user user;
} process = { .landlock = -1 };

/* ---- saying what holds ---- */

static void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void tell(const char *format, ...)
{
	char line[256];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (process.report)
		log_info("confined: %s", line);
	else
		log_debug("confined: %s", line);
}

/* Of what a host may lack; anything else is a failure. */
static bool is_lacking(int ret)
{
	return ret == -ENOSYS || ret == -EOPNOTSUPP || ret == -EINVAL || ret == -EPERM ||
	       ret == -EACCES;
}

static int told(const char *what, int ret, struct error *err)
{
	if (is_lacking(ret)) {
		tell("%s: not here: %s", what, strerror(-ret));
		return 0;
	}
	return ret ? error_set(err, ret, "cannot confine lkvm: %s: %s; %s", what, strerror(-ret),
			       ret == -EAGAIN ? THREADS_REMEDY : "--no-confine goes without")
		   : 0;
}

/* ---- threads ---- */

/* A thread that cannot be confined would do the guest's work all the same: the process ends. */
static void must(int ret, const char *what)
{
	if (!ret || is_lacking(ret))
		return;
	log_error("cannot confine %s: %s: %s", thread_kind_name(thread_kind()), what,
		  strerror(-ret));
	syscall(SYS_exit_group, 1);
}

/*
 * Of what threads and asides that start before the seal have to do, only these need nobody's
 * rights, as their files are open, whether the process as a whole will or not. Those that make
 * files become nobody else, and end with their work.
 */
static void leave_user_early(enum thread_kind kind, int death_signal)
{
	if (process.user.wanted && (thread_needs_nothing(kind) || kind == THREAD_WAITER))
		must(user_become(&process.user, death_signal), "its user");
}

static void confine_thread(enum thread_kind kind, bool sealed)
{
	if (!sealed)
		leave_user_early(kind, user_death_signal());
	if (sealed ? process.keeps_rights : capabilities_any())
		must(capabilities_keep(sealed ? reach_kept(kind) : 0), "capabilities");
	if (!sealed)
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (!sealed || process.system_calls)
		must(seccomp_enter(kind), "seccomp");
}

static void catch_up(void)
{
	if (process.landlock >= 0)
		must(landlock_enter(process.landlock), "Landlock");
	if (process.leaves_user)
		must(user_become(&process.user, 0) ? -ENOTRECOVERABLE : 0, "its user");
	else if (process.has_rights)
		must(capabilities_keep(reach_kept(THREAD_ANY)), "capabilities");
}

/* Its system calls are the process's, once that is sealed. */
static void give_up(enum thread_kind kind)
{
	/*
	 * An aside that ends with us hears of it only from a thread that is the same user. And a
	 * thread that began before the seal, and comes here after it, could become nobody any more
	 * once its rights are gone.
	 */
	if (!process.sealed || capabilities_any())
		leave_user_early(kind, 0);
	if (capabilities_any())
		capabilities_keep(0);
	/* What is started after the seal has what is left already. */
	if (!process.sealed && !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		landlock_enter_nothing();
}

void confine_begin(void (*restore)(void), const struct confine_user *user)
{
	static const struct thread_ops ops = { confine_thread, catch_up, give_up, violation_end };

	process.user = *user;
	violation_catch(restore);
	thread_set_ops(&ops);
}

/* ---- the process ---- */

static int enter_landlock(struct error *err)
{
	int ret, abi;

	ret = landlock_make(&process.landlock, &abi);
	if (!ret)
		ret = landlock_enter(process.landlock);
	else
		process.landlock = -1;
	if (!ret)
		tell("Landlock, version %d: %s", abi, landlock_extent(abi));
	reach_forget();
	return told("Landlock", ret, err);
}

/* What the calling thread becomes later without any rights. Whoever asked for it gets it, or no
 * run.
 */
static int prepare_user(const char *needed, struct error *err)
{
	const struct confine_user *user = &process.user;
	int ret;

	if (!user->wanted)
		return 0;
	if (needed) {
		tell("user: stays who it is: %s", needed);
		return 0;
	}
	process.death_signal = user_death_signal();
	ret = user_prepare(user, process.death_signal);
	if (ret && !user->is_own)
		return error_set(err, ret, "--run-as: lkvm cannot become user %u, group %u: %s",
				 user->uid, user->gid, strerror(-ret));
	if (ret)
		tell("user: stays who it is: it cannot become user %u: %s", user->uid,
		     strerror(-ret));
	process.leaves_user = !ret;
	return 0;
}

/* By now it is confined, and so is a thread that it starts to stay who it is. */
static int leave_user(const struct confine_options *options, struct error *err)
{
	const struct confine_user *user = &process.user;
	int ret = options->stay(options->arg);

	if (ret && !user->is_own)
		return error_set(err, ret, "--run-as: no thread that stays root's: %s",
				 strerror(-ret));
	if (ret) {
		process.leaves_user = false;
		user_prepare_undo();
		tell("user: stays who it is: no thread that does: %s", strerror(-ret));
		return 0;
	}
	ret = user_become(user, process.death_signal);
	if (ret)
		return error_set(err, ret, "cannot become user %u: %s", user->uid, strerror(-ret));
	tell("user %u, group %u, no other groups", user->uid, user->gid);
	return 0;
}

static int drop_rights(struct error *err)
{
	u64 keep = reach_kept(THREAD_ANY);

	process.has_rights = capabilities_any();
	if (!process.has_rights) {
		tell("capabilities: there were none");
		return 0;
	}
	process.keeps_rights = keep;
	tell("capabilities: %s",
	     keep ? "those that shared folders and passed devices need, in their threads" : "none");
	return told("capabilities", capabilities_keep(keep), err);
}

static int enter_seccomp(bool has_folders, struct error *err)
{
	int ret = seccomp_enter_all((has_folders ? CONFINE_WITH_FOLDERS : 0) |
				    (reach_host_kernel() ? CONFINE_WITH_HOST : 0) |
				    (reach_names() ? CONFINE_WITH_NAMES : 0));

	process.system_calls = !ret;
	if (!ret)
		tell("system calls: those of each kind of thread; no executable memory");
	return told("system calls", ret, err);
}

int confine_seal(const struct confine_options *options, struct error *err)
{
	int ret;

	process.report = options->report;
	ret = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? -errno : 0;
	if (!ret)
		tell("no new privileges");
	ret = told("no_new_privs", ret, err);
	if (!ret)
		ret = enter_landlock(err);
	if (!ret)
		ret = prepare_user(options->user_needed, err);
	if (!ret)
		ret = drop_rights(err);
	if (!ret)
		ret = enter_seccomp(options->has_folders, err);
	if (!ret && process.leaves_user)
		ret = leave_user(options, err);
	if (ret)
		return ret;
	process.sealed = true;
	thread_seal();
	thread_confine(THREAD_LOOP);
	return 0;
}
