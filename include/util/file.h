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

/* What files of a kind begin with, which we write and so may replace: "a result". */
struct file_start {
	const char *what;
	const void *bytes;
	size_t len; /* at most 32 */
};

/*
 * A file that is written anew, for reading and writing: made, or emptied if it is a regular file
 * that begins as @start says, or is empty. file_take() has it. An fd, or -errno with the line
 * "<option> <path>: <reason>": -EEXIST where it is something else, which stays as it is.
 */
int file_open_anew(const char *option, const char *path, const struct file_start *start,
		   struct error *err);
/* Whether that would find another's file, or one that is no file; it is only looked at. 0: no. */
int file_check_anew(const char *option, const char *path, const struct file_start *start,
		    struct error *err);
/*
 * Have the file alone, as long as @fd or a copy of it is open, which is open for writing: neither
 * another run takes it for its own, nor another option of this one. -EBUSY, after a moment in which
 * one that was killed may end; 0 as well where the file system has no locks.
 */
int file_take(int fd);
/* Have it with others that do so too, and with none that has it alone. @fd: open for reading. */
int file_share(int fd);

/* Whether the name @path ends in @suffix, and is longer. */
bool file_has_suffix(const char *path, const char *suffix);

#endif
