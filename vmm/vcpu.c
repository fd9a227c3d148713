/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <linux/kvm.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/log.h"
#include "vmm/arch.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"

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

/* It need do nothing: that it came ends KVM_RUN. */
static void kick_handler(int signal)
{
}

int vcpu_init_signal(void)
{
	struct sigaction action = { .sa_handler = kick_handler };

	return sigaction(SIGRTMIN, &action, NULL) ? -errno : 0;
}

void vcpu_kick(struct vcpu *vcpu)
{
	/* For a signal that comes before KVM_RUN; the signal, for one that is in it. */
	if (vcpu->run)
		__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	if (vcpu->started)
		pthread_kill(vcpu->thread, SIGRTMIN);
}

static void handle_mmio(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	vm_lock(vcpu->vm);
	vcpu->vm->activity++;
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
		vm_stop(vcpu->vm, VM_REBOOT);
		break;
	case KVM_SYSTEM_EVENT_CRASH:
		vm_lock(vcpu->vm);
		vm_panicked(vcpu->vm, false);
		vm_unlock(vcpu->vm);
		break;
	}
}

static void vcpu_died(struct vcpu *vcpu, enum vm_stop reason, const char *why)
{
	char where[256] = "";

	arch_vcpu_describe(vcpu, where, sizeof(where));
	log_error("vCPU %u: %s; %s", vcpu->index, why, where);
	vm_stop(vcpu->vm, reason);
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
		vcpu_died(vcpu, VM_PANIC, "the guest crashed (triple fault)");
		break;
	case KVM_EXIT_FAIL_ENTRY:
		vcpu_died(vcpu, VM_HOST_ERROR, "the processor refuses to enter the guest");
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		vcpu_died(vcpu, VM_HOST_ERROR,
			  run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION
				  ? "KVM cannot emulate the guest's instruction"
				  : "KVM's internal error");
		break;
	default:
		if (arch_vcpu_exit(vcpu))
			vcpu_died(vcpu, VM_HOST_ERROR, "an exit that nobody knows");
	}
}

void vcpu_run(struct vcpu *vcpu)
{
	while (atomic_load_explicit(&vcpu->vm->stop, memory_order_relaxed) == VM_RUNNING) {
		if (ioctl(vcpu->fd, KVM_RUN, 0) < 0) {
			if (errno == EINTR || errno == EAGAIN)
				continue;
			vcpu_died(vcpu, VM_HOST_ERROR, strerror(errno));
			return;
		}
		vcpu->exits++;
		handle_exit(vcpu);
	}
}
