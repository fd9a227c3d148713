/* SPDX-License-Identifier: BSD-2-Clause */
/* Written in the order of the nodes; bindings: Linux, Documentation/devicetree/bindings. */
#include <errno.h>
#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "fdt.h"
#include "vmm/device.h"
#include "vmm/firmware.h"

/* Reserved before any node is written, so that a node may point ahead. */
enum fdt_phandle {
	FDT_PHANDLE_GIC = 1,
	FDT_PHANDLE_MSI, /* the ITS, or the v2m frame */
	FDT_PHANDLE_IOMMU,
};

/* arm,gic-v3.yaml, "#interrupt-cells": type, number, flags. */
#define FDT_IRQ_SPI	   0
#define FDT_IRQ_PPI	   1
#define FDT_IRQ_EDGE	   1
#define FDT_IRQ_LEVEL_HIGH 4

#define FDT_PPI_TIMERS 4
#define FDT_REG_MAX    8

/* One of the machine's affinity fields, as the "reg" of a CPU has them (cpus.yaml). */
#define FDT_MPIDR_AFFINITY 0xff00ffffffULL

/*
 * The tree in the making. The first error of libfdt stands, and all that
 * follows is left out: so no call needs a check of its own.
 */
struct fdt_writer {
	void *fdt;
	int error;
};

static void put(struct fdt_writer *w, const char *name, const void *data, size_t len)
{
	if (!w->error)
		w->error = fdt_property(w->fdt, name, data, len);
}

static void put_flag(struct fdt_writer *w, const char *name)
{
	put(w, name, "", 0);
}

static void put_string(struct fdt_writer *w, const char *name, const char *text)
{
	put(w, name, text, strlen(text) + 1);
}

static void put_u32(struct fdt_writer *w, const char *name, u32 value)
{
	fdt32_t cell = cpu_to_fdt32(value);

	put(w, name, &cell, sizeof(cell));
}

static void put_u64(struct fdt_writer *w, const char *name, u64 value)
{
	fdt64_t cells = cpu_to_fdt64(value);

	put(w, name, &cells, sizeof(cells));
}

/* @count pairs of address and size, two cells each. */
static void put_reg(struct fdt_writer *w, const u64 *values, unsigned count)
{
	fdt64_t cells[FDT_REG_MAX];

	for (unsigned i = 0; i < count * 2; i++)
		cells[i] = cpu_to_fdt64(values[i]);
	put(w, "reg", cells, count * 2 * sizeof(cells[0]));
}

static void begin(struct fdt_writer *w, const char *name)
{
	if (!w->error)
		w->error = fdt_begin_node(w->fdt, name);
}

static void begin_at(struct fdt_writer *w, const char *name, u64 address)
{
	char unit[64];

	snprintf(unit, sizeof(unit), "%s@%llx", name, (unsigned long long)address);
	begin(w, unit);
}

static void end(struct fdt_writer *w)
{
	if (!w->error)
		w->error = fdt_end_node(w->fdt);
}

static const struct device_info *device_info(const struct list_node *node)
{
	return &list_entry(node, struct device, node)->info;
}

static const char *node_name(const struct device_info *info)
{
	switch (info->kind) {
	case DEVICE_SERIAL:
		return "serial";
	case DEVICE_PVPANIC:
		return "pvpanic";
	default:
		return "virtio";
	}
}

/* The path of the serial port that is the console. */
static void put_stdout(struct fdt_writer *w, const struct fdt_machine *machine)
{
	const struct list_node *pos;
	char path[64];

	list_for_each(pos, machine->devices) {
		const struct device_info *info = device_info(pos);

		if (info->kind != DEVICE_SERIAL || !machine->firmware->console ||
		    strcmp(info->name, machine->firmware->console))
			continue;
		snprintf(path, sizeof(path), "/%s@%llx", node_name(info),
			 (unsigned long long)info->slot.base);
		put_string(w, "stdout-path", path);
		return;
	}
}

/* What the kernel takes for its address layout and to start its generator from. */
static void put_seeds(struct fdt_writer *w)
{
	u8 seed[8 + 64];

	if (getrandom(seed, sizeof(seed), 0) != sizeof(seed))
		return; /* both are optional */
	put(w, "kaslr-seed", seed, 8);
	put(w, "rng-seed", seed + 8, 64);
}

