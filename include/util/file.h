/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Open what the user named. Only regular files and block devices are opened: a FIFO, a
 * socket or a character device could keep us waiting for ever, or do something as soon
 * as it is opened.
 */
#ifndef UTIL_FILE_H
#define UTIL_FILE_H

#include <sys/stat.h>

#include "util/error.h"
#include "util/types.h"

/*
 * @flags: as for open(2); O_CLOEXEC and O_NOCTTY are added. @st is filled in. Returns an fd,
 * or -errno with the line "<what> <path>: <reason>" in @err. -EISDIR: a directory;
 * -EINVAL: another kind of file that is refused. The fd is a blocking one.
 */
int file_open_regular(const char *what, const char *path, int flags, struct stat *st,
		      struct error *err);
/* The same, and block devices are fine, too. */
int file_open_storage(const char *what, const char *path, int flags, struct stat *st,
		      struct error *err);

/* Whether the name @path ends in @suffix, and is longer. */
bool file_has_suffix(const char *path, const char *suffix);

#endif
