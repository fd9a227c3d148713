/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "request_memory.h"

int request_window(const struct disk_request *request, u64 skip, u64 max,
		   struct iovec window[REQUEST_WINDOW])
{
	int count = 0;

	for (unsigned i = 0; i < request->iov_count && count < REQUEST_WINDOW && max; i++) {
		const struct iovec *iov = &request->iov[i];
		u64 len;

		if (skip >= iov->iov_len) {
			skip -= iov->iov_len;
			continue;
		}
		len = MIN(iov->iov_len - skip, max);
		window[count].iov_base = (char *)iov->iov_base + skip;
		window[count++].iov_len = len;
		max -= len;
		skip = 0;
	}
	return count;
}

/* NULL @data: zeroes for the request. */
static u64 window_copy(const struct disk_request *request, u64 skip, char *data, u64 len,
		       bool to_request)
{
	struct iovec window[REQUEST_WINDOW];
	int count = request_window(request, skip, len, window);
	u64 done = 0;

	for (int i = 0; i < count; i++) {
		if (!data)
			memset(window[i].iov_base, 0, window[i].iov_len);
		else if (to_request)
			memcpy(window[i].iov_base, data + done, window[i].iov_len);
		else
			memcpy(data + done, window[i].iov_base, window[i].iov_len);
		done += window[i].iov_len;
	}
	return done;
}

void request_copy(const struct disk_request *request, u64 skip, char *data, u64 len,
		  bool to_request)
{
	while (len) {
		u64 done = window_copy(request, skip, data, len, to_request);

		skip += done;
		data = data ? data + done : NULL;
		len -= done;
	}
}

void request_zero(const struct disk_request *request, u64 skip, u64 len)
{
	request_copy(request, skip, NULL, len, true);
}

/* By words of 64 bits, at whatever address: most of what is not zero shows in the first. */
static bool is_zero(const char *data, u64 len)
{
	u64 word = 0;

	for (; len >= sizeof(word) && !word; data += sizeof(word), len -= sizeof(word))
		memcpy(&word, data, sizeof(word));
	for (; len && !word; data++, len--)
		word = *data;
	return !word;
}

bool request_is_zero(const struct disk_request *request, u64 len)
{
	for (unsigned i = 0; i < request->iov_count && len; i++) {
		u64 piece = MIN(request->iov[i].iov_len, len);

		if (!is_zero(request->iov[i].iov_base, piece))
			return false;
		len -= piece;
	}
	return true;
}
