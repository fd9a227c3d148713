/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio 1.4, "Basic Facilities of a Virtio Device": what is the same on every bus. */
#include <errno.h>
#include <stdlib.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "poller.h"
#include "queue_ring.h"
#include "transport.h"
#include "util/range.h"
#include "vmm/device.h"
#include "vmm/events.h"
#include "vmm/vm.h"

#define FEATURE(bit) (1ULL << (bit))
#define DRIVER_STATUS                                                                              \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_DRIVER_OK |        \
	 VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_FAILED)

/* ---- features ---- */

static u32 half(u64 features, u32 sel)
{
	return sel < 2 ? features >> 32 * sel : 0;
}

u32 transport_device_features(const struct transport *transport)
{
	return half(transport->offered, transport->device_features_sel);
}

u32 transport_driver_features(const struct transport *transport)
{
	return half(transport->driver_features, transport->driver_features_sel);
}

void transport_write_features(struct transport *transport, u32 value)
{
	unsigned shift = transport->driver_features_sel ? 32 : 0;

	if (transport->virtio->status & VIRTIO_CONFIG_S_FEATURES_OK)
		return;
	if (transport->driver_features_sel > 1) {
		/* No feature has such a number. */
		transport->accepts_unknown |= value != 0;
		return;
	}
	transport->driver_features &= ~((u64)UINT32_MAX << shift);
	transport->driver_features |= (u64)value << shift;
}

static bool features_fit(const struct transport *transport)
{
	return !transport->accepts_unknown && !(transport->driver_features & ~transport->offered) &&
	       !(transport->required & ~transport->driver_features);
}

/* ---- status ---- */

static bool settled(const struct virtio_device *virtio)
{
	return !virtio->ops->settled || virtio->ops->settled(virtio);
}

bool transport_settled(const struct transport *transport)
{
	const struct virtio_device *virtio = transport->virtio;

	return settled(virtio) && (!virtio->ops->idle || virtio->ops->idle(virtio));
}

void transport_await_idle(struct transport *transport, u32 why)
{
	while (transport->paused & why && !transport_settled(transport)) {
		if (!vm_wait(transport->vm))
			return;
	}
}

/* The first half of a reset: nothing more is begun, but something may still be under way. */
static void shut(struct transport *transport)
{
	struct virtio_device *virtio = transport->virtio;

	/* From here on nothing is pushed, whatever completes. */
	virtio->resetting = true;
	poller_stop(transport->poller);
	for (unsigned i = 0; i < virtio->queue_count; i++) {
		doorbell_silence(&transport->doorbells[i]);
		virtio->queues[i].ready = false;
	}
	if (virtio->ops->reset)
		virtio->ops->reset(virtio);
}

void transport_end(struct transport *transport)
{
	transport->virtio->ending = true;
	shut(transport);
}

/* As at power-on. */
static void forget(struct transport *transport)
{
	struct virtio_device *virtio = transport->virtio;

	virtio->resetting = false;
	virtio->status = 0;
	for (unsigned i = 0; i < virtio->queue_count; i++)
		virtq_reset(&virtio->queues[i]);
	virtio->accepted = 0;
	transport->driver_features = 0;
	transport->accepts_unknown = false;
	transport->said_dead = transport->kicked_early = false;
	transport->device_features_sel = transport->driver_features_sel = 0;
	transport->queue_sel = 0;
}

bool transport_reset(struct transport *transport)
{
	struct virtio_device *virtio = transport->virtio;
	const u8 status = virtio->status;

	/* One that another vCPU has begun is ours, too. */
	if (!virtio->resetting)
		shut(transport);
	while (virtio->resetting && !settled(virtio)) {
		if (!vm_wait(transport->vm))
			return false;
	}
	if (!virtio->resetting)
		return false;
	forget(transport);
	/* A driver that has not used the device has mapped nothing for it. */
	if (status & VIRTIO_CONFIG_S_DRIVER_OK) {
		unasked_begin(&transport->unasked);
		transport->reset_status = status;
	}
	return true;
}

u8 transport_read_status(struct transport *transport)
{
	return unasked_is_over(&transport->unasked) ? transport->virtio->status
						    : transport->reset_status;
}

