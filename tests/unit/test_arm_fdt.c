/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The whole device tree, read back with libfdt. One file, though long: all of it is of one machine.
 */
#include "test.h"

#include <errno.h>
#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../arm/fdt.h"
#include "vmm/arch.h"
#include "vmm/firmware.h"
#include "vmm/pci.h"

#define DEVICES 13

enum {
	SERIAL,
	PVPANIC,
	RTC,
	IOMMU,
	DISK,
	FRAME,
	HOST,
	BRIDGE,
	NVME,
	GPIO,
	WATCHDOG,
	SERIAL4,
	FLASH
};

/* A machine with one device of each kind. */
struct machine {
	struct device devices[DEVICES];
	struct list_node list;
	struct range ram[2];
	u64 mpidr[ARCH_MAX_CPUS];
	struct firmware firmware;
	struct pci_layout pci;
	struct arch_options options;
	struct map_machine map;
	struct fdt_machine desc;
	void *fdt;
};

/* In place of the IOMMU's builder. */
static int iommu_hook(void *fdt, const struct device_info *info, u32 phandle)
{
	fdt32_t iommus[2] = { cpu_to_fdt32(phandle), cpu_to_fdt32(info->endpoint) };

	if (info->is_iommu)
		return fdt_property_u32(fdt, "#iommu-cells", 1);
	return info->endpoint == DEVICE_NO_ENDPOINT
		       ? 0
		       : fdt_property(fdt, "iommus", iommus, sizeof(iommus));
}

static int failing_hook(void *fdt, const struct device_info *info, u32 phandle)
{
	return -FDT_ERR_BADVALUE;
}

static void add_device(struct machine *m, unsigned n, const char *name, enum device_kind kind)
{
	struct device_info *info = &m->devices[n].info;

	info->name = name;
	info->kind = kind;
	info->endpoint = DEVICE_NO_ENDPOINT;
	list_add_tail(&m->list, &m->devices[n].node);
}

static struct machine *machine_create(enum gic_kind gic, unsigned cpus)
{
	struct machine *m = calloc(1, sizeof(*m));

	list_init(&m->list);
	add_device(m, SERIAL, "serial", DEVICE_SERIAL);
	arch_serial_resource(&m->options, 0, &m->devices[SERIAL].info.resource);
	add_device(m, SERIAL4, "serial 3", DEVICE_SERIAL);
	arch_serial_resource(&m->options, 3, &m->devices[SERIAL4].info.resource);
	add_device(m, PVPANIC, "pvpanic", DEVICE_PVPANIC);
	arch_pvpanic_resource(&m->devices[PVPANIC].info.resource);
	add_device(m, RTC, "rtc", DEVICE_RTC);
	m->devices[RTC].info.resource = (struct device_resource){
		.base = MAP_RTC, .size = MAP_RTC_SIZE, .gsi = MAP_SPI_RTC, .trigger = IRQ_LEVEL
	};
	add_device(m, GPIO, "gpio", DEVICE_POWER_BUTTON);
	m->devices[GPIO].info.resource = (struct device_resource){
		.base = MAP_GPIO, .size = MAP_GPIO_SIZE, .gsi = MAP_SPI_GPIO, .trigger = IRQ_LEVEL
	};
	add_device(m, WATCHDOG, "sbsa_gwdt", DEVICE_WATCHDOG);
	m->devices[WATCHDOG].info.resource = (struct device_resource){ .base = MAP_WATCHDOG,
								       .size = MAP_WATCHDOG_FRAME,
								       .gsi = MAP_SPI_WATCHDOG,
								       .trigger = IRQ_LEVEL };
	add_device(m, IOMMU, "virtio-iommu", DEVICE_VIRTIO_MMIO);
	arch_virtio_resource(0, &m->devices[IOMMU].info.resource);
	m->devices[IOMMU].info.is_iommu = true;
	add_device(m, DISK, "virtio-blk 0", DEVICE_VIRTIO_MMIO);
	arch_virtio_resource(1, &m->devices[DISK].info.resource);
	m->devices[DISK].info.endpoint = DEVICE_PLATFORM_ENDPOINT + 7;
	add_device(m, FRAME, "gicv2m", DEVICE_LEGACY);
	m->ram[0] = (struct range){ 0x80000000, 0x8fffffff };
	m->firmware = (struct firmware){ .fdt_properties = iommu_hook, .console = "serial" };
	for (unsigned i = 0; i < cpus; i++)
		m->mpidr[i] = 0x80000000 | (i / 16) << 8 | i % 16;
	m->map = (struct map_machine){ .map = map_of(&m->options),
				       .gic = gic,
				       .cpus = cpus,
				       .ram = m->ram,
				       .ram_count = 1,
				       .bits = 40 };
	m->desc = (struct fdt_machine){
		.ram = m->ram,
		.ram_count = 1,
		.cpus = cpus,
		.mpidr = m->mpidr,
		.gic = gic,
		.options = &m->options,
		.msi_base = map_msi_base(&m->map, NULL),
		.cmdline = "quiet panic=-1",
		.devices = &m->list,
		.firmware = &m->firmware,
	};
	return m;
}

