/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/range.h"
#include "vmm/bus.h"

struct bus {
	struct bus_region **regions; /* sorted by address, disjoint */
	unsigned count, room;
};

int bus_create(struct bus **out)
{
	struct bus *bus = calloc(1, sizeof(*bus));

	if (!bus)
		return -ENOMEM;
	*out = bus;
	return 0;
}

void bus_destroy(struct bus *bus)
{
	if (!bus)
		return;
	free(bus->regions);
	free(bus);
}

/* The first region that does not end before @address; count if there is none. */
static unsigned bus_lower_bound(const struct bus *bus, u64 address)
{
	unsigned low = 0, high = bus->count;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (bus->regions[middle]->last < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int bus_add(struct bus *bus, struct bus_region *region)
{
	unsigned at = bus_lower_bound(bus, region->start);

	if (at < bus->count && bus->regions[at]->start <= region->last)
		return -EEXIST;
	if (bus->count == bus->room) {
		unsigned room = bus->room ? 2 * bus->room : 16;
		void *grown = realloc(bus->regions, room * sizeof(bus->regions[0]));

		if (!grown)
			return -ENOMEM;
		bus->regions = grown;
		bus->room = room;
	}
	memmove(&bus->regions[at + 1], &bus->regions[at],
		(bus->count - at) * sizeof(bus->regions[0]));
	bus->regions[at] = region;
	bus->count++;
	return 0;
}

void bus_remove(struct bus *bus, struct bus_region *region)
{
	unsigned at = bus_lower_bound(bus, region->start);

	if (at == bus->count || bus->regions[at] != region)
		return;
	bus->count--;
	memmove(&bus->regions[at], &bus->regions[at + 1],
		(bus->count - at) * sizeof(bus->regions[0]));
}

/* The region that claims all of [address, address + len). */
static struct bus_region *bus_find(const struct bus *bus, u64 address, unsigned len)
{
	unsigned at = bus_lower_bound(bus, address);
	struct range range;

	if (at == bus->count || !range_make(address, len, &range))
		return NULL;
	if (!range_contains(bus->regions[at]->start, bus->regions[at]->last, range.start,
			    range.last))
		return NULL;
	return bus->regions[at];
}

bool bus_read(struct bus *bus, u64 address, void *data, unsigned len)
{
	struct bus_region *region = bus_find(bus, address, len);
	le64 value;

	if (!region) {
		memset(data, 0xff, len);
		return false;
	}
	value = cpu_to_le64(region->ops->read(region, address - region->start, len));
	memcpy(data, &value, len);
	return true;
}

bool bus_write(struct bus *bus, u64 address, const void *data, unsigned len)
{
	struct bus_region *region = bus_find(bus, address, len);
	le64 value = cpu_to_le64(0);

	if (!region)
		return false;
	memcpy(&value, data, len);
	region->ops->write(region, address - region->start, le64_to_cpu(value), len);
	return true;
}
