/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory of a READ or WRITE: its pieces, seen as one range of bytes from 0 on. */
#ifndef DISK_REQUEST_MEMORY_H
#define DISK_REQUEST_MEMORY_H

#include "disk/disk.h"

/* Pieces per call: enough that a call costs more than making it. */
#define REQUEST_WINDOW 64

/* The pieces from byte @skip on, at most @max bytes in at most REQUEST_WINDOW. Returns how many. */
int request_window(const struct disk_request *request, u64 skip, u64 max,
		   struct iovec window[REQUEST_WINDOW]);
/* Copy @len bytes between byte @skip on and @data. */
void request_copy(const struct disk_request *request, u64 skip, char *data, u64 len,
		  bool to_request);
void request_zero(const struct disk_request *request, u64 skip, u64 len);
/* Whether the first @len bytes are all zero. Any thread. */
bool request_is_zero(const struct disk_request *request, u64 len);

#endif
