/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a plain program does with a passed device's memory, and nothing else: a container with
 * one group, and pairs of ioctls. What goes wrong ends the program.
 */
#ifndef TESTS_BENCH_VFIO_BARE_H
#define TESTS_BENCH_VFIO_BARE_H

#include "util/types.h"

struct bare {
	int container, group;
	char *memory;
};

/* @address: "0000:00:06.0", bound to vfio-pci. */
void bare_open(struct bare *bare, const char *address);
void bare_close(struct bare *bare);
/* MAP and UNMAP of the same page, 4 KiB, at @iova. */
void bare_pair(const struct bare *bare, iova_t iova);

#endif
