/* SPDX-License-Identifier: BSD-2-Clause */
/* What the compiler calls for copies and for structures that begin empty: of x86 guests that have
 * any. */
#ifndef TESTS_GUEST_MEMORY_H
#define TESTS_GUEST_MEMORY_H

#include "types.h"

void *memset(void *to, int value, unsigned long len);
void *memcpy(void *to, const void *from, unsigned long len);

/* Else the compiler makes a call of the loop: to itself. */
void *memset(void *to, int value, unsigned long len)
{
	for (unsigned long i = 0; i < len; i++)
		((volatile u8 *)to)[i] = value;
	return to;
}

void *memcpy(void *to, const void *from, unsigned long len)
{
	void *at = to;

	asm volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(len) : : "memory");
	return to;
}

#endif
