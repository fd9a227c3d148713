/* SPDX-License-Identifier: BSD-2-Clause */
/* What each test program does at its end, before the leak check. */
#include <stdlib.h>

#include "util/log.h"

/*
 * Lines to a file go out through a process aside, and the thread that waits for it cannot be
 * stopped by a tracer, which is how the leak check looks at threads: it would wait for ever.
 */
static void end_log(void)
{
	log_flush(10000);
}

static void __attribute__((constructor)) register_end(void)
{
	atexit(end_log);
}
