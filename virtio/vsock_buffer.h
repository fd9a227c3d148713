/* SPDX-License-Identifier: BSD-2-Clause */
/* What a guest has sent and its host has not read yet: bytes, or messages. VM lock held. */
#ifndef VIRTIO_VSOCK_BUFFER_H
#define VIRTIO_VSOCK_BUFFER_H

#include "virtio/queue.h"

/* Of a connection: the credit that its guest has, and the longest message. */
#define VSOCK_BUFFER 0x10000u

/* A ring. Empty if zeroed; has memory only while there is something in it. */
struct vsock_buffer {
	u8 *data;    /* owned; VSOCK_BUFFER bytes */
	u64 *ends;   /* owned; a bit for each byte: it is the last of a message */
	u32 first;   /* where the oldest byte is */
	u32 len;     /* bytes in it */
	u32 unended; /* the newest of them, of a message whose end has not come */
};

/*
 * Add @len bytes at @offset of the readable part of @chain; there is room for them. -EFAULT:
 * memory is refused; -ENOMEM.
 */
int vsock_buffer_add(struct vsock_buffer *buffer, const struct virtq_chain *chain, u64 offset,
		     u32 len);
/* The newest byte is the last of a message. */
void vsock_buffer_end_message(struct vsock_buffer *buffer);
/*
 * Send as much to the socket @fd as it takes, in whole messages if it has @messages; not for long:
 * what is left goes another time. Bytes that left, or -errno of send(), but -EAGAIN.
 */
s64 vsock_buffer_send(struct vsock_buffer *buffer, int fd, bool messages);
/* Whether there is something that could be sent. */
bool vsock_buffer_can_send(const struct vsock_buffer *buffer, bool messages);
/* Empty it. */
void vsock_buffer_clear(struct vsock_buffer *buffer);

#endif
