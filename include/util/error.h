/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What went wrong, in one line for the user. Functions that set a machine up
 * take a struct error: they return -errno and fill the line; nobody prints it
 * but cmd/, once. Functions that run while the guest does return -errno alone.
 */
#ifndef UTIL_ERROR_H
#define UTIL_ERROR_H

#include "util/types.h"

struct error {
	char text[1024]; /* no newline; "" when nothing was said */
};

/* What to do about a thread or a process that the kernel does not start (EAGAIN). */
#define THREADS_REMEDY "raise the limit of processes (ulimit -u, or pids.max of the cgroup)"

/*
 * Say what is wrong and what to do; returns @code (a negative errno), so that
 * "return error_set(err, -EINVAL, ...)" is one statement. @err may be NULL.
 * The first word said stands: a caller that sees an error already set leaves it.
 *
 * -EINVAL, -ENOENT and the like for what the user gave (exit status 2);
 * whether it is the user's mistake or the host's is for cmd/ to tell by the
 * stage in which it came.
 */
int error_set(struct error *err, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
