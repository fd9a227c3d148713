/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <libaio.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "aio.h"

struct aio_slot {
	struct iocb iocb;
	struct disk_request *request;
	struct aio_slot *next; /* while free */
};

/*
 * What the kernel has at the address that it calls a context (linux/fs/aio.c). Its layout has
 * stayed since Linux 2.5, and others read it, too; magic and incompat say whether it is the one
 * known here.
 */
#define RING_MAGIC 0xa10a10a1
struct aio_ring {
	u32 id, size;
	_Atomic u32 head, tail; /* the kernel writes tail; head is its reader's */
	u32 magic, compat, incompat, header_size;
	struct io_event events[];
};

struct aio {
	int fd, event_fd; /* borrowed */
	io_context_t context;
	struct aio_ring *ring; /* NULL: completions have to be asked for */
	struct aio_slot slots[AIO_DEPTH];
	struct aio_slot *free;
};

static struct aio_ring *aio_find_ring(io_context_t context)
{
	struct aio_ring *ring = (struct aio_ring *)context;

	return ring->magic == RING_MAGIC && !ring->incompat && ring->size &&
			       ring->header_size == sizeof(*ring)
		       ? ring
		       : NULL;
}

int aio_create(struct aio **out, int fd, int event_fd)
{
	struct aio *aio = calloc(1, sizeof(*aio));
	int ret;

	if (!aio)
		return -ENOMEM;
	ret = io_setup(AIO_DEPTH, &aio->context);
	if (ret) {
		free(aio);
		return ret;
	}
	aio->ring = aio_find_ring(aio->context);
	aio->fd = fd;
	aio->event_fd = event_fd;
	for (unsigned i = 0; i < AIO_DEPTH; i++) {
		aio->slots[i].next = aio->free;
		aio->free = &aio->slots[i];
	}
	*out = aio;
	return 0;
}

void aio_destroy(struct aio *aio)
{
	if (!aio)
		return;
	io_destroy(aio->context);
	free(aio);
}

static void aio_prepare(struct aio *aio, struct iocb *iocb, const struct disk_request *request,
			int flags)
{
	switch (request->op) {
	case DISK_READ:
		io_prep_preadv2(iocb, aio->fd, request->iov, request->iov_count, request->place,
				flags);
		break;
	case DISK_WRITE:
		io_prep_pwritev2(iocb, aio->fd, request->iov, request->iov_count, request->place,
				 flags);
		break;
	default:
		/* The kernel has threads of its own for this. */
		io_prep_fdsync(iocb, aio->fd);
	}
	io_set_eventfd(iocb, aio->event_fd);
}

bool aio_add(struct aio *aio, struct aio_batch *batch, struct disk_request *request, bool nowait)
{
	struct aio_slot *slot = aio->free;

	if (!slot || batch->count == AIO_BATCH)
		return false;
	aio->free = slot->next;
	slot->request = request;
	aio_prepare(aio, &slot->iocb, request, nowait ? RWF_NOWAIT : 0);
	slot->iocb.data = slot;
	batch->iocbs[batch->count++] = &slot->iocb;
	return true;
}

static struct disk_request *aio_release(struct aio *aio, struct aio_slot *slot)
{
	slot->next = aio->free;
	aio->free = slot;
	return slot->request;
}

void aio_submit(struct aio *aio, struct aio_batch *batch)
{
	unsigned at = 0;

	while (at < batch->count) {
		int ret = io_submit(aio->context, batch->count - at, batch->iocbs + at);

		/* An error is about the first of them; those that went before are the kernel's. */
		if (ret > 0)
			at += ret;
		else if (ret != -EINTR)
			batch->iocbs[batch->refused++] = batch->iocbs[at++];
	}
}

struct disk_request *aio_take_refused(struct aio *aio, struct aio_batch *batch)
{
	if (batch->refused)
		return aio_release(aio, batch->iocbs[--batch->refused]->data);
	batch->count = 0;
	return NULL;
}

/* -EOPNOTSUPP: a device under it does not know RWF_NOWAIT. */
static void aio_settle(struct disk_request *request, long result)
{
	bool transfer = request->op == DISK_READ || request->op == DISK_WRITE;

	request->result = result < 0 ? (int)result : 0;
	if (result == -EOPNOTSUPP)
		request->result = -EAGAIN;
	if (transfer && result >= 0 && (u64)result < request->len) {
		request->moved = result;
		request->result = -EAGAIN;
	}
}

static void aio_complete(struct aio *aio, const struct io_event *event,
			 struct request_list *finished)
{
	struct disk_request *request = aio_release(aio, event->data);

	aio_settle(request, (long)event->res);
	request_push(finished, request);
}

static void aio_ask(struct aio *aio, struct request_list *finished)
{
	struct io_event events[32];
	struct timespec now = { 0 };
	int count;

	do {
		count = io_getevents(aio->context, 0, ARRAY_SIZE(events), events, &now);
		for (int i = 0; i < count; i++)
			aio_complete(aio, &events[i], finished);
	} while (count == (int)ARRAY_SIZE(events) || count == -EINTR);
}

bool aio_is_ready(const struct aio *aio)
{
	const struct aio_ring *ring = aio->ring;

	return ring && atomic_load_explicit(&ring->head, memory_order_relaxed) % ring->size !=
			       atomic_load_explicit(&ring->tail, memory_order_relaxed) % ring->size;
}

/* As io_getevents() does it, without the call. Nobody else takes any. */
void aio_reap(struct aio *aio, struct request_list *finished)
{
	struct aio_ring *ring = aio->ring;
	u32 head, tail;

	if (!ring) {
		aio_ask(aio, finished);
		return;
	}
	head = atomic_load_explicit(&ring->head, memory_order_relaxed) % ring->size;
	tail = atomic_load_explicit(&ring->tail, memory_order_acquire) % ring->size;
	while (head != tail) {
		aio_complete(aio, &ring->events[head], finished);
		head = head + 1 == ring->size ? 0 : head + 1;
	}
	/* The kernel may fill these places when it sees this. */
	atomic_store_explicit(&ring->head, head, memory_order_release);
}
