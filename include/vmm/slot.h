/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Host pages that the guest sees beside its RAM, with no exit: the registers of passed
 * devices, which the guest moves about as it moves BARs; firmware's code and variables.
 */
#ifndef VMM_SLOT_H
#define VMM_SLOT_H

#include "util/list.h"
#include "util/types.h"

struct vm;

/* Lives inside its owner. All members are slot.c's to change. */
struct page_slot {
	struct list_node node; /* vm->page_slots, while mapped */
	u32 number;	       /* KVM's */
	gpa_t gpa;
	u64 size;
	void *host;
	bool read_only;
};

/*
 * Show [host, host + size), host pages that stay mapped, at @gpa. All three are multiples of the
 * host's page size. VM lock held, or before the vCPUs run. -EEXIST: something else is there, RAM
 * say; another -errno of KVM: no more slots, say. The guest's accesses go to the bus then.
 */
int page_slot_map(struct vm *vm, struct page_slot *slot, gpa_t gpa, void *host, u64 size);
/*
 * The same for what the guest may only read: its writes go to the bus. It takes a capability of
 * KVM's that x86 and arm64 have.
 */
int page_slot_map_read_only(struct vm *vm, struct page_slot *slot, gpa_t gpa, void *host, u64 size);
/* One that is not mapped is ignored. */
void page_slot_unmap(struct vm *vm, struct page_slot *slot);

#endif
