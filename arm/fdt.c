/* SPDX-License-Identifier: BSD-2-Clause */
/* Written in the order of the nodes; bindings: Linux, Documentation/devicetree/bindings. */
#include <errno.h>
#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "fdt.h"
#include "features.h"
#include "fdt_writer.h"
#include "pl061.h"
#include "vmm/device.h"
#include "vmm/firmware.h"

#define FDT_PPI_TIMERS 5

/* One of the machine's affinity fields, as the "reg" of a CPU has them (cpus.yaml). */
#define FDT_MPIDR_AFFINITY 0xff00ffffffULL

static const struct device_info *device_info(const struct list_node *node)
{
	return &list_entry(node, struct device, node)->info;
}

static bool is_serial(const struct device_info *info)
{
	return info->kind == DEVICE_SERIAL || info->kind == DEVICE_PL011;
}

static const char *node_name(const struct device_info *info)
{
	switch (info->kind) {
	case DEVICE_SERIAL:
	case DEVICE_PL011:
		return "serial";
	case DEVICE_PVPANIC:
		return "pvpanic";
	case DEVICE_RTC:
		return "rtc";
	case DEVICE_POWER_BUTTON:
		return "gpio";
	case DEVICE_FLASH:
		return "flash";
	case DEVICE_WATCHDOG:
		return "watchdog";
	default:
		return "virtio";
	}
}

/* By these Linux numbers them, whatever the order of the nodes. */
static void add_aliases(struct fdt_writer *w, const struct fdt_machine *machine)
{
	const struct list_node *pos;
	char name[16], path[64];
	unsigned count = 0;

	fdt_write_begin(w, "aliases");
	list_for_each(pos, machine->devices) {
		const struct device_info *info = device_info(pos);

		if (!is_serial(info))
			continue;
		snprintf(name, sizeof(name), "serial%u", count++);
		snprintf(path, sizeof(path), "/%s@%llx", node_name(info),
			 (unsigned long long)info->resource.base);
		fdt_write_string(w, name, path);
	}
	fdt_write_end(w);
}

/* The path of the serial port that is the console. */
static void put_stdout(struct fdt_writer *w, const struct fdt_machine *machine)
{
	const struct list_node *pos;
	char path[64];

	list_for_each(pos, machine->devices) {
		const struct device_info *info = device_info(pos);

		if (!is_serial(info) || !machine->firmware->console ||
		    strcmp(info->name, machine->firmware->console))
			continue;
		snprintf(path, sizeof(path), "/%s@%llx", node_name(info),
			 (unsigned long long)info->resource.base);
		fdt_write_string(w, "stdout-path", path);
		return;
	}
}

/* What the kernel takes for its address layout and to start its generator from. */
static void put_seeds(struct fdt_writer *w, u64 kaslr_seed)
{
	u8 seed[8 + 64];

	if (kaslr_seed)
		fdt_write_u64(w, "kaslr-seed", kaslr_seed);
	if (getrandom(seed, sizeof(seed), 0) != sizeof(seed))
		return; /* both are optional */
	if (!kaslr_seed)
		fdt_write_bytes(w, "kaslr-seed", seed, 8);
	fdt_write_bytes(w, "rng-seed", seed + 8, 64);
}

static void add_chosen(struct fdt_writer *w, const struct fdt_machine *machine)
{
	fdt_write_begin(w, "chosen");
	fdt_write_string(w, "bootargs", machine->cmdline);
	if (machine->initrd_size) {
		fdt_write_u64(w, "linux,initrd-start", machine->initrd);
		fdt_write_u64(w, "linux,initrd-end", machine->initrd + machine->initrd_size);
	}
	put_stdout(w, machine);
	put_seeds(w, machine->options->kaslr_seed);
	fdt_write_end(w);
}

