/* SPDX-License-Identifier: BSD-2-Clause */
/* Registers in memory, what the compiler expects of a library, and words for the console. */
#ifndef TESTS_GUEST_VIOMMU_LIB_H
#define TESTS_GUEST_VIOMMU_LIB_H

#include "machine.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static inline u32 read32(u64 address)
{
	return *(volatile u32 *)address;
}

static inline void write32(u64 address, u32 value)
{
	*(volatile u32 *)address = value;
}

int memcmp(const void *a, const void *b, unsigned long size);
/* Whether all @size bytes are @byte. */
bool all_bytes(const void *bytes, u8 byte, u64 size);

void put(const char *text);
void put_hex(u64 value);
void put_decimal(u64 value);

/* What was written is seen before what is written after it, and likewise for reads: by the device,
 * too. */
static inline void barrier(void)
{
	__atomic_thread_fence(__ATOMIC_ACQ_REL);
}

#endif
