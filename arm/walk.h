/* SPDX-License-Identifier: BSD-2-Clause */
/* The guest's own translation tables, read as its processor does. */
#ifndef ARM_WALK_H
#define ARM_WALK_H

#include "util/types.h"

struct guest_memory;

/* The registers of EL1 that say where they are. */
struct walk {
	u64 tcr, ttbr0, ttbr1;
	bool enabled; /* SCTLR_EL1.M */
};

/*
 * Stage 1 of @address (Arm ARM, "VMSAv8-64 address translation"): granules of 4, 16 and 64 KiB, up
 * to 48 bits; tables that are larger are not followed. -EFAULT: no memory is mapped there.
 */
int walk_translate(const struct walk *walk, const struct guest_memory *memory, u64 address,
		   gpa_t *gpa);

#endif