static void add_memory(struct fdt_writer *w, const struct fdt_machine *machine)
{
	for (unsigned i = 0; i < machine->ram_count; i++) {
		u64 start = machine->ram[i].start;

		fdt_write_begin_at(w, "memory", start);
		fdt_write_string(w, "device_type", "memory");
		fdt_write_reg(w, (u64[]){ start, machine->ram[i].last - start + 1 }, 1);
		fdt_write_end(w);
	}
}

static void add_cpus(struct fdt_writer *w, const struct fdt_machine *machine)
{
	fdt_write_begin(w, "cpus");
	fdt_write_u32(w, "#address-cells", 2);
	fdt_write_u32(w, "#size-cells", 0);
	for (unsigned i = 0; i < machine->cpus; i++) {
		u64 affinity = machine->mpidr[i] & FDT_MPIDR_AFFINITY;

		fdt_write_begin_at(w, "cpu", affinity);
		fdt_write_string(w, "device_type", "cpu");
		fdt_write_string(w, "compatible", "arm,armv8");
		fdt_write_string(w, "enable-method", "psci");
		fdt_write_u64(w, "reg", affinity);
		fdt_write_end(w);
	}
	fdt_write_end(w);
}

static void add_psci(struct fdt_writer *w, const struct fdt_machine *machine)
{
	static const char compatible[] = "arm,psci-1.0\0arm,psci-0.2";

	fdt_write_begin(w, "psci");
	fdt_write_bytes(w, "compatible", compatible, sizeof(compatible));
	/* To a guest at EL2 a hypervisor call is its own. */
	fdt_write_string(w, "method", machine->options->nested ? "smc" : "hvc");
	fdt_write_end(w);
}

static void put_ppis(struct fdt_writer *w, const struct fdt_machine *machine, const u32 *ppis,
		     unsigned count)
{
	u32 flags = FDT_IRQ_LEVEL_HIGH;
	fdt32_t cells[FDT_PPI_TIMERS * 3];

	/* arm,gic.yaml: "bits[15:8] PPI interrupt cpu mask", which GICv3 has not. */
	if (!gic_is_v3(machine->gic))
		flags |= ((1u << MIN(machine->cpus, 8u)) - 1) << 8;
	for (unsigned i = 0; i < count; i++) {
		cells[i * 3] = cpu_to_fdt32(FDT_IRQ_PPI);
		cells[i * 3 + 1] = cpu_to_fdt32(ppis[i]);
		cells[i * 3 + 2] = cpu_to_fdt32(flags);
	}
	fdt_write_bytes(w, "interrupts", cells, count * 3 * sizeof(cells[0]));
}

static void add_timer(struct fdt_writer *w, const struct fdt_machine *machine)
{
	/* arm,arch_timer.yaml: secure, non-secure, virtual, hypervisor, hypervisor's virtual. */
	static const u32 ppis[FDT_PPI_TIMERS] = { 13, 14, 11, 10, 12 };
	bool has_el2 = machine->options->nested;

	fdt_write_begin(w, "timer");
	fdt_write_string(w, "compatible", "arm,armv8-timer");
	put_ppis(w, machine, ppis, has_el2 ? FDT_PPI_TIMERS : FDT_PPI_TIMERS - 1);
	fdt_write_flag(w, "always-on");
	if (machine->options->timer_frequency)
		fdt_write_u32(w, "clock-frequency", machine->options->timer_frequency);
	fdt_write_end(w);
}

static void add_pmu(struct fdt_writer *w, const struct fdt_machine *machine)
{
	fdt_write_begin(w, "pmu");
	fdt_write_string(w, "compatible", "arm,armv8-pmuv3");
	put_ppis(w, machine, (const u32[]){ PPI_PMU }, 1);
	fdt_write_end(w);
}

/* What clocks the registers of PrimeCells: Linux wants to know one (primecell.yaml). */
static void add_clock(struct fdt_writer *w)
{
	fdt_write_begin(w, "apb-pclk");
	fdt_write_string(w, "compatible", "fixed-clock");
	fdt_write_u32(w, "#clock-cells", 0);
	fdt_write_u32(w, "clock-frequency", 24000000);
	fdt_write_string(w, "clock-output-names", "clk24mhz");
	fdt_write_u32(w, "phandle", FDT_PHANDLE_CLOCK);
	fdt_write_end(w);
}

