/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Layouts: ACPI 6.5, "Virtual I/O Translation Table (VIOT)". ACPI is
 * little-endian whatever the machine.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "iommu/viot.h"

struct acpi_header {
	char signature[4];
	le32 length;
	u8 revision;
	u8 checksum;
	char oem_id[6];
	char oem_table_id[8];
	le32 oem_revision;
	char creator_id[4];
	le32 creator_revision;
} __attribute__((packed));

struct viot_table {
	struct acpi_header header;
	le16 node_count;
	le16 node_offset;
	u8 reserved[8];
} __attribute__((packed));

enum viot_node_type {
	VIOT_PCI_RANGE = 1,
	VIOT_MMIO_ENDPOINT = 2,
	VIOT_VIRTIO_MMIO_IOMMU = 4,
};

struct viot_node {
	u8 type;
	u8 reserved;
	le16 length;
} __attribute__((packed));

struct viot_iommu {
	struct viot_node node;
	u8 reserved[4];
	le64 base;
} __attribute__((packed));

struct viot_pci_range {
	struct viot_node node;
	le32 endpoint; /* of the first; the others follow */
	le16 segment, last_segment;
	le16 bdf, last_bdf;
	le16 output_node; /* offset of the IOMMU's node in the table */
	u8 reserved[6];
} __attribute__((packed));

struct viot_endpoint {
	struct viot_node node;
	le32 endpoint;
	le64 base;
	le16 output_node; /* offset of the IOMMU's node in the table */
	u8 reserved[6];
} __attribute__((packed));

static_assert(sizeof(struct viot_table) == 48, "VIOT: offset of the first node");
static_assert(sizeof(struct viot_iommu) == 16, "VIOT: virtio-iommu over virtio-mmio");
static_assert(sizeof(struct viot_pci_range) == 24, "VIOT: PCI range");
static_assert(sizeof(struct viot_endpoint) == 24, "VIOT: single MMIO endpoint");

static bool viot_is_endpoint(const struct device_info *info)
{
	return !info->is_iommu && info->endpoint != DEVICE_NO_ENDPOINT;
}

static void viot_header(struct viot_table *table, u32 size, u16 nodes)
{
	struct acpi_header *header = &table->header;

	memcpy(header->signature, "VIOT", 4);
	header->length = cpu_to_le32(size);
	header->revision = 0;
	memcpy(header->oem_id, "LKVM  ", 6);
	memcpy(header->oem_table_id, "LKVMVIOT", 8);
	header->oem_revision = cpu_to_le32(1);
	memcpy(header->creator_id, "LKVM", 4);
	header->creator_revision = cpu_to_le32(1);
	table->node_count = cpu_to_le16(nodes);
	table->node_offset = cpu_to_le16(sizeof(*table));
}

static void viot_checksum(struct viot_table *table, u32 size)
{
	const u8 *bytes = (const u8 *)table;
	u8 sum = 0;

	for (u32 i = 0; i < size; i++)
		sum += bytes[i];
	table->header.checksum = -sum;
}

/* Whether @info follows @range directly, both in its address and in its endpoint ID. */
static bool range_grows(const struct viot_pci_range *range, const struct device_info *info)
{
	u32 more = info->bdf - le16_to_cpu(range->bdf);

	return info->bdf == le16_to_cpu(range->last_bdf) + 1u &&
	       info->endpoint == le32_to_cpu(range->endpoint) + more;
}

static void put_pci(struct viot_pci_range *range, const struct device_info *info)
{
	range->node.type = VIOT_PCI_RANGE;
	range->node.length = cpu_to_le16(sizeof(*range));
	range->endpoint = cpu_to_le32(info->endpoint);
	range->bdf = range->last_bdf = cpu_to_le16(info->bdf);
	range->output_node = cpu_to_le16(sizeof(struct viot_table));
}

static void put_mmio(struct viot_endpoint *node, const struct device_info *info)
{
	node->node.type = VIOT_MMIO_ENDPOINT;
	node->node.length = cpu_to_le16(sizeof(*node));
	node->endpoint = cpu_to_le32(info->endpoint);
	node->base = cpu_to_le64(info->resource.base);
	node->output_node = cpu_to_le16(sizeof(struct viot_table));
}

/*
 * The IOMMU's node comes first: the endpoints name it by its offset. Neighbours on PCI share a
 * node. Returns the end of the nodes, of which there are *count then.
 */
static u8 *viot_nodes(struct viot_table *table, const struct device_info *iommu,
		      const struct device_info *const *devices, unsigned device_count, u16 *count)
{
	struct viot_iommu *first = (struct viot_iommu *)(table + 1);
	struct viot_pci_range *range = NULL;
	u8 *end = (u8 *)(first + 1);

	first->node.type = VIOT_VIRTIO_MMIO_IOMMU;
	first->node.length = cpu_to_le16(sizeof(*first));
	first->base = cpu_to_le64(iommu->resource.base);
	*count = 1;
	for (unsigned i = 0; i < device_count; i++) {
		const struct device_info *info = devices[i];

		if (!viot_is_endpoint(info))
			continue;
		if (info->kind != DEVICE_PCI) {
			put_mmio((struct viot_endpoint *)end, info);
		} else if (range && range_grows(range, info)) {
			range->last_bdf = cpu_to_le16(info->bdf);
			continue;
		} else {
			range = (struct viot_pci_range *)end;
			put_pci(range, info);
		}
		end += sizeof(struct viot_endpoint);
		++*count;
	}
	return end;
}

int viot_build(const struct device_info *const *devices, unsigned count, void **table, u32 *size)
{
	const struct device_info *iommu = NULL;
	unsigned endpoints = 0;
	struct viot_table *viot;
	u16 nodes;

	for (unsigned i = 0; i < count; i++) {
		if (devices[i]->is_iommu)
			iommu = devices[i];
		endpoints += viot_is_endpoint(devices[i]);
	}
	if (!iommu || endpoints >= UINT16_MAX)
		return -EINVAL;
	/* An upper bound: all nodes of endpoints have one size. */
	viot = calloc(1, sizeof(*viot) + sizeof(struct viot_iommu) +
				 endpoints * sizeof(struct viot_endpoint));
	if (!viot)
		return -ENOMEM;
	*size = viot_nodes(viot, iommu, devices, count, &nodes) - (u8 *)viot;
	viot_header(viot, *size, nodes);
	viot_checksum(viot, *size);
	*table = viot;
	return 0;
}
