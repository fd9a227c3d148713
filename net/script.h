/* SPDX-License-Identifier: BSD-2-Clause */
/* A user's script that makes an interface ready, or puts it away. */
#ifndef NET_SCRIPT_H
#define NET_SCRIPT_H

#include "util/error.h"

/*
 * Run @script with the argument @tap and wait until it ends, @stop_fd is readable (-1: never), or
 * @seconds have gone by; in the last two cases it and what it started are killed. Its output goes
 * to stderr. -errno with a line in @err; -EINTR after @stop_fd. A process of one thread.
 */
int net_script_run(const char *script, const char *tap, unsigned seconds, int stop_fd,
		   struct error *err);

#endif
