/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio 1.4, "Block Device": the device; its requests are in blk_request.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>

#include "blk_request.h"
#include "virtio/endian.h"
#include "vmm/counters.h"

static struct blk *blk_of(const struct virtio_device *device)
{
	return container_of(device, struct blk, device);
}

static enum virtio_step blk_step(struct virtio_device *device, unsigned index)
{
	return blk_serve(blk_of(device), index) ? VIRTIO_DONE : VIRTIO_IDLE;
}

static void blk_kick(struct virtio_device *device, unsigned index)
{
	struct blk *blk = blk_of(device);

	blk_go_on(blk);
	virtio_device_serve(device, index, BLK_QUEUE_SIZE, blk_step);
	blk->queues[index].answered = false;
	disk_flush_queue(blk->disk);
}

static void blk_queue_reset(struct virtio_device *device, unsigned index)
{
	struct blk *blk = blk_of(device);
	struct blk_queue *queue = &blk->queues[index];

	queue->draining = queue->in_flight;
	queue->answered = false;
	blk_forget(blk, index);
}

static void blk_reset(struct virtio_device *device)
{
	struct blk *blk = blk_of(device);

	for (unsigned i = 0; i < device->queue_count; i++)
		blk_queue_reset(device, i);
	blk->write_through = blk->start_write_through;
	blk->flush_again = false;
}

static bool blk_settled(const struct virtio_device *device)
{
	const struct blk *blk = blk_of(device);
	bool draining = blk->flushing;

	for (unsigned i = 0; i < device->queue_count; i++)
		draining |= blk->queues[i].draining;
	return !draining;
}

static bool blk_idle(const struct virtio_device *device)
{
	const struct blk *blk = blk_of(device);
	unsigned in_flight = blk->flushing;

	for (unsigned i = 0; i < device->queue_count; i++)
		in_flight += blk->queues[i].in_flight;
	return !in_flight;
}

/* ---- configuration ---- */

/*
 * "Device Initialization": without FLUSH there is no cache to be told of. It is asked for when the
 * driver reads it, which it may from FEATURES_OK on.
 */
static bool is_write_back(const struct blk *blk)
{
	return !blk->write_through && virtio_has_feature(&blk->device, VIRTIO_BLK_F_FLUSH);
}

static void blk_config_read(struct virtio_device *device, u32 offset, void *data, u32 len)
{
	const struct blk *blk = blk_of(device);
	const struct disk_info *info = &blk->info;
	struct virtio_blk_config config = {
		.capacity = cpu_to_virtio64(info->size / DISK_SECTOR),
		.seg_max = cpu_to_virtio32(BLK_SEG_MAX),
		.blk_size = cpu_to_virtio32(info->block_size),
		.wce = is_write_back(blk),
		.num_queues = cpu_to_virtio16(device->queue_count),
	};

	if (device->features >> VIRTIO_BLK_F_DISCARD & 1) {
		config.max_discard_sectors = cpu_to_virtio32(BLK_RANGE_SECTORS);
		config.max_discard_seg = cpu_to_virtio32(1);
		config.discard_sector_alignment = cpu_to_virtio32(info->block_size / DISK_SECTOR);
	}
	if (device->features >> VIRTIO_BLK_F_WRITE_ZEROES & 1) {
		config.max_write_zeroes_sectors = cpu_to_virtio32(BLK_RANGE_SECTORS);
		config.max_write_zeroes_seg = cpu_to_virtio32(1);
		config.write_zeroes_may_unmap = !blk->ignore_discard;
	}
	memcpy(data, (const char *)&config + offset, len);
}

static void blk_flushed(struct disk_request *request, int result);

static void blk_flush(struct blk *blk)
{
	blk->flushing = true;
	blk->flush_again = false;
	blk->flush = (struct disk_request){ .op = DISK_FLUSH, .done = blk_flushed };
	disk_submit(blk->disk, &blk->flush);
}

/* No request can tell the guest that what it wrote before is lost. */
static void blk_flushed(struct disk_request *request, int result)
{
	struct blk *blk = container_of(request, struct blk, flush);

	blk->flushing = false;
	if (blk->flush_again && !result)
		blk_flush(blk);
	else if (result)
		virtio_device_broken(&blk->device, "the host cannot flush what was written");
}

/*
 * "Driver Requirements: Device Operation": a driver that has write-through flushes no more, and
 * relies on what it wrote before. So that goes to stable storage, and the driver waits for it.
 */
static void make_write_through(struct blk *blk)
{
	if (blk->write_through)
		return;
	blk->write_through = true;
	if (blk->info.read_only)
		return;
	/* It was on again meanwhile: one that is under way may be too early for what was written.
	 */
	blk->flush_again = blk->flushing;
	if (blk->flushing)
		return;
	blk_flush(blk);
	disk_flush_queue(blk->disk);
}

static void blk_config_write(struct virtio_device *device, u32 offset, const void *data, u32 len)
{
	const u32 at = offsetof(struct virtio_blk_config, wce);
	struct blk *blk = blk_of(device);

	if (!virtio_has_feature(device, VIRTIO_BLK_F_CONFIG_WCE) || offset > at ||
	    at >= offset + len)
		return;
	if (((const u8 *)data)[at - offset] && virtio_has_feature(device, VIRTIO_BLK_F_FLUSH))
		blk->write_through = false;
	else
		make_write_through(blk);
}

