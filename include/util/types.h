/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The names of numbers. The le and be types are distinct to sparse ("make
 * sparse" checks that nobody uses one as a host number); to the compiler they
 * are plain integers. gpa_t is an address in the guest's physical space,
 * iova_t one that a device puts on its bus: they are equal only where nothing
 * translates.
 */
#ifndef UTIL_TYPES_H
#define UTIL_TYPES_H

#include <endian.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __CHECKER__
#define lkvm_force __attribute__((force))
#else
#define lkvm_force
#endif

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

typedef __le16 le16;
typedef __le32 le32;
typedef __le64 le64;

typedef u64 gpa_t;
typedef u64 iova_t;

static inline le16 cpu_to_le16(u16 v)
{
	return (lkvm_force le16)htole16(v);
}

static inline le32 cpu_to_le32(u32 v)
{
	return (lkvm_force le32)htole32(v);
}

static inline le64 cpu_to_le64(u64 v)
{
	return (lkvm_force le64)htole64(v);
}

static inline u16 le16_to_cpu(le16 v)
{
	return le16toh((lkvm_force u16)v);
}

static inline u32 le32_to_cpu(le32 v)
{
	return le32toh((lkvm_force u32)v);
}

static inline u64 le64_to_cpu(le64 v)
{
	return le64toh((lkvm_force u64)v);
}

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
/* Both arguments may be evaluated twice. */
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* @member's address to that of the @type around it. */
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#define KIB (1ULL << 10)
#define MIB (1ULL << 20)
#define GIB (1ULL << 30)

#endif