static void put_gic_common(struct fdt_writer *w, const char *compatible)
{
	fdt_write_string(w, "compatible", compatible);
	fdt_write_flag(w, "interrupt-controller");
	fdt_write_u32(w, "#interrupt-cells", 3);
	fdt_write_u32(w, "#address-cells", 2);
	fdt_write_u32(w, "#size-cells", 2);
	fdt_write_flag(w, "ranges");
	fdt_write_u32(w, "phandle", FDT_PHANDLE_GIC);
}

static void add_its(struct fdt_writer *w, u64 msi_base)
{
	fdt_write_begin_at(w, "its", msi_base);
	fdt_write_string(w, "compatible", "arm,gic-v3-its");
	fdt_write_reg(w, (u64[]){ msi_base, MAP_ITS_SIZE }, 1);
	fdt_write_flag(w, "msi-controller");
	fdt_write_u32(w, "#msi-cells", 1);
	fdt_write_u32(w, "phandle", FDT_PHANDLE_MSI);
	fdt_write_end(w);
}

static void add_gic_v3(struct fdt_writer *w, const struct fdt_machine *machine)
{
	u64 low = MIN((u64)machine->cpus, (u64)MAP_REDIST_LOW_CPUS);
	u64 high = machine->cpus - low;
	unsigned regions = high ? 2 : 1;
	u64 reg[] = { MAP_GICD,	       MAP_GICD_SIZE,	      MAP_REDIST, low * MAP_REDIST_SIZE,
		      MAP_REDIST_HIGH, high * MAP_REDIST_SIZE };

	fdt_write_begin_at(w, "interrupt-controller", MAP_GICD);
	put_gic_common(w, "arm,gic-v3");
	fdt_write_reg(w, reg, 1 + regions);
	fdt_write_u32(w, "#redistributor-regions", regions);
	if (machine->options->nested)
		put_ppis(w, machine, (const u32[]){ PPI_MAINTENANCE }, 1);
	if (machine->gic == GIC_V3_ITS)
		add_its(w, machine->msi_base);
	fdt_write_end(w);
}

static void add_v2m(struct fdt_writer *w, u64 msi_base)
{
	fdt_write_begin_at(w, "v2m", msi_base);
	fdt_write_string(w, "compatible", "arm,gic-v2m-frame");
	fdt_write_reg(w, (u64[]){ msi_base, MAP_V2M_SIZE }, 1);
	fdt_write_flag(w, "msi-controller");
	fdt_write_u32(w, "phandle", FDT_PHANDLE_MSI);
	fdt_write_end(w);
}

static void add_gic_v2(struct fdt_writer *w, const struct fdt_machine *machine)
{
	fdt_write_begin_at(w, "interrupt-controller", MAP_GICD);
	put_gic_common(w, "arm,cortex-a15-gic");
	fdt_write_reg(w, (u64[]){ MAP_GICD, 0x1000, MAP_GICC, MAP_GICC_SIZE }, 2);
	if (machine->gic == GIC_V2M)
		add_v2m(w, machine->msi_base);
	fdt_write_end(w);
}

static void put_interrupt(struct fdt_writer *w, const struct device_resource *resource)
{
	fdt32_t cells[3] = {
		cpu_to_fdt32(FDT_IRQ_SPI),
		cpu_to_fdt32(resource->gsi),
		cpu_to_fdt32(resource->trigger == IRQ_EDGE ? FDT_IRQ_EDGE : FDT_IRQ_LEVEL_HIGH),
	};

	if (resource->gsi != DEVICE_NO_IRQ)
		fdt_write_bytes(w, "interrupts", cells, sizeof(cells));
}