static void open_doorbells(struct transport *transport)
{
	for (unsigned i = 0; i < transport->virtio->queue_count; i++) {
		if (!transport_live(transport) || !transport->virtio->queues[i].ready)
			continue;
		if (doorbell_open(&transport->doorbells[i]))
			virtio_device_broken(transport->virtio,
					     "the host is out of file descriptors");
	}
}

void transport_fault(struct virtio_device *virtio, const char *who, const char *why)
{
	const struct transport *transport = virtio->transport_state;

	vm_event(transport->vm, "fault", who, "%s", why);
}

static void driver_ok(struct transport *transport)
{
	struct virtio_device *virtio = transport->virtio;

	virtio->status |= VIRTIO_CONFIG_S_DRIVER_OK;
	vm_driver_ok(transport->vm, virtio->name);
	open_doorbells(transport);
	if (transport_live(transport) && virtio->ops->start && virtio->ops->start(virtio))
		virtio_device_broken(virtio, "it cannot start");
	transport_serve_early(transport);
}

void transport_write_status(struct transport *transport, u8 value)
{
	struct virtio_device *virtio = transport->virtio;
	u8 old = virtio->status, added;

	/* It goes on, and waits for nothing. */
	unasked_end(&transport->unasked);
	if (virtio_device_is_inert(virtio) || old & ~value)
		return;
	added = value & DRIVER_STATUS & ~old;
	virtio->status |= added & ~(VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK);
	if (added & VIRTIO_CONFIG_S_FEATURES_OK && features_fit(transport)) {
		virtio->accepted = transport->driver_features;
		virtio->status |= VIRTIO_CONFIG_S_FEATURES_OK;
	}
	if (added & VIRTIO_CONFIG_S_DRIVER_OK && virtio->status & VIRTIO_CONFIG_S_FEATURES_OK)
		driver_ok(transport);
}

/* ---- queues ---- */

struct virtq *transport_queue(struct transport *transport)
{
	u32 n = transport->queue_sel;

	return n < transport->virtio->queue_count ? &transport->virtio->queues[n] : NULL;
}

bool transport_queue_enabled(const struct virtq *queue)
{
	return queue->ready || queue->stopping;
}

/*
 * Stop the queue and wait until the device has let go of it. True: it has, and the caller is to
 * disable or reset the queue. False: the VM stops, or another vCPU has done that already.
 */
static bool let_go(struct transport *transport, struct virtq *queue)
{
	struct virtio_device *virtio = transport->virtio;

	if (!queue->stopping) {
		if (queue == &virtio->queues[virtio->poll.queue])
			poller_stop(transport->poller);
		/* As in shut(): what completes now is not pushed. */
		queue->ready = false;
		queue->stopping = true;
		if (virtio->ops->queue_reset)
			virtio->ops->queue_reset(virtio, queue - virtio->queues);
	}
	/* Meanwhile the whole device may be reset, and this queue with it. */
	while (queue->stopping && !settled(virtio)) {
		if (!vm_wait(transport->vm))
			return false;
	}
	return queue->stopping;
}

bool transport_stop_queue(struct transport *transport, struct virtq *queue)
{
	if (!transport_queue_enabled(queue) || !let_go(transport, queue))
		return false;
	virtq_disable(queue);
	return true;
}

bool transport_reset_queue(struct transport *transport, struct virtq *queue)
{
	if (!let_go(transport, queue))
		return false;
	virtq_reset(queue);
	return true;
}

void transport_enable_queue(struct transport *transport, struct virtq *queue)
{
	struct virtio_device *virtio = transport->virtio;

	/* What the rings look like depends on the features: they are settled first. */
	if (transport_queue_enabled(queue) || !(virtio->status & VIRTIO_CONFIG_S_FEATURES_OK))
		return;
	if (virtq_enable(queue, virtio->space, virtio->accepted))
		virtio_device_broken(virtio, "a queue of impossible size or alignment");
	else
		open_doorbells(transport);
}

