/* SPDX-License-Identifier: BSD-2-Clause */
/* pvpanic, which every machine has. */
#include <string.h>

#include "vmm/arch.h"
#include "vmm/device_class.h"
#include "vmm/pvpanic.h"
#include "vmm/vm.h"

static int pvpanic_class_create(void *state, struct device_host *host, struct error *err)
{
	struct device_resource resource;
	int ret;

	arch_pvpanic_resource(&resource);
	ret = pvpanic_create(host->vm, &resource);
	return ret ? error_set(err, ret, "cannot make pvpanic: %s", strerror(-ret)) : 0;
}

const struct device_class pvpanic_class = {
	.name = "pvpanic",
	.count = DEVICE_ALWAYS,
	.create = pvpanic_class_create,
};