static void machine_build(struct machine *m)
{
	u32 size;

	assert_int_equal(fdt_build(&m->desc, &m->fdt, &size), 0);
	assert_int_equal(fdt_check_full(m->fdt, size), 0);
}

static void machine_destroy(struct machine *m)
{
	free(m->fdt);
	free(m);
}

static int node(const struct machine *m, const char *path)
{
	int offset = fdt_path_offset(m->fdt, path);

	if (offset < 0)
		fail_msg("no node %s", path);
	return offset;
}

/* The value of a property as cells; asserts that it has just @count. */
static const fdt32_t *cells(const struct machine *m, const char *path, const char *name, int count)
{
	int len;
	const void *data = fdt_getprop(m->fdt, node(m, path), name, &len);

	if (!data || len != count * 4)
		fail_msg("%s of %s has %d bytes", name, path, len);
	return data;
}

static u32 cell(const struct machine *m, const char *path, const char *name)
{
	return fdt32_to_cpu(*cells(m, path, name, 1));
}

static u64 cell64(const struct machine *m, const char *path, const char *name, int n, int count)
{
	const fdt32_t *data = cells(m, path, name, count * 2) + n * 2;

	return (u64)fdt32_to_cpu(data[0]) << 32 | fdt32_to_cpu(data[1]);
}

static bool has(const struct machine *m, const char *path, const char *name)
{
	return fdt_getprop(m->fdt, node(m, path), name, NULL);
}

static void assert_string(const struct machine *m, const char *path, const char *name,
			  const char *value)
{
	const char *text = fdt_getprop(m->fdt, node(m, path), name, NULL);

	assert_non_null(text);
	assert_string_equal(text, value);
}

static void assert_interrupt(const struct machine *m, const char *path, u32 spi, u32 flags)
{
	const fdt32_t *data = cells(m, path, "interrupts", 3);

	assert_int_equal(fdt32_to_cpu(data[0]), 0);
	assert_int_equal(fdt32_to_cpu(data[1]), spi);
	assert_int_equal(fdt32_to_cpu(data[2]), flags);
}

TEST(the_kernel_is_told_its_command_line_and_initrd)
{
	struct machine *m = machine_create(GIC_V3_ITS, 1);

	m->desc.initrd = 0x84000000;
	m->desc.initrd_size = 12345;
	machine_build(m);
	assert_string(m, "/chosen", "bootargs", "quiet panic=-1");
	assert_int_equal(cell64(m, "/chosen", "linux,initrd-start", 0, 1), 0x84000000);
	assert_int_equal(cell64(m, "/chosen", "linux,initrd-end", 0, 1), 0x84000000 + 12345);
	assert_string(m, "/chosen", "stdout-path", "/serial@1000000");
	machine_destroy(m);
}

TEST(without_initrd_and_serial_console_nothing_is_said_of_them)
{
	struct machine *m = machine_create(GIC_V3_ITS, 1);

	m->firmware.console = NULL;
	machine_build(m);
	assert_false(has(m, "/chosen", "linux,initrd-start"));
	assert_false(has(m, "/chosen", "stdout-path"));
	machine_destroy(m);
}

TEST(each_boot_has_other_seeds)
{
	struct machine *a = machine_create(GIC_V3_ITS, 1);
	struct machine *b = machine_create(GIC_V3_ITS, 1);

	machine_build(a);
	machine_build(b);
	assert_memory_not_equal(cells(a, "/chosen", "kaslr-seed", 2),
				cells(b, "/chosen", "kaslr-seed", 2), 8);
	assert_memory_not_equal(cells(a, "/chosen", "rng-seed", 16),
				cells(b, "/chosen", "rng-seed", 16), 64);
	machine_destroy(a);
	machine_destroy(b);
}

