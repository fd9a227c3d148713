/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest that hangs (vm_config.hang_timeout): for so long it had no output, no request of a device
 * and none of its processors got on (hang_judge.h). vm.c's side; ends in vm_stop(VM_HANG).
 */
#ifndef VMM_HANG_H
#define VMM_HANG_H

struct vm;

/* Nothing where nobody asked for it. The loop is there. -errno. */
int hang_create(struct vm *vm);
/* The vCPUs are about to run. VM lock held. */
void hang_begin(struct vm *vm);
/* Legal if hang_create() failed or was not called. The vCPUs have stopped. */
void hang_destroy(struct vm *vm);

#endif
