/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The registers of a passed device. What of a BAR the host can map is shown to the guest with
 * no exit; the pages of the MSI-X table and of its pending bits are ours, so a table in
 * the middle of other registers splits its BAR. Whatever is no mapped piece exits to the bus
 * region below: the table, the other registers on its pages, I/O ports, BARs smaller than a page.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>
#include <unistd.h>

#include "device.h"
#include "info.h"
#include "sys.h"

static struct vfio_region *region_of(struct bus_region *bus)
{
	return container_of(bus, struct vfio_region, bus);
}

/* ---- trapped accesses ---- */

static u64 all_ones(unsigned len)
{
	return ~0ULL >> (64 - 8 * len);
}

/* Whether none, all or part of an access lies in a structure of @size bytes at @start. */
enum meets { BESIDE, INSIDE, ACROSS };

static enum meets meets(u64 offset, unsigned len, u64 start, u64 size)
{
	if (!size || !range_overlaps(offset, offset + len - 1, start, start + size - 1))
		return BESIDE;
	return range_contains(start, start + size - 1, offset, offset + len - 1) ? INSIDE : ACROSS;
}

static enum meets meets_table(const struct vfio_region *region, u64 offset, unsigned len)
{
	const struct vfio_device *device = region->device;
	const struct msix *msix = device->function.msix;

	if (!msix || region->n != device->table_bar)
		return BESIDE;
	return meets(offset, len, device->table_offset, msix_table_size(msix));
}

static enum meets meets_pba(const struct vfio_region *region, u64 offset, unsigned len)
{
	const struct vfio_device *device = region->device;
	const struct msix *msix = device->function.msix;

	if (!msix || region->n != device->pba_bar)
		return BESIDE;
	return meets(offset, len, device->pba_offset, msix_pba_size(msix));
}

/* A host that resets it would have us wait. */
static bool answers(const struct vfio_device *device)
{
	return !device->gone && !device->resetting;
}

static u64 hardware_read(const struct vfio_region *region, u64 offset, unsigned len)
{
	const struct vfio_device *device = region->device;
	le64 value = cpu_to_le64(0);

	if (vfio_sys_read(device->fd, &value, len, region->offset + offset) != (ssize_t)len)
		return all_ones(len);
	return le64_to_cpu(value);
}

static u64 region_read(struct bus_region *bus, u64 offset, unsigned len)
{
	struct vfio_region *region = region_of(bus);
	struct vfio_device *device = region->device;
	enum meets table = meets_table(region, offset, len), pba = meets_pba(region, offset, len);

	if (!answers(device) || table == ACROSS || pba == ACROSS)
		return all_ones(len);
	if (table == INSIDE)
		return msix_table_read(device->function.msix, offset - device->table_offset, len);
	if (pba == INSIDE)
		return msix_pba_read(device->function.msix, offset - device->pba_offset, len);
	device->trapped++;
	return hardware_read(region, offset, len);
}

static void region_write(struct bus_region *bus, u64 offset, u64 value, unsigned len)
{
	struct vfio_region *region = region_of(bus);
	struct vfio_device *device = region->device;
	enum meets table = meets_table(region, offset, len);
	le64 bytes = cpu_to_le64(value);

	if (!answers(device) || table == ACROSS || region->n == PCI_ROM ||
	    meets_pba(region, offset, len) != BESIDE)
		return;
	if (table == INSIDE) {
		msix_table_write(device->function.msix, offset - device->table_offset, value, len);
		return;
	}
	device->trapped++;
	vfio_sys_write(device->fd, &bytes, len, region->offset + offset);
}

static const struct bus_ops region_ops = { .read = region_read, .write = region_write };

/* ---- what the host has ---- */

static int ask(const struct vfio_device *device, u32 index, union vfio_info *info)
{
	info->region = (struct vfio_region_info){ .argsz = sizeof(*info), .index = index };
	return vfio_sys_ioctl(device->fd, VFIO_DEVICE_GET_REGION_INFO, info);
}

