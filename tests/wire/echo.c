/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>

#include "cmocka_all.h"
#include "echo.h"

static struct echo *echo_of(struct virtio_device *device)
{
	return container_of(device, struct echo, device);
}

static void serve(struct echo *echo, unsigned index)
{
	s64 len = virtq_chain_read(&echo->last, 0, echo->data, ECHO_BYTES);

	if (len >= 0)
		len = virtq_chain_write(&echo->last, 0, echo->data, len);
	if (len < 0)
		echo->faults++;
	echo->served++;
	if (echo->fill && !echo->keep)
		virtio_device_fill(&echo->device, index, &echo->last, len > 0 ? len : 0);
	else if (!echo->keep)
		virtio_device_push(&echo->device, index, &echo->last, len > 0 ? len : 0);
}

static enum virtio_step echo_step(struct virtio_device *device, unsigned index)
{
	if (!virtio_device_pop(device, index, &echo_of(device)->last))
		return VIRTIO_IDLE;
	serve(echo_of(device), index);
	return VIRTIO_DONE;
}

static void echo_kick(struct virtio_device *device, unsigned index)
{
	struct echo *echo = echo_of(device);

	echo->kicks++;
	virtio_device_serve(device, index, echo->budget ? echo->budget : ~0u, echo_step);
}

static int echo_start(struct virtio_device *device)
{
	echo_of(device)->starts++;
	return echo_of(device)->start_result;
}

static void echo_reset(struct virtio_device *device)
{
	echo_of(device)->resets++;
}

static void echo_interrupts_moved(struct virtio_device *device)
{
	echo_of(device)->moved++;
}

static void echo_queue_reset(struct virtio_device *device, unsigned index)
{
	echo_of(device)->queue_resets++;
	/* A careless device: what it pushes now must go nowhere. */
	virtio_device_push(device, index, &echo_of(device)->last, 1);
}

static bool echo_settled(const struct virtio_device *device)
{
	return !container_of(device, struct echo, device)->busy;
}

static void echo_config_read(struct virtio_device *device, u32 offset, void *data, u32 len)
{
	assert_true(offset + len <= sizeof(echo_of(device)->config));
	memcpy(data, echo_of(device)->config + offset, len);
}

static void echo_config_write(struct virtio_device *device, u32 offset, const void *data, u32 len)
{
	assert_true(offset + len <= sizeof(echo_of(device)->config));
	memcpy(echo_of(device)->config + offset, data, len);
}

static void echo_destroy(struct virtio_device *device)
{
	echo_free(echo_of(device));
}

static const struct virtio_device_ops echo_ops = {
	.start = echo_start,
	.reset = echo_reset,
	.settled = echo_settled,
	.kick = echo_kick,
	.interrupts_moved = echo_interrupts_moved,
	.queue_reset = echo_queue_reset,
	.config_read = echo_config_read,
	.config_write = echo_config_write,
	.destroy = echo_destroy,
};

struct echo *echo_alloc(struct vm *vm)
{
	struct echo *echo = calloc(1, sizeof(*echo));

	assert_non_null(echo);
	for (unsigned i = 0; i < ECHO_QUEUES; i++)
		virtq_init(&echo->queues[i], VIRTQ_MAX_SIZE);
	for (unsigned i = 0; i < sizeof(echo->config); i++)
		echo->config[i] = 0x10 + i;
	echo->device = (struct virtio_device){
		.ops = &echo_ops,
		.name = "echo",
		.id = ECHO_ID,
		.features = 1 << 3,
		.config_size = sizeof(echo->config),
		.queue_count = ECHO_QUEUES,
		.queues = echo->queues,
		.space = &vm->identity.space,
	};
	return echo;
}

void echo_free(struct echo *echo)
{
	if (echo->destroyed)
		++*echo->destroyed;
	free(echo);
}

struct echo *echo_create(struct vm *vm, unsigned n, u32 endpoint, bool kick_on_vcpu)
{
	struct echo *echo = echo_alloc(vm);
	struct device_resource slot;

	echo->device.kick_on_vcpu = kick_on_vcpu;
	wire_slot(n, &slot);
	assert_int_equal(virtio_mmio_create(vm, &echo->device, &slot, endpoint, false), 0);
	return echo;
}
