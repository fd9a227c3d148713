/* SPDX-License-Identifier: BSD-2-Clause */
/* Arm's generic watchdog (Arm Base System Architecture, "Generic Watchdog"). */
#ifndef ARM_SBSA_GWDT_H
#define ARM_SBSA_GWDT_H

#include "util/types.h"
#include "vmm/watchdog.h"

struct vm;

/* The system counter, as the guest sees it. */
struct sbsa_clock {
	u64 frequency;	  /* Hz; not 0 */
	u64 (*now)(void); /* the host's count */
	u64 offset;	  /* and how far the guest's is behind it */
};

/*
 * Its control frame at MAP_WATCHDOG, its refresh frame behind that; added to @vm, which owns it.
 * -errno. Main thread.
 */
int sbsa_gwdt_create(struct vm *vm, const struct sbsa_clock *clock, enum watchdog_action action);

#endif
