/* SPDX-License-Identifier: BSD-2-Clause */
/* The map, and the v2m frame on a bus of its own with wires that only count. */
#include "test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../arm/map.h"
#include "../../arm/v2m.h"
#include "irq_fake.h"
#include "vmm/arch.h"
#include "vmm/bus.h"
#include "vmm/pci.h"
#include "vmm/vm.h"

static struct irq irq;

static const struct arch_options usual, with_firmware = { .firmware = true };

TEST(the_names_of_interrupt_controllers_are_known)
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

TEST(interrupt_controllers_without_msis_leave_virtio_devices_on_mmio)
{
	static const bool on_mmio[GIC_KINDS] = { [GIC_V3] = true, [GIC_V2] = true };

	for (int kind = 0; kind < GIC_KINDS; kind++) {
		struct arch_options options = { .irqchip = kind };

		assert_int_equal(arch_wants_mmio(&options, NULL), on_mmio[kind]);
		assert_int_equal(arch_wants_mmio(&options, "nolapic"), on_mmio[kind]);
	}
}

TEST(ram_begins_at_2_gib)
{
	struct range ram;

	assert_int_equal(arch_ram_layout(&usual, 256 * MIB, 0, &ram, 1, NULL), 1);
	assert_int_equal(ram.start, 0x80000000);
	assert_int_equal(ram.last, 0x8fffffff);
}

TEST(ram_begins_where_it_is_asked_for_above_2_gib)
{
	const gpa_t bad[] = { 4096,	     GIB,	 2 * GIB - 2 * MIB,
			      2 * GIB + MIB, 1ULL << 48, UINT64_MAX - MIB };
	struct error err = { "" };
	struct range ram;

	assert_int_equal(arch_ram_layout(&usual, 4 * GIB, 513 * GIB, &ram, 1, NULL), 1);
	assert_int_equal(ram.start, 513 * GIB);
	assert_int_equal(ram.last, 517 * GIB - 1);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		err.text[0] = '\0';
		assert_int_equal(arch_ram_layout(&usual, GIB, bad[i], &ram, 1, &err), -EINVAL);
		assert_true(err.text[0]);
	}
	assert_int_equal(arch_ram_layout(&usual, GIB, (1ULL << 48) - 512 * MIB, &ram, 1, &err),
			 -EINVAL);
}

TEST(senseless_sizes_of_ram_are_refused)
{
	const u64 sizes[] = { 0, 1, 4096, 256 * MIB + 1, 1ULL << 48, UINT64_MAX - 4095 };

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct error err = { "" };
		struct range ram;

		assert_int_equal(arch_ram_layout(&usual, sizes[i], 0, &ram, 1, &err), -EINVAL);
		assert_true(err.text[0]);
	}
}

TEST(slots_do_not_overlap_and_end)
{
	struct device_resource slot, last = { 0 };
	unsigned n;

	for (n = 0; !arch_virtio_resource(n, &slot); n++) {
		if (n)
			assert_true(slot.base >= last.base + last.size && slot.gsi > last.gsi);
		assert_true(slot.gsi >= MAP_SPI_VIRTIO && slot.gsi < MAP_SPI_V2M);
		last = slot;
	}
	assert_int_equal(n, 32);
	assert_int_equal(arch_virtio_resource(n, &slot), -ENOSPC);
}

static struct vm *v2m_machine(void)
{
	struct vm *vm = calloc(1, sizeof(*vm));

	list_init(&vm->devices);
	assert_int_equal(bus_create(&vm->mmio), 0);
	irq_fake_init(&irq, 0);
	vm->irq = &irq;
	assert_int_equal(v2m_create(vm, MAP_V2M), 0);
	return vm;
}

static void v2m_machine_destroy(struct vm *vm)
{
	struct device *device = list_entry(vm->devices.next, struct device, node);

	list_del(&device->node);
	device->ops->destroy(device);
	assert_int_equal(irq.lines, 0);
	bus_destroy(vm->mmio);
	free(vm);
}

TEST(the_v2m_frame_tells_which_spis_it_has)
{
	struct vm *vm = v2m_machine();
	u32 value;

	assert_true(bus_read(vm->mmio, MAP_V2M + 8, &value, 4));
	assert_int_equal(value >> 16 & 0x3ff, 32 + 64);
	assert_int_equal(value & 0x3ff, 64);
	v2m_machine_destroy(vm);
}

