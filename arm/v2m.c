/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>

#include "map.h"
#include "v2m.h"
#include "vmm/bus.h"
#include "vmm/vm.h"

/* SBSA, "GICv2m register summary". */
#define V2M_MSI_TYPER 0x008

struct v2m {
	struct device device;
	struct bus_region region;
	struct vm *vm;
	struct irq_line *lines[MAP_SPI_V2M_COUNT];
};

static u64 v2m_read(struct bus_region *region, u64 offset, unsigned len)
{
	if (offset != V2M_MSI_TYPER || len != 4)
		return 0;
	return (MAP_SPI_V2M + MAP_SPI_INTID) << 16 | MAP_SPI_V2M_COUNT;
}

static void v2m_write(struct bus_region *region, u64 offset, u64 value, unsigned len)
{
	struct v2m *v2m = container_of(region, struct v2m, region);
	u32 n = (u32)value - MAP_SPI_INTID - MAP_SPI_V2M;

	if (offset == V2M_MSI_SETSPI_NS && len == 4 && n < MAP_SPI_V2M_COUNT)
		irq_line_pulse(v2m->lines[n]);
}

static const struct bus_ops v2m_bus_ops = {
	.read = v2m_read,
	.write = v2m_write,
};

static void v2m_free(struct v2m *v2m)
{
	for (unsigned i = 0; i < MAP_SPI_V2M_COUNT; i++)
		irq_line_destroy(v2m->lines[i]);
	free(v2m);
}

static void v2m_destroy(struct device *device)
{
	struct v2m *v2m = container_of(device, struct v2m, device);

	bus_remove(v2m->vm->mmio, &v2m->region);
	v2m_free(v2m);
}

static const struct device_ops v2m_ops = { .destroy = v2m_destroy };

static int v2m_create_lines(struct v2m *v2m)
{
	int ret = 0;

	for (u32 i = 0; i < MAP_SPI_V2M_COUNT && !ret; i++)
		ret = irq_line_create(&v2m->lines[i], v2m->vm->irq, MAP_SPI_V2M + i, IRQ_EDGE);
	return ret;
}

int v2m_create(struct vm *vm, u64 base)
{
	struct v2m *v2m = calloc(1, sizeof(*v2m));
	int ret;

	if (!v2m)
		return -ENOMEM;
	v2m->vm = vm;
	v2m->device.ops = &v2m_ops;
	v2m->device.info = (struct device_info){
		.name = "gicv2m",
		.kind = DEVICE_LEGACY,
		.resource = { .base = base, .size = MAP_V2M_SIZE, .gsi = DEVICE_NO_IRQ },
		.endpoint = DEVICE_NO_ENDPOINT,
	};
	v2m->region = (struct bus_region){
		.start = base,
		.last = base + MAP_V2M_SIZE - 1,
		.ops = &v2m_bus_ops,
	};
	ret = v2m_create_lines(v2m);
	if (!ret)
		ret = bus_add(vm->mmio, &v2m->region);
	if (ret) {
		v2m_free(v2m);
		return ret;
	}
	vm_add_device(vm, &v2m->device);
	return 0;
}
