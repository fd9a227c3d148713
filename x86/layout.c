/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <string.h>

#include "layout.h"
#include "vmm/arch.h"
#include "vmm/pci.h"

const char *const arch_name = "x86";
const bool arch_has_device_tree = false;
const bool arch_msi_has_device_id = false;
const bool arch_maps_doorbells = false;

int arch_irqchip_parse(const char *name, int *irqchip, struct error *err)
{
	if (strcmp(name, "auto") && strcmp(name, "kernel"))
		return error_set(err, -EINVAL,
				 "--irqchip %s: there is none; x86 has auto and kernel", name);
	*irqchip = 0;
	return 0;
}

/* The first page of the local APICs' window: a host whose window has that one has ours. */
const struct range arch_doorbells[] = { { LAYOUT_LAPIC, LAYOUT_LAPIC + 0xfff } };
const unsigned arch_doorbell_count = ARRAY_SIZE(arch_doorbells);

int arch_ram_layout(const struct arch_options *options, u64 size, gpa_t base, struct range *ranges,
		    unsigned max, struct error *err)
{
	u64 low = MIN(size, LAYOUT_LOW_END);

	if (base)
		return error_set(err, -EINVAL,
				 "--mem: the RAM of x86 guests begins at 0: leave @ADDRESS out");
	if (!is_aligned(size, 4096))
		return error_set(err, -EINVAL, "--mem: %llu bytes are not a multiple of 4096",
				 (unsigned long long)size);
	if (size < LAYOUT_RAM_MIN)
		return error_set(err, -EINVAL,
				 "--mem: %llu KiB hold no kernel; give at least %llu MiB",
				 (unsigned long long)(size / KIB), LAYOUT_RAM_MIN / MIB);
	if (size > LAYOUT_RAM_MAX)
		return error_set(err, -EINVAL, "--mem: more than %llu GiB", LAYOUT_RAM_MAX / GIB);
	if (max < LAYOUT_RANGES)
		return error_set(err, -EINVAL, "--mem: no room for %u ranges", LAYOUT_RANGES);
	range_make(0, low, &ranges[0]);
	if (size == low)
		return 1;
	range_make(LAYOUT_HIGH, size - low, &ranges[1]);
	return 2;
}

/*
 * Edge-triggered pins that no legacy device has, lowest first; 16-19 are left
 * to PCI's INTx.
 */
static const u8 virtio_gsis[] = { 5, 6, 7, 10, 11, 12, 13, 14, 15, 20, 21, 22, 23 };

int arch_virtio_resource(unsigned n, struct device_resource *resource)
{
	if (n >= ARRAY_SIZE(virtio_gsis))
		return -ENOSPC;
	*resource = (struct device_resource){
		.base = LAYOUT_VIRTIO + n * LAYOUT_VIRTIO_STEP,
		.size = LAYOUT_VIRTIO_SIZE,
		.gsi = virtio_gsis[n],
		.trigger = IRQ_EDGE,
	};
	return 0;
}

/*
 * COM1 to COM4 of every PC, which Linux finds without ACPI as well. Two share an interrupt: its
 * driver asks all ports of one until none has anything left, so an edge for their OR is enough.
 */
void arch_serial_resource(const struct arch_options *options, unsigned n,
			  struct device_resource *resource)
{
	static const u16 ports[ARCH_SERIAL_PORTS] = { 0x3f8, 0x2f8, 0x3e8, 0x2e8 };

	*resource = (struct device_resource){
		.port = true,
		.base = ports[n],
		.size = 8,
		.gsi = n % 2 ? GSI_SERIAL_EVEN : GSI_SERIAL_ODD,
		.trigger = IRQ_EDGE,
		.shared = true,
	};
}

bool arch_flash_resource(const struct arch_options *options, struct device_resource *resource)
{
	return false;
}

void arch_pvpanic_resource(struct device_resource *resource)
{
	*resource = (struct device_resource){
		.port = true,
		.base = PORT_PVPANIC,
		.size = 1,
		.gsi = DEVICE_NO_IRQ,
	};
}

/* KVM's x86 VMs have one type, whose address width is the processor's. */
unsigned long arch_vm_type(int kvm_fd, const struct range *ram, unsigned ram_count)
{
	return 0;
}

u32 arch_irq_line_number(u32 gsi)
{
	return gsi;
}

/* Each write to the doorbell is a message that KVM knows. */
bool arch_msi_pin(const struct vm *vm, const struct msi_message *msi, u32 *gsi)
{
	return false;
}

static unsigned e820_add(struct e820_range *map, unsigned n, u64 start, u64 last,
			 enum e820_type type)
{
	map[n] = (struct e820_range){ { start, last }, type };
	return n + 1;
}

unsigned e820_build(const struct range *ram, unsigned ram_count, const struct range *ecam,
		    struct e820_range map[E820_MAX])
{
	unsigned n = 0;

	n = e820_add(map, n, 0, LAYOUT_EBDA - 1, E820_RAM);
	n = e820_add(map, n, LAYOUT_EBDA, 0x9ffff, E820_RESERVED);
	n = e820_add(map, n, LAYOUT_TABLES, LAYOUT_FIRMWARE_LAST, E820_RESERVED);
	n = e820_add(map, n, LAYOUT_KERNEL_MIN, ram[0].last, E820_RAM);
	/* "PCI Firmware Specification", MCFG: the ECAM must be reserved, here or in the DSDT. */
	if (ecam)
		n = e820_add(map, n, ecam->start, ecam->last, E820_RESERVED);
	for (unsigned i = 1; i < ram_count && n < E820_MAX; i++)
		n = e820_add(map, n, ram[i].start, ram[i].last, E820_RAM);
	return n;
}

/*
 * Every slot begins with another line ("PCI-to-PCI Bridge Architecture", interrupt binding),
 * of the four that the IOAPIC has for PCI.
 */
static u32 intx_gsi(unsigned slot, unsigned pin)
{
	return GSI_INTX + (slot + pin - 1) % GSI_INTX_LINES;
}

/* Hosts whose processors say 52 bits may translate 48; guests need no more than this. */
#define PCI64_MAX_BITS 46
#define PCI64_MIN      GIB

int layout_pci(const struct range *ram, unsigned ram_count, unsigned address_bits,
	       struct pci_layout *layout, struct error *err)
{
	u64 start = align_up(MAX(ram[ram_count - 1].last + 1, LAYOUT_HIGH), GIB);
	u64 end = 1ULL << MIN(address_bits, (unsigned)PCI64_MAX_BITS);

	if (end < PCI64_MIN || start > end - PCI64_MIN)
		return error_set(err, -ENOSPC,
				 "--mem: the memory ends at 0x%llx, which leaves no room for PCI "
				 "below 0x%llx, where this host's addresses end",
				 (unsigned long long)ram[ram_count - 1].last,
				 (unsigned long long)end);
	*layout = (struct pci_layout){
		.ecam = { LAYOUT_ECAM, LAYOUT_ECAM + LAYOUT_ECAM_SIZE - 1 },
		.mmio32 = { LAYOUT_PCI32, LAYOUT_PCI32_LAST },
		.mmio64 = { start, end - 1 },
		.io = { PORT_PCI, PORT_LAST },
		.intx = intx_gsi,
	};
	return 0;
}
