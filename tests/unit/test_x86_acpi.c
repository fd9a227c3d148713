/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <string.h>

#include "../../x86/acpi.h"
#include "../../x86/aml.h"
#include "../../x86/bootparams.h"
#include "../../x86/layout.h"
#include "test.h"
#include "vmm/arch.h"

#define AREA 0x20000

struct bench {
	u8 area[AREA];
	struct list_node devices;
	struct device device[20];
	unsigned count;
};

static const struct arch_options no_options;

static struct device *add(struct bench *bench, enum device_kind kind)
{
	struct device *device = &bench->device[bench->count++];

	device->info.kind = kind;
	list_add_tail(&bench->devices, &device->node);
	return device;
}

/* A full machine: serial, pvpanic, the legacy device and all virtio slots. */
static void setup(struct bench *bench)
{
	struct device_resource slot;

	memset(bench, 0, sizeof(*bench));
	list_init(&bench->devices);
	for (unsigned n = 0; n < ARCH_SERIAL_PORTS; n++)
		arch_serial_resource(&no_options, n, &add(bench, DEVICE_SERIAL)->info.resource);
	arch_pvpanic_resource(&add(bench, DEVICE_PVPANIC)->info.resource);
	add(bench, DEVICE_LEGACY);
	for (unsigned n = 0; !arch_virtio_resource(n, &slot); n++)
		add(bench, DEVICE_VIRTIO_MMIO)->info.resource = slot;
}

static u8 sum(const u8 *data, size_t size)
{
	u8 total = 0;

	while (size--)
		total += *data++;
	return total;
}

static const u8 *at(const struct bench *bench, u64 gpa)
{
	assert_in_range(gpa, LAYOUT_TABLES, LAYOUT_TABLES + AREA - 36);
	return bench->area + (gpa - LAYOUT_TABLES);
}

static const u8 *find_table(const struct bench *bench, const char *signature)
{
	const u8 *xsdt = at(bench, bp_get64(bench->area, 24));

	assert_memory_equal(xsdt, "XSDT", 4);
	for (unsigned i = 36; i < bp_get32(xsdt, 4); i += 8) {
		const u8 *table = at(bench, bp_get64(xsdt, i));

		assert_int_equal(sum(table, bp_get32(table, 4)), 0);
		if (!memcmp(table, signature, 4))
			return table;
	}
	return NULL;
}

static void build(struct bench *bench, unsigned cpus)
{
	const struct acpi_machine machine = { .cpus = cpus, .devices = &bench->devices };

	assert_int_equal(acpi_build(&machine, bench->area, AREA, LAYOUT_TABLES, NULL), 0);
}

static const u8 *find_bytes(const u8 *table, const void *bytes, size_t size)
{
	return memmem(table, bp_get32(table, 4), bytes, size);
}

TEST(the_root_pointer_is_first_and_sums_to_zero)
{
	static struct bench bench;

	setup(&bench);
	build(&bench, 1);
	assert_memory_equal(bench.area, "RSD PTR ", 8);
	assert_int_equal(sum(bench.area, 20), 0);
	assert_int_equal(sum(bench.area, 36), 0);
}

TEST(every_table_sums_to_zero)
{
	static struct bench bench;
	const u8 *dsdt;

	setup(&bench);
	build(&bench, ARCH_MAX_CPUS);
	assert_null(find_table(&bench, "NONE"));
	dsdt = at(&bench, bp_get64(find_table(&bench, "FACP"), 140));
	assert_memory_equal(dsdt, "DSDT", 4);
	assert_int_equal(sum(dsdt, bp_get32(dsdt, 4)), 0);
}

TEST(without_an_ioapic_the_fadt_is_that_of_a_whole_pc)
{
	static struct bench bench;
	const struct acpi_machine machine = { .cpus = 1,
					      .devices = &bench.devices,
					      .no_ioapic = true };
	const u8 *fadt, *facs;

	setup(&bench);
	assert_int_equal(acpi_build(&machine, bench.area, AREA, LAYOUT_TABLES, NULL), 0);
	fadt = find_table(&bench, "FACP");
	assert_int_equal(bp_get32(fadt, 112) & 1 << 20, 0); /* HW_REDUCED_ACPI */
	assert_int_equal(bp_get32(fadt, 48), 0);	    /* no SMI: always in ACPI mode */
	assert_int_equal(bp_get16(fadt, 46), 9);
	assert_int_equal(bp_get32(fadt, 56), 0x604);
	assert_int_equal(bp_get32(fadt, 64), 0x608);
	assert_int_equal(fadt[88], 4);
	assert_int_equal(fadt[89], 2);
	assert_int_equal(bp_get32(fadt, 36) % 64, 0);
	facs = at(&bench, bp_get32(fadt, 36));
	assert_memory_equal(facs, "FACS", 4);
	assert_int_equal(bp_get32(facs, 4), 64);
}

