/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host_sysfs.h"
#include "passthrough.h"
#include "problem.h"
#include "sys.h"
#include "util/log.h"
#include "vmm/counters.h"
#include "vmm/irq.h"
#include "vmm/vm.h"

static void name_of(const struct vfio_address *address, char name[32])
{
	char text[VFIO_ADDRESS_TEXT];

	vfio_address_format(address, text);
	snprintf(name, 32, "vfio %s", text);
}

/* ---- opening ---- */

static int check_twins(const struct vfio_want *wants, unsigned count, struct error *err)
{
	char name[32];

	for (unsigned i = 0; i < count; i++) {
		for (unsigned k = 0; k < i; k++) {
			if (vfio_address_compare(&wants[i].address, &wants[k].address))
				continue;
			name_of(&wants[i].address, name);
			return error_set(err, -EINVAL, "%s: passed twice", name);
		}
	}
	return 0;
}

/* Check the device before anything is opened: these errors name a remedy. */
static int check_one(const struct vfio *vfio, const struct vfio_address *address, struct error *err)
{
	struct vfio_problem *problems = calloc(VFIO_MAX_PROBLEMS, sizeof(*problems));
	char name[32];
	int count, ret;

	if (!problems)
		return error_set(err, -ENOMEM, "out of memory");
	name_of(address, name);
	count = vfio_check(vfio->paths, address, 0, problems, err);
	ret = MIN(count, 0);
	for (int i = 0; i < count && !ret; i++) {
		if (problems[i].fatal)
			ret = vfio_problem_error(&problems[i], name, -ENODEV, err);
	}
	free(problems);
	return ret;
}

static int check_all(const struct vfio *vfio, struct error *err)
{
	int ret = 0;

	for (unsigned i = 0; i < vfio->want_count && !ret; i++)
		ret = check_one(vfio, &vfio->wants[i].address, err);
	return ret;
}

static struct vfio_group *find_group(struct vfio *vfio, int number)
{
	for (unsigned i = 0; i < vfio->group_count; i++) {
		if (vfio->groups[i].number == number)
			return &vfio->groups[i];
	}
	return NULL;
}

/* A container of its own, or the one that all groups share. */
static int take_container(struct vfio *vfio, const char *name, struct vfio_container **container,
			  struct error *err)
{
	int ret = 0;

	if (!vfio->container_count || vfio->translated) {
		ret = vfio_container_open(&vfio->containers[vfio->container_count], vfio->paths,
					  name, err);
		if (!ret)
			vfio_container_join(vfio->containers[vfio->container_count++],
					    &vfio->peers);
	}
	*container = ret ? NULL : vfio->containers[vfio->container_count - 1];
	return ret;
}

static int open_group(struct vfio *vfio, const struct vfio_host_device *host, const char *name,
		      struct vfio_group **out, struct error *err)
{
	struct vfio_group *group = &vfio->groups[vfio->group_count];
	int ret = vfio_group_open(group, vfio->paths, host, name, err);

	if (ret)
		return ret;
	vfio->group_count++;
	*out = group;
	ret = take_container(vfio, name, &group->container, err);
	if (!ret)
		ret = vfio_container_attach(group->container, group->fd, name, err);
	return ret;
}

static int open_device(struct vfio *vfio, unsigned n, const struct vfio_host_device *host,
		       struct error *err)
{
	struct vfio_group *group = find_group(vfio, host->group);
	struct vfio_device *device = calloc(1, sizeof(*device));
	int ret;

	if (!device)
		return error_set(err, -ENOMEM, "out of memory");
	vfio->devices[n] = device;
	vfio->device_count++;
	device->fd = -1;
	device->peers = vfio->wants[n].no_p2p ? NULL : &vfio->peers;
	device->address = host->address;
	name_of(&host->address, device->name);
	ret = group ? 0 : open_group(vfio, host, device->name, &group, err);
	return ret ? ret : vfio_device_open(device, group, err);
}

