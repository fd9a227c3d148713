/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <linux/kvm.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "hang.h"
#include "panic.h"
#include "pause.h"
#include "util/log.h"
#include "util/thread.h"
#include "vmm/events.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"

/* How often the loop is served for what the guest did last. */
#define LAST_ROUNDS 64

/* Between the main thread and the first vCPU's, which brings KVM's side up. */
struct vm_setup {
	sem_t done; /* posted once: result and err are settled */
	sem_t go;   /* posted once: run, or end if vm->stop is set */
	bool waited;
	int result;
	struct error err;
	const struct arch_image *image; /* set before go */
};

/* ---- KVM's side, on the first vCPU's thread ---- */

/*
 * Memory first: a slot costs a grace period of the readers that there are, and
 * before interrupt controllers and vCPUs exist there are none to wait for.
 */
static int setup_slots(struct vm *vm, struct error *err)
{
	for (unsigned i = 0; i < memory_count(vm->memory); i++) {
		struct range range;
		void *host = memory_range(vm->memory, i, &range);
		struct kvm_userspace_memory_region slot = {
			.slot = i,
			.guest_phys_addr = range.start,
			.memory_size = range.last - range.start + 1,
			.userspace_addr = (uintptr_t)host,
		};

		if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &slot))
			return error_set(err, -errno, "KVM refuses %llu MiB of RAM at 0x%llx: %s",
					 (unsigned long long)(slot.memory_size / MIB),
					 (unsigned long long)range.start, strerror(errno));
	}
	return 0;
}

static int setup_vcpus(struct vm *vm, struct error *err)
{
	for (unsigned i = 0; i < vm->config->cpus; i++) {
		int ret = vcpu_create(vm->vcpus[i], vm, i);

		if (ret)
			return error_set(err, ret, "cannot create vCPU %u: %s", i, strerror(-ret));
	}
	return 0;
}

static int setup_kvm(struct vm *vm, struct error *err)
{
	int ret = setup_slots(vm, err);

	if (!ret)
		ret = arch_vm_create(vm, err);
	if (!ret)
		ret = setup_vcpus(vm, err);
	if (!ret)
		ret = arch_vm_finish(vm, err);
	return ret;
}

static void boot_and_run(struct vcpu *vcpu)
{
	int ret;

	thread_confine(THREAD_VCPU);
	ret = arch_vcpu_boot(vcpu, vcpu->vm->setup->image);
	if (ret) {
		log_error("cannot set up the registers of vCPU %u: %s", vcpu->index,
			  strerror(-ret));
		vm_stop(vcpu->vm, VM_HOST_ERROR);
		return;
	}
	vcpu_run(vcpu);
}

/* By the thread itself: for another's name, the C library opens a file of /proc. */
static void begin_thread(const struct vcpu *vcpu)
{
	const cpu_set_t *affinity = vcpu->vm->config->affinity;
	char name[16];

	snprintf(name, sizeof(name), "vcpu-%u", vcpu->index % 1000);
	prctl(PR_SET_NAME, name);
	/* It was looked at before; a CPU that has gone offline since is one that nobody runs on. */
	if (affinity && sched_setaffinity(0, sizeof(*affinity), affinity))
		log_warning("vCPU %u cannot run where --vcpu-affinity says: %s", vcpu->index,
			    strerror(errno));
}

static void *first_vcpu_thread(void *arg)
{
	struct vm *vm = arg;
	struct vm_setup *setup = vm->setup;

	begin_thread(vm->vcpus[0]);
	setup->result = setup_kvm(vm, &setup->err);
	sem_post(&setup->done);
	while (sem_wait(&setup->go))
		;
	/* This thread was there before the machine was sealed. */
	thread_catch_up();
	if (!setup->result && atomic_load(&vm->stop) == VM_RUNNING)
		boot_and_run(vm->vcpus[0]);
	return NULL;
}

static void *vcpu_thread(void *arg)
{
	begin_thread(arg);
	boot_and_run(arg);
	return NULL;
}

/* A vCPU's thread needs no more stack than its calls: what is not asked for is not touched. */
#define VCPU_STACK (256 * KIB)

