/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "map.h"
#include "vmm/arch.h"

/* A kernel wants 2 MiB at least, and the device tree has 2 MiB of its own. */
#define MAP_RAM_MIN (4 * MIB)
/* Where addresses end on every processor without LPA. */
#define MAP_RAM_LAST ((1ULL << 48) - 1)

const char *const arch_name = "arm64";
const bool arch_has_device_tree = true;

static const char *const gic_names[GIC_KINDS] = {
	[GIC_BEST] = "best",  [GIC_V3_ITS] = "gicv3-its", [GIC_V3] = "gicv3",
	[GIC_V2M] = "gicv2m", [GIC_V2] = "gicv2",
};

const char *gic_kind_name(enum gic_kind kind)
{
	return gic_names[kind];
}

int arch_irqchip_parse(const char *name, int *irqchip, struct error *err)
{
	for (int kind = GIC_BEST + 1; kind < GIC_KINDS; kind++) {
		if (strcmp(name, gic_names[kind]))
			continue;
		*irqchip = kind;
		return 0;
	}
	return error_set(err, -EINVAL,
			 "--irqchip %s: there is none of that name; arm64 has gicv3-its, gicv3, "
			 "gicv2m and gicv2",
			 name);
}

int arch_ram_layout(u64 size, struct range *ranges, unsigned max, struct error *err)
{
	u64 page = sysconf(_SC_PAGESIZE);

	if (!is_aligned(size, page))
		return error_set(err, -EINVAL,
				 "%llu bytes of memory is not a multiple of this host's %llu KiB "
				 "pages",
				 (unsigned long long)size, (unsigned long long)(page / KIB));
	if (size < MAP_RAM_MIN)
		return error_set(err, -EINVAL,
				 "%llu KiB of memory is too little: an arm64 guest needs 4 MiB at "
				 "least",
				 (unsigned long long)(size / KIB));
	if (size > MAP_RAM_LAST + 1 - MAP_RAM || max < 1)
		return error_set(err, -EINVAL, "%llu GiB of memory is more than arm64 can address",
				 (unsigned long long)(size / GIB));
	ranges[0] = (struct range){ MAP_RAM, MAP_RAM + size - 1 };
	return 1;
}

int arch_slot_virtio(unsigned n, struct device_slot *slot)
{
	if (n >= MAP_VIRTIO_SLOTS)
		return -ENOSPC;
	*slot = (struct device_slot){
		.base = MAP_VIRTIO + (u64)n * MAP_VIRTIO_STEP,
		.size = MAP_VIRTIO_SIZE,
		.gsi = MAP_SPI_VIRTIO + n,
		.trigger = IRQ_EDGE,
	};
	return 0;
}

void arch_slot_serial(struct device_slot *slot)
{
	*slot = (struct device_slot){
		.base = MAP_SERIAL,
		.size = 8,
		.gsi = MAP_SPI_SERIAL,
		.trigger = IRQ_LEVEL,
	};
}

void arch_slot_pvpanic(struct device_slot *slot)
{
	*slot = (struct device_slot){
		.base = MAP_PVPANIC,
		.size = 2,
		.gsi = DEVICE_NO_IRQ,
	};
}
