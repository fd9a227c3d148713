/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What both "lkvm vfio check" and a run may have to say: each text is written once. The name of a
 * device is its address in a check, and "vfio 0000:00:04.0" in a run.
 */
#ifndef VFIO_PROBLEM_H
#define VFIO_PROBLEM_H

#include "vfio/host.h"

/* In one line, as the run's @code: "vfio 0000:00:04.0: WHAT: REMEDY", the address once. */
int vfio_problem_error(const struct vfio_problem *problem, const char *name, int code,
		       struct error *err);

/* Opening /dev/vfio/@group has failed with @code. @name: an address. */
void vfio_problem_group(struct vfio_problem *problem, const struct vfio_paths *paths, int group,
			const char *name, int code);
/* A device could send interrupts that are not its own. */
void vfio_problem_not_remapped(struct vfio_problem *problem, const char *name);
/* Whether this user may lock @bytes of memory for devices; else why not. */
bool vfio_problem_memlock(struct vfio_problem *problem, u64 bytes);

/* The process that has @node open, as "process 77 (lkvm)"; "" if we see none. */
void vfio_find_opener(const struct vfio_paths *paths, const char *node, char text[64]);
void vfio_find_group_opener(const struct vfio_paths *paths, int group, char text[64]);

#endif
