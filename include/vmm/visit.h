/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A visit to the vCPUs: something that must be done on each one's own thread, between two of its
 * exits. They run on meanwhile, or stay paused.
 */
#ifndef VMM_VISIT_H
#define VMM_VISIT_H

#include "util/list.h"
#include "util/types.h"
#include "vmm/arch.h"

struct vcpu;
struct vm;

/* Lives inside its owner. */
struct vm_visit {
	/* VM lock held for both: on the vCPU's thread, not for long; and once all of them are done,
	 * on the last one's. */
	void (*visit)(struct vm_visit *visit, struct vcpu *vcpu);
	void (*done)(struct vm_visit *visit);
	/* visit.c's own. */
	struct list_node node;
	unsigned left;
	bool wanted[ARCH_MAX_CPUS];
};

/* @cpu: the one that is visited; -1: all. VM lock held, while the VM runs. */
void vm_visit_begin(struct vm *vm, struct vm_visit *visit, int cpu);
/* It is over, whether done or not: legal after done() as well. VM lock held. */
void vm_visit_end(struct vm_visit *visit);

/* On the vCPU's thread: whoever wants to visit it does. The second: VM lock held. */
void visit_serve(struct vcpu *vcpu);
void visit_serve_locked(struct vcpu *vcpu);

#endif
