/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A tap's two scripts. The keeper runs both (util/keeper.h), so that they are dealt with however
 * lkvm ends: a script that runs is killed, and what script= has set up is undone by downscript=.
 */
#ifndef NET_SCRIPTS_H
#define NET_SCRIPTS_H

#include "util/error.h"
#include "util/keeper.h"

#define NET_SCRIPT_SECONDS 30
#define NET_DOWN_SECONDS   10

struct net_scripts {
	const char *script, *down_script; /* NULL: none */
	const char *interface;		  /* their argument */
	int hold_fd;	/* what keeps the interface there for down_script; -1: nothing need */
	int give_up_fd; /* readable: script is waited for no longer; -1: never */
	unsigned script_seconds, down_seconds; /* how long they may take; at most the two above */
};

/*
 * Have script run to its end. *@note is the keeper's for down_script, for net_scripts_end(); -1:
 * there is none. -errno with a line in @err: down_script will not run, as what failed need not be
 * undone. Main thread; lock not held.
 */
int net_scripts_begin(struct keeper *keeper, int *note, const struct net_scripts *scripts,
		      struct error *err);
/* Have down_script run and wait for its end. That it fails is logged. Main thread. */
void net_scripts_end(struct keeper *keeper, int note);

#endif
