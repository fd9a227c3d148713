/* SPDX-License-Identifier: BSD-2-Clause */
#include <linux/kvm.h>

#include "vmm/vcpu.h"
#include "vmm/visit.h"
#include "vmm/vm.h"

static void call(struct vm *vm, struct vm_visit *visit, unsigned cpu)
{
	visit->wanted[cpu] = true;
	visit->left++;
	atomic_store(&vm->vcpus[cpu]->visited, true);
	vcpu_kick(vm->vcpus[cpu]);
}

void vm_visit_begin(struct vm *vm, struct vm_visit *visit, int cpu)
{
	visit->left = 0;
	list_add_tail(&vm->visits, &visit->node);
	for (unsigned i = 0; i < vm->config->cpus; i++) {
		visit->wanted[i] = false;
		if (cpu < 0 || cpu == (int)i)
			call(vm, visit, i);
	}
	/* Those that are parked. */
	pthread_cond_broadcast(&vm->unpark);
}

void vm_visit_end(struct vm_visit *visit)
{
	list_del(&visit->node);
	list_init(&visit->node);
}

/* done() may free it. */
static void pay(struct vm_visit *visit, struct vcpu *vcpu)
{
	if (!visit->wanted[vcpu->index])
		return;
	visit->wanted[vcpu->index] = false;
	visit->visit(visit, vcpu);
	if (--visit->left)
		return;
	vm_visit_end(visit);
	visit->done(visit);
}

void visit_serve_locked(struct vcpu *vcpu)
{
	struct list_node *node, *next;

	if (!atomic_exchange(&vcpu->visited, false))
		return;
	list_for_each_safe(node, next, &vcpu->vm->visits)
		pay(list_entry(node, struct vm_visit, node), vcpu);
}

void visit_serve(struct vcpu *vcpu)
{
	if (!atomic_load(&vcpu->visited))
		return;
	vm_lock(vcpu->vm);
	visit_serve_locked(vcpu);
	/*
	 * The kick that brought us here left it set. A pause that was asked for before has its own
	 * flag, and one that comes now finds the lock taken.
	 */
	if (vcpu->run)
		__atomic_store_n(&vcpu->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
	vm_unlock(vcpu->vm);
}
