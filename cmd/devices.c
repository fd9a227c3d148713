/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices.h"
#include "util/log.h"
#include "vmm/control.h"
#include "vmm/pci.h"

#define for_each_device(device, devices)                                                           \
	for (struct device_instance *device = (devices)->list;                                     \
	     (device) < (devices)->list + (devices)->count; (device)++)

/* ---- instances ---- */

static unsigned row_of(const struct device_class *class)
{
	unsigned row = 0;

	while (device_classes[row] != class)
		row++;
	return row;
}

/* A new instance, after those of its row and the rows above. NULL: no memory. */
static void *add_instance(struct devices *devices, const struct device_class *class)
{
	struct device_instance *list = realloc(devices->list,
					       (devices->count + 1) * sizeof(*devices->list));
	void *state = calloc(1, class->state_size + 1);
	unsigned at = devices->count;

	if (list)
		devices->list = list;
	if (!list || !state) {
		free(state);
		return NULL;
	}
	if (class->options)
		option_preset(class->options, state);
	while (at && row_of(list[at - 1].class) > row_of(class)) {
		list[at] = list[at - 1];
		at--;
	}
	list[at] = (struct device_instance){ class, state, false };
	devices->count++;
	return state;
}

/* The instance of @class that was made last; NULL. */
static struct device_instance *last_instance(const struct devices *devices,
					     const struct device_class *class)
{
	struct device_instance *last = NULL;

	for_each_device(device, devices) {
		if (device->class == class)
			last = device;
	}
	return last;
}

static void *find_instance(const struct devices *devices, const struct device_class *class)
{
	struct device_instance *last = last_instance(devices, class);

	return last ? last->state : NULL;
}

static void remove_instance(struct devices *devices, struct device_instance *device)
{
	unsigned at = device - devices->list;

	free(device->state);
	devices->count--;
	memmove(device, device + 1, (devices->count - at) * sizeof(*device));
}

int devices_complete(struct devices *devices, struct error *err)
{
	for (unsigned row = 0; device_classes[row]; row++) {
		const struct device_class *class = device_classes[row];
		struct device_instance *last = last_instance(devices, class);

		if (!class->unasked || (last && last->asked))
			continue;
		if (!last && !add_instance(devices, class))
			return error_set(err, -ENOMEM, "out of memory");
		last = last_instance(devices, class);
		if (!class->unasked(last->state))
			remove_instance(devices, last);
	}
	return 0;
}

int devices_init(struct devices *devices, struct error *err)
{
	*devices = (struct devices){ 0 };
	for (unsigned row = 0; device_classes[row]; row++) {
		const struct device_class *class = device_classes[row];

		if (class->count == DEVICE_ALWAYS && !add_instance(devices, class))
			return error_set(err, -ENOMEM, "out of memory");
	}
	return 0;
}

void devices_free(struct devices *devices)
{
	for_each_device(device, devices)
		free(device->state);
	free(devices->list);
	*devices = (struct devices){ 0 };
}

bool devices_asked_for(const struct devices *devices, const char *option)
{
	for_each_device(device, devices) {
		if (device->asked && !strcmp(device->class->options->name, option))
			return true;
	}
	return false;
}

bool devices_need_driver(const struct devices *devices, const char *option)
{
	for_each_device(device, devices) {
		const struct device_class *class = device->class;

		if (device->asked && !strcmp(class->options->name, option) && class->needs_driver &&
		    class->needs_driver(device->state))
			return true;
	}
	return false;
}

/* ---- options ---- */

static const struct device_class *class_of(const struct option_group *group)
{
	unsigned row = 0;

	while (device_classes[row]->options != group->specs)
		row++;
	return device_classes[row];
}

static void *find_target(const struct option_group *group, const struct option_spec *spec)
{
	const struct device_class *class = class_of(group);
	struct devices *devices = group->target;
	struct device_instance *last = last_instance(devices, class);
	bool first = spec == class->options;

	/* One that another option has begun is what the first one means. */
	if (!last || (class->count == DEVICE_EACH && first && last->asked)) {
		if (!add_instance(devices, class))
			return NULL;
		last = last_instance(devices, class);
	}
	last->asked |= first;
	return last->state;
}

