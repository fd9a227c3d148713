/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "pause.h"
#include "util/log.h"
#include "vmm/arch.h"
#include "vmm/vcpu.h"
#include "vmm/visit.h"
#include "vmm/vm.h"

/* How often KVM_RUN may say EAGAIN in a row, and the pause between two of them. */
#define AGAIN_MAX      200
#define AGAIN_PAUSE_MS 1

int vcpu_create(struct vcpu *vcpu, struct vm *vm, unsigned index)
{
	int size = ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);

	vcpu->vm = vm;
	vcpu->index = index;
	vcpu->fd = ioctl(vm->fd, KVM_CREATE_VCPU, (unsigned long)index);
	if (size < 0 || vcpu->fd < 0)
		return -errno;
	vcpu->run_size = size;
	vcpu->run = mmap(NULL, vcpu->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED) {
		vcpu->run = NULL;
		return -errno;
	}
	return arch_vcpu_create(vcpu);
}

void vcpu_destroy(struct vcpu *vcpu)
{
	if (vcpu->run)
		munmap(vcpu->run, vcpu->run_size);
	if (vcpu->fd >= 0)
		close(vcpu->fd);
}

static void handle_mmio(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	vm_lock(vcpu->vm);
	vcpu->vm->activity++;
	vcpu->vm->progress += run->mmio.is_write;
	if (run->mmio.is_write)
		bus_write(vcpu->vm->mmio, run->mmio.phys_addr, run->mmio.data, run->mmio.len);
	else
		bus_read(vcpu->vm->mmio, run->mmio.phys_addr, run->mmio.data, run->mmio.len);
	vm_unlock(vcpu->vm);
}

/* A string instruction comes as one exit with many accesses. */
static void handle_port(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	char *data = (char *)run + run->io.data_offset;

	vm_lock(vcpu->vm);
	vcpu->vm->activity++;
	vcpu->vm->progress += run->io.direction == KVM_EXIT_IO_OUT;
	for (u32 i = 0; i < run->io.count; i++, data += run->io.size) {
		if (run->io.direction == KVM_EXIT_IO_OUT)
			bus_write(vcpu->vm->ports, run->io.port, data, run->io.size);
		else
			bus_read(vcpu->vm->ports, run->io.port, data, run->io.size);
	}
	vm_unlock(vcpu->vm);
}

static void handle_system_event(struct vcpu *vcpu)
{
	switch (vcpu->run->system_event.type) {
	case KVM_SYSTEM_EVENT_SHUTDOWN:
		vm_stop(vcpu->vm, VM_POWEROFF);
		break;
	case KVM_SYSTEM_EVENT_RESET:
		vm_lock(vcpu->vm);
		vm_guest_stop(vcpu->vm, VM_REBOOT);
		vm_unlock(vcpu->vm);
		break;
	case KVM_SYSTEM_EVENT_CRASH:
		vm_lock(vcpu->vm);
		vm_panicked(vcpu->vm, false);
		vm_unlock(vcpu->vm);
		break;
	}
}

static void say_death(struct vcpu *vcpu, const char *why)
{
	char where[256] = "";

	arch_vcpu_describe(vcpu, where, sizeof(where));
	log_error("vCPU %u: %s; %s", vcpu->index, why, where);
	if (log_get_level() >= LOG_DEBUG)
		arch_vcpu_dump(vcpu);
	vm_lock(vcpu->vm);
	if (!*vcpu->vm->died)
		snprintf(vcpu->vm->died, sizeof(vcpu->vm->died), "vCPU %u: %s", vcpu->index, why);
	vm_unlock(vcpu->vm);
}

static void vcpu_died(struct vcpu *vcpu, enum vm_stop reason, const char *why)
{
	say_death(vcpu, why);
	vm_stop(vcpu->vm, reason);
}

/* By what its vCPU did, which goes on if it is let. */
static void guest_died(struct vcpu *vcpu, const char *why)
{
	say_death(vcpu, why);
	vm_lock(vcpu->vm);
	vm_guest_stop(vcpu->vm, VM_PANIC);
	vm_unlock(vcpu->vm);
}

/* KVM or the processor refuses. */
static void vcpu_refused(struct vcpu *vcpu, int error, const char *why)
{
	vcpu_died(vcpu, arch_vcpu_blames_guest(vcpu, error) ? VM_PANIC : VM_HOST_ERROR, why);
}

/*
 * A triple fault is how some kernels reset a PC (Linux's reboot=t), and how others crash. On AMD
 * KVM has reset the processor before we see it, so what the guest said counts as well.
 */
static void handle_shutdown(struct vcpu *vcpu)
{
	bool said_so;

	vm_lock(vcpu->vm);
	said_so = vm_is_restarting(vcpu->vm);
	vm_unlock(vcpu->vm);
	if (!said_so && !arch_vcpu_handed_over(vcpu)) {
		guest_died(vcpu, "the guest crashed (triple fault)");
		return;
	}
	log_info("the guest resets the machine by a triple fault");
	vm_lock(vcpu->vm);
	vm_guest_stop(vcpu->vm, VM_REBOOT);
	vm_unlock(vcpu->vm);
}