static int open_all(struct vfio *vfio, struct vfio_host_device *hosts, struct error *err)
{
	int ret = 0;

	for (unsigned i = 0; i < vfio->want_count && !ret; i++) {
		ret = vfio_host_read(vfio->paths, &vfio->wants[i].address, &hosts[i], err);
		if (!ret)
			ret = open_device(vfio, i, &hosts[i], err);
	}
	return ret;
}

static void note_facts(struct vfio *vfio, unsigned n, const struct vfio_host_device *host)
{
	const struct vfio_container_info *told = &vfio->devices[n]->group->container->told;

	memcpy(vfio->ranges[n], host->ranges, sizeof(vfio->ranges[n]));
	vfio->hosts[n] = (struct dma_host){
		.name = vfio->devices[n]->name,
		.page_size_mask = told->page_sizes,
		.apertures = told->ranges,
		.aperture_count = told->range_count,
		.ranges = vfio->ranges[n],
		.range_count = host->range_count,
	};
}

/* When all groups are in: in a container that they share, each may narrow it. */
static int learn_all(struct vfio *vfio, const struct vfio_host_device *hosts, struct error *err)
{
	int ret = 0;

	for (unsigned i = 0; i < vfio->container_count && !ret; i++)
		ret = vfio_container_learn(vfio->containers[i], err);
	for (unsigned i = 0; i < vfio->device_count && !ret; i++)
		note_facts(vfio, i, &hosts[i]);
	return ret;
}

static int vfio_start(struct vfio *vfio, struct error *err)
{
	struct vfio_host_device *hosts = calloc(VFIO_MAX_DEVICES, sizeof(*hosts));
	int ret;

	if (!hosts)
		return error_set(err, -ENOMEM, "out of memory");
	ret = vfio_auto_bind(vfio, err);
	if (!ret)
		ret = check_all(vfio, err);
	if (!ret)
		ret = open_all(vfio, hosts, err);
	if (!ret)
		ret = learn_all(vfio, hosts, err);
	free(hosts);
	return ret;
}

int vfio_open(struct vfio **out, const struct vfio_request *request, struct error *err)
{
	unsigned count = request->count;
	struct vfio *vfio;
	int ret;

	if (count > VFIO_MAX_DEVICES)
		return error_set(err, -EINVAL, "%u devices to pass: at most %u go into a guest",
				 count, VFIO_MAX_DEVICES);
	ret = check_twins(request->wants, count, err);
	if (ret)
		return ret;
	vfio = calloc(1, sizeof(*vfio));
	if (!vfio)
		return error_set(err, -ENOMEM, "out of memory");
	vfio->paths = request->paths;
	vfio->keeper = request->keeper;
	vfio->translated = request->translated;
	vfio->kvm_device = vfio->lock = -1;
	memset(vfio->notes, -1, sizeof(vfio->notes));
	vfio_peers_init(&vfio->peers);
	vfio->want_count = count;
	memcpy(vfio->wants, request->wants, count * sizeof(*vfio->wants));
	ret = vfio_start(vfio, err);
	if (ret) {
		vfio_close(vfio);
		return ret;
	}
	vfio->opened = true;
	vfio_auto_unlock(vfio);
	*out = vfio;
	return 0;
}

/* ---- closing ---- */

void vfio_close(struct vfio *vfio)
{
	if (!vfio)
		return;
	vfio_auto_lock(vfio);
	vfio_reset_buses(vfio, false);
	/* In this order: devices, then groups, then containers. */
	for (unsigned i = 0; i < vfio->device_count; i++) {
		vfio_device_close(vfio->devices[i]);
		free(vfio->devices[i]);
	}
	if (vfio->kvm_device >= 0)
		vfio_sys_close(vfio->kvm_device);
	for (unsigned i = 0; i < vfio->group_count; i++)
		vfio_group_close(&vfio->groups[i]);
	for (unsigned i = 0; i < vfio->container_count; i++)
		vfio_container_close(vfio->containers[i]);
	vfio_auto_release(vfio);
	free(vfio);
}

/* ---- what the machine asks ---- */

unsigned vfio_count(const struct vfio *vfio)
{
	return vfio->device_count;
}

