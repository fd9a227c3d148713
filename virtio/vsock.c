/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio 1.4, "Socket Device": the device around its queues. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>

#include "vsock_private.h"
#include "vmm/counters.h"

#define FEATURE(bit) (1ULL << (bit))

/* What the guest sent is served, then what there is for it. */
static void vsock_kick(struct virtio_device *device, unsigned index)
{
	struct vsock *vsock = vsock_of(device);

	if (index == VSOCK_TX)
		vsock_transmit(vsock);
	if (index != VSOCK_EVENT)
		vsock_receive(vsock);
}

/* The guest has no connection any more. The host keeps what the guest was already done with. */
static void end_connection(struct vsock_connection *connection, bool ending)
{
	if (ending || connection->state < VSOCK_OVER)
		vsock_connection_drop(connection);
	else if (connection->state == VSOCK_OVER)
		vsock_connection_forget(connection);
}

/* Programs that have not said whom they want are none of the guest's. */
static void vsock_reset(struct virtio_device *device)
{
	struct vsock *vsock = vsock_of(device);
	struct list_node *node, *next;

	list_for_each_safe(node, next, &vsock->connections)
		end_connection(list_entry(node, struct vsock_connection, node), device->ending);
	vsock->has_buffer = false;
	vsock->reset_count = 0;
}

static void vsock_queue_reset_op(struct virtio_device *device, unsigned index)
{
	if (index == VSOCK_RX)
		vsock_of(device)->has_buffer = false;
}

static void vsock_config_read(struct virtio_device *device, u32 offset, void *data, u32 len)
{
	const struct virtio_vsock_config config = {
		.guest_cid = cpu_to_le64(vsock_of(device)->cid),
	};

	memcpy(data, (const char *)&config + offset, len);
}

static void free_greeters(struct vsock *vsock)
{
	struct list_node *node, *next;

	list_for_each_safe(node, next, &vsock->greeters)
		vsock_connection_drop(list_entry(node, struct vsock_connection, node));
}

static void vsock_destroy(struct virtio_device *device)
{
	struct vsock *vsock = vsock_of(device);

	/* Also of one that never was on a transport. */
	device->ending = true;
	vsock_reset(device);
	free_greeters(vsock);
	vsock_host_destroy(vsock);
	for (unsigned i = 0; i < ARRAY_SIZE(vsock->listeners); i++) {
		if (vsock->listeners[i].source.fd >= 0)
			close(vsock->listeners[i].source.fd);
	}
	if (vsock_dial_destroy(vsock))
		free(vsock);
}

static const struct virtio_device_ops vsock_ops = {
	.reset = vsock_reset,
	.kick = vsock_kick,
	.queue_reset = vsock_queue_reset_op,
	.config_read = vsock_config_read,
	.destroy = vsock_destroy,
};

static void take_given(struct vsock *vsock, const struct virtio_vsock_options *options)
{
	vsock->given_port = options->given ? options->given_port : 0;
	for (unsigned i = 0; i < VSOCK_MAX_GIVEN; i++) {
		vsock->given[i] = -1;
		if (!options->given || i >= options->given_count)
			continue;
		vsock->given[i] = options->given[i];
		options->given[i] = -1;
	}
}

static void init(struct vsock *vsock, const struct virtio_vsock_options *options)
{
	vsock->cid = options->cid;
	vsock->limit = options->connections;
	vsock->dial_fds[0] = vsock->dial_fds[1] = -1;
	vsock->listeners[0].source.fd = options->stream_fd;
	vsock->listeners[1].source.fd = options->seqpacket_fd;
	vsock->address.sun_family = AF_UNIX;
	snprintf(vsock->address.sun_path, sizeof(vsock->address.sun_path), "%s",
		 options->path ? options->path : "");
	take_given(vsock, options);
	list_init(&vsock->connections);
	list_init(&vsock->greeters);
	list_init(&vsock->ready);
	for (unsigned i = 0; i < VSOCK_BUCKETS; i++)
		list_init(&vsock->buckets[i]);
	virtq_init(&vsock->queues[VSOCK_RX], VSOCK_QUEUE_SIZE);
	virtq_init(&vsock->queues[VSOCK_TX], VSOCK_QUEUE_SIZE);
	virtq_init(&vsock->queues[VSOCK_EVENT], VSOCK_EVENT_SIZE);
}

int virtio_vsock_create(struct virtio_device **device, const struct virtio_vsock_options *options,
			struct loop *loop, struct dma_space *space)
{
	struct vsock *vsock = calloc(1, sizeof(*vsock));
	int ret;

	if (!vsock) {
		close(options->stream_fd);
		close(options->seqpacket_fd);
		return -ENOMEM;
	}
	init(vsock, options);
	vsock->loop = loop;
	vsock->device = (struct virtio_device){
		.ops = &vsock_ops,
		.name = "virtio-vsock",
		.id = VIRTIO_ID_VSOCK,
		.features = FEATURE(VSOCK_F_STREAM) | FEATURE(VSOCK_F_SEQPACKET) |
			    FEATURE(VSOCK_F_NO_IMPLIED_STREAM),
		.config_size = sizeof(struct virtio_vsock_config),
		.queue_count = VSOCK_QUEUES,
		.queues = vsock->queues,
		.space = space,
	};
	ret = vsock_host_create(vsock, options);
	if (!ret)
		ret = vsock_dial_create(vsock);
	if (ret) {
		vsock_destroy(&vsock->device);
		return ret;
	}
	*device = &vsock->device;
	return 0;
}

void virtio_vsock_count(const struct virtio_device *device, struct counters *counters)
{
	const struct vsock *vsock = vsock_of(device);

	counters_begin(counters, "virtio-vsock");
	counters_number(counters, "by_guest", vsock->from_guest);
	counters_number(counters, "by_host", vsock->from_host);
	counters_number(counters, "broken", vsock->broken);
}
