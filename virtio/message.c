/* SPDX-License-Identifier: BSD-2-Clause */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "message.h"
#include "util/log.h"

static struct message_device *messages_of(const struct virtio_device *device)
{
	return container_of(device, struct message_device, device);
}

/* ---- memory for them ---- */

static size_t memory_size(const struct message_device *device)
{
	return sizeof(struct message) * MESSAGES_PER_QUEUE * device->device.queue_count;
}

static struct message *take_message(struct message_device *device, unsigned index)
{
	struct message_queue *queue = &device->states[index];
	struct message *message = queue->free;

	if (message) {
		queue->free = message->next;
		return message;
	}
	if (queue->used == MESSAGES_PER_QUEUE)
		return NULL;
	message = &device->messages[index * MESSAGES_PER_QUEUE + queue->used++];
	message->owner = device;
	message->queue = index;
	return message;
}

static void free_message(struct message *message)
{
	struct message_queue *queue = &message->owner->states[message->queue];

	message->next = queue->free;
	queue->free = message;
}

/* ---- on a thread ---- */

static void *begin_thread(void *context)
{
	struct message_device *device = context;

	return device->ops->thread_begin(device);
}

static void run_message(struct worker_job *job)
{
	struct message *message = container_of(job, struct message, job);
	struct message_device *device = message->owner;

	if (job->thread_state) {
		message->written = device->ops->serve(device, job->thread_state, message);
		return;
	}
	if (device->ops->abandoned)
		device->ops->abandoned(device, message);
	message->written = device->ops->refuse(message->in, message->in_count, message->out,
					       message->out_count);
}

static void run_forget(struct worker_job *job)
{
	struct message_device *device = container_of(job, struct message_device, forget);

	device->ops->forget(device);
}

/* ---- in the loop ---- */

static void forget_if_idle(struct message_device *device)
{
	if (!device->forget_wanted || device->in_flight)
		return;
	device->forget_wanted = false;
	device->used = false;
	/* There are threads: one of them has served something. */
	device->forgetting = !worker_submit(device->worker, &device->forget);
}

static void forget_done(struct worker_job *job)
{
	container_of(job, struct message_device, forget)->forgetting = false;
}

static void message_done(struct worker_job *job)
{
	struct message *message = container_of(job, struct message, job);
	struct message_device *device = message->owner;
	struct message_queue *queue = &device->states[message->queue];

	if (!queue->draining && !virtio_device_is_inert(&device->device)) {
		virtio_device_push(&device->device, message->queue, &message->chain,
				   message->written);
		queue->answered = true;
	}
	device->in_flight--;
	if (!--queue->in_flight)
		queue->draining = false;
	forget_if_idle(device);
	free_message(message);
	if (queue->starved)
		virtio_device_kick_again(&device->device, message->queue);
	queue->starved = false;
	/* Last: it may let a parked UNMAP of the IOMMU go on. */
	dma_drop(device->device.space, &message->hold);
}

/* The guest gets the host's errors as its own; that they are the host's only the user learns. */
static void tell_trouble(struct message_device *device)
{
	int error;

	/* The guest can reset the device and begin again, so there is a limit. */
	while ((error = device->ops->trouble(device)))
		log_limited(&device->limit, LOG_WARNING, "%s: %s", device->device.name,
			    error == ENOENT ? "the folder was removed from the host"
					    : strerror(error));
}

/* One decision for all that have ended together. */
static void messages_settled(void *context)
{
	struct message_device *device = context;

	tell_trouble(device);
	for (unsigned i = 0; i < device->device.queue_count; i++) {
		if (device->states[i].answered)
			virtio_device_interrupt(&device->device, i);
		device->states[i].answered = false;
	}
}

/* ---- taking ---- */

/* Something of the chain is not to be reached: say so where that can be reached. */
static void refuse_chain(struct message *message)
{
	struct message_device *device = message->owner;
	const struct virtq_chain *chain = &message->chain;
	char head[MESSAGE_HEAD], answer[MESSAGE_HEAD];
	s64 have = virtq_chain_read(chain, 0, head, device->ops->head_size);
	struct iovec in = { head, MAX(have, 0) };
	struct iovec out = { answer, MIN(sizeof(answer), chain->writable_len) };
	size_t len = device->ops->refuse(&in, 1, &out, 1);

	if (virtq_chain_write(chain, 0, answer, len) != (s64)len)
		virtio_device_broken(&device->device, "no place for an answer");
	else
		virtio_device_push(&device->device, message->queue, chain, len);
}

static bool map_chain(struct message *message)
{
	const struct virtq_chain *chain = &message->chain;
	int in = virtq_chain_iov(chain, DMA_READ, 0, chain->readable_len, message->in,
				 MESSAGE_PIECES);
	int out = virtq_chain_iov(chain, DMA_WRITE, 0, chain->writable_len, message->out,
				  MESSAGE_PIECES);

	if (in < 0 || out < 0)
		return false;
	message->in_count = in;
	message->out_count = out;
	return true;
}

