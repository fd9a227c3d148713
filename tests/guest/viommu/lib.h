/* SPDX-License-Identifier: BSD-2-Clause */
/* What the compiler expects of a library, numbers on the serial port, and the time. */
#ifndef TESTS_GUEST_VIOMMU_LIB_H
#define TESTS_GUEST_VIOMMU_LIB_H

#include <stdbool.h>
#include <stddef.h>

#include "../guest.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

void *memset(void *to, int byte, unsigned long size);
void *memcpy(void *to, const void *from, unsigned long size);
int memcmp(const void *a, const void *b, unsigned long size);

/* Whether all @size bytes are @byte. */
bool all_bytes(const void *bytes, u8 byte, u64 size);
void put_decimal(u64 value);

static inline u64 time_stamp(void)
{
	u32 low, high;

	asm volatile("lfence; rdtsc" : "=a"(low), "=d"(high));
	return (u64)high << 32 | low;
}

/* x86 keeps stores in order, and loads; a kick leaves the guest anyway. */
static inline void barrier(void)
{
	asm volatile("" : : : "memory");
}

#endif