static void add_chosen(struct fdt_writer *w, const struct fdt_machine *machine)
{
	begin(w, "chosen");
	put_string(w, "bootargs", machine->cmdline);
	if (machine->initrd_size) {
		put_u64(w, "linux,initrd-start", machine->initrd);
		put_u64(w, "linux,initrd-end", machine->initrd + machine->initrd_size);
	}
	put_stdout(w, machine);
	put_seeds(w);
	end(w);
}

static void add_memory(struct fdt_writer *w, const struct fdt_machine *machine)
{
	for (unsigned i = 0; i < machine->ram_count; i++) {
		u64 start = machine->ram[i].start;

		begin_at(w, "memory", start);
		put_string(w, "device_type", "memory");
		put_reg(w, (u64[]){ start, machine->ram[i].last - start + 1 }, 1);
		end(w);
	}
}

static void add_cpus(struct fdt_writer *w, const struct fdt_machine *machine)
{
	begin(w, "cpus");
	put_u32(w, "#address-cells", 2);
	put_u32(w, "#size-cells", 0);
	for (unsigned i = 0; i < machine->cpus; i++) {
		u64 affinity = machine->mpidr[i] & FDT_MPIDR_AFFINITY;

		begin_at(w, "cpu", affinity);
		put_string(w, "device_type", "cpu");
		put_string(w, "compatible", "arm,armv8");
		put_string(w, "enable-method", "psci");
		put_u64(w, "reg", affinity);
		end(w);
	}
	end(w);
}

static void add_psci(struct fdt_writer *w)
{
	static const char compatible[] = "arm,psci-1.0\0arm,psci-0.2";

	begin(w, "psci");
	put(w, "compatible", compatible, sizeof(compatible));
	put_string(w, "method", "hvc");
	end(w);
}

static void add_timer(struct fdt_writer *w, const struct fdt_machine *machine)
{
	/* arm,arch_timer.yaml: secure, non-secure, virtual, hypervisor. */
	static const u32 ppis[FDT_PPI_TIMERS] = { 13, 14, 11, 10 };
	u32 flags = FDT_IRQ_LEVEL_HIGH;
	fdt32_t cells[FDT_PPI_TIMERS * 3];

	/* arm,gic.yaml: "bits[15:8] PPI interrupt cpu mask", which GICv3 has not. */
	if (!gic_is_v3(machine->gic))
		flags |= ((1u << MIN(machine->cpus, 8u)) - 1) << 8;
	for (unsigned i = 0; i < FDT_PPI_TIMERS; i++) {
		cells[i * 3] = cpu_to_fdt32(FDT_IRQ_PPI);
		cells[i * 3 + 1] = cpu_to_fdt32(ppis[i]);
		cells[i * 3 + 2] = cpu_to_fdt32(flags);
	}
	begin(w, "timer");
	put_string(w, "compatible", "arm,armv8-timer");
	put(w, "interrupts", cells, sizeof(cells));
	put_flag(w, "always-on");
	end(w);
}

static void put_gic_common(struct fdt_writer *w, const char *compatible)
{
	put_string(w, "compatible", compatible);
	put_flag(w, "interrupt-controller");
	put_u32(w, "#interrupt-cells", 3);
	put_u32(w, "#address-cells", 2);
	put_u32(w, "#size-cells", 2);
	put_flag(w, "ranges");
	put_u32(w, "phandle", FDT_PHANDLE_GIC);
}

static void add_its(struct fdt_writer *w)
{
	begin_at(w, "its", MAP_ITS);
	put_string(w, "compatible", "arm,gic-v3-its");
	put_reg(w, (u64[]){ MAP_ITS, MAP_ITS_SIZE }, 1);
	put_flag(w, "msi-controller");
	put_u32(w, "#msi-cells", 1);
	put_u32(w, "phandle", FDT_PHANDLE_MSI);
	end(w);
}

static void add_gic_v3(struct fdt_writer *w, const struct fdt_machine *machine)
{
	u64 low = MIN((u64)machine->cpus, (u64)MAP_REDIST_LOW_CPUS);
	u64 high = machine->cpus - low;
	unsigned regions = high ? 2 : 1;
	u64 reg[] = { MAP_GICD,	       MAP_GICD_SIZE,	      MAP_REDIST, low * MAP_REDIST_SIZE,
		      MAP_REDIST_HIGH, high * MAP_REDIST_SIZE };

	begin_at(w, "interrupt-controller", MAP_GICD);
	put_gic_common(w, "arm,gic-v3");
	put_reg(w, reg, 1 + regions);
	put_u32(w, "#redistributor-regions", regions);
	if (machine->gic == GIC_V3_ITS)
		add_its(w);
	end(w);
}

