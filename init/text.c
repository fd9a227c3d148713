/* SPDX-License-Identifier: BSD-2-Clause */
/* Strings, as there is no C library. */
#include "init.h"

size_t text_length(const char *text)
{
	size_t len = 0;

	while (text[len])
		len++;
	return len;
}

const char *text_find(const char *text, char c)
{
	while (*text && *text != c)
		text++;
	return *text ? text : NULL;
}

bool text_begins(const char *text, const char *start)
{
	while (*start && *text == *start)
		text++, start++;
	return !*start;
}

unsigned text_number(const char *text)
{
	unsigned value = 0;

	while (*text >= '0' && *text <= '9')
		value = value * 10 + (*text++ - '0');
	return value;
}

void text_join(char *to, size_t size, const char *text, const char *more)
{
	size_t len = 0;

	for (; *text && len < size - 1; text++)
		to[len++] = *text;
	for (; *more && len < size - 1; more++)
		to[len++] = *more;
	to[len] = '\0';
}

void text_cut(char *to, size_t size, const char *text, size_t len)
{
	text_join(to, len < size ? len + 1 : size, text, "");
}