/* Without the option that asks for it, a device is there only if it always is. */
static int undo_option(const struct option_group *group, const struct option_spec *spec)
{
	const struct device_class *class = class_of(group);
	struct device_instance *last = last_instance(group->target, class);

	if (!last || spec != class->options || class->count != DEVICE_IF_ASKED)
		return last ? option_undo(spec, last->state) : 0;
	remove_instance(group->target, last);
	return 0;
}

unsigned devices_option_groups(struct devices *devices, struct option_group *groups)
{
	unsigned count = 0;

	for (unsigned row = 0; device_classes[row]; row++) {
		if (device_classes[row]->options && count < DEVICE_CLASSES_MAX)
			groups[count++] = (struct option_group){
				.specs = device_classes[row]->options,
				.target = devices,
				.find_target = find_target,
				.undo = undo_option,
			};
	}
	return count;
}

/* ---- places ---- */

static unsigned slots_of(const struct device_instance *device)
{
	if (device->class->bus == DEVICE_BUS_NONE)
		return 0;
	return device->class->slots ? device->class->slots(device->state) : 1;
}

/* What the devices want whose class sits on @bus, whatever there is. */
static unsigned count_wishes(const struct devices *devices, enum device_bus bus)
{
	unsigned count = 0;

	for_each_device(device, devices) {
		if (device->class->bus == bus)
			count += slots_of(device);
	}
	return count;
}

static unsigned count_of_class(const struct devices *devices, const struct device_class *class)
{
	unsigned count = 0;

	for_each_device(device, devices) {
		if (device->class == class)
			count += slots_of(device);
	}
	return count;
}

/*
 * Where MMIO has not enough places, a class whose devices no longer fit is on PCI with all of
 * them: so a guest finds its disks in their order, whichever transport it looks at first.
 */
static enum device_bus bus_of(const struct devices *devices, const struct device_class *class,
			      const struct device_host *host)
{
	unsigned left = device_places(host, DEVICE_BUS_MMIO),
		 taken = count_wishes(devices, DEVICE_BUS_MMIO);

	if (class->bus != DEVICE_BUS_ANY)
		return class->bus;
	if (host->any != DEVICE_BUS_MMIO || taken > left)
		return host->any;
	left -= taken;
	for (unsigned row = 0; device_classes[row]; row++) {
		unsigned count = device_classes[row]->bus == DEVICE_BUS_ANY
					 ? count_of_class(devices, device_classes[row])
					 : 0;

		if (device_classes[row] == class)
			return count > left ? DEVICE_BUS_PCI : DEVICE_BUS_MMIO;
		left -= count > left ? 0 : count;
	}
	return host->any;
}

static unsigned count_places(const struct devices *devices, const struct device_host *host,
			     enum device_bus bus)
{
	unsigned count = 0;

	for_each_device(device, devices) {
		if (bus_of(devices, device->class, host) == bus)
			count += slots_of(device);
	}
	return count;
}

/* A virtio device's image, AIO, worker; an eventfd for each queue and each vector. */
#define FDS_VIRTIO 12

unsigned devices_count_fds(const struct devices *devices)
{
	unsigned count = 0;

	for_each_device(device, devices) {
		unsigned fds = device->class->fds ? device->class->fds(device->state) : 0;

		count += fds ? fds : FDS_VIRTIO * slots_of(device);
	}
	return count;
}

bool devices_want_pci(const struct devices *devices, const struct device_host *host)
{
	return count_places(devices, host, DEVICE_BUS_PCI);
}

static int check_places(const struct devices *devices, const struct device_host *host,
			struct error *err)
{
	unsigned slots = device_places(host, DEVICE_BUS_PCI);
	unsigned passed = count_wishes(devices, DEVICE_BUS_PCI);
	unsigned others = count_places(devices, host, DEVICE_BUS_PCI) - passed;
	unsigned mmio = count_wishes(devices, DEVICE_BUS_MMIO);

