/* SPDX-License-Identifier: BSD-2-Clause */
/* ACPI 6.5, "Root System Description Pointer" and "Virtual I/O Translation Table (VIOT)". */
#include "../lib.h"
#include "acpi.h"

enum { VIOT_PCI_RANGE = 1, VIOT_MMIO_ENDPOINT, VIOT_PCI_IOMMU, VIOT_MMIO_IOMMU };

struct viot_node {
	u8 type;
	u8 reserved;
	u16 length;
	u32 endpoint; /* the first one of a range */
	union {
		u64 base;
		struct {
			u16 segment, last_segment, bdf, last_bdf;
		} pci;
	};
};

static u8 sum(u64 at, u64 size)
{
	u8 total = 0;

	while (size--)
		total += *(const u8 *)at++;
	return total;
}

/* With its sum: as a firmware image, this guest is in that window itself, with that string. */
static u64 find_rsdp(void)
{
	for (u64 at = 0xe0000; at < 0x100000; at += 16) {
		if (!memcmp((const void *)at, "RSD PTR ", 8) && !sum(at, 20))
			return at;
	}
	return 0;
}

/* In the table of tables at @root, whose entries have @width bytes. */
static u64 find_in(u64 root, unsigned width, const char *signature)
{
	const u32 length = *(const u32 *)(root + 4);

	for (u64 at = root + 36; at + width <= root + length; at += width) {
		u64 table = width == 8 ? *(const u64 *)at : *(const u32 *)at;

		if (table && !memcmp((const void *)table, signature, 4))
			return table;
	}
	return 0;
}

u64 acpi_find(const char *signature)
{
	const u64 rsdp = find_rsdp();

	if (!rsdp)
		return 0;
	if (*(const u8 *)(rsdp + 15) >= 2)
		return find_in(*(const u64 *)(rsdp + 24), 8, signature);
	return find_in(*(const u32 *)(rsdp + 16), 4, signature);
}

/* The node after @node, the first after NULL; NULL: no more. */
static const struct viot_node *viot_next(const struct viot_node *node)
{
	const u64 viot = acpi_find("VIOT");
	u64 at;

	if (!viot)
		return NULL;
	at = node ? (u64)node + node->length : viot + *(const u16 *)(viot + 38);
	if (node && node->length < 16)
		return NULL;
	return at + 16 <= viot + *(const u32 *)(viot + 4) ? (const struct viot_node *)at : NULL;
}

u32 viot_mmio_endpoint(u64 base, u32 fallback)
{
	const struct viot_node *node = NULL;

	while ((node = viot_next(node))) {
		if (node->type == VIOT_MMIO_ENDPOINT && node->base == base)
			return node->endpoint;
	}
	return fallback;
}

u32 viot_pci_endpoint(u16 bdf)
{
	const struct viot_node *node = NULL;

	while ((node = viot_next(node))) {
		if (node->type == VIOT_PCI_RANGE && !node->pci.segment && bdf >= node->pci.bdf &&
		    bdf <= node->pci.last_bdf)
			return node->endpoint + bdf - node->pci.bdf;
	}
	return bdf;
}

u64 viot_mmio_iommu(void)
{
	const struct viot_node *node = NULL;

	while ((node = viot_next(node))) {
		if (node->type == VIOT_MMIO_IOMMU)
			return node->base;
	}
	return 0;
}