TEST(a_message_to_the_v2m_frame_pulses_its_spi)
{
	struct vm *vm = v2m_machine();
	u32 intid = 32 + 64 + 63;

	bus_write(vm->mmio, MAP_V2M + 0x40, &intid, 4);
	for (unsigned i = 0; i < IRQ_FAKE_PINS; i++)
		assert_int_equal(irq.rises[i], i == 64 + 63);
	v2m_machine_destroy(vm);
}

TEST(a_message_with_anothers_spi_is_ignored)
{
	const u32 intids[] = { 0, 32, 32 + 16, 32 + 63, 32 + 128, 1020, UINT32_MAX };
	struct vm *vm = v2m_machine();
	u32 own = 32 + 64;

	for (unsigned i = 0; i < ARRAY_SIZE(intids); i++)
		bus_write(vm->mmio, MAP_V2M + 0x40, &intids[i], 4);
	bus_write(vm->mmio, MAP_V2M + 0x44, &own, 4);
	bus_write(vm->mmio, MAP_V2M + 0x40, &own, 1);
	for (unsigned i = 0; i < IRQ_FAKE_PINS; i++)
		assert_int_equal(irq.rises[i], 0);
	v2m_machine_destroy(vm);
}

/* ---- where the doorbell goes ---- */

static const struct range small_ram = { 2 * GIB, 2 * GIB + 256 * MIB - 1 };

static struct map_machine machine_of(enum gic_kind kind)
{
	return (struct map_machine){ .map = map_of(&usual),
				     .gic = kind,
				     .cpus = 4,
				     .ram = &small_ram,
				     .ram_count = 1,
				     .bits = 40 };
}

static u64 placed(enum gic_kind kind, u64 start, u64 last)
{
	const struct map_machine machine = machine_of(kind);
	const struct range host = { start, last };

	return map_msi_base(&machine, &host);
}

static u64 unmoved(enum gic_kind kind)
{
	const struct map_machine machine = machine_of(kind);

	return map_msi_base(&machine, NULL);
}

TEST(without_a_hosts_window_or_with_the_usual_one_nothing_moves)
{
	struct range window;

	assert_int_equal(unmoved(GIC_V3_ITS), MAP_ITS);
	assert_int_equal(unmoved(GIC_V2M), MAP_V2M);
	assert_int_equal(unmoved(GIC_V3), 0);
	/* An SMMU's. */
	assert_int_equal(placed(GIC_V3_ITS, 0x08000000, 0x080fffff), MAP_ITS);
	assert_int_equal(placed(GIC_V2M, 0x08000000, 0x080fffff), MAP_V2M);
	assert_true(map_msi_window(GIC_V3_ITS, MAP_ITS, &window));
	assert_int_equal(window.start, 0x08090000);
	assert_int_equal(window.last, 0x0809ffff);
	assert_true(map_msi_window(GIC_V2M, MAP_V2M, &window));
	assert_int_equal(window.start, 0x08020000);
	assert_false(map_msi_window(GIC_V2, 0, &window));
}

TEST(the_doorbell_moves_into_the_hosts_window)
{
	static const struct range windows[] = {
		{ 0x30000000, 0x300fffff },	/* room for all of it */
		{ 0x0c010000, 0x0c01ffff },	/* for the doorbell's page alone */
		{ 0x0c001000, 0x0c02ffff },	/* not aligned */
		{ 0x08100000, 0x0a7fffff },	/* over devices of ours */
		{ 0x0a800000, 0x0a83ffff },	/* over the memory of stolen time */
		{ 0xf000000000, 0xf0000fffff }, /* above RAM */
		{ 0, 0xffffffff },
	};
	static const enum gic_kind kinds[] = { GIC_V3_ITS, GIC_V2M };

	for (unsigned i = 0; i < ARRAY_SIZE(windows) * 2; i++) {
		const struct range *host = &windows[i / 2];
		enum gic_kind kind = kinds[i % 2];
		u64 base = placed(kind, host->start, host->last);
		struct range window;

		assert_true(is_aligned(base, 0x10000));
		assert_true(map_msi_window(kind, base, &window));
		assert_true(range_contains(host->start, host->last, window.start, window.last));
		assert_int_equal(map_msi_base_of(kind, &window), base);
		assert_false(range_overlaps(base, window.last, 0x01000000, 0x01003fff));
		assert_false(range_overlaps(base, window.last, MAP_PVPANIC,
					    MAP_WATCHDOG_REFRESH + 0xffff));
		assert_false(range_overlaps(base, window.last, MAP_VIRTIO, MAP_VIRTIO + 0x1ffff));
		assert_false(range_overlaps(base, window.last, MAP_STOLEN,
					    MAP_STOLEN + MAP_STOLEN_SIZE - 1));
		assert_false(range_overlaps(base, window.last, small_ram.start, small_ram.last));
	}
}