	if (passed + (others + PCI_FUNCTIONS - 1) / PCI_FUNCTIONS > slots)
		return error_set(err, -EINVAL,
				 "%u PCI devices: this machine has room for %u that are passed, or "
				 "for %u virtio devices in the place of each",
				 passed + others, slots, PCI_FUNCTIONS);
	if (mmio > device_places(host, DEVICE_BUS_MMIO))
		return error_set(err, -EINVAL,
				 "%u virtio-mmio devices: this machine has room for %u", mmio,
				 device_places(host, DEVICE_BUS_MMIO));
	return 0;
}

bool devices_fit(const struct devices *devices, const struct device_host *host)
{
	struct error err = { "" };

	return !check_places(devices, host, &err);
}

int devices_check_places(const struct devices *devices, const struct device_host *host,
			 struct error *err)
{
	if (devices_fit(devices, host))
		return 0;
	for_each_device(device, devices) {
		if (!device->class->give_way || device->asked)
			continue;
		log_info("no %s, as the machine has no place for it", device->class->name);
		device->class->give_way(device->state);
	}
	return check_places(devices, host, err);
}

/* ---- the steps ---- */

bool devices_give_back(const struct devices *devices)
{
	bool found = false;

	for_each_device(device, devices)
		found |= device->class->gives_back && device->class->gives_back(device->state);
	return found;
}

void devices_kernel_words(const struct devices *devices, char *text, size_t size)
{
	size_t len = 0;

	text[0] = '\0';
	for_each_device(device, devices) {
		const char *words = device->class->kernel_words
					    ? device->class->kernel_words(device->state)
					    : NULL;

		if (words && len < size)
			len += snprintf(text + len, size - len, "%s%s", len ? " " : "", words);
	}
}

int devices_prepare(const struct devices *devices, struct device_plan *plan, struct error *err)
{
	int ret = 0;

	for_each_device(device, devices) {
		if (!ret && device->class->prepare)
			ret = device->class->prepare(device->state, plan, err);
	}
	return ret;
}

int devices_claim(const struct devices *devices, struct device_plan *plan, struct error *err)
{
	int ret = 0;

	for_each_device(device, devices) {
		if (!ret && device->class->claim)
			ret = device->class->claim(device->state, plan, err);
	}
	return ret;
}

int devices_connect(const struct devices *devices, struct vm *vm, struct error *err)
{
	int ret = 0;

	for_each_device(device, devices) {
		if (!ret && device->class->connect)
			ret = device->class->connect(device->state, vm, err);
	}
	return ret;
}

int devices_create(const struct devices *devices, struct device_host *host, struct error *err)
{
	const struct device_class *last = NULL;
	int ret = 0;

	host->pci_is_crowded = count_places(devices, host, DEVICE_BUS_PCI) >
			       device_places(host, DEVICE_BUS_PCI);
	for_each_device(device, devices) {
		host->bus = bus_of(devices, device->class, host);
		host->instance = device->class == last ? host->instance + 1 : 0;
		last = device->class;
		if (!ret)
			ret = device->class->create(device->state, host, err);
	}
	return ret;
}

int devices_firmware(const struct devices *devices, struct vm *vm, struct firmware *firmware,
		     struct error *err)
{
	int ret = 0;

	for_each_device(device, devices) {
		if (!ret && device->class->firmware)
			ret = device->class->firmware(device->state, vm, firmware, err);
	}
	return ret;
}

void devices_add_commands(const struct devices *devices, struct control *control)
{
	for (unsigned row = 0; device_classes[row]; row++) {
		const struct device_class *class = device_classes[row];
		void *state = find_instance(devices, class);

		if (class->commands)
			control_add(control, class->commands,
				    state ? class->command_arg(state) : NULL);
	}
}

void devices_advise(const struct devices *devices)
{
	for_each_device(device, devices) {
		const char *advice = device->class->advise ? device->class->advise(device->state)
							   : NULL;

		if (advice)
			log_warning("%s", advice);
	}
}

void devices_count(const struct devices *devices, struct counters *counters)
{
	for_each_device(device, devices) {
		if (device->class->report)
			device->class->report(device->state, counters);
	}
}

void devices_release(const struct devices *devices)
{
	for (unsigned i = devices->count; i--;) {
		if (devices->list[i].class->release)
			devices->list[i].class->release(devices->list[i].state);
	}
}
