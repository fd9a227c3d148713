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
 * Whether @device has a group, or may get one when vfio-pci takes it: for a device tree's or IORT's
 * IOMMU Linux looks only when a driver does.
 */
bool vfio_check_is_translated(const struct vfio_paths *paths,
			      const struct vfio_host_device *device);
/* Whether the host has an IOMMU for it, and vfio's modules. */
void vfio_check_iommu(struct vfio_check *check);
/*
 * Whether a device can make interrupts that are not its own: by several signs, none of which every
 * host shows. @refused: type1 has refused the group with EPERM. False: this is what stops it.
 */
bool vfio_check_isolation(struct vfio_check *check, bool refused);
/* Who else is in its group, and has the group. */
void vfio_check_group(struct vfio_check *check);
/*
 * Whether the host works with it right now: a file system, swap, another block device
 * that is made of it, a network interface that is up, virtual functions, a display that shows
 * something. The first that is found, in @problem. Nobody uses what vfio-pci has.
 */
bool vfio_check_use(const struct vfio_paths *paths, const struct vfio_address *address,
		    struct vfio_problem *problem);

#endif
