/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef NET_TAP_H
#define NET_TAP_H

#include <net/if.h>

#include "net/options.h"

struct keeper;

struct net_tap {
	struct net_backend backend;
	char interface[IFNAMSIZ];
	bool detached[NET_MAX_PAIRS];
	bool made;	       /* by us: it is gone with its last descriptor */
	struct keeper *keeper; /* borrowed */
	int down_note;	       /* of downscript=; -1: there is none */
};

/*
 * Find the interface or make it: its descriptors, its name, whether it has headers. On failure the
 * descriptors that are open stay in backend.fds[].
 */
int tap_set_up(struct net_tap *tap, const struct net_options *options, struct error *err);

#endif