/* False: there is no thread to be had. */
static bool submit(struct message *message)
{
	struct message_device *device = message->owner;

	message->job.run = run_message;
	message->job.done = message_done;
	message->job.urgent = device->ops->urgent && !message->queue;
	if (device->ops->taken)
		device->ops->taken(device, message);
	message->hold.segments = message->chain.segments;
	message->hold.count = virtq_chain_segments(&message->chain);
	dma_hold(device->device.space, &message->hold);
	device->used = device->ever_used = true;
	device->in_flight++;
	device->states[message->queue].in_flight++;
	if (!worker_submit(device->worker, &message->job))
		return true;
	device->in_flight--;
	device->states[message->queue].in_flight--;
	if (device->ops->abandoned)
		device->ops->abandoned(device, message);
	dma_drop(device->device.space, &message->hold);
	return false;
}

static enum virtio_step message_step(struct virtio_device *virtio, unsigned index)
{
	struct message_device *device = messages_of(virtio);
	struct message *message = take_message(device, index);

	device->states[index].starved = !message;
	if (!message)
		return VIRTIO_IDLE;
	if (!virtio_device_pop(virtio, index, &message->chain)) {
		free_message(message);
		return VIRTIO_IDLE;
	}
	if (!map_chain(message) || !submit(message)) {
		refuse_chain(message);
		free_message(message);
	}
	return VIRTIO_DONE;
}

/* ---- the device ---- */

static void messages_kick(struct virtio_device *device, unsigned index)
{
	virtio_device_serve(device, index, MESSAGES_PER_QUEUE, message_step);
}

static void messages_queue_reset(struct virtio_device *virtio, unsigned index)
{
	struct message_queue *queue = &messages_of(virtio)->states[index];

	queue->draining = queue->in_flight;
	queue->starved = queue->answered = false;
}

static void messages_reset(struct virtio_device *virtio)
{
	struct message_device *device = messages_of(virtio);

	for (unsigned i = 0; i < virtio->queue_count; i++)
		messages_queue_reset(virtio, i);
	device->forget_wanted = device->used;
	forget_if_idle(device);
}

static bool messages_settled_down(const struct virtio_device *virtio)
{
	const struct message_device *device = messages_of(virtio);

	for (unsigned i = 0; i < virtio->queue_count; i++) {
		if (device->states[i].draining)
			return false;
	}
	return !device->forget_wanted && !device->forgetting;
}

static bool messages_idle(const struct virtio_device *virtio)
{
	const struct message_device *device = messages_of(virtio);

	return !device->in_flight && !device->forgetting;
}

static void messages_destroy(struct virtio_device *virtio)
{
	struct message_device *device = messages_of(virtio);

	while (device->in_flight || !messages_settled_down(virtio)) {
		if (!worker_await(device->worker)) {
			log_warning("%s: the host does not finish its calls", virtio->name);
			return;
		}
	}
	worker_destroy(device->worker);
	munmap(device->messages, memory_size(device));
	device->ops->destroy(device);
}

static int make_worker(struct message_device *device, struct loop *loop, const char *name, int file)
{
	const struct worker_options options = {
		.name = name,
		.kind = THREAD_FOLDER,
		.threads = MESSAGE_THREADS,
		.keeps_one = device->ops->urgent,
		.files = { file },
		.file_count = 1,
		.shared_files = true,
		.begin = begin_thread,
		.end = device->ops->thread_end,
		.settled = messages_settled,
		.context = device,
	};

	return worker_create(&device->worker, loop, &options);
}

int message_device_init(struct message_device *device, const struct message_ops *ops,
			struct virtio_device_ops *device_ops, u16 queue_size, struct loop *loop,
			const char *name, int file)
{
	size_t size = memory_size(device);
	int ret;

	assert(device->device.queue_count <= MESSAGE_MAX_QUEUES);
	device->ops = ops;
	device->messages = mmap(NULL, size, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (device->messages == MAP_FAILED)
		return -ENOMEM;
	madvise(device->messages, size, MADV_NOHUGEPAGE);
	ret = make_worker(device, loop, name, file);
	if (ret) {
		munmap(device->messages, size);
		return ret;
	}
	device->forget = (struct worker_job){ .run = run_forget, .done = forget_done };
	for (unsigned i = 0; i < device->device.queue_count; i++)
		virtq_init(&device->queues[i], queue_size);
	device->device.queues = device->queues;
	*device_ops = (struct virtio_device_ops){
		.reset = messages_reset,
		.settled = messages_settled_down,
		.idle = messages_idle,
		.kick = messages_kick,
		.queue_reset = messages_queue_reset,
		.config_read = device_ops->config_read,
		.destroy = messages_destroy,
	};
	device->device.ops = device_ops;
	return 0;
}

bool message_device_was_used(const struct virtio_device *device)
{
	return messages_of(device)->ever_used;
}
