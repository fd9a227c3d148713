/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Address decoding: which device answers a guest's access to a register. One
 * bus for memory-mapped registers, and one for ports where there are ports.
 */
#ifndef VMM_BUS_H
#define VMM_BUS_H

#include "util/types.h"

struct bus;
struct bus_region;

/*
 * Called on the vCPU thread that made the access, VM lock held. @offset is
 * relative to the region's start and offset + len stays inside it; @len is 1,
 * 2, 4 or 8. The value is a host number, in the low @len bytes. Nothing can
 * fail: a device that does not like an access ignores it, and reads as it
 * likes. Handlers must not block; a write may vm_wait() at its end.
 */
struct bus_ops {
	u64 (*read)(struct bus_region *region, u64 offset, unsigned len);
	void (*write)(struct bus_region *region, u64 offset, u64 value, unsigned len);
};

/* Lives inside its device. */
struct bus_region {
	u64 start;
	u64 last; /* inclusive */
	const struct bus_ops *ops;
};

int bus_create(struct bus **bus);
void bus_destroy(struct bus *bus);

/* VM lock held, or before the vCPUs run. -EEXIST: overlaps another region. -ENOMEM. */
int bus_add(struct bus *bus, struct bus_region *region);
/* A region that is not on the bus is ignored. */
void bus_remove(struct bus *bus, struct bus_region *region);

/*
 * One access of a guest, VM lock held. What no region claims, wholly, reads as
 * all ones and ignores writes; false then.
 */
bool bus_read(struct bus *bus, u64 address, void *data, unsigned len);
bool bus_write(struct bus *bus, u64 address, const void *data, unsigned len);

#endif
