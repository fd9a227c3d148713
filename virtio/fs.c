/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio 1.4, "File System Device". Queue 0 has what must not wait: FORGET and INTERRUPT. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/fuse.h>
#include <linux/virtio_fs.h>
#include <linux/virtio_ids.h>

#include "message.h"
#include "util/log.h"
#include "virtio/fs.h"

/* A message of FUSE_LARGEST bytes is in 256 pages of Linux's, and a few more. */
#define QUEUE_SIZE 1024

struct fs {
	struct message_device messages;
	struct virtio_device_ops ops;
	struct folder *folder; /* owned */
	struct fuse fuse;
	char name[32];
	struct virtio_fs_config config;
};

static struct fs *fs_of(struct message_device *device)
{
	return container_of(device, struct fs, messages);
}

static void *fs_thread_begin(struct message_device *device)
{
	struct fs *fs = fs_of(device);
	int ret = folder_thread_start(fs->folder);

	if (!ret)
		return fuse_scratch_create();
	log_warning("%s: a thread cannot serve the folder: %s", fs->name, strerror(-ret));
	return NULL;
}

static void fs_thread_end(void *state)
{
	fuse_scratch_destroy(state);
}

static size_t fs_serve(struct message_device *device, void *state, struct message *message)
{
	return fuse_serve(&fs_of(device)->fuse, state, message->in, message->in_count, message->out,
			  message->out_count);
}

static void fs_forget(struct message_device *device)
{
	fuse_reset(&fs_of(device)->fuse);
}

static size_t fs_refuse(const struct iovec *in, unsigned in_count, const struct iovec *out,
			unsigned out_count)
{
	return fuse_refuse(in, in_count, out, out_count, -EIO);
}

static int fs_trouble(struct message_device *device)
{
	return folder_trouble(fs_of(device)->folder);
}

static void fs_destroy(struct message_device *device)
{
	struct fs *fs = fs_of(device);

	folder_close(fs->folder);
	free(fs);
}

static const struct message_ops fs_ops = {
	.thread_begin = fs_thread_begin,
	.thread_end = fs_thread_end,
	.serve = fs_serve,
	.forget = fs_forget,
	.refuse = fs_refuse,
	.head_size = sizeof(struct fuse_in_header),
	/* "Device Operation: High Priority Queue" */
	.urgent = true,
	.trouble = fs_trouble,
	.destroy = fs_destroy,
};

static void fs_config_read(struct virtio_device *device, u32 offset, void *data, u32 len)
{
	struct fs *fs = container_of(device, struct fs, messages.device);

	memcpy(data, (const char *)&fs->config + offset, len);
}

static void fill(struct fs *fs, const struct virtio_fs_options *options, unsigned number,
		 struct dma_space *space)
{
	snprintf(fs->name, sizeof(fs->name), "virtio-fs %u", number);
	memcpy(fs->config.tag, options->tag, strnlen(options->tag, VIRTIO_FS_TAG));
	fs->config.num_request_queues = cpu_to_le32(options->queues);
	fuse_init(&fs->fuse, fs->folder, &options->fuse);
	fs->messages.device = (struct virtio_device){
		.name = fs->name,
		.id = VIRTIO_ID_FS,
		.config_size = sizeof(fs->config),
		.queue_count = 1 + options->queues,
		.space = space,
	};
	fs->ops.config_read = fs_config_read;
}

int virtio_fs_create(struct virtio_device **device, struct folder *folder,
		     const struct virtio_fs_options *options, unsigned number, struct loop *loop,
		     struct dma_space *space)
{
	struct fs *fs = calloc(1, sizeof(*fs));
	int ret = -ENOMEM;

	if (fs) {
		fs->folder = folder;
		fill(fs, options, number, space);
		ret = message_device_init(&fs->messages, &fs_ops, &fs->ops, QUEUE_SIZE, loop,
					  "lkvm-fs", folder_file(folder));
	}
	if (ret) {
		folder_close(folder);
		free(fs);
		return ret;
	}
	*device = &fs->messages.device;
	return 0;
}
