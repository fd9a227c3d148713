/* SPDX-License-Identifier: BSD-2-Clause */
#include "vfio_machine.h"

struct vm vm;
struct irq irq;
struct vfio_container *container;
struct vfio_group group;
struct vfio_device *device;
struct fake_device *hardware;
unsigned slots_shown;

int page_slot_map(struct vm *of, struct page_slot *slot, gpa_t gpa, void *host, u64 size)
{
	assert_int_equal((gpa | size | (uintptr_t)host) % MACHINE_PAGE, 0);
	*slot = (struct page_slot){ .gpa = gpa, .size = size, .host = host };
	list_add_tail(&of->page_slots, &slot->node);
	slots_shown++;
	return 0;
}

void page_slot_unmap(struct vm *of, struct page_slot *slot)
{
	if (!slot->size)
		return;
	list_del(&slot->node);
	slot->size = 0;
	slots_shown--;
}

void *page_slot_host(const struct vm *of, gpa_t gpa, u64 len)
{
	const struct list_node *node;

	list_for_each(node, &of->page_slots) {
		const struct page_slot *slot = list_entry(node, struct page_slot, node);

		if (gpa >= slot->gpa && gpa + len <= slot->gpa + slot->size)
			return (char *)slot->host + (gpa - slot->gpa);
	}
	return NULL;
}

u32 config_read(u32 offset, unsigned len)
{
	u32 value;

	vm_lock(&vm);
	value = pci_config_read(vm.pci, MACHINE_BDF, offset, len);
	vm_unlock(&vm);
	return value;
}

void config_write(u32 offset, u32 value, unsigned len)
{
	vm_lock(&vm);
	pci_config_write(vm.pci, MACHINE_BDF, offset, value, len);
	vm_unlock(&vm);
}

u64 mmio_read(u64 address, unsigned len)
{
	u64 value = 0;

	vm_lock(&vm);
	bus_read(vm.mmio, address, &value, len);
	vm_unlock(&vm);
	return value;
}

void mmio_write(u64 address, u64 value, unsigned len)
{
	vm_lock(&vm);
	bus_write(vm.mmio, address, &value, len);
	vm_unlock(&vm);
}

void put8(u32 offset, u8 value)
{
	hardware->config[offset] = value;
}

void put16(u32 offset, u16 value)
{
	put8(offset, value);
	put8(offset + 1, value >> 8);
}

void put32(u32 offset, u32 value)
{
	put16(offset, value);
	put16(offset + 2, value >> 16);
}

u16 hardware16(u32 offset)
{
	return hardware->config[offset] | hardware->config[offset + 1] << 8;
}

void put_capability(u8 id, u32 at)
{
	static u32 last;
	bool first = !(hardware->config[PCI_STATUS] & PCI_STATUS_CAP_LIST);

	put8(first ? PCI_CAPABILITY_LIST : last + PCI_CAP_LIST_NEXT, at);
	put8(PCI_STATUS, PCI_STATUS_CAP_LIST);
	put8(at, id);
	last = at;
}

static u32 machine_intx(unsigned slot, unsigned pin)
{
	return MACHINE_GSI;
}

void machine_vm(void)
{
	static const struct range ram = { 0, MIB - 1 };
	static const struct pci_layout layout = {
		.ecam = { ECAM, ECAM + MIB - 1 },
		.mmio32 = { MMIO32, MMIO32 + 64 * MIB - 1 },
		.mmio64 = { MMIO64, MMIO64 + GIB - 1 },
		.io = { 0x1000, 0xffff },
		.intx = machine_intx,
	};

	fake_vm_create(&vm, &irq, &ram, 1);
	irq.room = MACHINE_ROUTES;
	assert_int_equal(pci_bus_create(&vm.pci, &vm, &layout), 0);
}

void machine_host(void)
{
	vfio_fake_init();
	hardware = vfio_fake_device("0000:00:04.0", 4);
	put32(PCI_VENDOR_ID, 0x10421af4);
	put32(PCI_CLASS_REVISION, 0x01000001);
	put8(PCI_INTERRUPT_PIN, 1);
	hardware->irq_counts[VFIO_PCI_INTX_IRQ_INDEX] = 1;
	hardware->irq_counts[VFIO_PCI_ERR_IRQ_INDEX] = 1;
	hardware->irq_counts[VFIO_PCI_REQ_IRQ_INDEX] = 1;
}

void machine_open(void)
{
	group = (struct vfio_group){ .number = 4 };
	group.fd = vfio_sys_open("/dev/vfio/4");
	assert_int_equal(vfio_container_open(&container, &vfio_host_paths, "vfio x", NULL), 0);
	assert_int_equal(vfio_container_attach(container, group.fd, "vfio x", NULL), 0);
	group.container = container;
	device = calloc(1, sizeof(*device));
	assert_non_null(device);
	device->address = (struct vfio_address){ .slot = 4 };
	strcpy(device->name, "vfio 0000:00:04.0");
	assert_int_equal(vfio_device_open(device, &group, NULL), 0);
}

void machine_start(void)
{
	struct error err = { "" };

	machine_vm();
	machine_open();
	if (vfio_device_add(device, vm.pci, &vm, 1, 0, &vm.identity.space, 8, &err))
		fail_msg("%s", err.text);
	assert_int_equal(pci_bus_place_bars(vm.pci, &err), 0);
}

int machine_end(void **state)
{
	fake_vm_destroy_devices(&vm);
	assert_int_equal(slots_shown, 0);
	assert_int_equal(hardware->vector_count, 0);
	vfio_device_close(device);
	free(device);
	vfio_group_close(&group);
	vfio_container_close(container);
	fake_vm_destroy(&vm);
	vfio_fake_end();
	return 0;
}
