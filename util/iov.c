/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "util/iov.h"

size_t iov_length(const struct iovec *iov, unsigned count)
{
	size_t len = 0;

	for (unsigned i = 0; i < count; i++)
		len += iov[i].iov_len;
	return len;
}

/* Go through the pieces of [@offset, @offset + @len); @data is copied to or from if not NULL. */
static size_t walk(const struct iovec *iov, unsigned count, size_t offset, size_t len, void *to,
		   const void *from)
{
	size_t done = 0;

	for (unsigned i = 0; i < count && done < len; i++) {
		size_t part;

		if (offset >= iov[i].iov_len) {
			offset -= iov[i].iov_len;
			continue;
		}
		part = MIN(iov[i].iov_len - offset, len - done);
		if (to)
			memcpy((char *)to + done, (char *)iov[i].iov_base + offset, part);
		else
			memcpy((char *)iov[i].iov_base + offset, (const char *)from + done, part);
		done += part;
		offset = 0;
	}
	return done;
}

size_t iov_read(const struct iovec *iov, unsigned count, size_t offset, void *data, size_t len)
{
	return walk(iov, count, offset, len, data, NULL);
}

size_t iov_write(const struct iovec *iov, unsigned count, size_t offset, const void *data,
		 size_t len)
{
	return walk(iov, count, offset, len, NULL, data);
}

unsigned iov_slice(const struct iovec *iov, unsigned count, size_t offset, size_t len,
		   struct iovec *slice)
{
	unsigned used = 0;

	for (unsigned i = 0; i < count && len; i++) {
		size_t part;

		if (offset >= iov[i].iov_len) {
			offset -= iov[i].iov_len;
			continue;
		}
		part = MIN(iov[i].iov_len - offset, len);
		slice[used++] = (struct iovec){ (char *)iov[i].iov_base + offset, part };
		len -= part;
		offset = 0;
	}
	return used;
}
