/* SPDX-License-Identifier: BSD-2-Clause */
/* A file that says how a run went: opened before it, written after it. Nobody's data is lost. */
#ifndef CMD_REPORT_FILE_H
#define CMD_REPORT_FILE_H

#include "util/error.h"

/*
 * An fd, the caller's, of the file at @path, which is emptied, or made. -errno with a line that
 * begins with @option: it is there and does not begin with @start, so it is not one of ours. @what
 * it then is not: "a result". A process aside does it, as a file system may not answer.
 */
int report_file_open(const char *option, const char *path, const char *start, const char *what,
		     struct error *err);
/*
 * The same before it is known whether there will be a report: an old one is emptied, and none is
 * made. 0 or -errno.
 */
int report_file_empty(const char *option, const char *path, const char *start, const char *what,
		      struct error *err);
/*
 * -errno; -ETIMEDOUT: a disk did not take it in @timeout_ms, or before @give_up_fd was readable.
 * The file is empty after any other error.
 */
int report_file_write(int fd, const char *text, int give_up_fd, int timeout_ms);

#endif
