/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef NET_TAP_H
#define NET_TAP_H

#include <net/if.h>

#include "net/options.h"

/* How long the end of a run waits for downscript=. */
#define NET_DOWN_SECONDS 10

struct net_tap {
	struct net_backend backend;
	char interface[IFNAMSIZ];
	bool detached[NET_MAX_PAIRS];
	const char *down_script; /* the user's; NULL: none */
};

/*
 * Find the interface or make it: its descriptors, its name, whether it has headers. On failure the
 * descriptors that are open stay in backend.fds[].
 */
int tap_set_up(struct net_tap *tap, const struct net_options *options, struct error *err);

#endif
