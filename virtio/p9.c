/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio 1.4, "9P Transport Device". */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_9p.h>
#include <linux/virtio_ids.h>

#include "message.h"
#include "util/log.h"
#include "virtio/endian.h"
#include "virtio/p9.h"

/* Linux's driver has up to 128 segments in a message. */
#define QUEUE_SIZE 256

struct p9_device {
	struct message_device messages;
	struct virtio_device_ops ops;
	struct folder *folder; /* owned */
	struct p9 *p9;	       /* owned */
	char name[32];
	/* As struct virtio_9p_config, whose tag has no size. */
	struct {
		__virtio16 tag_len;
		char tag[VIRTIO_P9_TAG];
	} __attribute__((packed)) config;
};

static struct p9_device *p9_of(struct message_device *device)
{
	return container_of(device, struct p9_device, messages);
}

static void *p9_thread_begin(struct message_device *device)
{
	struct p9_device *p9 = p9_of(device);
	int ret = folder_thread_start(p9->folder);

	if (!ret)
		return p9_scratch_create();
	log_warning("%s: a thread cannot serve the folder: %s", p9->name, strerror(-ret));
	return NULL;
}

static void p9_thread_end(void *state)
{
	p9_scratch_destroy(state);
}

static void p9_taken(struct message_device *device, struct message *message)
{
	message->p9.in = message->in;
	message->p9.out = message->out;
	message->p9.in_count = message->in_count;
	message->p9.out_count = message->out_count;
	p9_begin(p9_of(device)->p9, &message->p9);
}

static void p9_abandoned(struct message_device *device, struct message *message)
{
	p9_abandon(p9_of(device)->p9, &message->p9);
}

static size_t p9_serve_message(struct message_device *device, void *state, struct message *message)
{
	return p9_serve(p9_of(device)->p9, state, &message->p9);
}

static void p9_forget(struct message_device *device)
{
	p9_reset(p9_of(device)->p9);
	folder_reset(p9_of(device)->folder);
}

static size_t p9_refuse_message(const struct iovec *in, unsigned in_count, const struct iovec *out,
				unsigned out_count)
{
	return p9_refuse(in, in_count, out, out_count, -EIO);
}

static int p9_trouble(struct message_device *device)
{
	return folder_trouble(p9_of(device)->folder);
}

static void p9_device_destroy(struct message_device *device)
{
	struct p9_device *p9 = p9_of(device);

	p9_destroy(p9->p9);
	folder_close(p9->folder);
	free(p9);
}

static const struct message_ops p9_ops = {
	.thread_begin = p9_thread_begin,
	.thread_end = p9_thread_end,
	.serve = p9_serve_message,
	.forget = p9_forget,
	.taken = p9_taken,
	.abandoned = p9_abandoned,
	.refuse = p9_refuse_message,
	.head_size = P9_HEADER,
	.trouble = p9_trouble,
	.destroy = p9_device_destroy,
};

static void p9_config_read(struct virtio_device *device, u32 offset, void *data, u32 len)
{
	struct p9_device *p9 = container_of(device, struct p9_device, messages.device);

	memcpy(data, (const char *)&p9->config + offset, len);
}

static void fill(struct p9_device *p9, const char *tag, unsigned number, struct dma_space *space)
{
	size_t len = strnlen(tag, VIRTIO_P9_TAG);

	snprintf(p9->name, sizeof(p9->name), "virtio-9p %u", number);
	p9->config.tag_len = cpu_to_virtio16(len);
	memcpy(p9->config.tag, tag, len);
	p9->messages.device = (struct virtio_device){
		.name = p9->name,
		.id = VIRTIO_ID_9P,
		.features = 1ULL << VIRTIO_9P_MOUNT_TAG,
		.config_size = sizeof(p9->config.tag_len) + len,
		.queue_count = 1,
		.space = space,
	};
	p9->ops.config_read = p9_config_read;
}

int virtio_p9_create(struct virtio_device **device, struct folder *folder, const char *tag,
		     unsigned number, struct loop *loop, struct dma_space *space)
{
	struct p9_device *p9 = calloc(1, sizeof(*p9));
	int ret = p9 ? p9_create(&p9->p9, folder) : -ENOMEM;

	if (!ret) {
		p9->folder = folder;
		fill(p9, tag, number, space);
		ret = message_device_init(&p9->messages, &p9_ops, &p9->ops, QUEUE_SIZE, loop,
					  "lkvm-9p", folder_file(folder));
		if (ret)
			p9_destroy(p9->p9);
	}
	if (ret) {
		folder_close(folder);
		free(p9);
		return ret;
	}
	*device = &p9->messages.device;
	return 0;
}