TEST(each_range_of_ram_is_a_memory_node)
{
	struct machine *m = machine_create(GIC_V3_ITS, 1);

	m->ram[1] = (struct range){ 0x1000000000, 0x1fffffffff };
	m->desc.ram_count = 2;
	machine_build(m);
	assert_int_equal(cell64(m, "/memory@80000000", "reg", 0, 2), 0x80000000);
	assert_int_equal(cell64(m, "/memory@80000000", "reg", 1, 2), 0x10000000);
	assert_int_equal(cell64(m, "/memory@1000000000", "reg", 1, 2), 0x1000000000);
	assert_string(m, "/memory@1000000000", "device_type", "memory");
	machine_destroy(m);
}

TEST(cpus_are_named_by_their_affinity_and_started_by_psci)
{
	struct machine *m = machine_create(GIC_V3_ITS, 18);

	machine_build(m);
	assert_int_equal(cell64(m, "/cpus/cpu@0", "reg", 0, 1), 0);
	assert_int_equal(cell64(m, "/cpus/cpu@f", "reg", 0, 1), 0xf);
	assert_int_equal(cell64(m, "/cpus/cpu@101", "reg", 0, 1), 0x101);
	assert_string(m, "/cpus/cpu@101", "enable-method", "psci");
	assert_true(fdt_path_offset(m->fdt, "/cpus/cpu@102") < 0);
	assert_string(m, "/psci", "method", "hvc");
	assert_true(fdt_node_check_compatible(m->fdt, node(m, "/psci"), "arm,psci-1.0") == 0);
	assert_true(fdt_node_check_compatible(m->fdt, node(m, "/psci"), "arm,psci-0.2") == 0);
	machine_destroy(m);
}

TEST(an_its_is_a_child_of_the_gic)
{
	const char *gic = "/interrupt-controller@8000000";
	const char *its = "/interrupt-controller@8000000/its@8080000";
	struct machine *m = machine_create(GIC_V3_ITS, 4);

	machine_build(m);
	assert_string(m, gic, "compatible", "arm,gic-v3");
	assert_int_equal(cell(m, gic, "#interrupt-cells"), 3);
	assert_int_equal(cell64(m, gic, "reg", 0, 4), 0x08000000);
	assert_int_equal(cell64(m, gic, "reg", 2, 4), 0x080a0000);
	assert_int_equal(cell64(m, gic, "reg", 3, 4), 4 * 0x20000);
	assert_int_equal(cell(m, gic, "phandle"), cell(m, "/", "interrupt-parent"));
	assert_string(m, its, "compatible", "arm,gic-v3-its");
	assert_int_equal(cell64(m, its, "reg", 0, 2), 0x08080000);
	assert_int_equal(cell(m, its, "#msi-cells"), 1);
	assert_true(has(m, its, "msi-controller"));
	machine_destroy(m);
}

TEST(a_gicv3_may_go_without_its)
{
	struct machine *m = machine_create(GIC_V3, 1);

	machine_build(m);
	assert_true(fdt_path_offset(m->fdt, "/interrupt-controller@8000000/its@8080000") < 0);
	machine_destroy(m);
}

TEST(redistributors_of_many_cpus_leave_other_devices_alone)
{
	const char *gic = "/interrupt-controller@8000000";
	struct machine *m = machine_create(GIC_V3, ARCH_MAX_CPUS);
	u64 low, high;

	machine_build(m);
	assert_int_equal(cell(m, gic, "#redistributor-regions"), 2);
	low = cell64(m, gic, "reg", 3, 6);
	high = cell64(m, gic, "reg", 5, 6);
	assert_true(cell64(m, gic, "reg", 2, 6) + low <= 0x09000000);
	assert_int_equal(low + high, ARCH_MAX_CPUS * 0x20000ULL);
	machine_destroy(m);
}

TEST(a_v2m_frame_is_a_child_of_a_gicv2)
{
	const char *gic = "/interrupt-controller@8000000";
	const char *v2m = "/interrupt-controller@8000000/v2m@8020000";
	struct machine *m = machine_create(GIC_V2M, 2);

	machine_build(m);
	assert_string(m, gic, "compatible", "arm,cortex-a15-gic");
	assert_int_equal(cell64(m, gic, "reg", 2, 4), 0x08010000);
	assert_string(m, v2m, "compatible", "arm,gic-v2m-frame");
	assert_true(has(m, v2m, "msi-controller"));
	machine_destroy(m);

	m = machine_create(GIC_V2, 2);
	machine_build(m);
	assert_true(fdt_path_offset(m->fdt, v2m) < 0);
	machine_destroy(m);
}

