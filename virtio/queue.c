/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio 1.4, "Virtqueues": what is the same whatever the layout of the rings. */
#include <assert.h>
#include <stdlib.h>

#include <linux/virtio_ring.h>

#include "queue_ring.h"
#include "util/range.h"

void virtq_init(struct virtq *queue, u16 max)
{
	assert(max && max <= VIRTQ_MAX_SIZE && is_aligned(max, max));
	*queue = (struct virtq){ .max = max };
}

int virtq_allocate(struct virtq *queue)
{
	queue->ring = calloc(1, virtq_split_size());
	return queue->ring ? 0 : -ENOMEM;
}

void virtq_free(struct virtq *queue)
{
	free(queue->ring);
	queue->ring = NULL;
	queue->ready = false;
}

void virtq_disable(struct virtq *queue)
{
	queue->ready = queue->stopping = queue->broken = false;
}

void virtq_reset(struct virtq *queue)
{
	*queue = (struct virtq){ .max = queue->max, .ring = queue->ring };
}

int virtq_enable(struct virtq *queue, struct dma_space *space, u64 features)
{
	const struct virtq_ring common = {
		.space = space,
		.size = queue->size,
		.indirect = features >> VIRTIO_RING_F_INDIRECT_DESC & 1,
		.event_idx = features >> VIRTIO_RING_F_EVENT_IDX & 1,
	};
	int ret;

	if (!queue->size || queue->size > queue->max)
		return -EINVAL;
	ret = virtq_split_begin(queue, &common);
	queue->ready = !ret;
	return ret;
}
