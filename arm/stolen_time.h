/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Time that the host gave to others while a vCPU wanted to run: KVM writes it to memory that the
 * guest asks for (Arm DEN0057A, "Paravirtualized Time for Arm-based Systems").
 */
#ifndef ARM_STOLEN_TIME_H
#define ARM_STOLEN_TIME_H

#include "vmm/slot.h"

struct vm;

struct stolen_time {
	struct page_slot slot;
	void *pages; /* owned; NULL: the guest is not told */
};

/* vCPUs are there and did not run. Where the host has none, nothing is done. -errno. */
int stolen_time_create(struct stolen_time *stolen, struct vm *vm);
/* The VM's vCPUs have stopped. */
void stolen_time_destroy(struct stolen_time *stolen, struct vm *vm);

#endif