TEST(the_power_button_is_a_device_that_the_event_device_notifies)
{
	/* EISA ID PNP0C0C; and, of the event device, an edge on GSI 9 and what it does. */
	static const u8 button[] = { 'P', 'W', 'R',  'B',  8,	 '_',  'H',
				     'I', 'D', 0x0c, 0x41, 0xd0, 0x0c, 0x0c };
	static const u8 line[] = { 0x89, 6, 0, 3, 1, 9, 0, 0, 0, 0x79, 0 };
	static const u8 event[] = { '_', 'E', 'V', 'T', 1, 0x86, 'P', 'W', 'R', 'B', 0x0a, 0x80 };
	static struct bench bench;
	const u8 *dsdt, *fadt;

	setup(&bench);
	build(&bench, 1);
	fadt = find_table(&bench, "FACP");
	dsdt = at(&bench, bp_get64(fadt, 140));
	assert_true(bp_get32(fadt, 112) & 1 << 4); /* it is no fixed hardware */
	assert_non_null(find_bytes(dsdt, button, sizeof(button)));
	assert_non_null(find_bytes(dsdt, "ACPI0013", 9));
	assert_non_null(find_bytes(dsdt, line, sizeof(line)));
	assert_non_null(find_bytes(dsdt, event, sizeof(event)));
}

TEST(without_an_ioapic_the_power_button_is_fixed_hardware)
{
	static struct bench bench;
	const struct acpi_machine machine = { .cpus = 1,
					      .devices = &bench.devices,
					      .no_ioapic = true };
	const u8 *fadt;

	setup(&bench);
	assert_int_equal(acpi_build(&machine, bench.area, AREA, LAYOUT_TABLES, NULL), 0);
	fadt = find_table(&bench, "FACP");
	assert_false(bp_get32(fadt, 112) & 1 << 4);
	assert_null(find_bytes(at(&bench, bp_get64(fadt, 140)), "ACPI0013", 9));
}

TEST(the_fadt_names_ports_for_sleep_and_reset)
{
	static const u8 reset[] = { 1, 8, 0, 1, 0xf9, 0x0c, 0, 0, 0, 0, 0, 0, 6 };
	static const u8 sleep[] = { 1, 8, 0, 1, 0x00, 0x06, 0, 0, 0, 0, 0, 0 };
	static struct bench bench;
	const u8 *fadt;

	setup(&bench);
	build(&bench, 1);
	fadt = find_table(&bench, "FACP");
	assert_int_equal(bp_get32(fadt, 4), 276);
	assert_int_equal(fadt[8], 6);
	assert_true(bp_get32(fadt, 112) & 1 << 20);   /* HW_REDUCED_ACPI */
	assert_true(bp_get32(fadt, 112) & 1 << 10);   /* RESET_REG_SUP */
	assert_int_equal(bp_get16(fadt, 109) & 2, 0); /* no 8042 */
	assert_memory_equal(fadt + 116, reset, sizeof(reset));
	assert_memory_equal(fadt + 244, sleep, sizeof(sleep));
	assert_int_equal(bp_get64(fadt, 140), bp_get32(fadt, 40));
}

TEST(the_madt_has_each_cpu_once_and_the_ioapic)
{
	static struct bench bench;
	unsigned cpus = 0, ioapics = 0;
	const u8 *madt;

	setup(&bench);
	build(&bench, 255);
	madt = find_table(&bench, "APIC");
	for (u32 i = 44; i < bp_get32(madt, 4); i += madt[i + 1]) {
		assert_true(madt[i + 1] >= 6);
		if (madt[i] == 0)
			assert_int_equal(madt[i + 3], cpus++);
		if (madt[i] == 1 && bp_get32(madt, i + 4) == LAYOUT_IOAPIC)
			ioapics++;
	}
	assert_int_equal(cpus, 255);
	assert_int_equal(ioapics, 1);
}

