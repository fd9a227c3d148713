/* SPDX-License-Identifier: BSD-2-Clause */
/* Starting the second CPU as the MultiProcessor Specification says: INIT, then SIPI. */
#ifndef TESTS_GUEST_SMP_H
#define TESTS_GUEST_SMP_H

#include "guest.h"

#define TRAMPOLINE 0x70000
#define LAPIC	   0xfee00000UL
#define SPURIOUS   0xf0
#define ICR_LOW	   0x300
#define ICR_HIGH   0x310
#define INIT	   0x4500
#define SIPI	   0x4600

static inline void send_ipi(u32 command)
{
	write32(LAPIC + ICR_HIGH, 1 << 24);
	write32(LAPIC + ICR_LOW, command);
}

/* It runs the code from @start to @end in real mode, at TRAMPOLINE. */
static inline void start_second_cpu(const u8 *start, const u8 *end)
{
	for (u64 i = 0; i < (u64)(end - start); i++)
		((volatile u8 *)TRAMPOLINE)[i] = start[i];
	/* The APIC sends once it is enabled. */
	write32(LAPIC + SPURIOUS, 0x1ff);
	send_ipi(INIT);
	send_ipi(SIPI | TRAMPOLINE >> 12);
}

#endif
