/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib.h"

void *memset(void *to, int byte, unsigned long size)
{
	void *at = to;

	asm volatile("rep stosb" : "+D"(at), "+c"(size) : "a"(byte) : "memory");
	return to;
}

void *memcpy(void *to, const void *from, unsigned long size)
{
	void *at = to;

	asm volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(size) : : "memory");
	return to;
}

int memcmp(const void *a, const void *b, unsigned long size)
{
	const u8 *x = a, *y = b;

	while (size && *x == *y) {
		x++;
		y++;
		size--;
	}
	return size ? *x - *y : 0;
}

bool all_bytes(const void *bytes, u8 byte, u64 size)
{
	const volatile u8 *at = bytes;

	while (size--) {
		if (*at++ != byte)
			return false;
	}
	return true;
}

void put_decimal(u64 value)
{
	if (value >= 10)
		put_decimal(value / 10);
	put_char('0' + value % 10);
}