TEST(timer_interrupts_name_the_cpus_on_a_gicv2_alone)
{
	struct machine *m = machine_create(GIC_V2, 3);

	machine_build(m);
	assert_int_equal(fdt32_to_cpu(cells(m, "/timer", "interrupts", 12)[2]), 7 << 8 | 4);
	machine_destroy(m);
	m = machine_create(GIC_V3, 3);
	machine_build(m);
	assert_int_equal(fdt32_to_cpu(cells(m, "/timer", "interrupts", 12)[7]), 11);
	assert_int_equal(fdt32_to_cpu(cells(m, "/timer", "interrupts", 12)[8]), 4);
	machine_destroy(m);
}

TEST(devices_are_where_their_slots_are)
{
	struct machine *m = machine_create(GIC_V3_ITS, 1);

	machine_build(m);
	assert_string(m, "/serial@1000000", "compatible", "ns16550a");
	assert_int_equal(cell(m, "/serial@1000000", "reg-shift"), 0);
	assert_interrupt(m, "/serial@1000000", 1, 4);
	assert_interrupt(m, "/serial@1003000", 7, 4);
	assert_string(m, "/aliases", "serial0", "/serial@1000000");
	assert_string(m, "/aliases", "serial1", "/serial@1003000");
	assert_string(m, "/pvpanic@9010000", "compatible", "qemu,pvpanic-mmio");
	assert_false(has(m, "/pvpanic@9010000", "interrupts"));
	assert_string(m, "/rtc@9020000", "compatible", "arm,pl031");
	assert_interrupt(m, "/rtc@9020000", 2, 4);
	assert_string(m, "/rtc@9020000", "clock-names", "apb_pclk");
	assert_int_equal(cell(m, "/rtc@9020000", "clocks"), cell(m, "/apb-pclk", "phandle"));
	assert_string(m, "/apb-pclk", "compatible", "fixed-clock");
	assert_string(m, "/virtio@a001000", "compatible", "virtio,mmio");
	assert_int_equal(cell64(m, "/virtio@a001000", "reg", 1, 2), 0x200);
	assert_interrupt(m, "/virtio@a001000", 17, 1);
	assert_true(has(m, "/virtio@a001000", "dma-coherent"));
	machine_destroy(m);
}

TEST(the_watchdog_has_a_control_frame_and_a_refresh_frame)
{
	struct machine *m = machine_create(GIC_V3_ITS, 1);

	machine_build(m);
	assert_string(m, "/watchdog@9040000", "compatible", "arm,sbsa-gwdt");
	assert_int_equal(cell64(m, "/watchdog@9040000", "reg", 0, 4), 0x9040000);
	assert_int_equal(cell64(m, "/watchdog@9040000", "reg", 1, 4), 0x1000);
	assert_int_equal(cell64(m, "/watchdog@9040000", "reg", 2, 4), 0x9050000);
	assert_int_equal(cell64(m, "/watchdog@9040000", "reg", 3, 4), 0x1000);
	assert_interrupt(m, "/watchdog@9040000", 4, 4);
	machine_destroy(m);
}

TEST(the_power_button_is_a_key_on_a_line_of_the_gpio_controller)
{
	struct machine *m = machine_create(GIC_V3_ITS, 1);
	const fdt32_t *gpios;
	int len;

	machine_build(m);
	assert_string(m, "/gpio@9030000", "compatible", "arm,pl061");
	assert_interrupt(m, "/gpio@9030000", 3, 4);
	assert_int_equal(cell(m, "/gpio@9030000", "#gpio-cells"), 2);
	assert_int_equal(cell(m, "/gpio@9030000", "clocks"), cell(m, "/apb-pclk", "phandle"));
	assert_string(m, "/gpio-keys", "compatible", "gpio-keys");
	assert_int_equal(cell(m, "/gpio-keys/power", "linux,code"), 116); /* KEY_POWER */
	gpios = fdt_getprop(m->fdt, fdt_path_offset(m->fdt, "/gpio-keys/power"), "gpios", &len);
	assert_int_equal(len, 12);
	assert_int_equal(fdt32_ld(gpios), cell(m, "/gpio@9030000", "phandle"));
	assert_int_equal(fdt32_ld(gpios + 1), 3);
	assert_int_equal(fdt32_ld(gpios + 2), 0);
	machine_destroy(m);
}

