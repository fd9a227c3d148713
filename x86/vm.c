/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "layout.h"
#include "machine.h"
#include "vmm/pci.h"
#include "vmm/vm.h"
#include "vmm/windows.h"

#define PIC_PINS    16 /* of both */
#define IOAPIC_PINS 24
/* Where a PC's firmware has their interrupts. */
#define PIC_MASTER_VECTORS 0x08
#define PIC_SLAVE_VECTORS  0x70

/*
 * Old Intel processors run real mode as a task of virtual-8086 mode, for which
 * KVM needs three pages of the guest's address space; elsewhere the call does nothing.
 * (The identity map that goes with it has a place already: the page below.)
 */
static int place_tss(int vm_fd)
{
	return ioctl(vm_fd, KVM_SET_TSS_ADDR, LAYOUT_TSS) ? -errno : 0;
}

/*
 * As firmware leaves it: interrupts have vectors of their own, and all are masked. After a reset
 * they would come as exceptions 0 to 7 in a kernel that does not know that there is a PIC.
 */
static int mask_pic(int vm_fd, u32 which, u8 vectors)
{
	struct kvm_irqchip chip = { .chip_id = which };

	if (ioctl(vm_fd, KVM_GET_IRQCHIP, &chip))
		return -errno;
	chip.chip.pic.irq_base = vectors;
	chip.chip.pic.imr = 0xff;
	return ioctl(vm_fd, KVM_SET_IRQCHIP, &chip) ? -errno : 0;
}

/* Nothing is asked for by name that some hosts have not. */
int arch_check_host(int kvm_fd, const struct arch_options *options, unsigned cpus,
		    struct error *err)
{
	return 0;
}

static int create_irqchip(struct vm *vm, struct error *err)
{
	const struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };

	if (ioctl(vm->fd, KVM_CREATE_IRQCHIP))
		return error_set(err, -errno, "this host's KVM has no interrupt controller: %s",
				 strerror(errno));
	if (mask_pic(vm->fd, KVM_IRQCHIP_PIC_MASTER, PIC_MASTER_VECTORS) ||
	    mask_pic(vm->fd, KVM_IRQCHIP_PIC_SLAVE, PIC_SLAVE_VECTORS))
		return error_set(err, -EIO,
				 "KVM does not let its interrupt controller (PIC) be "
				 "masked");
	if (ioctl(vm->fd, KVM_CREATE_PIT2, &pit))
		return error_set(err, -errno, "this host's KVM has no timer (PIT): %s",
				 strerror(errno));
	return 0;
}

static int check_address_bits(const struct vm *vm, struct error *err)
{
	const struct vm_config *config = vm->config;
	u64 last = config->ram[config->ram_count - 1].last;
	unsigned bits = vm->arch->address_bits;

	if (bits < 64 && last >> bits)
		return error_set(err, -ENODEV,
				 "--mem: this host's processors address %u bits, but the memory "
				 "would end at 0x%llx",
				 bits, (unsigned long long)last);
	return 0;
}

int arch_vm_create(struct vm *vm, struct error *err)
{
	struct arch_vm *arch = calloc(1, sizeof(*arch));
	int ret;

	if (!arch)
		return error_set(err, -ENOMEM, "out of memory");
	vm->arch = arch;
	ret = cpuid_create(&arch->cpuid, vm->kvm_fd, vm->fd, vm->config->cpus);
	if (ret) {
		error_set(err, ret, "KVM does not say what processors it has: %s", strerror(-ret));
		goto destroy;
	}
	arch->address_bits = cpuid_address_bits(arch->cpuid);
	ret = check_address_bits(vm, err);
	if (ret)
		goto destroy;
	ret = place_tss(vm->fd);
	if (ret) {
		error_set(err, ret, "KVM_SET_TSS_ADDR: %s", strerror(-ret));
		goto destroy;
	}
	ret = create_irqchip(vm, err);
	/* The local APICs': nothing moves it. */
	if (!ret)
		ret = dma_windows_decide(
			vm->config->windows,
			&(struct dma_doorbell){ .at = { LAYOUT_LAPIC, LAYOUT_MSI_LAST } }, err);
	if (!ret)
		return 0;
destroy:
	arch_vm_destroy(vm);
	return ret;
}

int arch_vm_finish(struct vm *vm, struct error *err)
{
	return 0;
}

void arch_vm_destroy(struct vm *vm)
{
	if (!vm->arch)
		return;
	free(vm->arch->cpuid);
	free(vm->arch);
	vm->arch = NULL;
}

static u32 put_pin(struct kvm_irq_routing_entry *entries, u32 n, u32 gsi, u32 chip, u32 pin)
{
	entries[n] = (struct kvm_irq_routing_entry){
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { .irqchip = chip, .pin = pin },
	};
	return n + 1;
}

/* Each of the first 16 lines is tied to a PIC as well as to the IOAPIC. */
u32 arch_irq_pins(struct kvm_irq_routing_entry *entries, u32 max)
{
	u32 n = 0;

	if (!entries || max < PIC_PINS + IOAPIC_PINS)
		return PIC_PINS + IOAPIC_PINS;
	for (u32 gsi = 0; gsi < IOAPIC_PINS; gsi++) {
		n = put_pin(entries, n, gsi, KVM_IRQCHIP_IOAPIC, gsi);
		if (gsi < PIC_PINS)
			n = put_pin(entries, n, gsi,
				    gsi < 8 ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE,
				    gsi % 8);
	}
	return n;
}

int arch_pci_layout(const struct vm *vm, struct pci_layout *layout, struct error *err)
{
	return layout_pci(vm->config->ram, vm->config->ram_count, vm->arch->address_bits, layout,
			  err);
}

unsigned arch_address_bits(const struct vm *vm)
{
	return vm->arch->address_bits;
}

/* The one of PCI serves. */
const bool arch_has_watchdog = false;

int arch_watchdog_create(struct vm *vm, enum watchdog_action action)
{
	return -ENODEV;
}
