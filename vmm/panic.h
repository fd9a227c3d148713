/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm/panic.c's side towards vmm/vm.c; what devices call is vm_panicked() of vmm/vm.h. */
#ifndef VMM_PANIC_H
#define VMM_PANIC_H

struct vm;

/* Make vm->panic_timer and add it to the loop. -errno. */
int panic_create(struct vm *vm);
/* The loop is still there. Legal if panic_create() failed or was not called. */
void panic_destroy(struct vm *vm);

#endif
