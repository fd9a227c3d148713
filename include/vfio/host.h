/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the host says of its PCI devices in sysfs: who drives them, with whom they share an
 * IOMMU group, where their group may not map. For people ("lkvm vfio list", "check"), and for
 * the passthrough itself, which asks before it opens anything.
 *
 * All of it reads; vfio/bind.h writes. Any thread; no VM is needed.
 */
#ifndef VFIO_HOST_H
#define VFIO_HOST_H

#include <limits.h>

#include "util/error.h"
#include "util/range.h"
#include "util/types.h"
#include "vmm/dma_limits.h"

/* Where things are: "/sys", "/dev", "/run/lkvm", "/proc"; elsewhere in a test. All borrowed. */
struct vfio_paths {
	const char *sys;
	const char *dev;
	const char *state; /* vfio/bind.h keeps its records in the folder "vfio"; made when first
			      needed */
	const char *proc;  /* for what is mounted; NULL: that is not checked */
};

extern const struct vfio_paths vfio_host_paths;

struct vfio_address {
	u16 domain;
	u8 bus, slot, function;
};

#define VFIO_ADDRESS_TEXT 16 /* "0000:00:04.0" and its end */

/* [DOMAIN:]BUS:DEV.FN, hexadecimal. -EINVAL with a line that shows the form. */
int vfio_address_parse(struct vfio_address *address, const char *text, struct error *err);
void vfio_address_format(const struct vfio_address *address, char text[VFIO_ADDRESS_TEXT]);

#define VFIO_MAX_MEMBERS 64
#define VFIO_MAX_RANGES	 DMA_LIMITS_RANGES

struct vfio_host_device {
	struct vfio_address address;
	u16 vendor, device, subsystem_vendor, subsystem_device;
	u32 class;	 /* 24 bits */
	char driver[64]; /* "": none */
	int group;	 /* -1: no IOMMU translates it */
	bool is_bridge;	 /* to another bus: the host needs it, and vfio does not pass it */
	char reset[64];	 /* reset_method: "flr", "pm bus"; "": none */
	unsigned range_count;
	struct dma_range ranges[VFIO_MAX_RANGES]; /* of its group, as the host lists them */
	unsigned member_count;
	struct vfio_address members[VFIO_MAX_MEMBERS]; /* of its group, itself included */
};

/* -ENOENT with a line: there is no such device. -errno with a line. */
int vfio_host_read(const struct vfio_paths *paths, const struct vfio_address *address,
		   struct vfio_host_device *device, struct error *err);
/* Whether @driver is vfio-pci, or its variant for some device (mlx5_vfio_pci). False for "". */
bool vfio_host_is_vfio_driver(const char *driver);
/* All PCI devices of the host, sorted by address, in malloc()ed memory that the caller frees. */
int vfio_host_list(const struct vfio_paths *paths, struct vfio_host_device **devices,
		   unsigned *count, struct error *err);

/* One thing that would stop a passthrough, and what to do about it. */
struct vfio_problem {
	bool fatal; /* false: a warning; the device can be passed */
	char what[256];
	char remedy[256];
};

#define VFIO_MAX_PROBLEMS 80

/*
 * All that prevents @address from being passed to a guest with @ram_bytes of RAM: no IOMMU, no
 * vfio-pci, members of its group that other drivers have, interrupts that are not remapped,
 * permissions of /dev/vfio/GROUP, locked memory (@ram_bytes; 0: not checked), no reset, in use.
 * Returns the number of problems, or -errno with a line (no such device).
 *
 * It opens the group for a moment if it can, to ask the host itself: to a caller that has the group
 * open it reports that the group is in use.
 */
int vfio_check(const struct vfio_paths *paths, const struct vfio_address *address, u64 ram_bytes,
	       struct vfio_problem problems[VFIO_MAX_PROBLEMS], struct error *err);

#endif
