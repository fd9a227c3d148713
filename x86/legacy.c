/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ports that every PC has, but for the clock (rtc.c): what is left of the keyboard controller
 * (its reset line), PCI's configuration ports with the reset register among them, and the
 * sleep registers that our FADT names. Ports that nobody claims, like 0x80 and the DMA page
 * registers, read as all ones and swallow writes; KVM's PIT has 0x61.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config_ports.h"
#include "layout.h"
#include "rtc.h"
#include "vmm/bus.h"
#include "vmm/device.h"
#include "vmm/power.h"
#include "vmm/serial.h"
#include "vmm/vm.h"

enum { REGION_I8042_DATA, REGION_I8042_COMMAND, REGION_SLEEP, REGION_PM1, REGION_CONFIG, REGIONS };

#define I8042_STATUS	  0x14 /* self-test passed, not locked, both buffers empty */
#define I8042_PULSE	  0xf0 /* and above: pulse the output lines whose bits are clear ... */
#define I8042_PULSE_RESET 0x01 /* ... of which this one is the processor's reset */

struct legacy {
	struct device device;
	struct vm *vm;
	struct bus_region regions[REGIONS];
	struct config_ports config;
	struct power_button button;
	struct irq_line *sci; /* owned */
	u16 pm1_status, pm1_enable;
};

static u64 i8042_read_data(struct bus_region *region, u64 offset, unsigned len)
{
	return 0;
}

static u64 i8042_read_status(struct bus_region *region, u64 offset, unsigned len)
{
	return I8042_STATUS;
}

static void i8042_write_data(struct bus_region *region, u64 offset, u64 value, unsigned len)
{
}

static void i8042_write_command(struct bus_region *region, u64 offset, u64 value, unsigned len)
{
	struct legacy *legacy = container_of(region, struct legacy, regions[REGION_I8042_COMMAND]);
	u8 command = value;

	if (command >= I8042_PULSE && !(command & I8042_PULSE_RESET))
		vm_guest_stop(legacy->vm, VM_REBOOT);
}

static u64 sleep_read(struct bus_region *region, u64 offset, unsigned len)
{
	return 0;
}

/* ACPI 6.5, "Sleep Control Register": the type in bits 2-4, bit 5 triggers. */
static void sleep_write(struct bus_region *region, u64 offset, u64 value, unsigned len)
{
	struct legacy *legacy = container_of(region, struct legacy, regions[REGION_SLEEP]);

	if (!offset && (value & SLEEP_ENABLE) && ((value >> SLEEP_TYPE_SHIFT) & 7) == SLEEP_TYPE_S5)
		vm_stop(legacy->vm, VM_POWEROFF);
}

/*
 * ACPI 6.5, "PM1 Event Grouping" and "PM1 Control Grouping": the one event is the power button.
 * The tables name these registers to guests without an IOAPIC.
 */
enum { PM1_STATUS = 0, PM1_ENABLE = 2, PM1_CONTROL = 4 };

static void update_sci(struct legacy *legacy)
{
	irq_line_set(legacy->sci, legacy->pm1_status & legacy->pm1_enable);
}

/*
 * With tables that have no PM1 the line is an edge for the event device, whose driver takes it for
 * that button.
 */
static void press(struct power_button *button)
{
	struct legacy *legacy = container_of(button, struct legacy, button);

	legacy->pm1_status |= PM1_POWER_BUTTON;
	if (!(legacy->pm1_enable & PM1_POWER_BUTTON))
		irq_line_set(legacy->sci, true);
	update_sci(legacy);
}

static u64 pm1_read(struct bus_region *region, u64 offset, unsigned len)
{
	struct legacy *legacy = container_of(region, struct legacy, regions[REGION_PM1]);
	u64 registers = legacy->pm1_status | (u64)legacy->pm1_enable << 8 * PM1_ENABLE |
			(u64)PM1_SCI_ENABLE << 8 * PM1_CONTROL;

	return registers >> 8 * offset;
}