static int start_thread(struct vcpu *vcpu, void *(*body)(void *), void *arg, struct error *err)
{
	pthread_attr_t attr;
	int ret;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, VCPU_STACK);
	ret = thread_start(&vcpu->thread, &attr, body, arg);
	pthread_attr_destroy(&attr);
	if (ret)
		return error_set(err, ret, "cannot start a vCPU's thread: %s%s", strerror(-ret),
				 ret == -EAGAIN ? "; " THREADS_REMEDY : "");
	vcpu->started = true;
	return 0;
}

/* ---- the machine ---- */

static int create_vcpu_structs(struct vm *vm)
{
	vm->vcpus = calloc(vm->config->cpus, sizeof(vm->vcpus[0]));
	if (!vm->vcpus)
		return -ENOMEM;
	for (unsigned i = 0; i < vm->config->cpus; i++) {
		vm->vcpus[i] = calloc(1, sizeof(struct vcpu));
		if (!vm->vcpus[i])
			return -ENOMEM;
		vm->vcpus[i]->fd = -1;
		vm->vcpus[i]->index = i;
		vm->vcpus[i]->vm = vm;
	}
	return 0;
}

/* Everything that is ours alone. */
static int create_structs(struct vm *vm)
{
	int ret = loop_create(&vm->loop, &vm->lock);

	if (!ret)
		ret = vm_events_create(vm);
	if (!ret)
		ret = panic_create(vm);
	if (!ret)
		ret = pause_create(vm);
	if (!ret)
		ret = hang_create(vm);
	if (!ret)
		ret = bus_create(&vm->mmio);
	if (!ret)
		ret = bus_create(&vm->ports);
	if (!ret)
		ret = create_vcpu_structs(vm);
	if (ret)
		return ret;
	vm->setup = calloc(1, sizeof(*vm->setup));
	if (!vm->setup)
		return -ENOMEM;
	sem_init(&vm->setup->done, 0, 0);
	sem_init(&vm->setup->go, 0, 0);
	return vcpu_init_signal();
}

static int create_kvm_vm(struct vm *vm, struct error *err)
{
	unsigned long type = arch_vm_type(vm->kvm_fd, vm->config->ram, vm->config->ram_count);

	do
		vm->fd = ioctl(vm->kvm_fd, KVM_CREATE_VM, type);
	while (vm->fd < 0 && errno == EINTR);
	if (vm->fd < 0)
		return error_set(err, -errno, "KVM cannot create a VM: %s", strerror(errno));
	return 0;
}

static int vm_build(struct vm *vm, struct error *err)
{
	int ret = memory_create(&vm->memory, vm->config->ram_file, vm->config->ram,
				vm->config->ram_count, err);

	if (!ret)
		ret = create_kvm_vm(vm, err);
	if (!ret)
		ret = create_structs(vm);
	if (!ret)
		ret = irq_create(&vm->irq, vm);
	if (ret)
		return ret;
	dma_identity_init(&vm->identity, vm->memory, vm->irq);
	return start_thread(vm->vcpus[0], first_vcpu_thread, vm, err);
}

int vm_create(struct vm **out, const struct vm_host *host, const struct vm_config *config,
	      struct error *err)
{
	struct vm *vm = calloc(1, sizeof(*vm));
	struct timespec now;
	int ret;

	if (!vm)
		return error_set(err, -ENOMEM, "out of memory");
	vm->kvm_fd = host->kvm_fd;
	vm->fd = -1;
	vm->config = config;
	clock_gettime(CLOCK_MONOTONIC, &now);
	vm->born = now.tv_sec;
	list_init(&vm->devices);
	list_init(&vm->terminals);
	list_init(&vm->page_slots);
	pthread_mutex_init(&vm->lock, NULL);
	ret = vm_build(vm, err);
	if (ret) {
		vm_destroy(vm);
		return error_set(err, ret, "cannot create the VM: %s", strerror(-ret));
	}
	*out = vm;
	return 0;
}

int vm_wait_kvm(struct vm *vm, struct error *err)
{
	struct vm_setup *setup = vm->setup;

	if (!setup->waited) {
		while (sem_wait(&setup->done))
			;
		setup->waited = true;
	}
	if (setup->result)
		return error_set(err, setup->result, "%s", setup->err.text);
	return 0;
}

int vm_seal(struct vm *vm, struct error *err)
{
	struct list_node *node;

	list_for_each(node, &vm->devices) {
		struct device *device = list_entry(node, struct device, node);
		int ret = device->ops->seal ? device->ops->seal(device) : 0;

		if (ret)
			return error_set(err, ret, "cannot make %s ready: %s", device->info.name,
					 strerror(-ret));
	}
	vm->kvm_fd = -1;
	return 0;
}