const char *vfio_name(const struct vfio *vfio, unsigned n)
{
	return vfio->devices[n]->name;
}

/* A device has MSI or MSI-X on; KVM routes no more than it has routes for. */
unsigned vfio_vectors(const struct vfio *vfio)
{
	unsigned vectors = 0;

	for (unsigned i = 0; i < vfio->device_count; i++) {
		const u32 *counts = vfio->devices[i]->irq_counts;

		vectors += MIN(MAX(counts[VFIO_PCI_MSI_IRQ_INDEX], counts[VFIO_PCI_MSIX_IRQ_INDEX]),
			       (u32)IRQ_MAX_ROUTES);
	}
	return MIN(vectors, (unsigned)IRQ_MAX_ROUTES);
}

unsigned vfio_group_of(const struct vfio *vfio, unsigned n)
{
	return vfio->devices[n]->group - vfio->groups;
}

const struct dma_host *vfio_hosts(const struct vfio *vfio)
{
	return vfio->hosts;
}

struct dma_listener *vfio_listener(struct vfio *vfio, unsigned n)
{
	return vfio->translated ? &vfio->devices[n]->group->container->listener : NULL;
}

void vfio_count_device(const struct vfio *vfio, unsigned n, struct counters *counters)
{
	const struct vfio_device *device = vfio->devices[n];
	const struct vfio_container *container = device->group->container;

	counters_begin(counters, device->name);
	counters_number(counters, "trapped", device->trapped);
	counters_number(counters, "vectors_regrown", device->regrown);
	counters_number(counters, "resets", device->resets);
	counters_number(counters, "container_maps", container->maps);
	counters_number(counters, "container_unmaps", container->unmaps);
	counters_number(counters, "container_refused", container->refused);
	counters_number(counters, "gone", device->gone);
}

/* ---- in the machine ---- */

/*
 * Tell KVM of the groups: it has to know of devices whose DMA is not coherent with the caches. A
 * KVM without that list works where all DMA is coherent.
 */
static void tell_kvm(struct vfio *vfio)
{
	struct kvm_create_device create = { .type = KVM_DEV_TYPE_VFIO };
	int ret = vfio_sys_ioctl(vfio->vm->fd, KVM_CREATE_DEVICE, &create);

	if (!ret)
		vfio->kvm_device = create.fd;
	for (unsigned i = 0; !ret && i < vfio->group_count; i++) {
		struct kvm_device_attr attr = {
			.group = KVM_DEV_VFIO_GROUP,
			.attr = KVM_DEV_VFIO_GROUP_ADD,
			.addr = (uintptr_t)&vfio->groups[i].fd,
		};

		ret = vfio_sys_ioctl(vfio->kvm_device, KVM_SET_DEVICE_ATTR, &attr);
	}
	if (ret)
		log_info("KVM does not know the groups of passed devices: %s", strerror(-ret));
}

int vfio_plug(struct vfio *vfio, struct vm *vm, struct error *err)
{
	int ret = 0;

	vfio->vm = vm;
	for (unsigned i = 0; i < vfio->container_count; i++)
		vfio->containers[i]->vm = vm;
	tell_kvm(vfio);
	/*
	 * After all checks that may refuse the run, whose line would otherwise come after this
	 * one's warnings.
	 */
	vfio_reset_buses(vfio, true);
	if (vfio->translated || !vfio->container_count)
		return 0;
	ret = vfio_container_fill(vfio->containers[0]);
	return ret ? error_set(
			     err, ret, "%s: the host does not map the guest's memory for it: %s%s",
			     vfio->devices[0]->name, strerror(-ret),
			     ret == -ENOMEM ? ": raise the limit of locked memory (ulimit -l)" : "")
		   : 0;
}

int vfio_add(struct vfio *vfio, unsigned n, struct pci_bus *bus, unsigned slot, unsigned fn,
	     struct dma_space *space, u32 endpoint, struct error *err)
{
	return vfio_device_add(vfio->devices[n], bus, vfio->vm, slot, fn, space, endpoint, err);
}
