/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes to or from a file that may block us for ever go through a pipe, which never does; a
 * process aside (util/aside.h) has the file. When its input ends, it ends.
 */
#ifndef UTIL_RELAY_H
#define UTIL_RELAY_H

#include "util/types.h"

struct relay;

/* What is written to relay_fd() goes to @fd, which is borrowed. -errno. */
int relay_to(struct relay **relay, int fd);
/* What is read from relay_fd() comes from @fd. */
int relay_from(struct relay **relay, int fd);

/* Our end of the pipe: non-blocking, the relay's. */
int relay_fd(const struct relay *relay);

/* No more will be written: the rest goes out, and the relay is done. */
void relay_end(struct relay *relay);
bool relay_done(const struct relay *relay);
/* Readable once it is done. */
int relay_done_fd(const struct relay *relay);
/*
 * The first -errno of a write, or of a read of what was given, 0 for none; and how many bytes were
 * written.
 */
int relay_error(const struct relay *relay);
u64 relay_written(const struct relay *relay);

/* One that is not done is left to itself. NULL is fine. */
void relay_destroy(struct relay *relay);

#endif
