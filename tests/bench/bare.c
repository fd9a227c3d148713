/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The least that a VMM has to do: the KVM calls that lkvm makes, in the same
 * order, for a guest of three instructions. What it takes is this machine's floor.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../include/ports.h"

#define RAM (256ul << 20)

static long check(long result, const char *what)
{
	if (result < 0) {
		perror(what);
		exit(1);
	}
	return result;
}

/* mov $0x3f8, %dx; mov $'A', %al; out %al, %dx; hlt, in 16-bit code. */
static const unsigned char code[] = { 0xba, 0xf8, 0x03, 0xb0, 'A', 0xee, 0xf4 };

static void set_cpuid(int kvm, int vcpu)
{
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + 256 * sizeof(cpuid->entries[0]));

	cpuid->nent = 256;
	check(ioctl(kvm, KVM_GET_SUPPORTED_CPUID, cpuid), "cpuid");
	check(ioctl(vcpu, KVM_SET_CPUID2, cpuid), "set cpuid");
	free(cpuid);
}

static void set_registers(int vcpu)
{
	struct kvm_regs regs = { .rip = 0x1000, .rflags = 2 };
	struct kvm_sregs sregs;

	check(ioctl(vcpu, KVM_GET_SREGS, &sregs), "get sregs");
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	check(ioctl(vcpu, KVM_SET_SREGS, &sregs), "set sregs");
	check(ioctl(vcpu, KVM_SET_REGS, &regs), "set regs");
}

int main(void)
{
	int kvm = check(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
	int vm = check(ioctl(kvm, KVM_CREATE_VM, 0), "vm");
	int ram = check(memfd_create("ram", MFD_CLOEXEC), "memfd");
	struct kvm_userspace_memory_region slot = { .memory_size = RAM };
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
	struct kvm_run *run;
	char *memory;
	int vcpu;

	check(ftruncate(ram, RAM), "ram");
	memory = mmap(NULL, RAM, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, ram, 0);
	memcpy(memory + 0x1000, code, sizeof(code));
	slot.userspace_addr = (unsigned long)memory;
	check(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &slot), "slot");
	check(ioctl(vm, KVM_CREATE_IRQCHIP, 0), "irqchip");
	check(ioctl(vm, KVM_CREATE_PIT2, &pit), "pit");
	vcpu = check(ioctl(vm, KVM_CREATE_VCPU, 0), "vcpu");
	run = mmap(NULL, check(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "run"),
		   PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	set_cpuid(kvm, vcpu);
	set_registers(vcpu);
	check(ioctl(vcpu, KVM_RUN, 0), "run");
	if (run->exit_reason != KVM_EXIT_IO || run->io.port != PORT_COM1)
		return 1;
	return write(1, (char *)run + run->io.data_offset, 1) != 1;
}
