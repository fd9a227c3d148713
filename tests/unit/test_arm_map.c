/* SPDX-License-Identifier: BSD-2-Clause */
/* The map, and the v2m frame on a bus of its own with wires that only count. */
#include "cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../arm/map.h"
#include "../../arm/v2m.h"
#include "vmm/arch.h"
#include "vmm/bus.h"
#include "vmm/vm.h"

struct irq_line {
	u32 gsi;
};

/* Of the doubles below: the last line that was pulsed, and how often any was. */
static struct {
	u32 gsi;
	unsigned pulses;
	int lines;
} wires;

int irq_line_create(struct irq_line **line, struct irq *irq, u32 gsi, enum irq_trigger trigger)
{
	assert_int_equal(trigger, IRQ_EDGE);
	*line = calloc(1, sizeof(**line));
	(*line)->gsi = gsi;
	wires.lines++;
	return 0;
}

void irq_line_destroy(struct irq_line *line)
{
	wires.lines -= !!line;
	free(line);
}

void irq_line_pulse(struct irq_line *line)
{
	wires.gsi = line->gsi;
	wires.pulses++;
}

void vm_add_device(struct vm *vm, struct device *device)
{
	list_add_tail(&vm->devices, &device->node);
}

static void the_names_of_interrupt_controllers_are_known(void **state)
{
	struct error err = { "" };
	int kind;

	assert_int_equal(arch_irqchip_parse("gicv3-its", &kind, NULL), 0);
	assert_int_equal(kind, GIC_V3_ITS);
	assert_int_equal(arch_irqchip_parse("gicv2", &kind, NULL), 0);
	assert_int_equal(kind, GIC_V2);
	assert_int_equal(arch_irqchip_parse("best", &kind, &err), -EINVAL);
	assert_non_null(strstr(err.text, "gicv3-its, gicv3, gicv2m and gicv2"));
}

static void ram_begins_at_2_gib(void **state)
{
	struct range ram;

	assert_int_equal(arch_ram_layout(256 * MIB, &ram, 1, NULL), 1);
	assert_int_equal(ram.start, 0x80000000);
	assert_int_equal(ram.last, 0x8fffffff);
}

static void senseless_sizes_of_ram_are_refused(void **state)
{
	const u64 sizes[] = { 0, 1, 4096, 256 * MIB + 1, 1ULL << 48, UINT64_MAX - 4095 };

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct error err = { "" };
		struct range ram;

		assert_int_equal(arch_ram_layout(sizes[i], &ram, 1, &err), -EINVAL);
		assert_true(err.text[0]);
	}
}

static void slots_do_not_overlap_and_end(void **state)
{
	struct device_slot slot, last = { 0 };
	unsigned n;

	for (n = 0; !arch_slot_virtio(n, &slot); n++) {
		if (n)
			assert_true(slot.base >= last.base + last.size && slot.gsi > last.gsi);
		assert_true(slot.gsi >= MAP_SPI_VIRTIO && slot.gsi < MAP_SPI_V2M);
		last = slot;
	}
	assert_int_equal(n, 32);
	assert_int_equal(arch_slot_virtio(n, &slot), -ENOSPC);
}

static struct vm *v2m_machine(void)
{
	struct vm *vm = calloc(1, sizeof(*vm));

	list_init(&vm->devices);
	assert_int_equal(bus_create(&vm->mmio), 0);
	assert_int_equal(v2m_create(vm), 0);
	memset(&wires, 0, sizeof(wires));
	wires.lines = MAP_SPI_V2M_COUNT;
	return vm;
}

static void v2m_machine_destroy(struct vm *vm)
{
	struct device *device = list_entry(vm->devices.next, struct device, node);

	list_del(&device->node);
	device->ops->destroy(device);
	assert_int_equal(wires.lines, 0);
	bus_destroy(vm->mmio);
	free(vm);
}

static void the_v2m_frame_tells_which_spis_it_has(void **state)
{
	struct vm *vm = v2m_machine();
	u32 value;

	assert_true(bus_read(vm->mmio, MAP_V2M + 8, &value, 4));
	assert_int_equal(value >> 16 & 0x3ff, 32 + 64);
	assert_int_equal(value & 0x3ff, 64);
	v2m_machine_destroy(vm);
}

static void a_message_to_the_v2m_frame_pulses_its_spi(void **state)
{
	struct vm *vm = v2m_machine();
	u32 intid = 32 + 64 + 63;

	bus_write(vm->mmio, MAP_V2M + 0x40, &intid, 4);
	assert_int_equal(wires.pulses, 1);
	assert_int_equal(wires.gsi, 64 + 63);
	v2m_machine_destroy(vm);
}

static void a_message_with_anothers_spi_is_ignored(void **state)
{
	const u32 intids[] = { 0, 32, 32 + 16, 32 + 63, 32 + 128, 1020, UINT32_MAX };
	struct vm *vm = v2m_machine();
	u32 own = 32 + 64;

	for (unsigned i = 0; i < ARRAY_SIZE(intids); i++)
		bus_write(vm->mmio, MAP_V2M + 0x40, &intids[i], 4);
	bus_write(vm->mmio, MAP_V2M + 0x44, &own, 4);
	bus_write(vm->mmio, MAP_V2M + 0x40, &own, 1);
	assert_int_equal(wires.pulses, 0);
	v2m_machine_destroy(vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_names_of_interrupt_controllers_are_known),
		cmocka_unit_test(ram_begins_at_2_gib),
		cmocka_unit_test(senseless_sizes_of_ram_are_refused),
		cmocka_unit_test(slots_do_not_overlap_and_end),
		cmocka_unit_test(the_v2m_frame_tells_which_spis_it_has),
		cmocka_unit_test(a_message_to_the_v2m_frame_pulses_its_spi),
		cmocka_unit_test(a_message_with_anothers_spi_is_ignored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