static void stop_vcpus(struct vm *vm)
{
	pause_end(vm);
	for (unsigned i = 0; vm->vcpus && i < vm->config->cpus; i++) {
		if (vm->vcpus[i] && vm->vcpus[i]->started)
			vcpu_kick(vm->vcpus[i]);
	}
	for (unsigned i = 0; vm->vcpus && i < vm->config->cpus; i++) {
		if (vm->vcpus[i] && vm->vcpus[i]->started)
			pthread_join(vm->vcpus[i]->thread, NULL);
		if (vm->vcpus[i])
			vm->vcpus[i]->started = false;
	}
}

/*
 * What the guest gave to its devices in the moment before it switched itself off: the loop may not
 * have seen it. Bounded, as there may always be something.
 */
static void serve_last_kicks(struct vm *vm)
{
	for (unsigned i = 0; i < LAST_ROUNDS && loop_poll(vm->loop, 0) > 0; i++)
		;
}

enum vm_stop vm_run(struct vm *vm, const struct arch_image *image, struct error *err)
{
	int ret = vm_wait_kvm(vm, err);
	enum vm_stop reason;

	if (ret)
		return VM_HOST_ERROR;
	vm->setup->image = image;
	for (unsigned i = 1; !ret && i < vm->config->cpus; i++)
		ret = start_thread(vm->vcpus[i], vcpu_thread, vm->vcpus[i], err);
	if (ret)
		vm_stop(vm, VM_HOST_ERROR);
	vm_lock(vm);
	vm_event(vm, "started", NULL, "%s", "");
	hang_begin(vm);
	vm_unlock(vm);
	sem_post(&vm->setup->go);
	ret = loop_run(vm->loop);
	if (ret) {
		error_set(err, ret, "cannot wait for events: %s", strerror(-ret));
		vm_stop(vm, VM_HOST_ERROR);
	}
	stop_vcpus(vm);
	reason = atomic_load(&vm->stop);
	if (reason == VM_POWEROFF || reason == VM_REBOOT)
		serve_last_kicks(vm);
	/* A guest that panicked and then rebooted, or hung, did panic. */
	if (atomic_load(&vm->panicked) && reason != VM_USER && reason != VM_HOST_ERROR)
		reason = VM_PANIC;
	if (vm->kept && reason != VM_HOST_ERROR)
		reason = VM_PANIC;
	return reason;
}

void vm_destroy_devices(struct vm *vm)
{
	if (!vm || list_empty(&vm->devices))
		return;
	pause_for_good(vm);
	while (!list_empty(&vm->devices)) {
		struct device *device = list_entry(vm->devices.prev, struct device, node);

		list_del(&device->node);
		device->ops->destroy(device);
	}
}

static void destroy_vcpus(struct vm *vm)
{
	for (unsigned i = 0; vm->vcpus && i < vm->config->cpus; i++) {
		if (vm->vcpus[i])
			vcpu_destroy(vm->vcpus[i]);
		free(vm->vcpus[i]);
	}
	free(vm->vcpus);
}

void vm_destroy(struct vm *vm)
{
	int running = VM_RUNNING;

	if (!vm)
		return;
	/* The first vCPU's thread may still wait to be let go. */
	atomic_compare_exchange_strong(&vm->stop, &running, VM_USER);
	if (vm->setup)
		sem_post(&vm->setup->go);
	stop_vcpus(vm);
	vm_destroy_devices(vm);
	vm_destroy_terminals(vm);
	arch_vm_destroy(vm);
	destroy_vcpus(vm);
	irq_destroy(vm->irq);
	bus_destroy(vm->ports);
	bus_destroy(vm->mmio);
	hang_destroy(vm);
	pause_destroy(vm);
	panic_destroy(vm);
	vm_events_destroy(vm);
	loop_destroy(vm->loop);
	if (vm->fd >= 0)
		close(vm->fd);
	memory_destroy(vm->memory);
	if (vm->setup) {
		sem_destroy(&vm->setup->done);
		sem_destroy(&vm->setup->go);
	}
	free(vm->setup);
	pthread_mutex_destroy(&vm->lock);
	free(vm);
}
