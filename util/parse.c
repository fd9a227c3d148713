/* SPDX-License-Identifier: BSD-2-Clause */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/parse.h"

/* The digits at *text; moves *text past them. */
static int parse_digits(const char **text, u64 *value)
{
	char *end;

	/* strtoull() takes signs and spaces, which no number of ours has. */
	if (!isdigit((unsigned char)**text))
		return -EINVAL;
	errno = 0;
	*value = strtoull(*text, &end, strncasecmp(*text, "0x", 2) ? 10 : 16);
	*text = end;
	return -errno;
}

int parse_u64(const char *text, u64 max, u64 *value)
{
	int ret = parse_digits(&text, value);

	if (ret)
		return ret;
	if (*text)
		return -EINVAL;
	return *value > max ? -ERANGE : 0;
}

int parse_size(const char *text, u64 unit, u64 *bytes)
{
	static const char suffixes[] = "bkmgtp";
	const char *suffix;
	int ret = parse_digits(&text, bytes);

	if (ret)
		return ret;
	if (*text) {
		suffix = strchr(suffixes, tolower((unsigned char)*text));
		if (!suffix || !*suffix || text[1])
			return -EINVAL;
		unit = 1ULL << (10 * (suffix - suffixes));
	}
	return __builtin_mul_overflow(*bytes, unit, bytes) ? -ERANGE : 0;
}

int parse_cpus(const char *text, cpu_set_t *set)
{
	u64 first, last;
	int ret;

	CPU_ZERO(set);
	for (;;) {
		ret = parse_digits(&text, &first);
		last = first;
		if (!ret && *text == '-') {
			text++;
			ret = parse_digits(&text, &last);
		}
		if (ret || last < first)
			return ret ? ret : -EINVAL;
		if (last >= CPU_SETSIZE)
			return -ERANGE;
		for (u64 cpu = first; cpu <= last; cpu++)
			CPU_SET(cpu, set);
		if (*text != ',')
			return *text ? -EINVAL : 0;
		text++;
	}
}

char *parse_next_item(char **cursor)
{
	char *item = *cursor, *from = item, *to = item;

	if (!item || !*item)
		return NULL;
	while (*from && (*from != ',' || from[1] == ',')) {
		from += *from == ',';
		*to++ = *from++;
	}
	*cursor = *from ? from + 1 : from;
	*to = '\0';
	return item;
}

char *parse_next_option(char **cursor, char **value)
{
	char *item = parse_next_item(cursor);

	if (!item)
		return NULL;
	*value = strchr(item, '=');
	if (*value)
		*(*value)++ = '\0';
	return item;
}

#define NEAREST_MAX 32

/* Levenshtein's distance; words longer than NEAREST_MAX are far from all others. */
static unsigned edit_distance(const char *a, const char *b)
{
	unsigned row[NEAREST_MAX + 1];
	size_t la = strlen(a), lb = strlen(b);

	if (la > NEAREST_MAX || lb > NEAREST_MAX)
		return NEAREST_MAX;
	for (size_t j = 0; j <= lb; j++)
		row[j] = j;
	for (size_t i = 1; i <= la; i++) {
		unsigned diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			unsigned change = diagonal + (a[i - 1] != b[j - 1]);
			unsigned step = MIN(row[j], row[j - 1]) + 1;

			diagonal = row[j];
			row[j] = MIN(change, step);
		}
	}
	return row[lb];
}

const char *parse_nearest(const char *given, const char *const *words)
{
	const char *best = NULL;
	size_t len = strlen(given);
	unsigned nearest = len < 3 ? 1 : len < 5 ? 2 : 3; /* as many slips as that are too many */

	for (; *words; words++) {
		unsigned distance = edit_distance(given, *words);

		if (distance < nearest) {
			nearest = distance;
			best = *words;
		}
	}
	return best;
}
