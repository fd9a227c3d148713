/* SPDX-License-Identifier: BSD-2-Clause */
/* The devices that every machine has, at addresses that the architecture has for them. */
#include <string.h>

#include "vmm/arch.h"
#include "vmm/device_class.h"
#include "vmm/pvpanic.h"
#include "vmm/serial.h"
#include "vmm/vm.h"

static int serial_class_create(void *state, struct device_host *host, struct error *err)
{
	struct terminal *terminal = host->plan->console_taken ? NULL : host->terminal;
	struct device_resource resource;
	int ret;

	arch_serial_resource(&resource);
	ret = serial_create(host->vm, &resource, terminal);
	return ret ? error_set(err, ret, "cannot make the serial port: %s", strerror(-ret)) : 0;
}

const struct device_class serial_class = {
	.name = "serial",
	.count = DEVICE_ALWAYS,
	.create = serial_class_create,
};

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
