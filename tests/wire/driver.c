/* SPDX-License-Identifier: BSD-2-Clause */
/* The fake driver: virtio-mmio version 2 and the split ring, from the driver's side. */
#include <string.h>
#include <time.h>

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>

#include "cmocka_all.h"
#include "wire.h"

u64 wire_features(struct vm *vm, unsigned slot)
{
	u64 low;

	wire_reg_write(vm, slot, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
	low = wire_reg_read(vm, slot, VIRTIO_MMIO_DEVICE_FEATURES);
	wire_reg_write(vm, slot, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	return low | (u64)wire_reg_read(vm, slot, VIRTIO_MMIO_DEVICE_FEATURES) << 32;
}

u8 wire_status(struct vm *vm, unsigned slot)
{
	return wire_reg_read(vm, slot, VIRTIO_MMIO_STATUS);
}

bool wire_needs_reset(struct vm *vm, unsigned slot)
{
	return wire_status(vm, slot) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

bool wire_negotiate(struct vm *vm, unsigned slot, u64 features)
{
	u32 status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;

	features |= 1ULL << VIRTIO_F_VERSION_1;
	wire_reg_write(vm, slot, VIRTIO_MMIO_STATUS, 0);
	wire_reg_write(vm, slot, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	wire_reg_write(vm, slot, VIRTIO_MMIO_STATUS, status);
	wire_reg_write(vm, slot, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	wire_reg_write(vm, slot, VIRTIO_MMIO_DRIVER_FEATURES, features);
	wire_reg_write(vm, slot, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	wire_reg_write(vm, slot, VIRTIO_MMIO_DRIVER_FEATURES, features >> 32);
	wire_reg_write(vm, slot, VIRTIO_MMIO_STATUS, status | VIRTIO_CONFIG_S_FEATURES_OK);
	return wire_status(vm, slot) & VIRTIO_CONFIG_S_FEATURES_OK;
}

void wire_driver_ok(struct vm *vm, unsigned slot)
{
	wire_reg_write(vm, slot, VIRTIO_MMIO_STATUS,
		       wire_status(vm, slot) | VIRTIO_CONFIG_S_DRIVER_OK);
}

void wire_queue_init(struct wire_queue *queue, struct vm *vm, unsigned slot, unsigned index,
		     u16 size, gpa_t base)
{
	*queue = (struct wire_queue){
		.vm = vm,
		.slot = slot,
		.index = index,
		.size = size,
		.desc = base,
		.avail = base + 0x4000,
		.used = base + 0x8000,
	};
	wire_fill(vm, base, 0, 64 * KIB);
	wire_reg_write(vm, slot, VIRTIO_MMIO_QUEUE_SEL, index);
	assert_int_equal(wire_reg_read(vm, slot, VIRTIO_MMIO_QUEUE_READY), 0);
	assert_true(wire_reg_read(vm, slot, VIRTIO_MMIO_QUEUE_NUM_MAX) >= size);
	wire_reg_write(vm, slot, VIRTIO_MMIO_QUEUE_NUM, size);
	wire_reg_write(vm, slot, VIRTIO_MMIO_QUEUE_DESC_LOW, queue->desc);
	wire_reg_write(vm, slot, VIRTIO_MMIO_QUEUE_DESC_HIGH, queue->desc >> 32);
	wire_reg_write(vm, slot, VIRTIO_MMIO_QUEUE_AVAIL_LOW, queue->avail);
	wire_reg_write(vm, slot, VIRTIO_MMIO_QUEUE_AVAIL_HIGH, queue->avail >> 32);
	wire_reg_write(vm, slot, VIRTIO_MMIO_QUEUE_USED_LOW, queue->used);
	wire_reg_write(vm, slot, VIRTIO_MMIO_QUEUE_USED_HIGH, queue->used >> 32);
	wire_reg_write(vm, slot, VIRTIO_MMIO_QUEUE_READY, 1);
}

static void write_desc(struct vm *vm, gpa_t table, u16 n, const struct vring_desc *desc)
{
	wire_write(vm, table + n * sizeof(*desc), desc, sizeof(*desc));
}

void wire_set_desc(struct wire_queue *queue, u16 n, u64 address, u32 len, u16 flags, u16 next)
{
	struct vring_desc desc = {
		.addr = htole64(address),
		.len = htole32(len),
		.flags = htole16(flags),
		.next = htole16(next),
	};

	write_desc(queue->vm, queue->desc, n, &desc);
}

void wire_publish(struct wire_queue *queue, u16 head)
{
	u16 entry = htole16(head), idx;

	wire_write(queue->vm, queue->avail + 4 + 2 * (queue->avail_idx % queue->size), &entry,
		   sizeof(entry));
	idx = htole16(++queue->avail_idx);
	wire_write(queue->vm, queue->avail + 2, &idx, sizeof(idx));
}

u16 wire_add(struct wire_queue *queue, const struct wire_segment *segments, unsigned count)
{
	u16 head = queue->next_desc % queue->size;

	assert_true(count && count <= queue->size);
	for (unsigned i = 0; i < count; i++) {
		u16 n = queue->next_desc++ % queue->size;
		u16 flags = segments[i].writable ? VRING_DESC_F_WRITE : 0;

		if (i + 1 < count)
			flags |= VRING_DESC_F_NEXT;
		wire_set_desc(queue, n, segments[i].address, segments[i].len, flags,
			      (n + 1) % queue->size);
	}
	wire_publish(queue, head);
	return head;
}

u16 wire_add_indirect(struct wire_queue *queue, const struct wire_segment *segments, unsigned count,
		      gpa_t table)
{
	u16 head = queue->next_desc++ % queue->size;

	for (unsigned i = 0; i < count; i++) {
		u16 flags = segments[i].writable ? VRING_DESC_F_WRITE : 0;
		struct vring_desc desc = {
			.addr = htole64(segments[i].address),
			.len = htole32(segments[i].len),
			.flags = htole16(flags | (i + 1 < count ? VRING_DESC_F_NEXT : 0)),
			.next = htole16(i + 1 < count ? i + 1 : 0),
		};

		write_desc(queue->vm, table, i, &desc);
	}
	wire_set_desc(queue, head, table, count * sizeof(struct vring_desc), VRING_DESC_F_INDIRECT,
		      0);
	wire_publish(queue, head);
	return head;
}

void wire_kick(struct wire_queue *queue)
{
	wire_reg_write(queue->vm, queue->slot, VIRTIO_MMIO_QUEUE_NOTIFY, queue->index);
}

bool wire_has_used(struct wire_queue *queue)
{
	u16 idx;

	wire_read(queue->vm, queue->used + 2, &idx, sizeof(idx));
	return le16toh(idx) != queue->last_used;
}

static u64 now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

bool wire_used(struct wire_queue *queue, u16 *head, u32 *len)
{
	u64 deadline = now_ms() + 5000;
	struct vring_used_elem elem;
	u16 event;

	while (!wire_has_used(queue)) {
		/* A stopped device will never answer: do not wait for it. */
		if (now_ms() > deadline || wire_needs_reset(queue->vm, queue->slot))
			return false;
		loop_poll(queue->vm->loop, 10);
	}
	wire_read(queue->vm, queue->used + 4 + sizeof(elem) * (queue->last_used % queue->size),
		  &elem, sizeof(elem));
	queue->last_used++;
	if (!queue->keep_used_event) {
		event = htole16(queue->last_used);
		wire_write(queue->vm, queue->avail + 4 + 2 * queue->size, &event, sizeof(event));
	}
	if (head)
		*head = le32toh(elem.id);
	if (len)
		*len = le32toh(elem.len);
	return true;
}