TEST(endpoints_point_to_the_iommu)
{
	struct machine *m = machine_create(GIC_V3_ITS, 1);
	const fdt32_t *iommus;

	machine_build(m);
	iommus = cells(m, "/virtio@a001000", "iommus", 2);
	assert_int_equal(fdt32_to_cpu(iommus[0]), cell(m, "/virtio@a000000", "phandle"));
	assert_int_equal(fdt32_to_cpu(iommus[1]), 0x80000007);
	assert_int_equal(cell(m, "/virtio@a000000", "#iommu-cells"), 1);
	assert_false(has(m, "/virtio@a000000", "iommus"));
	machine_destroy(m);
}

/* In place of the IOMMU's builder, as above. */
static int pci_hook(void *fdt, const struct device_info *const *functions, unsigned count,
		    u32 phandle)
{
	assert_int_equal(count, 2);
	return fdt_property_u32(fdt, "hook", phandle << 16 | functions[1]->bdf);
}

static struct machine *machine_with_pci(enum gic_kind gic)
{
	struct machine *m = machine_create(gic, 1);

	add_device(m, HOST, "PCI", DEVICE_PCI_HOST);
	add_device(m, BRIDGE, "PCI host bridge", DEVICE_PCI);
	add_device(m, NVME, "nvme", DEVICE_PCI);
	m->devices[NVME].info.bdf = 0x18;
	m->firmware.fdt_pci_properties = pci_hook;
	assert_int_equal(map_pci(&m->map, m->desc.msi_base, &m->pci, NULL), 0);
	m->desc.pci = &m->pci;
	machine_build(m);
	return m;
}

static const char pcie[] = "/pcie@40000000";

TEST(the_pci_host_has_one_bus_and_three_windows)
{
	static const u32 ranges[] = {
		0x01000000, 0, 0,	   0, 0x3eff0000, 0,	0x10000,
		0x02000000, 0, 0x50000000, 0, 0x50000000, 0,	0x30000000,
		0x03000000, 0, 0xc0000000, 0, 0xc0000000, 0xff, 0x40000000,
	};
	struct machine *m = machine_with_pci(GIC_V3_ITS);
	const fdt32_t *got = cells(m, pcie, "ranges", ARRAY_SIZE(ranges));

	assert_string(m, pcie, "compatible", "pci-host-ecam-generic");
	assert_string(m, pcie, "device_type", "pci");
	assert_int_equal(cell64(m, pcie, "reg", 0, 2), 0x40000000);
	assert_int_equal(cell64(m, pcie, "reg", 1, 2), 0x100000);
	assert_int_equal(cell64(m, pcie, "bus-range", 0, 1), 0);
	assert_true(has(m, pcie, "dma-coherent"));
	for (unsigned i = 0; i < ARRAY_SIZE(ranges); i++)
		assert_int_equal(fdt32_to_cpu(got[i]), ranges[i]);
	assert_true(m->pci.mmio64.start > m->ram[0].last);
	machine_destroy(m);
}

TEST(each_pin_of_each_slot_has_an_spi_of_its_own)
{
	struct machine *m = machine_with_pci(GIC_V3);
	const fdt32_t *map = cells(m, pcie, "interrupt-map", 128 * 10);
	u32 gic = cell(m, "/interrupt-controller@8000000", "phandle");

	assert_int_equal(fdt32_to_cpu(cells(m, pcie, "interrupt-map-mask", 4)[0]), 0xf800);
	for (unsigned i = 0; i < 128; i++, map += 10) {
		assert_int_equal(fdt32_to_cpu(map[0]), i / 4 << 11);
		assert_int_equal(fdt32_to_cpu(map[3]), i % 4 + 1);
		assert_int_equal(fdt32_to_cpu(map[4]), gic);
		assert_int_equal(fdt32_to_cpu(map[7]), 0);
		assert_int_equal(fdt32_to_cpu(map[8]), 128 + i);
		assert_int_equal(fdt32_to_cpu(map[9]), 4);
	}
	machine_destroy(m);
}

