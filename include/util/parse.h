/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers and options as people type them. */
#ifndef UTIL_PARSE_H
#define UTIL_PARSE_H

#include <sched.h>

#include "util/types.h"

/* A whole decimal or 0x number up to @max; -EINVAL for anything else, -ERANGE above @max. */
int parse_u64(const char *text, u64 max, u64 *value);

/*
 * A size in bytes: a number with an optional suffix B, K, M, G, T or P (powers of
 * 1024, either case); without a suffix it counts @unit bytes. -EINVAL, -ERANGE.
 */
int parse_size(const char *text, u64 unit, u64 *bytes);

/* CPUs as Linux lists them, "0-3,5". -EINVAL: it is no such list; -ERANGE: more than a set holds.
 */
int parse_cpus(const char *text, cpu_set_t *set);

/*
 * The next item of a comma-separated list in *cursor, cut off in place; NULL at the end. ",,"
 * stands for a comma within an item, as in QEMU: a path may have any character in it.
 */
char *parse_next_item(char **cursor);
/* Likewise, split at the first '=': what is behind it goes to *value, NULL if there is none. */
char *parse_next_option(char **cursor, char **value);

/*
 * The word of the NULL-terminated @words that is nearest to @given, or NULL if
 * none is near enough to be a slip of the finger.
 */
const char *parse_nearest(const char *given, const char *const *words);

#endif
