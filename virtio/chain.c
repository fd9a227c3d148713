/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is in a chain. How a driver cuts a request into descriptors means nothing
 * (virtio 1.4, "Message Framing"), so callers see two streams of bytes.
 */
#include <errno.h>

#include "util/range.h"
#include "virtio/queue.h"

/* A position in one part of a chain. */
struct cursor {
	const struct dma_segment *segment, *end;
	u64 skip; /* bytes of *segment already behind */
};

static struct cursor cursor_at(const struct virtq_chain *chain, enum dma_access access, u64 offset)
{
	struct cursor cursor = { .segment = chain->segments, .skip = offset };

	if (access == DMA_WRITE)
		cursor.segment += chain->readable;
	cursor.end = cursor.segment + (access == DMA_WRITE ? chain->writable : chain->readable);
	return cursor;
}

/* The next piece, at most @max bytes of it; its length, 0 at the end. */
static u64 cursor_next(struct cursor *cursor, u64 max, iova_t *iova)
{
	for (; cursor->segment < cursor->end; cursor->segment++) {
		u64 len = cursor->segment->len;

		if (cursor->skip < len) {
			len = MIN(len - cursor->skip, max);
			*iova = cursor->segment->iova + cursor->skip;
			cursor->skip += len;
			return len;
		}
		cursor->skip -= len;
	}
	return 0;
}

/* How much of @len bytes at @offset there is in a part of @size bytes. */
static u64 within(u64 size, u64 offset, u64 len)
{
	return offset < size ? MIN(len, size - offset) : 0;
}

s64 virtq_chain_read(const struct virtq_chain *chain, u64 offset, void *data, u64 len)
{
	struct cursor cursor = cursor_at(chain, DMA_READ, offset);
	u64 done = 0, piece;
	iova_t iova;

	len = within(chain->readable_len, offset, len);
	while (done < len && (piece = cursor_next(&cursor, len - done, &iova))) {
		if (dma_read(chain->space, iova, (char *)data + done, piece))
			return -EFAULT;
		done += piece;
	}
	return done;
}

s64 virtq_chain_write(const struct virtq_chain *chain, u64 offset, const void *data, u64 len)
{
	struct cursor cursor = cursor_at(chain, DMA_WRITE, offset);
	u64 done = 0, piece;
	iova_t iova;

	len = within(chain->writable_len, offset, len);
	while (done < len && (piece = cursor_next(&cursor, len - done, &iova))) {
		if (dma_write(chain->space, iova, (const char *)data + done, piece))
			return -EFAULT;
		done += piece;
	}
	return done;
}

int virtq_chain_iov(const struct virtq_chain *chain, enum dma_access access, u64 offset, u64 len,
		    struct iovec *iov, unsigned max)
{
	struct cursor cursor = cursor_at(chain, access, offset);
	u64 part = access == DMA_WRITE ? chain->writable_len : chain->readable_len;
	unsigned count = 0;
	u64 done = 0, piece;
	iova_t iova;

	if (offset > part || len > part - offset)
		return -EINVAL;
	while (done < len && (piece = cursor_next(&cursor, len - done, &iova))) {
		int ret = dma_map_iov(chain->space, iova, piece, access, iov + count, max - count);

		if (ret < 0)
			return ret;
		count += ret;
		done += piece;
	}
	return count;
}
