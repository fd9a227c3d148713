/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <libaio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

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

void aio_reap(struct aio *aio, struct request_list *finished)
{
	struct io_event events[32];
	struct timespec now = { 0 };
	int count;

	do {
		count = io_getevents(aio->context, 0, ARRAY_SIZE(events), events, &now);
		for (int i = 0; i < count; i++) {
			struct disk_request *request = aio_release(aio, events[i].data);

			aio_settle(request, (long)events[i].res);
			request_push(finished, request);
		}
	} while (count == (int)ARRAY_SIZE(events) || count == -EINTR);
}
