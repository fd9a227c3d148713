/* SPDX-License-Identifier: BSD-2-Clause */
/* Names for addresses in a guest's kernel, wherever that has moved itself. */
#ifndef CMD_KERNEL_NAMES_H
#define CMD_KERNEL_NAMES_H

#include "util/symbols.h"
#include "util/types.h"

/* Zeroed: none are known. */
struct kernel_names {
	struct symbols *symbols; /* the owner's; NULL: none */
	u64 moved;		 /* by how much the kernel is not where they say */
};

/* A processor says that @anchor is at @address; 0: it does not know, as one that never started. */
void kernel_names_place(struct kernel_names *names, const char *anchor, u64 address);
/* The function at @address, with *offset into it; NULL. */
const char *kernel_names_find(const struct kernel_names *names, u64 address, u64 *offset);

/*
 * The file that has the symbols of the kernel at @path: a System.map or vmlinux beside it, where
 * kernels are built, or where debug packages have them. An fd, the caller's; -ENOENT: there is
 * none. A small ELF file is read at once, as the kernel's own is not kept open: then *@symbols, the
 * caller's, are its own. Before the machine is sealed; may wait for the file system.
 */
int kernel_names_open(const char *path, struct symbols **symbols);
/* What is in it. NULL: no symbols, or they have not been read after @timeout_ms. The caller's. */
struct symbols *kernel_names_load(int fd, int timeout_ms);

#endif
