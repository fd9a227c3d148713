/* SPDX-License-Identifier: BSD-2-Clause */
/* The stages of a run as a drawing: SVG, one bar for what led to each. */
#ifndef CMD_BOOT_TIME_DRAW_H
#define CMD_BOOT_TIME_DRAW_H

#include "util/types.h"

#define BOOT_STAGES_MAX	   24
#define BOOT_DRAWING_START "<svg data-lkvm=\"boot-time\""

struct boot_stage {
	const char *name; /* ours: fit for XML as it is */
	u64 ns;		  /* since the start; in their order */
	s64 kernel_us;	  /* by the kernel's own clock; -1: it does not say */
};

/* Into @text of @size, terminated, cut if it must be. */
void boot_time_make_drawing(const struct boot_stage *stages, unsigned count, char *text,
			    size_t size);

#endif
