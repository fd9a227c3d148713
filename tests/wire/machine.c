/* SPDX-License-Identifier: BSD-2-Clause */
/* The fake machine: all of a struct vm but KVM. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmocka_all.h"
#include "fake_vm.h"
#include "vmm/ioevent.h"
#include "../../vmm/pause.h"
#include "wire.h"

#define IOEVENTS 64

struct ioevent {
	gpa_t address;
	unsigned len;
	u32 value;
	int fd;
};

struct machine {
	struct vm vm;
	struct irq irq;
	bool ioevents_allowed;
	unsigned ioevent_count;
	struct ioevent ioevents[IOEVENTS];
};

/* wire_interrupts() has no vm to ask: a test has one machine at a time. */
static struct machine *machine;

static const struct range wire_ram[] = {
	{ 0, WIRE_RAM - 1 },
	{ WIRE_HIGH, WIRE_HIGH + WIRE_RAM - 1 },
};

static const struct vm_config wire_config = {
	.name = "wire",
	.cpus = 1,
	.ram = wire_ram,
	.ram_count = ARRAY_SIZE(wire_ram),
};

struct vm *wire_create(void)
{
	struct vm *vm;

	assert_null(machine);
	machine = calloc(1, sizeof(*machine));
	assert_non_null(machine);
	vm = &machine->vm;
	fake_vm_create(vm, &machine->irq, wire_ram, ARRAY_SIZE(wire_ram));
	vm->config = &wire_config;
	assert_int_equal(pause_create(vm), 0);
	return vm;
}

void wire_destroy(struct vm *vm)
{
	pause_for_good(vm);
	fake_vm_destroy_devices(vm);
	pause_destroy(vm);
	fake_vm_destroy(vm);
	free(machine);
	machine = NULL;
}

void wire_slot(unsigned n, struct device_resource *resource)
{
	assert_true(n < WIRE_SLOTS);
	*resource = (struct device_resource){
		.base = WIRE_MMIO + 0x200 * n,
		.size = 0x200,
		.gsi = WIRE_GSI + n,
		.trigger = IRQ_EDGE,
	};
}

unsigned wire_interrupts(u32 gsi)
{
	assert_true(gsi < IRQ_FAKE_PINS);
	return machine->irq.rises[gsi];
}

bool wire_level(u32 gsi)
{
	assert_true(gsi < IRQ_FAKE_PINS);
	return machine->irq.level[gsi];
}

unsigned wire_routes(void)
{
	return irq_fake_routes(&machine->irq);
}

unsigned wire_msis(struct msi_message *last)
{
	unsigned count = irq_fake_run(&machine->irq);

	if (last && count)
		*last = machine->irq.messages[(count - 1) % IRQ_FAKE_MESSAGES];
	else if (last)
		memset(last, 0, sizeof(*last));
	return count;
}

void wire_send_msi(struct irq *irq, const struct msi_message *msi)
{
	irq_fake_send(irq, msi);
}

void wire_allow_ioevents(void)
{
	machine->ioevents_allowed = true;
}

unsigned wire_ioevents(void)
{
	return machine->ioevent_count;
}

bool wire_ioevent(gpa_t address, unsigned len, u32 value)
{
	u64 one = 1;

	for (unsigned i = 0; i < machine->ioevent_count; i++) {
		const struct ioevent *event = &machine->ioevents[i];

		if (event->address == address &&
		    (!event->len || (event->len == len && event->value == value))) {
			assert_int_equal(write(event->fd, &one, sizeof(one)), sizeof(one));
			return true;
		}
	}
	return false;
}

u32 wire_reg_read(struct vm *vm, unsigned slot, u32 offset)
{
	u32 value = 0;

	vm_lock(vm);
	bus_read(vm->mmio, WIRE_MMIO + 0x200 * slot + offset, &value, sizeof(value));
	vm_unlock(vm);
	return value;
}

void wire_reg_write(struct vm *vm, unsigned slot, u32 offset, u32 value)
{
	gpa_t address = WIRE_MMIO + 0x200 * slot + offset;

	if (wire_ioevent(address, sizeof(value), value))
		return;
	vm_lock(vm);
	bus_write(vm->mmio, address, &value, sizeof(value));
	vm_unlock(vm);
}

u32 wire_config_read(struct vm *vm, unsigned slot, u32 offset, unsigned len)
{
	u32 value = 0;

	assert_true(len <= sizeof(value));
	vm_lock(vm);
	bus_read(vm->mmio, WIRE_MMIO + 0x200 * slot + 0x100 + offset, &value, len);
	vm_unlock(vm);
	return value;
}

void wire_config_write(struct vm *vm, unsigned slot, u32 offset, u32 value, unsigned len)
{
	assert_true(len <= sizeof(value));
	vm_lock(vm);
	bus_write(vm->mmio, WIRE_MMIO + 0x200 * slot + 0x100 + offset, &value, len);
	vm_unlock(vm);
}

void wire_write(struct vm *vm, gpa_t gpa, const void *data, u64 len)
{
	assert_int_equal(memory_write(vm->memory, gpa, data, len), 0);
}

void wire_read(struct vm *vm, gpa_t gpa, void *data, u64 len)
{
	assert_int_equal(memory_read(vm->memory, gpa, data, len), 0);
}

void wire_fill(struct vm *vm, gpa_t gpa, u8 value, u64 len)
{
	void *host = memory_host(vm->memory, gpa, len);

	assert_non_null(host);
	memset(host, value, len);
}

/* ---- vmm/ioevent.h ---- */

int ioevent_add(struct vm *vm, gpa_t address, unsigned len, u32 value, int fd)
{
	if (!machine->ioevents_allowed)
		return -ENOSPC;
	/* As KVM does: one that matches all and another cannot be at one place. */
	for (unsigned i = 0; i < machine->ioevent_count; i++) {
		const struct ioevent *event = &machine->ioevents[i];

		if (event->address == address &&
		    (!len || !event->len || (event->len == len && event->value == value)))
			return -EEXIST;
	}
	assert_true(machine->ioevent_count < IOEVENTS);
	machine->ioevents[machine->ioevent_count++] = (struct ioevent){ address, len, value, fd };
	return 0;
}

int ioevent_add_any(struct vm *vm, gpa_t address, int fd)
{
	return ioevent_add(vm, address, 0, 0, fd);
}

void ioevent_remove_any(struct vm *vm, gpa_t address, int fd)
{
	ioevent_remove(vm, address, 0, 0, fd);
}

void ioevent_remove(struct vm *vm, gpa_t address, unsigned len, u32 value, int fd)
{
	for (unsigned i = 0; i < machine->ioevent_count; i++) {
		struct ioevent *event = &machine->ioevents[i];

		if (event->address != address || event->len != len || event->value != value ||
		    event->fd != fd)
			continue;
		*event = machine->ioevents[--machine->ioevent_count];
		return;
	}
	fail_msg("an ioevent was removed that is not there");
}