static void put_serial(struct fdt_writer *w)
{
	fdt_write_string(w, "compatible", "ns16550a");
	fdt_write_u32(w, "clock-frequency", 1843200);
	fdt_write_u32(w, "current-speed", 115200);
	fdt_write_u32(w, "reg-shift", 0);
}

/* serial/pl011.yaml: what clocks its bits, then its registers. */
static void put_pl011(struct fdt_writer *w)
{
	static const char compatible[] = "arm,pl011\0arm,primecell";
	static const char clocks[] = "uartclk\0apb_pclk";
	const fdt32_t phandles[] = { cpu_to_fdt32(FDT_PHANDLE_CLOCK),
				     cpu_to_fdt32(FDT_PHANDLE_CLOCK) };

	fdt_write_bytes(w, "compatible", compatible, sizeof(compatible));
	fdt_write_bytes(w, "clocks", phandles, sizeof(phandles));
	fdt_write_bytes(w, "clock-names", clocks, sizeof(clocks));
}

static void put_clock(struct fdt_writer *w)
{
	fdt_write_u32(w, "clocks", FDT_PHANDLE_CLOCK);
	fdt_write_string(w, "clock-names", "apb_pclk");
}

static void put_rtc(struct fdt_writer *w)
{
	static const char compatible[] = "arm,pl031\0arm,primecell";

	fdt_write_bytes(w, "compatible", compatible, sizeof(compatible));
	put_clock(w);
}

/* gpio/pl061-gpio.yaml */
static void put_gpio(struct fdt_writer *w)
{
	static const char compatible[] = "arm,pl061\0arm,primecell";

	fdt_write_bytes(w, "compatible", compatible, sizeof(compatible));
	put_clock(w);
	fdt_write_flag(w, "gpio-controller");
	fdt_write_u32(w, "#gpio-cells", 2);
	fdt_write_flag(w, "interrupt-controller");
	fdt_write_u32(w, "#interrupt-cells", 2);
	fdt_write_u32(w, "phandle", FDT_PHANDLE_GPIO);
}

/* input/gpio-keys.yaml: KEY_POWER of linux/input-event-codes.h, active high. */
static void add_power_key(struct fdt_writer *w)
{
	const fdt32_t line[] = { cpu_to_fdt32(FDT_PHANDLE_GPIO), cpu_to_fdt32(PL061_POWER_LINE),
				 cpu_to_fdt32(0) };

	fdt_write_begin(w, "gpio-keys");
	fdt_write_string(w, "compatible", "gpio-keys");
	fdt_write_begin(w, "power");
	fdt_write_string(w, "label", "power button");
	fdt_write_u32(w, "linux,code", 116);
	fdt_write_bytes(w, "gpios", line, sizeof(line));
	fdt_write_end(w);
	fdt_write_end(w);
}

static void put_virtio(struct fdt_writer *w, const struct device_info *info,
		       const struct firmware *firmware)
{
	fdt_write_string(w, "compatible", "virtio,mmio");
	/* The hook of the IOMMU writes this on the IOMMU's own node. */
	if (!info->is_iommu || !firmware->fdt_properties)
		fdt_write_flag(w, "dma-coherent");
	if (info->is_iommu)
		fdt_write_u32(w, "phandle", FDT_PHANDLE_IOMMU);
}

/* watchdog/arm,sbsa-gwdt.yaml: the control frame, then the refresh frame. */
static void put_registers(struct fdt_writer *w, const struct device_info *info)
{
	const u64 registers[] = { info->resource.base, info->resource.size, MAP_WATCHDOG_REFRESH,
				  MAP_WATCHDOG_FRAME };

	fdt_write_reg(w, registers, info->kind == DEVICE_WATCHDOG ? 2 : 1);
}

/* mtd/mtd-physmap.yaml: bytes of the chips that are side by side. */
static void put_flash(struct fdt_writer *w)
{
	fdt_write_string(w, "compatible", "cfi-flash");
	fdt_write_u32(w, "bank-width", 4);
}