TEST(msis_go_to_the_its_by_requester_or_to_the_v2m_frame_or_nowhere)
{
	struct machine *m = machine_with_pci(GIC_V3_ITS);
	const fdt32_t *map = cells(m, pcie, "msi-map", 4);

	assert_int_equal(map[0], 0);
	assert_int_equal(fdt32_to_cpu(map[1]),
			 cell(m, "/interrupt-controller@8000000/its@8080000", "phandle"));
	assert_int_equal(fdt32_to_cpu(map[3]), 0x10000);
	machine_destroy(m);
	m = machine_with_pci(GIC_V2M);
	assert_int_equal(cell(m, pcie, "msi-parent"),
			 cell(m, "/interrupt-controller@8000000/v2m@8020000", "phandle"));
	machine_destroy(m);
	m = machine_with_pci(GIC_V2);
	assert_false(has(m, pcie, "msi-parent") || has(m, pcie, "msi-map"));
	machine_destroy(m);
}

TEST(the_iommus_builder_is_given_the_functions)
{
	struct machine *m = machine_with_pci(GIC_V3_ITS);

	assert_int_equal(cell(m, pcie, "hook"), cell(m, "/virtio@a000000", "phandle") << 16 | 0x18);
	machine_destroy(m);
}

TEST(a_doorbell_that_moved_is_where_the_tree_says)
{
	struct machine *m = machine_create(GIC_V3_ITS, 1);

	m->desc.msi_base = 0x30000000;
	machine_build(m);
	assert_int_equal(cell64(m, "/interrupt-controller@8000000/its@30000000", "reg", 0, 2),
			 0x30000000);
	machine_destroy(m);
}

TEST(phandles_are_unique)
{
	struct machine *m = machine_create(GIC_V3_ITS, 1);
	u32 seen[64] = { 0 };

	machine_build(m);
	for (int at = 0; at >= 0; at = fdt_next_node(m->fdt, at, NULL)) {
		u32 phandle = fdt_get_phandle(m->fdt, at);

		assert_true(phandle < 64);
		if (phandle)
			assert_int_equal(seen[phandle]++, 0);
	}
	assert_int_equal(seen[1] + seen[2] + seen[3], 3);
	machine_destroy(m);
}

TEST(no_node_has_a_property_twice)
{
	struct machine *m = machine_create(GIC_V3_ITS, 2);

	machine_build(m);
	for (int at = 0; at >= 0; at = fdt_next_node(m->fdt, at, NULL)) {
		int property, other;
		const char *name, *name2;

		fdt_for_each_property_offset(property, m->fdt, at)
		{
			fdt_getprop_by_offset(m->fdt, property, &name, NULL);
			for (other = fdt_next_property_offset(m->fdt, property); other >= 0;
			     other = fdt_next_property_offset(m->fdt, other)) {
				fdt_getprop_by_offset(m->fdt, other, &name2, NULL);
				assert_string_not_equal(name, name2);
			}
		}
	}
	machine_destroy(m);
}

TEST(the_largest_machine_fits)
{
	struct machine *m = machine_create(GIC_V3_ITS, ARCH_MAX_CPUS);
	struct device *more = calloc(MAP_VIRTIO_SLOTS, sizeof(*more));
	char line[ARCH_MAX_CMDLINE + 1];

	memset(line, 'x', ARCH_MAX_CMDLINE);
	line[ARCH_MAX_CMDLINE] = '\0';
	m->desc.cmdline = line;
	for (unsigned i = 2; i < MAP_VIRTIO_SLOTS; i++) {
		more[i].info.kind = DEVICE_VIRTIO_MMIO;
		more[i].info.endpoint = DEVICE_PLATFORM_ENDPOINT + i;
		assert_int_equal(arch_virtio_resource(i, &more[i].info.resource), 0);
		list_add_tail(&m->list, &more[i].node);
	}
	machine_build(m);
	assert_int_equal(cell64(m, "/virtio@a01f000", "reg", 0, 2), 0x0a01f000);
	machine_destroy(m);
	free(more);
}

TEST(a_hook_that_fails_fails_the_tree)
{
	struct machine *m = machine_create(GIC_V3_ITS, 1);
	void *fdt;
	u32 size;

	m->firmware.fdt_properties = failing_hook;
	assert_int_equal(fdt_build(&m->desc, &fdt, &size), -EINVAL);
	machine_destroy(m);
}