/* The VIOT finds a device by the base of its first memory resource. */
TEST(each_virtio_device_has_its_registers_first_and_an_edge_interrupt)
{
	static struct bench bench;
	const u8 *dsdt;

	setup(&bench);
	build(&bench, 1);
	dsdt = at(&bench, bp_get64(find_table(&bench, "FACP"), 140));
	for (unsigned i = ARCH_SERIAL_PORTS + 2; i < bench.count; i++) {
		const struct device_resource *slot = &bench.device[i].info.resource;
		u8 crs[21] = { 0x86, 9, 0, 1, [12] = 0x89, 6, 0, 3, 1 };

		bp_put32(crs, 4, slot->base);
		bp_put32(crs, 8, slot->size);
		bp_put32(crs, 17, slot->gsi);
		assert_non_null(find_bytes(dsdt, crs, sizeof(crs)));
	}
	assert_non_null(find_bytes(dsdt, "LNRO0005", 9));
	assert_non_null(find_bytes(dsdt, "VR00", 4));
	assert_non_null(find_bytes(dsdt, "VR0C", 4));
	assert_non_null(find_bytes(dsdt, "QEMU0001", 9));
}

/* Found without ACPI, too, they are where every PC has them. */
TEST(serial_ports_are_com1_to_com4_and_two_share_an_interrupt)
{
	static const u16 ports[] = { 0x3f8, 0x2f8, 0x3e8, 0x2e8 };
	static const u8 gsis[] = { 4, 3, 4, 3 };
	static struct bench bench;
	const u8 *dsdt;

	setup(&bench);
	build(&bench, 1);
	dsdt = at(&bench, bp_get64(find_table(&bench, "FACP"), 140));
	for (unsigned i = 0; i < ARCH_SERIAL_PORTS; i++) {
		/* "I/O Port Descriptor", and an interrupt: a consumer's, edge, high, shared. */
		u8 crs[17] = { 0x47, 1, [6] = 1, 8, 0x89, 6, 0, 0x0b, 1, gsis[i] };
		char name[] = "COM1";

		bp_put16(crs, 2, ports[i]);
		bp_put16(crs, 4, ports[i]);
		assert_non_null(find_bytes(dsdt, crs, sizeof(crs)));
		name[3] += i;
		assert_non_null(find_bytes(dsdt, name, 4));
	}
}

TEST(tables_of_others_are_listed)
{
	u8 viot[48] = "VIOT\x30";
	const struct firmware_table extra = { viot, sizeof(viot) };
	static struct bench bench;
	struct acpi_machine machine = {
		.cpus = 1,
		.devices = &bench.devices,
		.tables = &extra,
		.table_count = 1,
	};
	const u8 *found;

	setup(&bench);
	viot[9] = -sum(viot, sizeof(viot));
	assert_int_equal(acpi_build(&machine, bench.area, AREA, LAYOUT_TABLES, NULL), 0);
	found = find_table(&bench, "VIOT");
	assert_non_null(found);
	assert_memory_equal(found, viot, sizeof(viot));
}

TEST(tables_that_do_not_fit_are_refused_at_any_size)
{
	static struct bench bench;
	const struct acpi_machine machine = { .cpus = 8, .devices = &bench.devices };
	struct error err = { "" };
	size_t size = 0;

	setup(&bench);
	while (acpi_build(&machine, bench.area, size, LAYOUT_TABLES, &err)) {
		/* Nothing beyond what there is. */
		assert_int_equal(bench.area[size], 0);
		memset(bench.area, 0, size);
		size++;
		assert_true(size < AREA);
	}
	assert_non_null(strstr(err.text, "ACPI"));
}

TEST(package_lengths_take_one_to_three_bytes)
{
	static const struct {
		unsigned body, len, bytes;
		u8 first;
	} cases[] = {
		{ 62, 63, 1, 63 },
		{ 63, 65, 2, 0x41 },
		{ 4093, 4095, 2, 0x4f },
		{ 4094, 4097, 3, 0x81 },
	};
	static u8 data[8192];

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct aml aml;
		size_t mark;

		aml_init(&aml, data, sizeof(data));
		mark = aml_begin_package(&aml, 0);
		for (unsigned n = 1; n < cases[i].body; n++)
			aml_integer(&aml, 0);
		aml_end(&aml, mark);
		assert_false(aml.failed);
		assert_int_equal(aml.len, 1 + cases[i].len);
		assert_int_equal(data[1], cases[i].first);
		if (cases[i].bytes > 1)
			assert_int_equal(data[2], cases[i].len >> 4 & 0xff);
	}
}

TEST(eisa_ids_are_compressed)
{
	static const u8 pnp0501[] = { 0x0c, 0x41, 0xd0, 0x05, 0x01 };
	struct aml aml;
	u8 data[8];

	aml_init(&aml, data, sizeof(data));
	aml_eisa_id(&aml, "PNP0501");
	assert_int_equal(aml.len, sizeof(pnp0501));
	assert_memory_equal(data, pnp0501, sizeof(pnp0501));
}
