/* SPDX-License-Identifier: BSD-2-Clause */
/* A toy, made by following docs/design.md, "A device": it writes a word into each buffer. */
#include <stdio.h>
#include <string.h>

#include "virtio/place.h"
#include "vmm/counters.h"

struct toy {
	const char *word; /* of the command line */
	struct virtio_device device;
	struct virtq queue;
	u64 served;
};

static enum virtio_step toy_step(struct virtio_device *device, unsigned index)
{
	struct toy *toy = container_of(device, struct toy, device);
	struct virtq_chain chain;
	s64 len;

	if (!virtio_device_pop(device, index, &chain))
		return VIRTIO_IDLE;
	len = virtq_chain_write(&chain, 0, toy->word, strlen(toy->word));
	virtio_device_push(device, index, &chain, len > 0 ? len : 0);
	toy->served++;
	return VIRTIO_DONE;
}

static void toy_kick(struct virtio_device *device, unsigned index)
{
	virtio_device_serve(device, index, 16, toy_step);
}

/* It lives in the state of its class, which outlives it. */
static void toy_destroy(struct virtio_device *device)
{
}

static const struct virtio_device_ops toy_ops = { .kick = toy_kick, .destroy = toy_destroy };

static int toy_create(void *state, struct device_host *host, struct error *err)
{
	const struct device_want want = { .name = "virtio-toy" };
	struct device_place place;
	struct toy *toy = state;
	int ret = device_place(host, &want, &place, err);

	if (ret)
		return ret;
	virtq_init(&toy->queue, 16);
	toy->device = (struct virtio_device){ .ops = &toy_ops, .name = want.name, .id = 0x3f };
	toy->device.queue_count = 1;
	toy->device.queues = &toy->queue;
	toy->device.space = place.space;
	return virtio_device_put(&toy->device, &place, err);
}

static void toy_report(const void *state, struct counters *counters)
{
	const struct toy *toy = state;

	counters_begin(counters, "virtio-toy");
	counters_number(counters, "buffers", toy->served);
}

static const struct option_spec toy_options[] = {
	{ 0, "toy", OPTION_WORD, "WORD", "a device that says WORD",
	  OPTION_FIELD(struct toy, word) },
	{ 0 },
};

const struct device_class toy_class = {
	.name = "virtio-toy",
	.options = toy_options,
	.bus = DEVICE_BUS_ANY,
	.state_size = sizeof(struct toy),
	.create = toy_create,
	.report = toy_report,
};
