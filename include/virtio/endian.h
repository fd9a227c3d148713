/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The numbers of virtio's rings and configuration spaces: little endian, as we talk to
 * no driver without VIRTIO_F_VERSION_1. The uapi headers give them types of their own.
 */
#ifndef VIRTIO_ENDIAN_H
#define VIRTIO_ENDIAN_H

#include <linux/virtio_types.h>

#include "util/types.h"

static inline u16 virtio16_to_cpu(__virtio16 v)
{
	return le16toh((lkvm_force u16)v);
}

static inline u32 virtio32_to_cpu(__virtio32 v)
{
	return le32toh((lkvm_force u32)v);
}

static inline u64 virtio64_to_cpu(__virtio64 v)
{
	return le64toh((lkvm_force u64)v);
}

static inline __virtio16 cpu_to_virtio16(u16 v)
{
	return (lkvm_force __virtio16)htole16(v);
}

static inline __virtio32 cpu_to_virtio32(u32 v)
{
	return (lkvm_force __virtio32)htole32(v);
}

static inline __virtio64 cpu_to_virtio64(u64 v)
{
	return (lkvm_force __virtio64)htole64(v);
}

#endif
