/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "vsock_buffer.h"

/* Under one hold of the lock. */
#define SENDS 64

static int allocate(struct vsock_buffer *buffer)
{
	if (buffer->data)
		return 0;
	buffer->data = malloc(VSOCK_BUFFER);
	buffer->ends = calloc(VSOCK_BUFFER / 64, sizeof(u64));
	if (buffer->data && buffer->ends)
		return 0;
	vsock_buffer_clear(buffer);
	return -ENOMEM;
}

void vsock_buffer_clear(struct vsock_buffer *buffer)
{
	free(buffer->data);
	free(buffer->ends);
	memset(buffer, 0, sizeof(*buffer));
}

int vsock_buffer_add(struct vsock_buffer *buffer, const struct virtq_chain *chain, u64 offset,
		     u32 len)
{
	u32 at = (buffer->first + buffer->len) % VSOCK_BUFFER;
	u32 piece = MIN(len, VSOCK_BUFFER - at);

	if (!len)
		return 0;
	if (allocate(buffer))
		return -ENOMEM;
	if (virtq_chain_read(chain, offset, buffer->data + at, piece) != piece ||
	    virtq_chain_read(chain, offset + piece, buffer->data, len - piece) != len - piece) {
		if (!buffer->len)
			vsock_buffer_clear(buffer);
		return -EFAULT;
	}
	buffer->len += len;
	buffer->unended += len;
	return 0;
}

static u64 end_bit(u32 at)
{
	return 1ull << at % 64;
}

void vsock_buffer_end_message(struct vsock_buffer *buffer)
{
	u32 last = (buffer->first + buffer->len - 1) % VSOCK_BUFFER;

	if (!buffer->unended)
		return;
	buffer->ends[last / 64] |= end_bit(last);
	buffer->unended = 0;
}

bool vsock_buffer_can_send(const struct vsock_buffer *buffer, bool messages)
{
	return buffer->len > (messages ? buffer->unended : 0);
}

/* Of the oldest message, which is whole. */
static u32 message_len(const struct vsock_buffer *buffer)
{
	u32 len = 1, at = buffer->first;

	while (!(buffer->ends[at / 64] & end_bit(at))) {
		/* Most words have no end. */
		u32 step = at % 64 == 0 && !buffer->ends[at / 64] ? 64 : 1;

		len += step;
		at = (at + step) % VSOCK_BUFFER;
	}
	return len;
}

static void forget(struct vsock_buffer *buffer, u32 len, bool messages)
{
	u32 last = (buffer->first + len - 1) % VSOCK_BUFFER;

	if (messages)
		buffer->ends[last / 64] &= ~end_bit(last);
	buffer->first = (buffer->first + len) % VSOCK_BUFFER;
	buffer->len -= len;
	buffer->unended = MIN(buffer->unended, buffer->len);
}

static ssize_t send_some(const struct vsock_buffer *buffer, int fd, u32 len)
{
	u32 piece = MIN(len, VSOCK_BUFFER - buffer->first);
	struct iovec iov[] = { { buffer->data + buffer->first, piece },
			       { buffer->data, len - piece } };
	struct msghdr message = { .msg_iov = iov, .msg_iovlen = piece < len ? 2 : 1 };
	ssize_t sent;

	do
		sent = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : sent;
}

s64 vsock_buffer_send(struct vsock_buffer *buffer, int fd, bool messages)
{
	s64 total = 0;

	for (unsigned i = 0; i < SENDS && vsock_buffer_can_send(buffer, messages); i++) {
		u32 len = messages ? message_len(buffer) : buffer->len;
		ssize_t sent = send_some(buffer, fd, len);

		if (sent == -EAGAIN)
			break;
		if (sent < 0)
			return sent;
		forget(buffer, sent, messages);
		total += sent;
	}
	if (!buffer->len)
		vsock_buffer_clear(buffer);
	return total;
}