static void add_v2m(struct fdt_writer *w)
{
	begin_at(w, "v2m", MAP_V2M);
	put_string(w, "compatible", "arm,gic-v2m-frame");
	put_reg(w, (u64[]){ MAP_V2M, MAP_V2M_SIZE }, 1);
	put_flag(w, "msi-controller");
	put_u32(w, "phandle", FDT_PHANDLE_MSI);
	end(w);
}

static void add_gic_v2(struct fdt_writer *w, const struct fdt_machine *machine)
{
	begin_at(w, "interrupt-controller", MAP_GICD);
	put_gic_common(w, "arm,cortex-a15-gic");
	put_reg(w, (u64[]){ MAP_GICD, 0x1000, MAP_GICC, MAP_GICC_SIZE }, 2);
	if (machine->gic == GIC_V2M)
		add_v2m(w);
	end(w);
}

static void put_interrupt(struct fdt_writer *w, const struct device_slot *slot)
{
	fdt32_t cells[3] = {
		cpu_to_fdt32(FDT_IRQ_SPI),
		cpu_to_fdt32(slot->gsi),
		cpu_to_fdt32(slot->trigger == IRQ_EDGE ? FDT_IRQ_EDGE : FDT_IRQ_LEVEL_HIGH),
	};

	if (slot->gsi != DEVICE_NO_IRQ)
		put(w, "interrupts", cells, sizeof(cells));
}

static void put_serial(struct fdt_writer *w)
{
	put_string(w, "compatible", "ns16550a");
	put_u32(w, "clock-frequency", 1843200);
	put_u32(w, "current-speed", 115200);
	put_u32(w, "reg-shift", 0);
}

static void put_virtio(struct fdt_writer *w, const struct device_info *info,
		       const struct firmware *firmware)
{
	put_string(w, "compatible", "virtio,mmio");
	/* The hook of the IOMMU writes this on the IOMMU's own node. */
	if (!info->is_iommu || !firmware->fdt_properties)
		put_flag(w, "dma-coherent");
	if (info->is_iommu)
		put_u32(w, "phandle", FDT_PHANDLE_IOMMU);
}

static void add_device(struct fdt_writer *w, const struct device_info *info,
		       const struct firmware *firmware, u32 iommu_phandle)
{
	begin_at(w, node_name(info), info->slot.base);
	switch (info->kind) {
	case DEVICE_SERIAL:
		put_serial(w);
		break;
	case DEVICE_PVPANIC:
		put_string(w, "compatible", "qemu,pvpanic-mmio");
		break;
	default:
		put_virtio(w, info, firmware);
		break;
	}
	put_reg(w, (u64[]){ info->slot.base, info->slot.size }, 1);
	put_interrupt(w, &info->slot);
	if (firmware->fdt_properties && !w->error)
		w->error = firmware->fdt_properties(w->fdt, info, iommu_phandle);
	end(w);
}

static void add_devices(struct fdt_writer *w, const struct fdt_machine *machine)
{
	const struct list_node *pos;
	u32 iommu_phandle = 0;

	list_for_each(pos, machine->devices) {
		if (device_info(pos)->is_iommu)
			iommu_phandle = FDT_PHANDLE_IOMMU;
	}
	list_for_each(pos, machine->devices) {
		/* Our own: the v2m frame, which is a node of the interrupt controller. */
		if (device_info(pos)->kind != DEVICE_LEGACY)
			add_device(w, device_info(pos), machine->firmware, iommu_phandle);
	}
}

static void add_root(struct fdt_writer *w, const struct fdt_machine *machine)
{
	begin(w, "");
	put_string(w, "compatible", "linux,dummy-virt");
	put_string(w, "model", "lkvm");
	put_u32(w, "#address-cells", 2);
	put_u32(w, "#size-cells", 2);
	put_u32(w, "interrupt-parent", FDT_PHANDLE_GIC);
	add_chosen(w, machine);
	add_memory(w, machine);
	add_cpus(w, machine);
	add_psci(w);
	add_timer(w, machine);
	if (gic_is_v3(machine->gic))
		add_gic_v3(w, machine);
	else
		add_gic_v2(w, machine);
	add_devices(w, machine);
	end(w);
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
