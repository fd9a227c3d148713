/* SPDX-License-Identifier: BSD-2-Clause */
/* A user's script that makes an interface ready, or puts it away. */
#ifndef NET_SCRIPT_H
#define NET_SCRIPT_H

#include <stdbool.h>

#include "util/error.h"

#define NET_SCRIPT_SECONDS 30

/*
 * Run @script with the argument @tap and wait until it ends, a signal that ends lkvm comes, or
 * @seconds have gone by; then it and what it started are killed. Its output goes to stderr. -errno
 * with a line in @err. Main thread, lock not held; the signals are blocked.
 */
int net_script_run(const char *script, const char *tap, unsigned seconds, struct error *err);

/* Whether a signal that ends lkvm is pending: they are blocked, and nobody looks at them yet. */
bool net_asked_to_end(void);

#endif