TEST(a_window_without_room_leaves_the_doorbell_where_it_is)
{
	static const struct range windows[] = {
		{ 0x80000000, 0x8fffffff },	  /* RAM */
		{ 0x50000000, 0x500fffff },	  /* PCI */
		{ 0x30008000, 0x30016fff },	  /* no whole page of 64 KiB */
		{ 0x10000000000, 0x100000fffff }, /* past the last address */
		{ 0xffffffffffff0000, UINT64_MAX }, { 0, 0xfff },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(windows); i++) {
		assert_int_equal(placed(GIC_V3_ITS, windows[i].start, windows[i].last), MAP_ITS);
		assert_int_equal(placed(GIC_V2M, windows[i].start, windows[i].last), MAP_V2M);
	}
}

/* ---- PCI ---- */

TEST(pci_is_below_ram_and_above_it)
{
	const struct map_machine machine = machine_of(GIC_V3_ITS);
	struct pci_layout pci;

	assert_int_equal(map_pci(&machine, MAP_ITS, &pci, NULL), 0);
	assert_true(pci.ecam.last < pci.mmio32.start && pci.mmio32.last < small_ram.start);
	assert_true(pci.io_is_mmio && pci.io_window + pci.io.last < pci.ecam.start);
	assert_true(pci.mmio64.start > small_ram.last);
	assert_true(pci.mmio64.last == (1ULL << 40) - 1);
	assert_int_equal(pci.intx(0, 1), 128);
	assert_int_equal(pci.intx(31, 4), MAP_SPI_COUNT - 1);
}

TEST(a_doorbell_above_ram_is_no_place_for_registers)
{
	u64 base = placed(GIC_V3_ITS, 0x200000000, 0x2000fffff);
	const struct map_machine machine = machine_of(GIC_V3_ITS);
	struct pci_layout pci;

	assert_int_equal(map_pci(&machine, base, &pci, NULL), 0);
	assert_true(pci.mmio64.start >= base + MAP_ITS_SIZE);
}

TEST(ram_that_leaves_no_room_is_too_much)
{
	const struct range ram = { 2 * GIB, (1ULL << 40) - 1 };
	struct map_machine machine = machine_of(GIC_V3);
	struct error err = { "" };
	struct pci_layout pci;

	machine.ram = &ram;
	assert_int_equal(map_pci(&machine, 0, &pci, &err), -ENOSPC);
	assert_non_null(strstr(err.text, "--mem"));
	machine.bits = 48;
	assert_int_equal(map_pci(&machine, 0, &pci, NULL), 0);
	machine.bits = 52;
	assert_int_equal(map_pci(&machine, 0, &pci, NULL), 0);
	assert_true(pci.mmio64.last == (1ULL << 48) - 1);
}

/* ---- the machine for firmware ---- */

TEST(firmware_finds_ram_at_1_gib_and_nowhere_else)
{
	struct error err = { "" };
	struct range ram;

	assert_int_equal(arch_ram_layout(&with_firmware, 256 * MIB, 0, &ram, 1, NULL), 1);
	assert_int_equal(ram.start, GIB);
	assert_int_equal(ram.last, GIB + 256 * MIB - 1);
	assert_int_equal(arch_ram_layout(&with_firmware, GIB, GIB, &ram, 1, NULL), 1);
	assert_int_equal(arch_ram_layout(&with_firmware, GIB, 2 * GIB, &ram, 1, &err), -EINVAL);
	assert_non_null(strstr(err.text, "leave @ADDRESS out"));
}

static unsigned add_range(struct range *ranges, unsigned count, u64 start, u64 size)
{
	ranges[count] = (struct range){ start, start + size - 1 };
	return count + 1;
}

