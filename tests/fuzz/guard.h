/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guest RAM with walls. memory.c maps room for RAM's alignment before and behind it:
 * from here on a byte touched there ends the run, until memory_destroy().
 */
#ifndef TESTS_FUZZ_GUARD_H
#define TESTS_FUZZ_GUARD_H

#include "vmm/memory.h"

/* Around @memory, the one made last. */
void guard_raise(const struct guest_memory *memory);

#endif