/* What a guest can bring about is the guest's crash; the rest is KVM's or the processor's failure.
 */
static void handle_internal_error(struct vcpu *vcpu)
{
	switch (vcpu->run->internal.suberror) {
	case KVM_INTERNAL_ERROR_EMULATION:
		guest_died(
			vcpu,
			"the guest crashed: KVM cannot emulate its instruction, or it runs where "
			"no memory is");
		break;
	case KVM_INTERNAL_ERROR_SIMUL_EX:
	case KVM_INTERNAL_ERROR_DELIVERY_EV:
		guest_died(vcpu,
			   "the guest crashed: an exception cannot be delivered, as its tables or "
			   "its stack are no memory");
		break;
	default:
		vcpu_died(vcpu, VM_HOST_ERROR, "KVM's internal error");
	}
}

static void handle_exit(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	switch (run->exit_reason) {
	case KVM_EXIT_MMIO:
		handle_mmio(vcpu);
		break;
	case KVM_EXIT_IO:
		handle_port(vcpu);
		break;
	case KVM_EXIT_INTR:
		break;
	case KVM_EXIT_SYSTEM_EVENT:
		handle_system_event(vcpu);
		break;
	case KVM_EXIT_SHUTDOWN:
		handle_shutdown(vcpu);
		break;
	case KVM_EXIT_FAIL_ENTRY:
		vcpu_refused(vcpu, 0, "the processor refuses to enter the guest");
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		handle_internal_error(vcpu);
		break;
	default:
		if (arch_vcpu_exit(vcpu))
			vcpu_died(vcpu, VM_HOST_ERROR, "an exit that nobody knows");
	}
}

/*
 * KVM_RUN says EAGAIN for two reasons: once when a vCPU that waited to be started is, and for
 * ever when the kernel cannot start the thread that KVM wants beside a VM. A limit that is
 * reached only for a moment is waited for. False: the vCPU cannot go on.
 */
static bool try_again(struct vcpu *vcpu, unsigned *failures)
{
	const struct timespec pause = { .tv_nsec = AGAIN_PAUSE_MS * 1000000L };

	if (errno == EINTR) {
		/* Whatever exit there was is finished. */
		visit_serve(vcpu);
		if (pause_park(vcpu))
			arch_vcpu_resumed(vcpu);
		return true;
	}
	if (errno != EAGAIN) {
		vcpu_refused(vcpu, errno, strerror(errno));
		return false;
	}
	if (++*failures > AGAIN_MAX) {
		vcpu_died(vcpu, VM_HOST_ERROR,
			  "KVM cannot run it: this host's kernel starts no more threads for "
			  "us; " THREADS_REMEDY);
		return false;
	}
	if (*failures > 1)
		nanosleep(&pause, NULL);
	return true;
}

static enum vcpu_exit exit_kind(u32 reason)
{
	switch (reason) {
	case KVM_EXIT_MMIO:
		return VCPU_EXIT_MMIO;
	case KVM_EXIT_IO:
		return VCPU_EXIT_PORT;
	case KVM_EXIT_INTR:
		return VCPU_EXIT_SIGNAL;
	case KVM_EXIT_SYSTEM_EVENT:
		return VCPU_EXIT_SYSTEM;
	default:
		return VCPU_EXIT_OTHER;
	}
}

/* Others read it at any time. */
static void count_exit(struct vcpu *vcpu, enum vcpu_exit kind)
{
	__atomic_store_n(&vcpu->exits[kind], vcpu->exits[kind] + 1, __ATOMIC_RELAXED);
}

static void remember_exit(struct vcpu *vcpu)
{
	struct vcpu_last_exit *last = &vcpu->last_exits[vcpu->last_count++ % VCPU_LAST_EXITS];
	const struct kvm_run *run = vcpu->run;

	*last = (struct vcpu_last_exit){ .reason = run->exit_reason };
	if (run->exit_reason == KVM_EXIT_MMIO) {
		last->address = run->mmio.phys_addr;
		last->len = run->mmio.len;
		last->is_write = run->mmio.is_write;
	} else if (run->exit_reason == KVM_EXIT_IO) {
		last->address = run->io.port;
		last->len = run->io.size;
		last->is_write = run->io.direction == KVM_EXIT_IO_OUT;
	}
}

static void run_guest(struct vcpu *vcpu)
{
	unsigned failures = 0;

	while (atomic_load_explicit(&vcpu->vm->stop, memory_order_relaxed) == VM_RUNNING) {
		if (ioctl(vcpu->fd, KVM_RUN, 0) < 0) {
			count_exit(vcpu, VCPU_EXIT_SIGNAL);
			if (!try_again(vcpu, &failures))
				return;
			continue;
		}
		failures = 0;
		count_exit(vcpu, exit_kind(vcpu->run->exit_reason));
		remember_exit(vcpu);
		handle_exit(vcpu);
	}
}

void vcpu_run(struct vcpu *vcpu)
{
	pause_begin(vcpu);
	run_guest(vcpu);
	pause_leave(vcpu);
}
