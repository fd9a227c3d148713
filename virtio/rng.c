/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio 1.4, "Entropy Device". */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>

#include "virtio/place.h"
#include "virtio/rng.h"

#define RNG_QUEUE_SIZE 16
/* Per buffer, which may be filled in part; and buffers per kick: others want the lock too. */
#define RNG_BYTES   1024
#define RNG_BUFFERS 16

struct rng {
	struct virtio_device device;
	struct virtq queue;
};

/* "The device MUST place one or more random bytes into the buffer". */
static u32 fill(const struct virtq_chain *chain)
{
	char data[RNG_BYTES];
	ssize_t len;
	s64 written;

	/* A host that runs guests has long seeded its generator; should it not: an empty answer. */
	len = getrandom(data, MIN(sizeof(data), chain->writable_len), GRND_NONBLOCK);
	if (len <= 0)
		return 0;
	written = virtq_chain_write(chain, 0, data, len);
	explicit_bzero(data, sizeof(data));
	return written > 0 ? written : 0;
}

static enum virtio_step rng_step(struct virtio_device *device, unsigned index)
{
	struct virtq_chain chain;

	if (!virtio_device_pop(device, index, &chain))
		return VIRTIO_IDLE;
	virtio_device_push(device, index, &chain, fill(&chain));
	return VIRTIO_DONE;
}

static void rng_kick(struct virtio_device *device, unsigned index)
{
	virtio_device_serve(device, index, RNG_BUFFERS, rng_step);
}

static void rng_destroy(struct virtio_device *device)
{
	free(container_of(device, struct rng, device));
}

static const struct virtio_device_ops rng_ops = {
	.kick = rng_kick,
	.destroy = rng_destroy,
};

int virtio_rng_create(struct virtio_device **device, struct dma_space *space)
{
	struct rng *rng = calloc(1, sizeof(*rng));

	if (!rng)
		return -ENOMEM;
	virtq_init(&rng->queue, RNG_QUEUE_SIZE);
	rng->device = (struct virtio_device){
		.ops = &rng_ops,
		.name = "virtio-rng",
		.id = VIRTIO_ID_RNG,
		.features = 1ULL << VIRTIO_F_IN_ORDER,
		.queue_count = 1,
		.queues = &rng->queue,
		.space = space,
	};
	*device = &rng->device;
	return 0;
}

/* ---- on the command line ---- */

static int rng_class_create(void *state, struct device_host *host, struct error *err)
{
	const struct device_want want = { .name = "virtio-rng" };
	struct virtio_device *device;
	struct device_place place;
	int ret = device_place(host, &want, &place, err);

	if (ret)
		return ret;
	ret = virtio_rng_create(&device, place.space);
	if (ret)
		return error_set(err, ret, "cannot make virtio-rng: %s", strerror(-ret));
	return virtio_device_put(device, &place, err);
}

static const struct option_spec rng_options[] = {
	{ 0, "rng", OPTION_FLAG, .help = "virtio-rng: random numbers of the host's" },
	{ 0 },
};

const struct device_class virtio_rng_class = {
	.name = "virtio-rng",
	.module = "virtio_rng",
	.options = rng_options,
	.bus = DEVICE_BUS_ANY,
	.create = rng_class_create,
};
