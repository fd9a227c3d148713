/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A small process that runs a tap's scripts for us, so that they are dealt with however this one
 * ends: a script that runs is killed, and what script= has set up is undone by downscript=. There
 * is one only where there is a script.
 */
#ifndef NET_KEEPER_H
#define NET_KEEPER_H

#include "util/error.h"

#define NET_SCRIPT_SECONDS 30
#define NET_DOWN_SECONDS   10

struct net_keeper;

struct net_keeper_config {
	const char *script, *down_script; /* NULL: none */
	const char *interface;		  /* their argument */
	int hold_fd;	/* what keeps the interface there for down_script; -1: nothing need */
	int give_up_fd; /* readable: script is waited for no longer; -1: never */
	unsigned script_seconds, down_seconds; /* how long they may take */
};

/*
 * Have script run to its end. *@keeper is set if there is a down_script for later, and is the
 * caller's. -errno with a line in @err: nothing is left, and down_script will not run, as what
 * failed need not be undone. Main thread; lock not held.
 */
int net_keeper_start(struct net_keeper **keeper, const struct net_keeper_config *config,
		     struct error *err);
/* Have down_script run and wait for its end. That it fails is logged. NULL is fine. Main thread. */
void net_keeper_end(struct net_keeper *keeper);

#endif
