/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host_sysfs.h"

struct addresses {
	struct vfio_address *all;
	unsigned count;
};

static int add_address(void *opaque, const char *name)
{
	struct addresses *addresses = opaque;
	struct vfio_address address, *more;

	/* Domains of more than 16 bits (Intel's VMD) have no address here. */
	if (vfio_address_parse(&address, name, NULL))
		return 0;
	more = realloc(addresses->all, (addresses->count + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	addresses->all = more;
	more[addresses->count++] = address;
	return 0;
}

/* A device that is removed meanwhile is left out. */
static int read_all(const struct vfio_paths *paths, const struct addresses *addresses,
		    struct vfio_host_device **devices, unsigned *count, struct error *err)
{
	struct vfio_host_device *all = calloc(addresses->count + 1, sizeof(*all));
	struct error gone = { "" };

	if (!all)
		return error_set(err, -ENOMEM, "out of memory");
	*count = 0;
	for (unsigned i = 0; i < addresses->count; i++) {
		int ret = vfio_host_read(paths, &addresses->all[i], &all[*count], &gone);

		if (ret && ret != -ENOENT) {
			free(all);
			return error_set(err, ret, "%s", gone.text);
		}
		gone.text[0] = '\0';
		*count += !ret;
	}
	*devices = all;
	return 0;
}

int vfio_host_list(const struct vfio_paths *paths, struct vfio_host_device **devices,
		   unsigned *count, struct error *err)
{
	struct addresses addresses = { NULL };
	int ret = vfio_sysfs_each(add_address, &addresses, "%s/bus/pci/devices", paths->sys);

	*devices = NULL;
	*count = 0;
	if (ret == -ENOENT)
		ret = 0; /* a host without PCI */
	if (ret) {
		error_set(err, ret, "%s/bus/pci/devices: %s", paths->sys, strerror(-ret));
	} else {
		if (addresses.count)
			qsort(addresses.all, addresses.count, sizeof(*addresses.all),
			      vfio_address_compare);
		ret = read_all(paths, &addresses, devices, count, err);
	}
	free(addresses.all);
	return ret;
}