/* The PPI that the @n-th of @count interrupts of @path is. */
static u32 ppi(const struct machine *m, const char *path, int n, int count)
{
	const fdt32_t *data = cells(m, path, "interrupts", count * 3) + n * 3;

	assert_int_equal(fdt32_to_cpu(data[0]), 1);
	return fdt32_to_cpu(data[1]);
}

TEST(a_guest_of_el1_has_four_timers_and_makes_hypervisor_calls)
{
	struct machine *m = machine_create(GIC_V3_ITS, 1);

	machine_build(m);
	assert_int_equal(ppi(m, "/timer", 3, 4), 10);
	assert_false(has(m, "/timer", "clock-frequency"));
	assert_string(m, "/psci", "method", "hvc");
	assert_false(has(m, "/interrupt-controller@8000000", "interrupts"));
	assert_int_equal(fdt_path_offset(m->fdt, "/pmu"), -FDT_ERR_NOTFOUND);
	machine_destroy(m);
}

TEST(a_nested_guest_has_a_fifth_timer_and_the_gics_maintenance_interrupt)
{
	struct machine *m = machine_create(GIC_V3_ITS, 1);

	m->options.nested = true;
	machine_build(m);
	assert_int_equal(ppi(m, "/timer", 4, 5), 12);
	assert_int_equal(ppi(m, "/interrupt-controller@8000000", 0, 1), 9);
	assert_string(m, "/psci", "method", "smc");
	machine_destroy(m);
}

TEST(counters_have_a_node_with_their_interrupt)
{
	struct machine *m = machine_create(GIC_V2, 2);

	m->options.pmu = true;
	machine_build(m);
	assert_string(m, "/pmu", "compatible", "arm,armv8-pmuv3");
	assert_int_equal(ppi(m, "/pmu", 0, 1), 7);
	/* Level-triggered, to both of GICv2's processors. */
	assert_int_equal(fdt32_to_cpu(cells(m, "/pmu", "interrupts", 3)[2]), 0x304);
	machine_destroy(m);
}

TEST(seed_and_frequency_are_the_users)
{
	struct machine *m = machine_create(GIC_V3_ITS, 1);

	m->options.kaslr_seed = 0x123456789;
	m->options.timer_frequency = 24000000;
	machine_build(m);
	assert_int_equal(cell64(m, "/chosen", "kaslr-seed", 0, 1), 0x123456789);
	assert_true(has(m, "/chosen", "rng-seed"));
	assert_int_equal(cell(m, "/timer", "clock-frequency"), 24000000);
	machine_destroy(m);
}

/* ---- the machine for firmware ---- */

TEST(firmwares_serial_port_is_a_pl011_with_two_clocks)
{
	static const char compatible[] = "arm,pl011\0arm,primecell";
	static const char path[] = "/serial@9000000";
	struct machine *m = machine_create(GIC_V3_ITS, 1);
	struct device_info *info = &m->devices[SERIAL].info;
	int len;

	m->options.firmware = true;
	info->kind = DEVICE_PL011;
	arch_serial_resource(&m->options, 0, &info->resource);
	machine_build(m);
	assert_string(m, "/chosen", "stdout-path", path);
	assert_string(m, "/aliases", "serial0", path);
	assert_memory_equal(fdt_getprop(m->fdt, node(m, path), "compatible", &len), compatible,
			    sizeof(compatible));
	assert_int_equal(len, sizeof(compatible));
	assert_int_equal(cell64(m, path, "reg", 1, 2), 0x1000);
	assert_interrupt(m, path, 1, 4);
	assert_int_equal(fdt32_to_cpu(cells(m, path, "clocks", 2)[1]),
			 cell(m, "/apb-pclk", "phandle"));
	machine_destroy(m);
}

TEST(its_flash_is_two_chips_wide)
{
	static const char path[] = "/flash@4000000";
	struct machine *m = machine_create(GIC_V3_ITS, 1);

	m->options.firmware = true;
	add_device(m, FLASH, "flash", DEVICE_FLASH);
	assert_true(arch_flash_resource(&m->options, &m->devices[FLASH].info.resource));
	machine_build(m);
	assert_string(m, path, "compatible", "cfi-flash");
	assert_int_equal(cell(m, path, "bank-width"), 4);
	assert_int_equal(cell64(m, path, "reg", 0, 2), 0x4000000);
	assert_int_equal(cell64(m, path, "reg", 1, 2), 0x4000000);
	assert_false(has(m, path, "interrupts"));
	machine_destroy(m);
}