void transport_set_queue_size(const struct transport *transport, struct virtq *queue, u32 size)
{
	const bool packed = virtio_has_feature(transport->virtio, VIRTIO_F_RING_PACKED);

	/* virtq_enable() refuses 0, and with it what no queue can have. */
	queue->size = size <= queue->max && (packed || is_aligned(size, size)) ? size : 0;
}

void transport_set_low(u64 *value, u32 low)
{
	*value = (*value & ~(u64)UINT32_MAX) | low;
}

void transport_set_high(u64 *value, u32 high)
{
	*value = (*value & UINT32_MAX) | (u64)high << 32;
}

/* ---- configuration space ---- */

static bool config_fits(const struct virtio_device *virtio, u64 offset, unsigned len)
{
	return len <= 4 && is_aligned(offset, len) && offset < virtio->config_size &&
	       offset + len <= virtio->config_size;
}

u64 transport_config_read(struct transport *transport, u64 offset, unsigned len)
{
	struct virtio_device *virtio = transport->virtio;
	le64 value = cpu_to_le64(0);

	if (config_fits(virtio, offset, len) && virtio->ops->config_read)
		virtio->ops->config_read(virtio, offset, &value, len);
	return le64_to_cpu(value);
}

void transport_config_write(struct transport *transport, u64 offset, u64 value, unsigned len)
{
	struct virtio_device *virtio = transport->virtio;
	le64 data = cpu_to_le64(value);

	if (!config_fits(virtio, offset, len) || !virtio->ops->config_write ||
	    virtio_device_is_inert(virtio))
		return;
	virtio->ops->config_write(virtio, offset, &data, len);
	while (!settled(virtio) && vm_wait(transport->vm))
		;
}

/* ---- life ---- */

int transport_init(struct transport *transport, struct vm *vm, struct virtio_device *virtio,
		   u32 endpoint)
{
	int ret;

	transport->vm = vm;
	transport->loop = vm->loop;
	transport->virtio = virtio;
	transport->required = FEATURE(VIRTIO_F_VERSION_1);
	if (endpoint != DEVICE_NO_ENDPOINT)
		transport->required |= FEATURE(VIRTIO_F_ACCESS_PLATFORM);
	transport->offered = virtio->features | transport->required |
			     FEATURE(VIRTIO_RING_F_INDIRECT_DESC) |
			     FEATURE(VIRTIO_RING_F_EVENT_IDX) | FEATURE(VIRTIO_F_RING_RESET) |
			     FEATURE(VIRTIO_F_RING_PACKED) | FEATURE(VIRTIO_F_NOTIFICATION_DATA);
	transport->offered &= ~virtio->lacks;
	transport->doorbells = calloc(virtio->queue_count, sizeof(transport->doorbells[0]));
	if (!transport->doorbells)
		return -ENOMEM;
	for (unsigned i = 0; i < virtio->queue_count; i++) {
		transport->doorbells[i].index = i;
		transport->doorbells[i].transport = transport;
		transport->doorbells[i].source.fd = -1;
	}
	for (unsigned i = 0; i < virtio->queue_count; i++) {
		if (virtq_allocate(&virtio->queues[i],
				   transport->offered >> VIRTIO_F_IN_ORDER & 1)) {
			transport_destroy(transport);
			return -ENOMEM;
		}
	}
	ret = unasked_create(&transport->unasked, vm, virtio->space);
	if (!ret && virtio->poll.mode != VIRTIO_POLL_OFF)
		ret = poller_create(&transport->poller, transport, transport_serve);
	if (ret)
		transport_destroy(transport);
	return ret;
}

void transport_adopt(struct transport *transport, const struct virtio_transport_ops *ops)
{
	transport->virtio->transport = ops;
	transport->virtio->transport_state = transport;
}

void transport_destroy(struct transport *transport)
{
	unasked_destroy(&transport->unasked);
	poller_destroy(transport->poller);
	for (unsigned i = 0; i < transport->virtio->queue_count; i++)
		doorbell_close(&transport->doorbells[i]);
	for (unsigned i = 0; i < transport->virtio->queue_count; i++)
		virtq_free(&transport->virtio->queues[i]);
	free(transport->doorbells);
}
