/* SPDX-License-Identifier: BSD-2-Clause */
/* A kernel's symbols, from its System.map or from the table of an ELF vmlinux. */
#ifndef UTIL_SYMBOLS_H
#define UTIL_SYMBOLS_H

#include "util/error.h"
#include "util/types.h"

struct symbols;

/* -errno with a line that begins with @path. */
int symbols_open(struct symbols **symbols, const char *path, struct error *err);
/* Of an open file, which is read from where it stands; @path names it in the line. */
int symbols_read(struct symbols **symbols, int fd, const char *path, struct error *err);
void symbols_close(struct symbols *symbols);

/* The address of @name; 0: there is none. */
u64 symbols_address(const struct symbols *symbols, const char *name);
/*
 * The function that @address is in, with *offset into it; NULL: it is in none, or beyond the last
 * one's first 64 KiB.
 */
const char *symbols_name(const struct symbols *symbols, u64 address, u64 *offset);

#endif
