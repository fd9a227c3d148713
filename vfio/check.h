/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of vfio_check(): each looks at one thing, and adds what is wrong with it. */
#ifndef VFIO_CHECK_H
#define VFIO_CHECK_H

#include "vfio/host.h"

struct vfio_check {
	const struct vfio_paths *paths;
	const struct vfio_host_device *device;
	char name[VFIO_ADDRESS_TEXT];
	u64 ram_bytes;
	struct vfio_problem *problems; /* VFIO_MAX_PROBLEMS */
	unsigned count;
};

/* ---- check_add.c ---- */

/*
 * One more problem. When there are as many as fit, it takes the place of the last: those before it
 * are to be solved first.
 */
void vfio_check_add(struct vfio_check *check, bool fatal, const char *what, ...)
	__attribute__((format(printf, 3, 4)));
/* What to do about the one added last. */
void vfio_check_remedy(struct vfio_check *check, const char *remedy, ...)
	__attribute__((format(printf, 2, 3)));
/* One more, whose text a run has as well. */
void vfio_check_add_problem(struct vfio_check *check, const struct vfio_problem *problem);

/* ---- the parts ---- */

/*
 * Whether @device has a group, or may get one when vfio-pci takes it: with a device tree or IORT
 * Linux assigns the group only when a driver binds.
 */
bool vfio_check_is_translated(const struct vfio_paths *paths,
			      const struct vfio_host_device *device);
/* Whether the host has an IOMMU for it, and vfio's modules. */
void vfio_check_iommu(struct vfio_check *check);
/*
 * Whether interrupts are remapped, so that a device cannot send those of others. No single sign is
 * there on every host, so several are read. @refused: type1 has refused the group with EPERM.
 * False: this prevents passing the device, and has been added.
 */
bool vfio_check_isolation(struct vfio_check *check, bool refused);
/* The other members of its group, and whether the group can be opened. */
void vfio_check_group(struct vfio_check *check);
/*
 * Whether the host uses the device now: a file system, swap, another block device that is made of
 * it, a network interface that is up, virtual functions, a display that shows something. @problem
 * is the first use that is found. False for a device that vfio-pci has.
 */
bool vfio_check_use(const struct vfio_paths *paths, const struct vfio_address *address,
		    struct vfio_problem *problem);

#endif
