/* SPDX-License-Identifier: BSD-2-Clause */
/* Pieces of memory that are one message. */
#ifndef UTIL_IOV_H
#define UTIL_IOV_H

#include <sys/uio.h>

#include "util/types.h"

/* Bytes in all; they do not overflow, as the pieces are memory of ours. */
size_t iov_length(const struct iovec *iov, unsigned count);
/* Copy at most @len bytes from (to) @offset of the message; returns how many there were. */
size_t iov_read(const struct iovec *iov, unsigned count, size_t offset, void *data, size_t len);
size_t iov_write(const struct iovec *iov, unsigned count, size_t offset, const void *data,
		 size_t len);
/*
 * The pieces of at most @len bytes at @offset, in @slice, which has room for @count. Returns how
 * many pieces there are.
 */
unsigned iov_slice(const struct iovec *iov, unsigned count, size_t offset, size_t len,
		   struct iovec *slice);

#endif
