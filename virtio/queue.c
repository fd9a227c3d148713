/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio 1.4, "Virtqueues": what is the same whatever the layout of the rings. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "queue_ring.h"
#include "util/range.h"

void virtq_init(struct virtq *queue, u16 max)
{
	assert(max && max <= VIRTQ_MAX_SIZE && is_aligned(max, max));
	*queue = (struct virtq){ .max = max };
}

int virtq_allocate(struct virtq *queue, bool in_order)
{
	queue->ring = calloc(1, MAX(virtq_split_size(), virtq_packed_size()));
	if (in_order)
		queue->parked = calloc(queue->max, sizeof(queue->parked[0]));
	return queue->ring && (queue->parked || !in_order) ? 0 : -ENOMEM;
}

void virtq_free(struct virtq *queue)
{
	free(queue->ring);
	free(queue->parked);
	queue->ring = NULL;
	queue->parked = NULL;
	queue->ready = false;
}

void virtq_disable(struct virtq *queue)
{
	queue->ready = queue->stopping = queue->broken = false;
}

void virtq_reset(struct virtq *queue)
{
	*queue = (struct virtq){
		.max = queue->max,
		.ring = queue->ring,
		.parked = queue->parked,
		/* Drivers reset their device when the guest powers off. */
		.kicks = queue->kicks,
		.chains = queue->chains,
		.interrupts = queue->interrupts,
	};
}

int virtq_enable(struct virtq *queue, struct dma_space *space, u64 features)
{
	const struct virtq_ring common = {
		.space = space,
		.size = queue->size,
		.indirect = features >> VIRTIO_RING_F_INDIRECT_DESC & 1,
		.event_idx = features >> VIRTIO_RING_F_EVENT_IDX & 1,
		.in_order = features >> VIRTIO_F_IN_ORDER & 1,
	};
	int ret;

	if (!queue->size || queue->size > queue->max)
		return -EINVAL;
	if (features >> VIRTIO_F_RING_PACKED & 1)
		ret = virtq_packed_begin(queue, &common);
	else
		ret = virtq_split_begin(queue, &common);
	queue->ready = !ret;
	if (!ret && common.in_order)
		memset(queue->parked, 0, queue->max * sizeof(queue->parked[0]));
	return ret;
}

/*
 * "In-order use of descriptors": a driver counts on it, so a chain that is done early waits for
 * those before it. No two chains that are in flight are parked in the same place, because there are
 * never more of them than places.
 */
int virtq_fill_in_turn(struct virtq *queue, const struct virtq_chain *chain, u32 written)
{
	struct virtq_ring *ring = queue->ring;
	struct virtq_parked *parked;
	int ret;

	if (chain->serial != ring->returned) {
		queue->parked[chain->serial & (queue->max - 1)] =
			(struct virtq_parked){ chain->token, written, true };
		return 0;
	}
	ring->returned++;
	ret = ring->ops->fill(ring, chain->token, written);
	while (!ret && (parked = &queue->parked[ring->returned & (queue->max - 1)])->here) {
		parked->here = false;
		ring->returned++;
		ret = ring->ops->fill(ring, parked->token, parked->written);
	}
	return ret;
}
