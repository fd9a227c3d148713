/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Devices whose DMA can be aimed: virtio-rng, which writes what nobody knows, and virtio-blk,
 * which writes its first sector. Their rings stand in memory->control, at IOVA = GPA.
 */
#include <linux/virtio_blk.h>

#include "conformance.h"

#define FILLED	 0xa5
#define HEADER	 0x800 /* of the control page: a request of virtio-blk */
#define RNG_SIZE 64
#define SECTOR	 512

static u64 wanted_features(void)
{
	return FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_F_ACCESS_PLATFORM);
}

bool dma_can_drive(struct virtio *device)
{
	const u64 wanted = wanted_features();

	if (device->type != VIRTIO_ID_RNG && device->type != VIRTIO_ID_BLOCK)
		return false;
	return device->endpoint != NO_ENDPOINT && (virtio_features(device) & wanted) == wanted;
}

/* Tell @device to write to @iova; @control is its page. */
static void order_write(struct virtio *device, struct queue *queue, u8 *control, u64 iova)
{
	struct virtio_blk_outhdr *header = (void *)(control + HEADER);
	const struct segment read_sector[] = {
		{ .at = header, .size = sizeof(*header) },
		{ .iova = iova, .size = SECTOR, .writable = true },
		{ .at = header + 1, .size = 1, .writable = true },
	};
	const struct segment random = { .iova = iova, .size = RNG_SIZE, .writable = true };

	*header = (struct virtio_blk_outhdr){ .type = VIRTIO_BLK_T_IN };
	if (device->type == VIRTIO_ID_BLOCK)
		queue_add(queue, 0, read_sector, COUNT(read_sector));
	else
		queue_add(queue, 0, &random, 1);
	queue_kick(queue);
	queue_wait(queue);
}

bool reaches(struct conformance *t, unsigned n, u64 iova, unsigned page)
{
	struct virtio *device = t->endpoints[n];
	u8 *control = t->memory->control[n], *target = t->memory->page[page];
	struct queue queue;
	bool changed = false;

	memset(target, FILLED, t->granule);
	if (virtio_begin(device, wanted_features()) &&
	    queue_start(&queue, device, 0, SMALL_QUEUE_SIZE, control)) {
		virtio_ready(device);
		order_write(device, &queue, control, iova);
		changed = !all_bytes(target, FILLED, t->granule);
	}
	virtio_reset(device);
	return changed;
}

void offer_events(struct conformance *t, unsigned count, u32 size)
{
	memset(t->memory->events, 0xee, sizeof(t->memory->events));
	for (unsigned i = 0; i < count; i++) {
		const struct segment segment = {
			.at = &t->memory->events[i],
			.size = size,
			.writable = true,
		};

		queue_add(&t->events, i, &segment, 1);
	}
	queue_kick(&t->events);
}

bool provoke(struct conformance *t, u64 iova, struct virtio_iommu_fault *fault)
{
	offer_events(t, EVENTS, sizeof(*fault));
	reaches(t, 0, iova, 0);
	if (queue_wait(&t->events) != sizeof(*fault))
		return false;
	*fault = t->memory->events[0];
	return true;
}
