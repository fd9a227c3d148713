/* SPDX-License-Identifier: BSD-2-Clause */
/* The calls of a type1 v2 container (linux/vfio.h), one function for each. All return -errno. */
#ifndef VFIO_TYPE1_H
#define VFIO_TYPE1_H

#include "util/range.h"
#include "util/types.h"
#include "vfio/host.h"

/* What type1 says of itself (VFIO_IOMMU_GET_INFO). */
struct vfio_container_info {
	u64 page_sizes;
	unsigned range_count;
	struct range ranges[VFIO_MAX_RANGES]; /* IOVAs that it maps, sorted */
	bool has_avail;
	u32 avail; /* mappings that it would still take */
};

/* -ENOTSUP: it names no page size. */
int vfio_type1_info(int fd, struct vfio_container_info *info);
/* [iova, iova + size) to @host. @access: DMA_READ | DMA_WRITE. */
int vfio_type1_map(int fd, iova_t iova, void *host, u64 size, u32 access);
/*
 * All mappings that lie wholly in [iova, iova + size); there may be none. -EINVAL: it would cut
 * one in two. @size is not 0.
 */
int vfio_type1_unmap(int fd, iova_t iova, u64 size);
/*
 * All mappings. One call, or two where the host does not know "all" (Linux before 5.12): type1
 * v2 unmaps every mapping that lies wholly in a range, and none crosses the middle of 2^64.
 */
int vfio_type1_clear(int fd, bool knows_all);

#endif
