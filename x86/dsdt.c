/* SPDX-License-Identifier: BSD-2-Clause */
/* What the guest's kernel finds its devices by. */
#include <stdio.h>

#include "acpi.h"
#include "aml.h"
#include "layout.h"

static void add_eisa_hid(struct aml *aml, const char *id, unsigned uid)
{
	aml_name(aml, "_HID");
	aml_eisa_id(aml, id);
	aml_name(aml, "_UID");
	aml_integer(aml, uid);
}

static void add_hid(struct aml *aml, const char *id, unsigned uid)
{
	aml_name(aml, "_HID");
	aml_string(aml, id);
	aml_name(aml, "_UID");
	aml_integer(aml, uid);
}

/*
 * _CRS. The registers come first: the VIOT names a device by the base of its
 * first memory resource.
 */
static void add_resources(struct aml *aml, const struct device_resource *resource)
{
	size_t mark;

	aml_name(aml, "_CRS");
	mark = aml_begin_resources(aml);
	if (resource->port)
		aml_resource_io(aml, resource->base, resource->size);
	else
		aml_resource_memory32(aml, resource->base, resource->size);
	if (resource->gsi != DEVICE_NO_IRQ)
		aml_resource_edge_interrupt(aml, resource->gsi, resource->shared);
	aml_end_resources(aml, mark);
}

static void add_device(struct aml *aml, const struct device_info *info, unsigned uid)
{
	static const char *const stem[] = {
		[DEVICE_SERIAL] = "COM",
		[DEVICE_VIRTIO_MMIO] = "VR",
		[DEVICE_PVPANIC] = "PVP",
	};
	char name[8];
	size_t mark;

	snprintf(name, sizeof(name), info->kind == DEVICE_VIRTIO_MMIO ? "%s%02X" : "%s%X",
		 stem[info->kind], (u8)uid);
	mark = aml_begin_device(aml, name);
	switch (info->kind) {
	case DEVICE_SERIAL:
		add_eisa_hid(aml, "PNP0501", uid);
		break;
	case DEVICE_VIRTIO_MMIO:
		add_hid(aml, "LNRO0005", uid);
		break;
	default:
		add_hid(aml, "QEMU0001", uid);
		break;
	}
	add_resources(aml, &info->resource);
	aml_end(aml, mark);
}

static void add_devices(struct aml *aml, const struct list_node *devices)
{
	/* Ports are numbered from 1, as people do; the rest from 0. */
	unsigned next[] = { [DEVICE_SERIAL] = 1, [DEVICE_VIRTIO_MMIO] = 0, [DEVICE_PVPANIC] = 0 };
	const struct list_node *node;

	list_for_each(node, devices) {
		const struct device *device = list_entry(node, const struct device, node);

		if (device->info.kind < ARRAY_SIZE(next))
			add_device(aml, &device->info, next[device->info.kind]++);
	}
}

/* Its interrupt is named: a hardware-reduced machine has no IRQ 8 by tradition. */
static void add_rtc(struct aml *aml)
{
	const struct device_resource resource = {
		.port = true,
		.base = PORT_RTC,
		.size = 2,
		.gsi = GSI_RTC,
	};
	size_t mark = aml_begin_device(aml, "RTC0");

	add_eisa_hid(aml, "PNP0B00", 0);
	add_resources(aml, &resource);
	aml_end(aml, mark);
}

/* "\_Sx (System States)": what the sleep control register takes for S5. */
static void add_s5(struct aml *aml)
{
	size_t mark;

	aml_name(aml, "_S5_");
	mark = aml_begin_package(aml, 4);
	aml_integer(aml, SLEEP_TYPE_S5);
	for (unsigned i = 0; i < 3; i++)
		aml_integer(aml, 0);
	aml_end(aml, mark);
}

/* "Power Button": of a machine without PM1 registers it is a device. */
static void add_power_button(struct aml *aml)
{
	size_t mark = aml_begin_device(aml, "PWRB");

	add_eisa_hid(aml, "PNP0C0C", 0);
	aml_end(aml, mark);
}

/*
 * "Generic Event Device": its one interrupt says that the button was pressed, 0x80 of "Power Button
 * Notification Values".
 */
static void add_event_device(struct aml *aml)
{
	size_t mark = aml_begin_device(aml, "EVTD"), inner;

	add_hid(aml, "ACPI0013", 0);
	aml_name(aml, "_CRS");
	inner = aml_begin_resources(aml);
	aml_resource_edge_interrupt(aml, GSI_SCI, false);
	aml_end_resources(aml, inner);
	inner = aml_begin_method(aml, "_EVT", 1);
	aml_op(aml, AML_NOTIFY);
	aml_reference(aml, "PWRB");
	aml_integer(aml, 0x80);
	aml_end(aml, inner);
	aml_end(aml, mark);
}

void dsdt_build(struct aml *aml, const struct acpi_machine *machine)
{
	size_t mark;

	add_s5(aml);
	mark = aml_begin_scope(aml, "\\_SB_");
	add_devices(aml, machine->devices);
	add_rtc(aml);
	if (!machine->no_ioapic) {
		add_power_button(aml);
		add_event_device(aml);
	}
	if (machine->pci)
		dsdt_add_pci(aml, machine->pci);
	aml_end(aml, mark);
}
