/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Doorbell writes that KVM turns into eventfd signals, so that the vCPU does
 * not leave the kernel for them.
 */
#ifndef VMM_IOEVENT_H
#define VMM_IOEVENT_H

#include "util/types.h"

struct vm;

/*
 * A guest write of @value, @len (2, 4) bytes wide, to the MMIO @address signals @fd from
 * now on and does not reach the bus, whoever is there. KVM holds a reference of its
 * own: the caller may close @fd, and should leave the ioevent where it is when the VM
 * ends, as removing one waits for a grace period (measured: 5 to 12 ms; adding one: 10 us).
 * VM lock held. -errno of KVM_IOEVENTFD: the write then exits to the bus as any
 * other, so a caller may go on without.
 */
int ioevent_add(struct vm *vm, gpa_t address, unsigned len, u32 value, int fd);

/*
 * The same for a write of any value and any width at @address, which no other ioevent may have.
 * On x86 KVM need not even decode the guest's instruction.
 */
int ioevent_add_any(struct vm *vm, gpa_t address, int fd);

/*
 * Undo an ioevent_add() that returned 0, given the same, @fd still open: when this returns, such a
 * write goes to the bus. Only for doorbells that move while the guest runs: it is slow. VM lock
 * held.
 */
void ioevent_remove(struct vm *vm, gpa_t address, unsigned len, u32 value, int fd);
void ioevent_remove_any(struct vm *vm, gpa_t address, int fd);

#endif
