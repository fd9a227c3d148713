/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib.h"

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

void put(const char *text)
{
	while (*text)
		put_char(*text++);
}

void put_hex(u64 value)
{
	for (int shift = 60; shift >= 0; shift -= 4)
		put_char("0123456789abcdef"[value >> shift & 15]);
}

void put_decimal(u64 value)
{
	if (value >= 10)
		put_decimal(value / 10);
	put_char('0' + value % 10);
}