static void add_device(struct fdt_writer *w, const struct device_info *info,
		       const struct firmware *firmware, u32 iommu_phandle)
{
	fdt_write_begin_at(w, node_name(info), info->resource.base);
	switch (info->kind) {
	case DEVICE_SERIAL:
		put_serial(w);
		break;
	case DEVICE_PL011:
		put_pl011(w);
		break;
	case DEVICE_PVPANIC:
		fdt_write_string(w, "compatible", "qemu,pvpanic-mmio");
		break;
	case DEVICE_RTC:
		put_rtc(w);
		break;
	case DEVICE_POWER_BUTTON:
		put_gpio(w);
		break;
	case DEVICE_FLASH:
		put_flash(w);
		break;
	case DEVICE_WATCHDOG:
		fdt_write_string(w, "compatible", "arm,sbsa-gwdt");
		break;
	default:
		put_virtio(w, info, firmware);
		break;
	}
	put_registers(w, info);
	put_interrupt(w, &info->resource);
	if (firmware->fdt_properties && !w->error)
		w->error = firmware->fdt_properties(w->fdt, info, iommu_phandle);
	fdt_write_end(w);
}

static u32 iommu_phandle_of(const struct fdt_machine *machine)
{
	const struct list_node *pos;

	list_for_each(pos, machine->devices) {
		if (device_info(pos)->is_iommu)
			return FDT_PHANDLE_IOMMU;
	}
	return 0;
}

static void add_devices(struct fdt_writer *w, const struct fdt_machine *machine, u32 iommu_phandle)
{
	const struct list_node *pos;

	list_for_each(pos, machine->devices) {
		/* Our own: the v2m frame, which is a node of the interrupt controller. */
		if (device_info(pos)->kind < DEVICE_PCI_HOST)
			add_device(w, device_info(pos), machine->firmware, iommu_phandle);
		if (device_info(pos)->kind == DEVICE_POWER_BUTTON)
			add_power_key(w);
	}
}

static void add_root(struct fdt_writer *w, const struct fdt_machine *machine)
{
	u32 iommu_phandle = iommu_phandle_of(machine);

	fdt_write_begin(w, "");
	fdt_write_string(w, "compatible", "linux,dummy-virt");
	fdt_write_string(w, "model", "lkvm");
	fdt_write_u32(w, "#address-cells", 2);
	fdt_write_u32(w, "#size-cells", 2);
	fdt_write_u32(w, "interrupt-parent", FDT_PHANDLE_GIC);
	add_aliases(w, machine);
	add_chosen(w, machine);
	add_memory(w, machine);
	add_cpus(w, machine);
	add_psci(w, machine);
	add_timer(w, machine);
	if (machine->options->pmu)
		add_pmu(w, machine);
	add_clock(w);
	if (gic_is_v3(machine->gic))
		add_gic_v3(w, machine);
	else
		add_gic_v2(w, machine);
	add_devices(w, machine, iommu_phandle);
	if (machine->pci)
		fdt_add_pci(w, machine, iommu_phandle);
	fdt_write_end(w);
}

int fdt_build(const struct fdt_machine *machine, void **fdt, u32 *size)
{
	struct fdt_writer w = { .fdt = calloc(1, FDT_BUFFER_SIZE) };

	if (!w.fdt)
		return -ENOMEM;
	w.error = fdt_create(w.fdt, FDT_BUFFER_SIZE);
	if (!w.error)
		w.error = fdt_finish_reservemap(w.fdt);
	add_root(&w, machine);
	if (!w.error)
		w.error = fdt_finish(w.fdt);
	if (w.error) {
		free(w.fdt);
		return w.error == -FDT_ERR_NOSPACE ? -ENOSPC : -EINVAL;
	}
	*fdt = w.fdt;
	*size = fdt_totalsize(w.fdt);
	return 0;
}
