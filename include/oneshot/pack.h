/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A folder as an archive for the initial RAM disk: the root of a guest whose kernel can mount none.
 * Nothing is followed out of it: links stay links, and what is mounted in it is an empty folder.
 * For root files keep owners, set-ID bits and device nodes; for others all is the caller's, who is
 * root in the guest. Hard links stay one file. Sockets are left out.
 *
 * Both calls read the host's file systems: a process aside makes them (util/aside.h).
 */
#ifndef ONESHOT_PACK_H
#define ONESHOT_PACK_H

#include "util/error.h"
#include "util/types.h"

struct pack_size {
	u64 archive; /* bytes */
	u64 memory;  /* of the guest's, about: the archive, and what it is unpacked to */
	u64 files;   /* of any kind */
};

/* How much it would be. -errno with a line. */
int pack_measure(const char *folder, struct pack_size *size, struct error *err);
/*
 * Write it to @fd, under NEW_ROOT of init. *unread: how many files and folders could not be read,
 * which are empty then. -E2BIG: it has grown to need more of the guest's memory than @most.
 */
int pack_folder(const char *folder, u64 most, int fd, u64 *unread, struct error *err);

#endif
