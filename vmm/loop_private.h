/* SPDX-License-Identifier: BSD-2-Clause */
/* What loop.c keeps for loop_timer.c. */
#ifndef VMM_LOOP_PRIVATE_H
#define VMM_LOOP_PRIVATE_H

#include "vmm/loop.h"

struct loop_timers {
	struct list_node list;	   /* loop_timer.node, in no order: there are few */
	struct loop_source source; /* an owned timerfd, in the loop while there are timers */
	u64 at;			   /* when it expires; 0: never */
};

struct loop_timers *loop_timers(struct loop *loop);

#endif
