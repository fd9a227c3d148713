/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <libaio.h>
#include <stdlib.h>
#include <string.h>

#include "aio.h"

struct aio_slot {
	struct iocb iocb;
	struct disk_request *request;
	struct aio_slot *next; /* while free */
};

struct aio {
	int fd, event_fd; /* borrowed */
	io_context_t context;
	struct aio_slot slots[AIO_DEPTH];
	struct aio_slot *free;
	struct iocb *batch[AIO_DEPTH]; /* filled in, not yet the kernel's */
	unsigned batched;
	unsigned in_flight; /* the kernel's */
};

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

static void aio_prepare(struct aio *aio, struct iocb *iocb, const struct disk_request *request)
{
	switch (request->op) {
	case DISK_READ:
		io_prep_preadv(iocb, aio->fd, request->iov, request->iov_count, request->offset);
		break;
	case DISK_WRITE:
		io_prep_pwritev(iocb, aio->fd, request->iov, request->iov_count, request->offset);
		break;
	default:
		io_prep_fdsync(iocb, aio->fd);
	}
	io_set_eventfd(iocb, aio->event_fd);
}

bool aio_queue(struct aio *aio, struct disk_request *request)
{
	struct aio_slot *slot = aio->free;

	if (!slot)
		return false;
	aio->free = slot->next;
	slot->request = request;
	aio_prepare(aio, &slot->iocb, request);
	slot->iocb.data = slot;
	aio->batch[aio->batched++] = &slot->iocb;
	return true;
}

static struct disk_request *aio_release(struct aio *aio, struct aio_slot *slot)
{
	slot->next = aio->free;
	aio->free = slot;
	return slot->request;
}

static void aio_drop_batched(struct aio *aio, unsigned count)
{
	aio->batched -= count;
	memmove(aio->batch, aio->batch + count, aio->batched * sizeof(aio->batch[0]));
}

struct disk_request *aio_submit(struct aio *aio)
{
	while (aio->batched) {
		int ret = io_submit(aio->context, aio->batched, aio->batch);
		struct aio_slot *slot;

		if (ret > 0) {
			aio->in_flight += ret;
			aio_drop_batched(aio, ret);
			continue;
		}
		if (ret == -EINTR)
			continue;
		/* The rest goes with the next completion, as there is one to come. */
		if (ret == -EAGAIN && aio->in_flight)
			return NULL;
		/* All other errors are about the first of the batch. */
		slot = aio->batch[0]->data;
		aio_drop_batched(aio, 1);
		return aio_release(aio, slot);
	}
	return NULL;
}

static void aio_settle(struct disk_request *request, long result)
{
	bool transfer = request->op == DISK_READ || request->op == DISK_WRITE;

	request->result = result < 0 ? (int)result : 0;
	if (transfer && result >= 0 && (u64)result < request->len) {
		request->moved = result;
		request->result = -EAGAIN;
	}
}

void aio_reap(struct aio *aio, struct request_list *finished)
{
	struct io_event events[32];
	struct timespec now = { 0 };
	int count;

	do {
		count = io_getevents(aio->context, 0, ARRAY_SIZE(events), events, &now);
		for (int i = 0; i < count; i++) {
			struct disk_request *request = aio_release(aio, events[i].data);

			aio->in_flight--;
			aio_settle(request, (long)events[i].res);
			request_push(finished, request);
		}
	} while (count == (int)ARRAY_SIZE(events) || count == -EINTR);
}
