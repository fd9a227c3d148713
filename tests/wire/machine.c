/* SPDX-License-Identifier: BSD-2-Clause */
/* The fake machine: all of a struct vm but KVM. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmocka_all.h"
#include "vmm/ioevent.h"
#include "../../vmm/pause.h"
#include "wire.h"

#define GSIS	 256
#define IOEVENTS 64
#define ROUTES	 64 /* their GSIs begin at GSIS */

/* A GSI that is a message, and the eventfd that raises it (-1: none). */
struct route {
	bool used;
	struct msi_message msi;
	int fd;
};

struct irq {
	unsigned pulses[GSIS];
	bool levels[GSIS];
	unsigned msis;
	struct msi_message last_msi;
	struct route routes[ROUTES];
};

struct irq_line {
	struct irq *irq;
	u32 gsi;
};

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
	vm->kvm_fd = vm->fd = -1;
	vm->config = &wire_config;
	vm->irq = &machine->irq;
	pthread_mutex_init(&vm->lock, NULL);
	list_init(&vm->devices);
	list_init(&vm->slots);
	assert_int_equal(memory_create(&vm->memory, wire_ram, ARRAY_SIZE(wire_ram), NULL), 0);
	assert_int_equal(loop_create(&vm->loop, &vm->lock), 0);
	assert_int_equal(pause_create(vm), 0);
	assert_int_equal(bus_create(&vm->mmio), 0);
	assert_int_equal(bus_create(&vm->ports), 0);
	dma_identity_init(&vm->identity, vm->memory, vm->irq);
	return vm;
}

void wire_destroy(struct vm *vm)
{
	while (!list_empty(&vm->devices)) {
		struct list_node *last = vm->devices.prev;
		struct device *device = list_entry(last, struct device, node);

		list_del(last);
		device->ops->destroy(device);
	}
	assert_true(list_empty(&vm->identity.space.holds));
	bus_destroy(vm->ports);
	bus_destroy(vm->mmio);
	pause_destroy(vm);
	loop_destroy(vm->loop);
	memory_destroy(vm->memory);
	pthread_mutex_destroy(&vm->lock);
	free(machine);
	machine = NULL;
}

void wire_slot(unsigned n, struct device_slot *slot)
{
	assert_true(n < WIRE_SLOTS);
	*slot = (struct device_slot){
		.base = WIRE_MMIO + 0x200 * n,
		.size = 0x200,
		.gsi = WIRE_GSI + n,
		.trigger = IRQ_EDGE,
	};
}

unsigned wire_interrupts(u32 gsi)
{
	assert_true(gsi < GSIS);
	return machine->irq.pulses[gsi];
}

bool wire_level(u32 gsi)
{
	assert_true(gsi < GSIS);
	return machine->irq.levels[gsi];
}

/* KVM takes what is signalled at once; we, when somebody asks. */
static void collect(struct irq *irq, const struct route *route)
{
	u64 count;

	if (route->fd < 0 || read(route->fd, &count, sizeof(count)) != sizeof(count))
		return;
	irq->msis += count;
	irq->last_msi = route->msi;
}

unsigned wire_routes(void)
{
	unsigned count = 0;

	for (unsigned i = 0; i < ROUTES; i++)
		count += machine->irq.routes[i].used;
	return count;
}

unsigned wire_msis(struct msi_message *last)
{
	for (unsigned i = 0; i < ROUTES; i++) {
		if (machine->irq.routes[i].used)
			collect(&machine->irq, &machine->irq.routes[i]);
	}
	if (last)
		*last = machine->irq.last_msi;
	return machine->irq.msis;
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

		if (event->address == address && event->len == len && event->value == value) {
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

/* ---- vmm/irq.h ---- */

int irq_create(struct irq **irq, const struct vm *vm)
{
	return -ENOSYS;
}

void irq_destroy(struct irq *irq)
{
}

int irq_line_create(struct irq_line **out, struct irq *irq, u32 gsi, enum irq_trigger trigger)
{
	struct irq_line *line = calloc(1, sizeof(*line));

	if (!line)
		return -ENOMEM;
	assert_true(gsi < GSIS);
	line->irq = irq;
	line->gsi = gsi;
	*out = line;
	return 0;
}

void irq_line_destroy(struct irq_line *line)
{
	free(line);
}

void irq_line_pulse(struct irq_line *line)
{
	line->irq->pulses[line->gsi]++;
}

void irq_line_set(struct irq_line *line, bool level)
{
	if (level && !line->irq->levels[line->gsi])
		line->irq->pulses[line->gsi]++;
	line->irq->levels[line->gsi] = level;
}

void wire_send_msi(struct irq *irq, const struct msi_message *msi)
{
	irq->msis++;
	irq->last_msi = *msi;
}

static struct route *route_of(struct irq *irq, u32 gsi)
{
	assert_true(gsi >= GSIS && gsi < GSIS + ROUTES && irq->routes[gsi - GSIS].used);
	return &irq->routes[gsi - GSIS];
}

int irq_route_msi(struct irq *irq, const struct msi_message *msi, u32 *gsi)
{
	for (unsigned i = 0; i < ROUTES; i++) {
		if (irq->routes[i].used)
			continue;
		irq->routes[i] = (struct route){ true, *msi, -1 };
		*gsi = GSIS + i;
		return 0;
	}
	return -ENOSPC;
}

int irq_update_route(struct irq *irq, u32 gsi, const struct msi_message *msi)
{
	struct route *route = route_of(irq, gsi);

	collect(irq, route);
	route->msi = *msi;
	return 0;
}

void irq_say_refused(struct irq *irq, u32 device_id, int error)
{
}

void irq_free_route(struct irq *irq, u32 gsi)
{
	struct route *route = route_of(irq, gsi);

	assert_int_equal(route->fd, -1);
	route->used = false;
}

int irq_attach_fd(struct irq *irq, u32 gsi, int fd, int resample_fd)
{
	struct route *route = route_of(irq, gsi);

	assert_int_equal(route->fd, -1);
	route->fd = fd;
	return 0;
}

void irq_detach_fd(struct irq *irq, u32 gsi, int fd)
{
	struct route *route = route_of(irq, gsi);

	assert_int_equal(route->fd, fd);
	collect(irq, route);
	route->fd = -1;
}

/* ---- vmm/ioevent.h ---- */

int ioevent_add(struct vm *vm, gpa_t address, unsigned len, u32 value, int fd)
{
	if (!machine->ioevents_allowed)
		return -ENOSPC;
	assert_true(machine->ioevent_count < IOEVENTS);
	machine->ioevents[machine->ioevent_count++] = (struct ioevent){ address, len, value, fd };
	return 0;
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