/* All that has a place in the machine, but for RAM. */
static unsigned all_ranges(const struct arch_options *options, struct range *ranges)
{
	const struct map *map = map_of(options);
	struct device_resource flash, serial;
	unsigned count = 0;

	assert_true(arch_flash_resource(options, &flash));
	if (map->rom_size)
		count = add_range(ranges, count, 0, map->rom_size);
	count = add_range(ranges, count, flash.base, flash.size);
	for (unsigned n = 0; n < ARCH_SERIAL_PORTS; n++) {
		arch_serial_resource(options, n, &serial);
		count = add_range(ranges, count, serial.base, serial.size);
	}
	count = add_range(ranges, count, MAP_GICD, MAP_REDIST_END - MAP_GICD);
	count = add_range(ranges, count, MAP_PVPANIC, MAP_WATCHDOG_REFRESH + 0x10000 - MAP_PVPANIC);
	count = add_range(ranges, count, MAP_VIRTIO, MAP_VIRTIO_SLOTS * MAP_VIRTIO_STEP);
	count = add_range(ranges, count, MAP_STOLEN, MAP_STOLEN_SIZE);
	count = add_range(ranges, count, MAP_REDIST_HIGH, ARCH_MAX_CPUS * MAP_REDIST_SIZE);
	count = add_range(ranges, count, MAP_PCI_IO, MAP_PCI_IO_SIZE);
	count = add_range(ranges, count, map->ecam, MAP_ECAM_SIZE);
	ranges[count] = map->pci32;
	return count + 1;
}

TEST(nothing_is_in_the_way_of_anything_else_in_either_machine)
{
	const struct arch_options *machines[] = { &usual, &with_firmware };

	for (unsigned m = 0; m < 2; m++) {
		struct range ranges[32];
		unsigned count = all_ranges(machines[m], ranges);

		for (unsigned i = 0; i < count; i++) {
			assert_true(ranges[i].last < map_of(machines[m])->ram);
			for (unsigned k = 0; k < i; k++)
				assert_false(range_overlaps(ranges[i].start, ranges[i].last,
							    ranges[k].start, ranges[k].last));
		}
	}
}

/* U-Boot (board/emulation/qemu-arm) and EDK2 (ArmVirtQemu) map what they have no other word for. */
TEST(firmware_finds_registers_where_it_maps_some_and_flash_where_qemu_has_it)
{
	const struct map *map = map_of(&with_firmware);
	struct range ranges[32];
	unsigned count = all_ranges(&with_firmware, ranges);

	assert_int_equal(map->rom_size, 64 * MIB);
	assert_int_equal(map->flash.start, 64 * MIB);
	assert_int_equal(map->flash.last, 128 * MIB - 1);
	for (unsigned i = 2; i < count; i++)
		assert_true(ranges[i].start >= 128 * MIB && ranges[i].last < GIB);
}

TEST(a_doorbell_moves_into_no_place_of_firmwares)
{
	static const struct range windows[] = {
		{ 0, UINT32_MAX },	    /* anywhere, but it is there already */
		{ 0, 0x07ffffff },	    /* code and flash */
		{ 0x12000000, 0x3fffffff }, /* PCI */
		{ 0x40000000, 0x5fffffff }, /* RAM, and behind it */
	};
	const struct range ram = { GIB, GIB + 256 * MIB - 1 };
	struct map_machine machine = machine_of(GIC_V2M);

	machine.map = map_of(&with_firmware);
	machine.ram = &ram;
	assert_int_equal(map_msi_base(&machine, &windows[0]), MAP_V2M);
	assert_int_equal(map_msi_base(&machine, &windows[1]), MAP_V2M);
	assert_int_equal(map_msi_base(&machine, &windows[2]), 0x3f100000);
	assert_int_equal(map_msi_base(&machine, &windows[3]), ram.last + 1);
}

TEST(edk2_finds_no_pci_window_for_64_bits_below_4_gib)
{
	const struct range rams[] = { { GIB, GIB + 256 * MIB - 1 }, { GIB, 17 * GIB - 1 } };
	struct map_machine machine = machine_of(GIC_V3_ITS);
	struct pci_layout pci;

	machine.map = map_of(&with_firmware);
	for (unsigned i = 0; i < ARRAY_SIZE(rams); i++) {
		machine.ram = &rams[i];
		assert_int_equal(map_pci(&machine, MAP_ITS, &pci, NULL), 0);
		assert_true(pci.mmio64.start == MAX(4 * GIB, rams[i].last + 1));
	}
}
