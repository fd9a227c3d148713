/* SPDX-License-Identifier: BSD-2-Clause */
/* How many files this process may have open, and none but a few. */
#ifndef UTIL_FDS_H
#define UTIL_FDS_H

#include "util/error.h"

/*
 * Raise the soft limit to the hard one, which is there for that: 1,024 is little for passed devices
 * and no more than a habit (getrlimit(2)). Once, before anything is counted.
 */
void fds_raise_limit(void);
/* Whether @need descriptors more fit under the limit. -EMFILE with a line that has the remedy. */
int fds_check(unsigned need, struct error *err);

/*
 * Close @first to @last, inclusive, those that are open. Nothing but system calls: for a process
 * that was forked, or shares memory. Before Linux 5.9 those above 1023 stay.
 */
void fds_close(unsigned first, unsigned last);

#endif
