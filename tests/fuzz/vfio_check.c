/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "shim.h"
#include "util/range.h"
#include "vfio_play.h"
#include "vmm/slot.h"
#include "vmm/vm.h"

#define PAGE 4096

/* The pages of @size bytes at @offset of BAR @n are not the guest's. */
static void check_trapped(const struct page_slot *slot, unsigned n, u32 offset, u64 size)
{
	const struct pci_bar *bar = &play.device->function.bars[n];
	u64 start = align_down(offset, PAGE), end = align_up(offset + size, PAGE);

	fuzz_check(!bar->decoded ||
		   !over(slot->gpa, slot->size, bar->address + start, end - start));
}

/* Pages that the guest reaches are those of a decoded BAR, at their place, but for the table's. */
static void check_slot(const struct page_slot *slot)
{
	const struct pci_function *function = &play.device->function;
	unsigned n = 0;
	u32 table, pba;

	while (n < PCI_BARS &&
	       !(function->bars[n].decoded && function->bars[n].kind != PCI_BAR_IO &&
		 slot->gpa - function->bars[n].address < function->bars[n].size))
		n++;
	fuzz_check(n < PCI_BARS && !play.device->gone && !play.device->asleep);
	fuzz_check(slot->gpa - function->bars[n].address + slot->size <= play_memory(n));
	fuzz_check(slot->host ==
		   play.hardware->regions[n].memory + (slot->gpa - function->bars[n].address));
	if (!function->msix_at)
		return;
	table = pci_get32(function, function->msix_at + PCI_MSIX_TABLE);
	pba = pci_get32(function, function->msix_at + PCI_MSIX_PBA);
	check_trapped(slot, table & 7, table & ~7u, msix_table_size(function->msix));
	check_trapped(slot, pba & 7, pba & ~7u, msix_pba_size(function->msix));
}

/* The kind of interrupt that the host has on is ours, each vector tied to the guest's. */
static void check_interrupts(void)
{
	const struct vfio_device *device = play.device;
	const struct fake_device *hardware = play.hardware;
	struct msix *msix = device->function.msix;
	static const u32 indices[] = { [VFIO_IRQ_INTX] = VFIO_PCI_INTX_IRQ_INDEX,
				       [VFIO_IRQ_MSI] = VFIO_PCI_MSI_IRQ_INDEX,
				       [VFIO_IRQ_MSIX] = VFIO_PCI_MSIX_IRQ_INDEX };
	bool attached = false;
	u32 last;

	for (unsigned i = 0; i < LINES; i++)
		attached |= play.intx_fds[i] >= 0;
	fuzz_check(attached == (device->intx_trigger >= 0));
	fuzz_check(!attached || device->mode == VFIO_IRQ_INTX);
	fuzz_check(!device->gone || device->mode == VFIO_IRQ_OFF);
	if (!hardware->open || !hardware->vector_count)
		return;
	fuzz_check(device->mode != VFIO_IRQ_OFF && hardware->irq_on == indices[device->mode]);
	for (unsigned n = 0; device->mode == VFIO_IRQ_MSI && n < hardware->vector_count; n++)
		fuzz_check(hardware->vectors[n] == device->function.msi_vectors[n].fd);
	for (unsigned n = 0; device->mode == VFIO_IRQ_MSIX && n < hardware->vector_count; n++)
		fuzz_check(hardware->vectors[n] < 0 ||
			   hardware->vectors[n] == msix_vector(msix, n)->fd);
	/* All that the guest uses, up to what the host has. */
	last = MIN(hardware->vectors_max, hardware->irq_counts[VFIO_PCI_MSIX_IRQ_INDEX]);
	for (unsigned n = 0; device->mode == VFIO_IRQ_MSIX && n < msix_count(msix) && n < last; n++)
		fuzz_check(play.holey || !msix_vector_is_used(msix, n) ||
			   hardware->vectors[n] == msix_vector(msix, n)->fd);
}

static bool is_shown(const struct fake_map *map)
{
	for (unsigned n = 0; n < PCI_BARS; n++) {
		const struct vfio_region *region = &play.device->regions[n];

		for (unsigned i = 0; i < region->piece_count; i++) {
			const struct vfio_piece *piece = &region->pieces[i];

			if (piece->shown && map->iova == piece->pages.gpa &&
			    map->size == piece->size && map->host == (uintptr_t)piece->host)
				return true;
		}
	}
	return false;
}

/* Of its registers a device reaches what the guest sees, at its place. */
static void check_reach(void)
{
	const struct fake_container *container = &vfio_fake.containers[0];

	for (unsigned i = 0; i < container->map_count; i++)
		fuzz_check(is_shown(&container->maps[i]) && !play.device->gone);
}

/* Of the header the guest changes nothing but what vfio/config.c hands on. */
static void check_header(void)
{
	const u8 *config = play.hardware->config;
	u8 master = play.device->function.config[PCI_COMMAND] & PCI_COMMAND_MASTER;

	fuzz_check(!memcmp(config, play.header, PCI_COMMAND));
	fuzz_check(!memcmp(config + PCI_REVISION_ID, play.header + PCI_REVISION_ID,
			   PCI_STD_HEADER_SIZEOF - PCI_REVISION_ID));
	if (play.hardware->open)
		fuzz_check((config[PCI_COMMAND] & PCI_COMMAND_MASTER) == master);
}

void check_device(void)
{
	const struct list_node *node;

	list_for_each(node, &play.vm->page_slots)
		check_slot(list_entry(node, struct page_slot, node));
	check_reach();
	check_interrupts();
	check_header();
	fuzz_check(play.device->gone == !play.hardware->open);
	if (play.device->gone)
		fuzz_check(pci_config_read(play.vm->pci, pci_bdf(&play.device->function), 0x40,
					   4) == ~0u);
}
