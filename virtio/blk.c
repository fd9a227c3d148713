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
	return blk_serve(blk_of(device)) ? VIRTIO_DONE : VIRTIO_IDLE;
}

static void blk_kick(struct virtio_device *device, unsigned index)
{
	virtio_device_serve(device, index, BLK_QUEUE_SIZE, blk_step);
	disk_flush_queue(blk_of(device)->disk);
}

static void blk_reset(struct virtio_device *device)
{
	struct blk *blk = blk_of(device);

	blk->draining = blk->in_flight;
}

static bool blk_settled(const struct virtio_device *device)
{
	return !blk_of(device)->draining;
}

static bool blk_idle(const struct virtio_device *device)
{
	return !blk_of(device)->in_flight;
}

static void blk_queue_reset(struct virtio_device *device, unsigned index)
{
	blk_reset(device);
}

static void blk_config_read(struct virtio_device *device, u32 offset, void *data, u32 len)
{
	const struct disk_info *info = &blk_of(device)->info;
	struct virtio_blk_config config = {
		.capacity = cpu_to_virtio64(info->size / DISK_SECTOR),
		.seg_max = cpu_to_virtio32(BLK_SEG_MAX),
		.blk_size = cpu_to_virtio32(info->block_size),
	};

	if (device->features >> VIRTIO_BLK_F_DISCARD & 1) {
		config.max_discard_sectors = cpu_to_virtio32(BLK_RANGE_SECTORS);
		config.max_discard_seg = cpu_to_virtio32(1);
		config.discard_sector_alignment = cpu_to_virtio32(info->block_size / DISK_SECTOR);
		config.max_write_zeroes_sectors = cpu_to_virtio32(BLK_RANGE_SECTORS);
		config.max_write_zeroes_seg = cpu_to_virtio32(1);
		config.write_zeroes_may_unmap = 1;
	}
	memcpy(data, (const char *)&config + offset, len);
}

static void blk_destroy(struct virtio_device *device)
{
	struct blk *blk = blk_of(device);

	/* What a reset has let go must end before the machine's memory does. */
	if (!disk_drain(blk->disk)) {
		log_warning("%s: the host does not finish its I/O", blk->name);
		return;
	}
	disk_close(blk->disk);
	blk_requests_destroy(blk);
	free(blk);
}

static const struct virtio_device_ops blk_ops = {
	.reset = blk_reset,
	.settled = blk_settled,
	.idle = blk_idle,
	.kick = blk_kick,
	.queue_reset = blk_queue_reset,
	.config_read = blk_config_read,
	.destroy = blk_destroy,
};

static u64 blk_features(const struct disk_info *info)
{
	u64 features = 1ULL << VIRTIO_BLK_F_SEG_MAX | 1ULL << VIRTIO_BLK_F_BLK_SIZE |
		       1ULL << VIRTIO_BLK_F_FLUSH;

	if (info->read_only)
		features |= 1ULL << VIRTIO_BLK_F_RO;
	else if (info->can_discard)
		features |= 1ULL << VIRTIO_BLK_F_DISCARD | 1ULL << VIRTIO_BLK_F_WRITE_ZEROES;
	return features;
}

/* One decision for all requests that the disk has answered together. */
static void blk_disk_settled(void *context)
{
	virtio_device_interrupt(&((struct blk *)context)->device, 0);
}

int virtio_blk_create(struct virtio_device **device, struct disk *disk, unsigned number,
		      struct loop *loop, struct dma_space *space)
{
	struct blk *blk = calloc(1, sizeof(*blk));
	int ret = blk ? blk_requests_create(blk) : -ENOMEM;

	if (!ret) {
		ret = disk_start(disk, loop, blk_disk_settled, blk);
		if (ret)
			blk_requests_destroy(blk);
	}
	if (ret) {
		disk_close(disk);
		free(blk);
		return ret;
	}
	blk->disk = disk;
	disk_get_info(disk, &blk->info);
	snprintf(blk->name, sizeof(blk->name), "virtio-blk %u", number);
	virtq_init(&blk->queue, BLK_QUEUE_SIZE);
	blk->device = (struct virtio_device){
		.ops = &blk_ops,
		.name = blk->name,
		.id = VIRTIO_ID_BLOCK,
		.features = blk_features(&blk->info),
		.config_size = sizeof(struct virtio_blk_config),
		.queue_count = 1,
		.queues = &blk->queue,
		.space = space,
	};
	*device = &blk->device;
	return 0;
}

void virtio_blk_count(const struct virtio_device *device, struct counters *counters)
{
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
}
