/* SPDX-License-Identifier: BSD-2-Clause */
/* The answers of VFIO's INFO ioctls, with the capabilities that hang on them (linux/vfio.h). */
#ifndef VFIO_INFO_H
#define VFIO_INFO_H

#include <linux/vfio.h>

#include "util/types.h"

/* More than any host answers: a few dozen ranges at 16 bytes. */
#define VFIO_INFO_SIZE 4096

union vfio_info {
	u8 bytes[VFIO_INFO_SIZE];
	struct vfio_region_info region;
	struct vfio_iommu_type1_info iommu;
	struct vfio_pci_hot_reset_info hot_reset;
};

/* The capability @id of a chain that begins at @first, with at least @size bytes; NULL. */
const void *vfio_info_find(const union vfio_info *info, u32 first, u16 id, u32 size);

#endif
