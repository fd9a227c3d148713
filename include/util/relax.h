/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef UTIL_RELAX_H
#define UTIL_RELAX_H

/* Between two looks of a loop that waits for memory to change: spare the core's other thread. */
static inline void cpu_relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield" : : : "memory");
#endif
}

#endif