/* The whole host pages of [offset, offset + size). */
static void piece_add(struct vfio_region *region, u64 offset, u64 size)
{
	u64 page = sysconf(_SC_PAGESIZE), start, end;
	struct range range;

	if (!range_make(offset, size, &range) || range.last >= region->size ||
	    region->piece_count == VFIO_REGION_PIECES)
		return;
	start = align_up(range.start, page);
	end = align_down(range.last + 1, page);
	if (start < end)
		region->pieces[region->piece_count++] = (struct vfio_piece){ .offset = start,
									     .size = end - start };
}

/* The host maps all of it, or only what it lists. */
static void find_pieces(struct vfio_region *region, const union vfio_info *info)
{
	const struct vfio_region_info_cap_sparse_mmap *sparse = NULL;
	const u8 *end = info->bytes + VFIO_INFO_SIZE;

	if (!(region->flags & VFIO_REGION_INFO_FLAG_MMAP))
		return;
	if (region->flags & VFIO_REGION_INFO_FLAG_CAPS)
		sparse = vfio_info_find(info, info->region.cap_offset,
					VFIO_REGION_INFO_CAP_SPARSE_MMAP, sizeof(*sparse));
	if (!sparse)
		piece_add(region, 0, region->size);
	for (u32 i = 0; sparse && i < sparse->nr_areas; i++) {
		const struct vfio_region_sparse_mmap_area *area = &sparse->areas[i];

		if ((const u8 *)(area + 1) > end)
			return;
		piece_add(region, area->offset, area->size);
	}
}

/* A BAR, or the upper half of one, which the host says is empty. */
static int add_bar(struct vfio_region *region, const u8 *hardware, struct error *err)
{
	struct vfio_device *device = region->device;
	u32 bar = hardware[PCI_BASE_ADDRESS_0 + 4 * region->n]; /* its low bits */
	enum pci_bar_kind kind = PCI_BAR_MEMORY32;
	bool prefetchable = bar & PCI_BASE_ADDRESS_MEM_PREFETCH;
	int ret;

	if (region->n == PCI_ROM) {
		prefetchable = false;
	} else if (bar & PCI_BASE_ADDRESS_SPACE_IO) {
		kind = PCI_BAR_IO;
		prefetchable = false;
		region->piece_count = 0; /* ports are no pages, whatever the host says */
	} else if (bar & PCI_BASE_ADDRESS_MEM_TYPE_64) {
		kind = PCI_BAR_MEMORY64;
	}
	ret = pci_add_bar(&device->function, region->n, kind, region->size, prefetchable);
	/* A guest does without a ROM, whose size need be no power of two. */
	if (ret && region->n == PCI_ROM)
		region->size = ret = 0;
	return ret ? error_set(err, ret,
			       "%s: its BAR %u of 0x%llx bytes cannot be shown to a guest",
			       device->name, region->n, (unsigned long long)region->size)
		   : 0;
}

static int region_build(struct vfio_device *device, unsigned n, const u8 *hardware,
			struct error *err)
{
	struct vfio_region *region = &device->regions[n];
	union vfio_info info = { 0 };

	*region = (struct vfio_region){ .bus.ops = &region_ops, .device = device, .n = n };
	/* No answer: there is none. */
	if (ask(device, n, &info) || !info.region.size)
		return 0;
	region->flags = info.region.flags;
	region->size = info.region.size;
	region->offset = info.region.offset;
	find_pieces(region, &info);
	return add_bar(region, hardware, err);
}

int vfio_regions_build(struct vfio_device *device, const u8 *hardware, struct error *err)
{
	int ret = 0;

	for (unsigned n = 0; n <= PCI_ROM && !ret; n++)
		ret = region_build(device, n, hardware, err);
	return ret;
}

/* ---- mapping ---- */

