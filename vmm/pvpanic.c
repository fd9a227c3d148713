/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>

#include "vmm/bus.h"
#include "vmm/pvpanic.h"
#include "vmm/vm.h"

/* The events we take, which is also what the register reads (Linux, uapi/misc/pvpanic.h). */
#define PVPANIC_PANICKED     (1u << 0)
#define PVPANIC_CRASH_LOADED (1u << 1) /* it panicked, and its crash kernel takes over */

struct pvpanic {
	struct device device;
	struct bus_region region;
	struct vm *vm;
};

u64 pvpanic_register_read(u64 offset)
{
	return offset ? 0 : PVPANIC_PANICKED | PVPANIC_CRASH_LOADED;
}

void pvpanic_register_write(struct vm *vm, u64 offset, u64 value)
{
	if (!offset && (value & (PVPANIC_PANICKED | PVPANIC_CRASH_LOADED)))
		vm_panicked(vm, !(value & PVPANIC_PANICKED));
}

static u64 pvpanic_read(struct bus_region *region, u64 offset, unsigned len)
{
	return pvpanic_register_read(offset);
}

static void pvpanic_write(struct bus_region *region, u64 offset, u64 value, unsigned len)
{
	pvpanic_register_write(container_of(region, struct pvpanic, region)->vm, offset, value);
}

static const struct bus_ops pvpanic_bus_ops = {
	.read = pvpanic_read,
	.write = pvpanic_write,
};

static struct bus *pvpanic_bus(const struct pvpanic *pvpanic)
{
	return pvpanic->device.info.resource.port ? pvpanic->vm->ports : pvpanic->vm->mmio;
}

static void pvpanic_destroy(struct device *device)
{
	struct pvpanic *pvpanic = container_of(device, struct pvpanic, device);

	bus_remove(pvpanic_bus(pvpanic), &pvpanic->region);
	free(pvpanic);
}

static const struct device_ops pvpanic_ops = { .destroy = pvpanic_destroy };

int pvpanic_create(struct vm *vm, const struct device_resource *resource)
{
	struct pvpanic *pvpanic = calloc(1, sizeof(*pvpanic));
	int ret;

	if (!pvpanic)
		return -ENOMEM;
	pvpanic->vm = vm;
	pvpanic->device.ops = &pvpanic_ops;
	pvpanic->device.info = (struct device_info){
		.name = "pvpanic",
		.kind = DEVICE_PVPANIC,
		.resource = *resource,
		.endpoint = DEVICE_NO_ENDPOINT,
	};
	pvpanic->region = (struct bus_region){
		.start = resource->base,
		.last = resource->base + resource->size - 1,
		.ops = &pvpanic_bus_ops,
	};
	ret = bus_add(pvpanic_bus(pvpanic), &pvpanic->region);
	if (ret) {
		free(pvpanic);
		return ret;
	}
	vm_add_device(vm, &pvpanic->device);
	return 0;
}
