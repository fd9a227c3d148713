/* SPDX-License-Identifier: BSD-2-Clause */
/* What vm.c and vcpu.c know of a pause. */
#ifndef VMM_PAUSE_H
#define VMM_PAUSE_H

#include "vmm/vm.h"

/* The loop is there. */
int pause_create(struct vm *vm);
/* Legal if pause_create() failed or was not called. */
void pause_destroy(struct vm *vm);
/*
 * On a vCPU's thread, which has finished its exit: stay while a pause is wanted and the VM does
 * not stop. True: it did. VM lock not held.
 */
bool pause_park(struct vcpu *vcpu);
/* The vCPU's thread begins and ends to run the guest. VM lock not held. */
void pause_begin(struct vcpu *vcpu);
void pause_leave(struct vcpu *vcpu);
/*
 * The vCPUs have ended and the loop is not served any more: no device begins anything new, on
 * whatever thread, so that they can be destroyed one after the other. VM lock not held.
 */
void pause_for_good(struct vm *vm);
/* The VM stops: let parked vCPUs see it. VM lock not held. */
void pause_end(struct vm *vm);

#endif