/* Take the host pages of [start, start + size) out of the pieces. */
static void region_cut(struct vfio_region *region, u64 start, u64 size)
{
	u64 page = sysconf(_SC_PAGESIZE);
	u64 from = align_down(start, page), to = align_up(start + size, page);
	unsigned count = region->piece_count;
	struct vfio_piece old[VFIO_REGION_PIECES];

	memcpy(old, region->pieces, sizeof(old));
	region->piece_count = 0;
	for (unsigned i = 0; i < count; i++) {
		u64 first = old[i].offset, end = first + old[i].size;

		if (first < MIN(end, from))
			piece_add(region, first, MIN(end, from) - first);
		if (MAX(first, to) < end)
			piece_add(region, MAX(first, to), end - MAX(first, to));
	}
}

static void region_map(struct vfio_region *region)
{
	bool writable = region->flags & VFIO_REGION_INFO_FLAG_WRITE;

	for (unsigned i = 0; i < region->piece_count; i++) {
		struct vfio_piece *piece = &region->pieces[i];

		/* What the host does not map traps. */
		piece->host = vfio_sys_map(region->device->fd, region->offset + piece->offset,
					   piece->size, writable);
	}
}

void vfio_regions_map(struct vfio_device *device)
{
	const struct msix *msix = device->function.msix;

	if (msix) {
		region_cut(&device->regions[device->table_bar], device->table_offset,
			   msix_table_size(msix));
		region_cut(&device->regions[device->pba_bar], device->pba_offset,
			   msix_pba_size(msix));
	}
	for (unsigned n = 0; n < PCI_BARS; n++)
		region_map(&device->regions[n]);
}

/* ---- showing ---- */

static void pieces_show(struct vfio_region *region)
{
	struct vfio_device *device = region->device;
	u64 address = device->function.bars[region->n].address;

	for (unsigned i = 0; i < region->piece_count; i++) {
		struct vfio_piece *piece = &region->pieces[i];

		if (!piece->host || piece->shown)
			continue;
		piece->shown = true;
		/*
		 * If KVM has no slot left, the guest's accesses exit to the bus region: slower, but
		 * they work.
		 */
		page_slot_map(device->function.vm, &piece->slot, address + piece->offset,
			      piece->host, piece->size);
		piece->pages = (struct vfio_pages){ .device = device->name,
						    .gpa = address + piece->offset,
						    .size = piece->size,
						    .host = piece->host };
		list_init(&piece->pages.node);
		vfio_peers_show(device->peers, &piece->pages);
	}
}

static void pieces_hide(struct vfio_region *region)
{
	struct vfio_device *device = region->device;

	for (unsigned i = 0; i < region->piece_count; i++) {
		struct vfio_piece *piece = &region->pieces[i];

		if (!piece->shown)
			continue;
		piece->shown = false;
		page_slot_unmap(device->function.vm, &piece->slot);
		vfio_peers_hide(device->peers, &piece->pages, device->gone);
	}
}

void vfio_region_update(struct vfio_device *device, unsigned n)
{
	struct vfio_region *region = &device->regions[n];
	bool decoded = region->size && device->function.bars[n].decoded;
	bool shown = decoded && !device->asleep && answers(device);

	if (!shown)
		pieces_hide(region);
	if (region->decoded && !decoded)
		pci_region_remove(&device->function, n, &region->bus);
	else if (!region->decoded && decoded)
		pci_region_add(&device->function, n, 0, region->size, &region->bus);
	region->decoded = decoded;
	if (shown)
		pieces_show(region);
}

void vfio_regions_update(struct vfio_device *device)
{
	for (unsigned n = 0; n <= PCI_ROM; n++)
		vfio_region_update(device, n);
}

void vfio_regions_unmap(struct vfio_device *device)
{
	for (unsigned n = 0; n < PCI_BARS; n++) {
		struct vfio_region *region = &device->regions[n];

		pieces_hide(region);
		for (unsigned i = 0; i < region->piece_count; i++) {
			if (region->pieces[i].host)
				vfio_sys_unmap(region->pieces[i].host, region->pieces[i].size);
			region->pieces[i].host = NULL;
		}
	}
}
