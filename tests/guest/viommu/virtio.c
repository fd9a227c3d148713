/* SPDX-License-Identifier: BSD-2-Clause */
/* Both transports, and both layouts of rings (virtio 1.4, "Split" and "Packed Virtqueues"). */
#include "virtio.h"

/* A device is on the run for as long as this takes before its status is asked: no exit each time.
 */
#define POLLS_PER_LOOK 64

unsigned find_devices(const struct machine *machine, struct virtio *devices, unsigned max)
{
	unsigned count = machine_find_mmio(machine, devices, max);

	return count + pci_find(machine, devices + count, max - count);
}

u64 virtio_features(struct virtio *device)
{
	return (u64)device->ops->features(device, 1) << 32 | device->ops->features(device, 0);
}

void virtio_reset(struct virtio *device)
{
	const u64 begin = time_stamp();

	device->ops->set_status(device, 0);
	while (device->ops->status(device) && time_stamp() - begin < patience())
		;
}

static u8 add_status(struct virtio *device, u8 bits)
{
	device->ops->set_status(device, device->ops->status(device) | bits);
	return device->ops->status(device);
}

static u64 wanted_rings;

void use_rings(u64 features)
{
	wanted_rings = features;
}

bool virtio_begin(struct virtio *device, u64 wanted)
{
	u64 features = virtio_features(device) & (wanted | wanted_rings);

	virtio_reset(device);
	add_status(device, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	add_status(device, VIRTIO_CONFIG_S_DRIVER);
	device->accepted = features;
	device->ops->accept(device, 0, features);
	device->ops->accept(device, 1, features >> 32);
	return add_status(device, VIRTIO_CONFIG_S_FEATURES_OK) & VIRTIO_CONFIG_S_FEATURES_OK;
}

void virtio_ready(struct virtio *device)
{
	add_status(device, VIRTIO_CONFIG_S_DRIVER_OK);
}

bool virtio_broken(struct virtio *device)
{
	return device->ops->status(device) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

bool queue_start(struct queue *queue, struct virtio *device, u16 index, u16 size, void *memory)
{
	const u64 desc = (u64)memory, avail = desc + size * sizeof(struct vring_desc);
	const u64 used = (avail + 2 * (size + 3UL) + 3) & ~3UL;
	const u64 rings[3] = { desc, avail, used };

	memset(memory, 0, used + 8UL * size + 6 - desc);
	*queue = (struct queue){
		.device = device,
		.index = index,
		.desc = memory,
		.avail = (u16 *)avail,
		.used = (u16 *)used,
	};
	queue->packed = device->accepted & FEATURE(VIRTIO_F_RING_PACKED);
	queue->packed_desc = memory;
	queue->wrap = queue->used_wrap = true;
	queue->size = device->ops->enable(device, index, size, rings);
	return queue->size;
}

/* "Descriptor Ring": the bits of what is available in a round. */
static u16 available(bool wrap)
{
	return 1 << (wrap ? VRING_PACKED_DESC_F_AVAIL : VRING_PACKED_DESC_F_USED);
}

/* The buffer ID is the place of the chain's first descriptor; that one is available last. */
static void add_packed(struct queue *queue, const struct segment *segments, unsigned count)
{
	const u16 first = queue->at;
	u16 first_flags = 0;

	queue->counts[first] = count;
	queue->writable[first] = 0;
	for (unsigned i = 0; i < count; i++) {
		volatile struct vring_packed_desc *desc = &queue->packed_desc[queue->at];
		u16 flags = (segments[i].writable ? VRING_DESC_F_WRITE : 0) |
			    (i + 1 < count ? VRING_DESC_F_NEXT : 0) | available(queue->wrap);

		desc->addr = segments[i].iova ? segments[i].iova : (u64)segments[i].at;
		desc->len = segments[i].size;
		desc->id = first;
		if (i)
			desc->flags = flags;
		else
			first_flags = flags;
		queue->writable[first] += segments[i].writable ? segments[i].size : 0;
		if (++queue->at == queue->size) {
			queue->at = 0;
			queue->wrap = !queue->wrap;
		}
	}
	barrier();
	queue->packed_desc[first].flags = first_flags;
	barrier();
}

void queue_add(struct queue *queue, u16 first, const struct segment *segments, unsigned count)
{
	if (queue->packed) {
		add_packed(queue, segments, count);
		return;
	}
	for (unsigned i = 0; i < count; i++) {
		const struct segment *segment = &segments[i];

		queue->desc[first + i] = (struct vring_desc){
			.addr = segment->iova ? segment->iova : (u64)segment->at,
			.len = segment->size,
			.flags = (segment->writable ? VRING_DESC_F_WRITE : 0) |
				 (i + 1 < count ? VRING_DESC_F_NEXT : 0),
			.next = first + i + 1,
		};
	}
	queue->avail[2 + queue->avail[1] % queue->size] = first;
	barrier();
	queue->avail[1]++;
	barrier();
}

/* "Available Buffer Notification Suppression": the device need not want one. */
void queue_kick(const struct queue *queue)
{
	const u64 doorbell = queue->device->doorbells[queue->index];

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (queue->packed ? queue->used[1] == VRING_PACKED_EVENT_FLAG_DISABLE
			  : queue->used[0] & VRING_USED_F_NO_NOTIFY)
		return;
	if (queue->device->wide_doorbell)
		*(volatile u32 *)doorbell = queue->index;
	else
		*(volatile u16 *)doorbell = queue->index;
}

/* "In-order use of descriptors": a chain that is skipped was written in full. */
static int next_packed(struct queue *queue)
{
	volatile struct vring_packed_desc *desc = &queue->packed_desc[queue->used_at];
	const u16 both = available(true) | available(false), id = queue->used_at;
	u32 len;

	if (!queue->in_batch) {
		if ((desc->flags & both) != (queue->used_wrap ? both : 0))
			return -2;
		barrier();
		queue->batch_last = desc->id;
		queue->batch_len = desc->len;
	}
	/* All of the devices that this guest drives keep the order. */
	queue->in_batch = id != queue->batch_last;
	len = queue->in_batch ? queue->writable[id] : queue->batch_len;
	queue->used_at += queue->counts[id];
	if (queue->used_at >= queue->size) {
		queue->used_at -= queue->size;
		queue->used_wrap = !queue->used_wrap;
	}
	return len;
}

int queue_next(struct queue *queue)
{
	const volatile u32 *element = (const volatile u32 *)(queue->used + 2);

	if (queue->packed)
		return next_packed(queue);
	if (queue->used[1] == queue->taken)
		return -2;
	barrier();
	return element[2 * (queue->taken++ % queue->size) + 1];
}

int queue_wait(struct queue *queue)
{
	const u64 begin = time_stamp();

	while (time_stamp() - begin < patience()) {
		for (unsigned i = 0; i < POLLS_PER_LOOK; i++) {
			int len = queue_next(queue);

			if (len != -2)
				return len;
			relax();
		}
		if (virtio_broken(queue->device))
			return -1;
	}
	return -2;
}
