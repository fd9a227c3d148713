/* SPDX-License-Identifier: BSD-2-Clause */
/* What the compiler calls for copies and for structures that begin empty. */
#include "init.h"

void *memset(void *to, int value, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((char *)to)[i] = value;
	return to;
}

void *memcpy(void *to, const void *from, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((char *)to)[i] = ((const char *)from)[i];
	return to;
}