/* ---- life ---- */

static void blk_free(struct blk *blk)
{
	blk_wait_destroy(blk);
	disk_close(blk->disk);
	if (blk->requests)
		blk_requests_destroy(blk);
	free(blk);
}

static void blk_destroy(struct virtio_device *device)
{
	struct blk *blk = blk_of(device);

	/* What a reset has let go must end before the machine's memory does. */
	if (!disk_drain(blk->disk)) {
		log_warning("%s: the host does not finish its I/O", blk->name);
		return;
	}
	blk_free(blk);
}

static const struct virtio_device_ops blk_ops = {
	.reset = blk_reset,
	.settled = blk_settled,
	.idle = blk_idle,
	.kick = blk_kick,
	.queue_reset = blk_queue_reset,
	.config_read = blk_config_read,
	.config_write = blk_config_write,
	.destroy = blk_destroy,
};

static u64 blk_features(const struct blk *blk)
{
	u64 features = 1ULL << VIRTIO_BLK_F_SEG_MAX | 1ULL << VIRTIO_BLK_F_BLK_SIZE |
		       1ULL << VIRTIO_BLK_F_FLUSH | 1ULL << VIRTIO_BLK_F_CONFIG_WCE;

	if (blk->device.queue_count > 1)
		features |= 1ULL << VIRTIO_BLK_F_MQ;
	if (blk->info.read_only)
		return features | 1ULL << VIRTIO_BLK_F_RO;
	if (blk->info.can_discard)
		features |= 1ULL << VIRTIO_BLK_F_WRITE_ZEROES;
	if (blk->info.can_discard && !blk->ignore_discard)
		features |= 1ULL << VIRTIO_BLK_F_DISCARD;
	return features;
}

/* One decision for all requests that the disk has answered together. */
static void blk_disk_settled(void *context)
{
	blk_go_on(context);
}

static void take_serial(struct blk *blk, const char *serial)
{
	if (serial)
		memcpy(blk->serial, serial, MIN(strlen(serial), sizeof(blk->serial)));
	else
		disk_get_id(blk->disk, blk->serial);
}

/* What it is before it meets its disk. */
static void take_options(struct blk *blk, const struct virtio_blk_options *options)
{
	disk_get_info(blk->disk, &blk->info);
	take_serial(blk, options->serial);
	snprintf(blk->name, sizeof(blk->name), "virtio-blk %u", options->number);
	blk->write_through = blk->start_write_through = options->write_through;
	blk->ignore_discard = options->ignore_discard;
	blk->wait.vm = options->vm;
	blk->wait.policy[false] = options->on_read_error;
	blk->wait.policy[true] = options->on_write_error;
	blk->device = (struct virtio_device){
		.ops = &blk_ops,
		.name = blk->name,
		.id = VIRTIO_ID_BLOCK,
		.config_size = sizeof(struct virtio_blk_config),
		.queue_count = MAX(options->queues, 1u),
		.queues = blk->virtqs,
	};
	blk->device.features = blk_features(blk);
	for (unsigned i = 0; i < blk->device.queue_count; i++)
		virtq_init(&blk->virtqs[i], BLK_QUEUE_SIZE);
}

int virtio_blk_create(struct virtio_device **device, struct disk *disk,
		      const struct virtio_blk_options *options, struct loop *loop,
		      struct dma_space *space)
{
	static const struct virtio_blk_options usual;
	struct blk *blk = calloc(1, sizeof(*blk));
	int ret;

	if (!blk) {
		disk_close(disk);
		return -ENOMEM;
	}
	options = options ? options : &usual;
	blk->disk = disk;
	blk->wait.loop = loop;
	take_options(blk, options);
	blk->device.space = space;
	ret = blk_requests_create(blk);
	if (!ret)
		ret = blk_wait_create(blk, options->limits);
	if (!ret)
		ret = disk_start(disk, loop, blk_disk_settled, blk);
	if (ret) {
		blk_free(blk);
		return ret;
	}
	*device = &blk->device;
	return 0;
}

void virtio_blk_count(const struct virtio_device *device, struct counters *counters)
{
	const struct blk_wait *wait = &blk_of(device)->wait;
	const struct blk_counters *counted = &blk_of(device)->counters;

	counters_begin(counters, device->name);
	counters_number(counters, "reads", counted->reads);
	counters_number(counters, "bytes_read", counted->bytes_read);
	counters_number(counters, "writes", counted->writes);
	counters_number(counters, "bytes_written", counted->bytes_written);
	counters_number(counters, "flushes", counted->flushes);
	counters_number(counters, "discards", counted->discards);
	counters_number(counters, "write_zeroes", counted->zeroes);
	counters_number(counters, "errors", counted->errors);
	if (wait->limiter.any)
		counters_number(counters, "waited_for_a_limit", wait->limits);
	if (wait->policy[false] || wait->policy[true])
		counters_number(counters, "pauses_for_the_host", wait->stops);
}
