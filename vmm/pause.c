/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pausing: the vCPUs park, the devices are told to begin nothing new, and when all of them have
 * settled nothing of the guest's changes any more.
 */
#include <linux/kvm.h>

#include "pause.h"
#include "vmm/events.h"
#include "vmm/vcpu.h"
#include "vmm/visit.h"

/* Between two looks at whether the devices have settled. */
#define LOOK_AGAIN_NS 1000000

static bool is_wanted(const struct vm *vm)
{
	return atomic_load_explicit(&vm->pause_wanted, memory_order_relaxed);
}

static void tell(struct vm *vm, bool paused)
{
	while (!list_empty(&vm->pause_watches)) {
		struct vm_pause_watch *watch = list_entry(vm->pause_watches.next,
							  struct vm_pause_watch, node);

		list_del(&watch->node);
		watch->told(watch, paused);
	}
}

static void pause_devices(struct vm *vm)
{
	struct list_node *node;

	list_for_each(node, &vm->devices) {
		struct device *device = list_entry(node, struct device, node);

		if (device->ops->pause)
			device->ops->pause(device);
	}
	vm->devices_paused = true;
}

/* In the reverse order. */
static void resume_devices(struct vm *vm)
{
	struct list_node *node;

	for (node = vm->devices.prev; node != &vm->devices; node = node->prev) {
		struct device *device = list_entry(node, struct device, node);

		if (device->ops->resume)
			device->ops->resume(device);
	}
	vm->devices_paused = false;
}

static bool devices_settled(const struct vm *vm)
{
	const struct list_node *node;

	list_for_each(node, &vm->devices) {
		const struct device *device = list_entry(node, struct device, node);

		if (device->ops->settled && !device->ops->settled(device))
			return false;
	}
	return true;
}

/* One step further, if it can be made now. */
static void advance(struct vm *vm)
{
	if (!is_wanted(vm) || vm->paused || vm->vcpus_running)
		return;
	if (!vm->devices_paused)
		pause_devices(vm);
	if (!devices_settled(vm)) {
		loop_timer_arm(&vm->pause_timer, LOOK_AGAIN_NS);
		return;
	}
	vm->paused = true;
	vm_event(vm, "paused", NULL, "%s",
		 atomic_load(&vm->pause_wanted) & VM_PAUSE_HOST ? "a device waits for the host"
								: "");
	tell(vm, true);
}

static void look(struct loop_timer *timer)
{
	advance(container_of(timer, struct vm, pause_timer));
}

static void kick_vcpus(struct vm *vm)
{
	for (unsigned i = 0; vm->vcpus && i < vm->config->cpus; i++)
		vcpu_kick(vm->vcpus[i]);
}

void vm_pause(struct vm *vm, u32 why, struct vm_pause_watch *watch)
{
	bool was_wanted = is_wanted(vm);

	atomic_fetch_or(&vm->pause_wanted, why);
	if (watch)
		list_add_tail(&vm->pause_watches, &watch->node);
	/* A device that waits for its host tries again meanwhile: then it has to settle anew. */
	if (vm->paused && devices_settled(vm)) {
		tell(vm, true);
		return;
	}
	vm->paused = false;
	if (!was_wanted)
		kick_vcpus(vm);
	advance(vm);
}

/* Each may end its wait, and begin it anew. */
static void retry_all(struct vm *vm)
{
	struct list_node *node = vm->host_waits.next;

	while (node != &vm->host_waits) {
		struct list_node *next = node->next;
		struct vm_host_wait *wait = list_entry(node, struct vm_host_wait, node);

		wait->retry(wait);
		node = next;
	}
}

void vm_resume(struct vm *vm, u32 why)
{
	if (!is_wanted(vm))
		return;
	atomic_fetch_and(&vm->pause_wanted, ~why);
	if (why & VM_PAUSE_USER)
		retry_all(vm);
	if (is_wanted(vm))
		return;
	loop_timer_disarm(&vm->pause_timer);
	if (vm->paused)
		vm_event(vm, "resumed", NULL, "%s", "");
	vm->paused = false;
	if (vm->devices_paused)
		resume_devices(vm);
	tell(vm, false);
	pthread_cond_broadcast(&vm->unpark);
}

void vm_host_wait_begin(struct vm *vm, struct vm_host_wait *wait)
{
	if (wait->node.next)
		return;
	list_add_tail(&vm->host_waits, &wait->node);
	vm_pause(vm, VM_PAUSE_HOST, NULL);
}

void vm_host_wait_end(struct vm *vm, struct vm_host_wait *wait)
{
	if (!wait->node.next)
		return;
	list_del(&wait->node);
	wait->node = (struct list_node){ NULL, NULL };
	/* At the end the devices are paused for good. */
	if (list_empty(&vm->host_waits) && atomic_load(&vm->stop) == VM_RUNNING)
		vm_resume(vm, VM_PAUSE_HOST);
}

bool vm_is_held(const struct vm *vm)
{
	return atomic_load_explicit(&vm->pause_wanted, memory_order_relaxed) & VM_PAUSE_USER;
}

bool vm_is_paused(const struct vm *vm)
{
	return vm->paused;
}

void vm_pause_forget(struct vm_pause_watch *watch)
{
	if (watch->node.next)
		list_del(&watch->node);
}

/* ---- on the vCPUs' threads ---- */

/* VM lock held. */
static void stay(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;

	while (is_wanted(vm) && atomic_load(&vm->stop) == VM_RUNNING) {
		visit_serve_locked(vcpu);
		pthread_cond_wait(&vm->unpark, &vm->lock);
	}
	/* A visit may have begun since it was resumed, and its kick is forgotten below. */
	visit_serve_locked(vcpu);
	/*
	 * The kick that brought us here left immediate_exit set, with which KVM_RUN finished the
	 * exit and came back. One that comes now finds the lock taken, or the VM stopped.
	 */
	if (vcpu->run)
		__atomic_store_n(&vcpu->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
}

void pause_begin(struct vcpu *vcpu)
{
	vm_lock(vcpu->vm);
	if (is_wanted(vcpu->vm))
		stay(vcpu);
	vcpu->vm->vcpus_running++;
	vm_unlock(vcpu->vm);
}

bool pause_park(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;

	if (!is_wanted(vm))
		return false;
	vm_lock(vm);
	vm->vcpus_running--;
	advance(vm);
	stay(vcpu);
	vm->vcpus_running++;
	vm_unlock(vm);
	return true;
}

void pause_leave(struct vcpu *vcpu)
{
	vm_lock(vcpu->vm);
	vcpu->vm->vcpus_running--;
	advance(vcpu->vm);
	vm_unlock(vcpu->vm);
}

void pause_end(struct vm *vm)
{
	/* A VM that was not made whole has neither loop nor vCPUs. */
	if (!vm->loop)
		return;
	vm_lock(vm);
	pthread_cond_broadcast(&vm->unpark);
	vm_unlock(vm);
}

void pause_for_good(struct vm *vm)
{
	pthread_mutex_lock(&vm->lock);
	if (!vm->devices_paused)
		pause_devices(vm);
	pthread_mutex_unlock(&vm->lock);
}

/* ---- life ---- */

int pause_create(struct vm *vm)
{
	list_init(&vm->pause_watches);
	list_init(&vm->host_waits);
	list_init(&vm->visits);
	pthread_cond_init(&vm->unpark, NULL);
	return loop_timer_create(&vm->pause_timer, vm->loop, look);
}

void pause_destroy(struct vm *vm)
{
	loop_timer_destroy(&vm->pause_timer);
	pthread_cond_destroy(&vm->unpark);
}
