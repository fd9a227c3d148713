/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A folder of a kernel's modules, as depmod(8) leaves it: modules.dep says which there are and what
 * each needs, modules.builtin which are in the kernel itself. Or the tree in which they were built,
 * from which nothing was installed: modules.order says which there are, and each file what it
 * needs. Names are those of modprobe(8): "-" and "_" are the same.
 */
#ifndef ONESHOT_MODULES_H
#define ONESHOT_MODULES_H

#include "util/error.h"
#include "util/types.h"

struct modules;

enum modules_has {
	MODULES_ABSENT,
	MODULES_FILE,
	MODULES_BUILT_IN,
	MODULES_UNKNOWN, /* there is no such file, and no list of what is built in */
};

/* 0, or -errno with a line: there is neither modules.dep nor modules.order, or it is none. */
int modules_open(struct modules **modules, const char *folder, struct error *err);
/* NULL is fine. */
void modules_close(struct modules *modules);

enum modules_has modules_find(const struct modules *modules, const char *name);
/* Whether the folder says what is built in, so that what it does not name is not there. */
bool modules_knows_all(const struct modules *modules);
/*
 * It is to be loaded, and before it all that it needs; once, however often this is called. Nothing
 * where it is built in. -ENOENT: there is none; -ELOOP: it needs itself.
 */
int modules_want(struct modules *modules, const char *name);

/* What is to be loaded, in that order: paths, absolute if the folder's is; the modules'. */
unsigned modules_count(const struct modules *modules);
void modules_path(const struct modules *modules, unsigned n, char *path, size_t size);

/*
 * The contents of the file at @path, unpacked if it is packed with gzip, xz or zstd: *@data is the
 * caller's to free. -errno with a line; at most 256 MiB.
 */
int module_read(const char *path, void **data, size_t *len, struct error *err);
/*
 * What the module in @data of @len says that it needs: names with commas between them, the caller's
 * to free. NULL: it is no module, or there is no memory.
 */
char *module_needs(const void *data, size_t len);

#endif