static void pm1_write(struct bus_region *region, u64 offset, u64 value, unsigned len)
{
	struct legacy *legacy = container_of(region, struct legacy, regions[REGION_PM1]);

	/* A bit is cleared by writing it. */
	if (offset == PM1_STATUS) {
		legacy->pm1_status &= ~value;
		if (len > PM1_ENABLE)
			legacy->pm1_enable = value >> 8 * PM1_ENABLE;
	}
	if (offset == PM1_ENABLE)
		legacy->pm1_enable = value;
	update_sci(legacy);
	if (offset == PM1_CONTROL && (value & PM1_SLEEP_ENABLE) &&
	    ((value >> PM1_SLEEP_TYPE_SHIFT) & 7) == SLEEP_TYPE_S5)
		vm_stop(legacy->vm, VM_POWEROFF);
}

/* One byte of the configuration address is the reset register, to who writes one byte. */
static bool is_reset(u64 offset, unsigned len)
{
	return offset == PORT_RESET - PORT_CONFIG && len == 1;
}

static u64 config_read(struct bus_region *region, u64 offset, unsigned len)
{
	struct legacy *legacy = container_of(region, struct legacy, regions[REGION_CONFIG]);

	if (is_reset(offset, len))
		return 0;
	return config_ports_read(&legacy->config, legacy->vm->pci, offset, len);
}

static void config_write(struct bus_region *region, u64 offset, u64 value, unsigned len)
{
	struct legacy *legacy = container_of(region, struct legacy, regions[REGION_CONFIG]);

	if (!is_reset(offset, len))
		config_ports_write(&legacy->config, legacy->vm->pci, offset, value, len);
	else if (value & RESET_CPU)
		vm_guest_stop(legacy->vm, VM_REBOOT);
}

static const struct bus_ops i8042_data_ops = { i8042_read_data, i8042_write_data };
static const struct bus_ops i8042_command_ops = { i8042_read_status, i8042_write_command };
static const struct bus_ops sleep_ops = { sleep_read, sleep_write };
static const struct bus_ops pm1_ops = { pm1_read, pm1_write };
static const struct bus_ops config_ops = { config_read, config_write };

static const struct bus_region regions[REGIONS] = {
	[REGION_I8042_DATA] = { PORT_I8042, PORT_I8042, &i8042_data_ops },
	[REGION_I8042_COMMAND] = { PORT_I8042 + 4, PORT_I8042 + 4, &i8042_command_ops },
	[REGION_SLEEP] = { PORT_SLEEP, PORT_SLEEP + 1, &sleep_ops },
	[REGION_PM1] = { PORT_PM1, PORT_PM1 + 5, &pm1_ops },
	[REGION_CONFIG] = { PORT_CONFIG, PORT_CONFIG + 7, &config_ops },
};

static void legacy_destroy(struct device *device)
{
	struct legacy *legacy = container_of(device, struct legacy, device);

	for (unsigned i = 0; i < REGIONS; i++)
		bus_remove(legacy->vm->ports, &legacy->regions[i]);
	legacy->vm->power_button = NULL;
	irq_line_destroy(legacy->sci);
	free(legacy);
}

static const struct device_ops legacy_ops = { .destroy = legacy_destroy };

int arch_serial_create(struct vm *vm, unsigned n, struct terminal *terminal)
{
	struct device_resource resource;

	arch_serial_resource(&vm->config->arch, n, &resource);
	return serial_create(vm, n, &resource, terminal);
}

int arch_add_devices(struct vm *vm, struct error *err)
{
	struct legacy *legacy = calloc(1, sizeof(*legacy));
	int ret;

	if (!legacy)
		return error_set(err, -ENOMEM, "out of memory");
	legacy->vm = vm;
	legacy->button.press = press;
	ret = irq_line_create(&legacy->sci, vm->irq, GSI_SCI, IRQ_EDGE);
	legacy->device.ops = &legacy_ops;
	legacy->device.info = (struct device_info){
		.name = "legacy ports",
		.kind = DEVICE_LEGACY,
		.resource = { .port = true, .gsi = DEVICE_NO_IRQ },
		.endpoint = DEVICE_NO_ENDPOINT,
	};
	for (unsigned i = 0; !ret && i < REGIONS; i++) {
		legacy->regions[i] = regions[i];
		ret = bus_add(vm->ports, &legacy->regions[i]);
	}
	if (ret) {
		legacy_destroy(&legacy->device);
		return error_set(err, ret, "cannot add the legacy ports");
	}
	vm_add_device(vm, &legacy->device);
	vm->power_button = &legacy->button;
	ret = rtc_create(vm);
	return ret ? error_set(err, ret, "cannot make the clock: %s", strerror(-ret)) : 0;
}
