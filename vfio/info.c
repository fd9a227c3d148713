/* SPDX-License-Identifier: BSD-2-Clause */
#include "info.h"

const void *vfio_info_find(const union vfio_info *info, u32 first, u16 id, u32 size)
{
	/* Each step goes forward, so the walk ends. */
	for (u32 at = first, before = 0; at > before;) {
		const struct vfio_info_cap_header *header;

		if (at % 4 || at > VFIO_INFO_SIZE - sizeof(*header))
			return NULL;
		header = (const void *)&info->bytes[at];
		if (header->id == id)
			return size <= VFIO_INFO_SIZE - at ? header : NULL;
		before = at;
		at = header->next;
	}
	return NULL;
}
