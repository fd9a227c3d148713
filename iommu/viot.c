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

struct viot_endpoint {
	struct viot_node node;
	le32 endpoint;
	le64 base;
	le16 output_node; /* offset of the IOMMU's node in the table */
	u8 reserved[6];
} __attribute__((packed));

static_assert(sizeof(struct viot_table) == 48, "VIOT: offset of the first node");
static_assert(sizeof(struct viot_iommu) == 16, "VIOT: virtio-iommu over virtio-mmio");
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

/* The IOMMU's node comes first: the endpoints name it by its offset. */
static void viot_nodes(struct viot_table *table, const struct device_info *iommu,
		       const struct device_info *const *devices, unsigned count)
{
	struct viot_iommu *first = (struct viot_iommu *)(table + 1);
	struct viot_endpoint *node = (struct viot_endpoint *)(first + 1);

	first->node.type = VIOT_VIRTIO_MMIO_IOMMU;
	first->node.length = cpu_to_le16(sizeof(*first));
	first->base = cpu_to_le64(iommu->slot.base);
	for (unsigned i = 0; i < count; i++) {
		if (!viot_is_endpoint(devices[i]))
			continue;
		node->node.type = VIOT_MMIO_ENDPOINT;
		node->node.length = cpu_to_le16(sizeof(*node));
		node->endpoint = cpu_to_le32(devices[i]->endpoint);
		node->base = cpu_to_le64(devices[i]->slot.base);
		node->output_node = cpu_to_le16(sizeof(*table));
		node++;
	}
}

int viot_build(const struct device_info *const *devices, unsigned count, void **table, u32 *size)
{
	const struct device_info *iommu = NULL;
	unsigned endpoints = 0;
	struct viot_table *viot;

	for (unsigned i = 0; i < count; i++) {
		if (devices[i]->is_iommu)
			iommu = devices[i];
		endpoints += viot_is_endpoint(devices[i]);
	}
	if (!iommu || endpoints >= UINT16_MAX)
		return -EINVAL;
	*size = sizeof(*viot) + sizeof(struct viot_iommu) +
		endpoints * sizeof(struct viot_endpoint);
	viot = calloc(1, *size);
	if (!viot)
		return -ENOMEM;
	viot_header(viot, *size, endpoints + 1);
	viot_nodes(viot, iommu, devices, count);
	viot_checksum(viot, *size);
	*table = viot;
	return 0;
}
