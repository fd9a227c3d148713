/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio 1.4, "Virtio Over MMIO": the registers of layout version 2. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>

#include "mmio_state.h"
#include "util/range.h"
#include "vmm/vm.h"

#define MAGIC	     0x74726976 /* "virt" */
#define MMIO_VERSION 2
#define VENDOR	     0x4d564b4c /* "LKVM" */
#define QUEUE_RESET  0x0c0	/* QueueReset: not in every linux/virtio_mmio.h */
#define FEATURE(bit) (1ULL << (bit))
#define CONFIG_LAST  (VIRTIO_MMIO_SIZE - 1)
#define DRIVER_STATUS                                                                              \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_DRIVER_OK |        \
	 VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_FAILED)

/* The selected queue, or NULL if the device has no such queue. */
static struct virtq *selected(struct mmio *mmio)
{
	u32 n = mmio->queue_sel;

	return n < mmio->virtio->queue_count ? &mmio->virtio->queues[n] : NULL;
}

/* ---- status ---- */

static void mmio_reset(struct mmio *mmio)
{
	struct virtio_device *virtio = mmio->virtio;

	/* From here on nothing is pushed, whatever completes within ops->reset(). */
	virtio->status = 0;
	for (unsigned i = 0; i < virtio->queue_count; i++) {
		mmio_doorbell_silence(&mmio->doorbells[i]);
		virtio->queues[i].ready = false;
	}
	if (virtio->ops->reset)
		virtio->ops->reset(virtio);
	for (unsigned i = 0; i < virtio->queue_count; i++)
		virtq_reset(&virtio->queues[i]);
	virtio->accepted = 0;
	mmio->driver_features = 0;
	mmio->accepts_unknown = false;
	mmio->device_features_sel = mmio->driver_features_sel = mmio->queue_sel = 0;
	mmio->interrupt_status = 0;
}

static bool features_fit(const struct mmio *mmio)
{
	return !mmio->accepts_unknown && !(mmio->driver_features & ~mmio->offered) &&
	       !(mmio->required & ~mmio->driver_features);
}

static void open_doorbells(struct mmio *mmio)
{
	for (unsigned i = 0; i < mmio->virtio->queue_count; i++) {
		if (!mmio_live(mmio) || !mmio->virtio->queues[i].ready)
			continue;
		if (mmio_doorbell_open(&mmio->doorbells[i]))
			virtio_device_broken(mmio->virtio, "the host is out of file descriptors");
	}
}

static void driver_ok(struct mmio *mmio)
{
	struct virtio_device *virtio = mmio->virtio;

	virtio->status |= VIRTIO_CONFIG_S_DRIVER_OK;
	open_doorbells(mmio);
	if (mmio_live(mmio) && virtio->ops->start && virtio->ops->start(virtio))
		virtio_device_broken(virtio, "it cannot start");
}

/* "Device Status Field": the driver adds bits, one step at a time, or resets. */
static void write_status(struct mmio *mmio, u32 value)
{
	struct virtio_device *virtio = mmio->virtio;
	u8 old = virtio->status, added;

	if (!value) {
		mmio_reset(mmio);
		return;
	}
	if (virtio_device_is_broken(virtio) || old & ~value)
		return;
	added = value & DRIVER_STATUS & ~old;
	virtio->status |= added & ~(VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK);
	if (added & VIRTIO_CONFIG_S_FEATURES_OK && features_fit(mmio)) {
		virtio->accepted = mmio->driver_features;
		virtio->status |= VIRTIO_CONFIG_S_FEATURES_OK;
	}
	if (added & VIRTIO_CONFIG_S_DRIVER_OK && virtio->status & VIRTIO_CONFIG_S_FEATURES_OK)
		driver_ok(mmio);
}

static void write_features(struct mmio *mmio, u32 value)
{
	unsigned shift = mmio->driver_features_sel ? 32 : 0;

	if (mmio->virtio->status & VIRTIO_CONFIG_S_FEATURES_OK)
		return;
	if (mmio->driver_features_sel > 1) {
		/* No feature is offered up there. */
		mmio->accepts_unknown |= value != 0;
		return;
	}
	mmio->driver_features &= ~((u64)UINT32_MAX << shift);
	mmio->driver_features |= (u64)value << shift;
}

/* ---- queues ---- */

static void stop_queue(struct mmio *mmio, struct virtq *queue)
{
	/* As in mmio_reset(): what completes now is not pushed. */
	queue->ready = false;
	if (mmio->virtio->ops->queue_reset)
		mmio->virtio->ops->queue_reset(mmio->virtio, mmio->queue_sel);
	virtq_reset(queue);
}

static void write_queue_ready(struct mmio *mmio, struct virtq *queue, u32 value)
{
	struct virtio_device *virtio = mmio->virtio;

	if (!value && queue->ready)
		stop_queue(mmio, queue);
	/* What the rings look like depends on the features: they are settled first. */
	if (value != 1 || queue->ready || !(virtio->status & VIRTIO_CONFIG_S_FEATURES_OK))
		return;
	if (virtq_enable(queue, virtio->space, virtio->accepted))
		virtio_device_broken(virtio, "a queue of impossible size or alignment");
	else
		open_doorbells(mmio);
}

static void set_low(u64 *value, u32 half)
{
	*value = (*value & ~(u64)UINT32_MAX) | half;
}

static void set_high(u64 *value, u32 half)
{
	*value = (*value & UINT32_MAX) | (u64)half << 32;
}

/* "The driver MUST NOT access" these while QueueReady is 1: ignored. */
static void write_queue_layout(struct virtq *queue, u64 offset, u32 value)
{
	switch (offset) {
	case VIRTIO_MMIO_QUEUE_NUM:
		/* virtq_enable() refuses 0, and with it what no queue can have. */
		queue->size = value <= queue->max ? value : 0;
		break;
	case VIRTIO_MMIO_QUEUE_DESC_LOW:
		set_low(&queue->desc, value);
		break;
	case VIRTIO_MMIO_QUEUE_DESC_HIGH:
		set_high(&queue->desc, value);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
		set_low(&queue->avail, value);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
		set_high(&queue->avail, value);
		break;
	case VIRTIO_MMIO_QUEUE_USED_LOW:
		set_low(&queue->used, value);
		break;
	case VIRTIO_MMIO_QUEUE_USED_HIGH:
		set_high(&queue->used, value);
		break;
	}
}

static void write_queue(struct mmio *mmio, u64 offset, u32 value)
{
	struct virtq *queue = selected(mmio);

	if (!queue)
		return;
	switch (offset) {
	case VIRTIO_MMIO_QUEUE_READY:
		write_queue_ready(mmio, queue, value);
		break;
	case QUEUE_RESET:
		if (value == 1 && virtio_has_feature(mmio->virtio, VIRTIO_F_RING_RESET))
			stop_queue(mmio, queue);
		break;
	default:
		if (!queue->ready)
			write_queue_layout(queue, offset, value);
	}
}

/* ---- registers ---- */

static u32 offered_features(const struct mmio *mmio)
{
	u32 n = mmio->device_features_sel;

	return n < 2 ? mmio->offered >> 32 * n : 0;
}

static u32 read_register(struct mmio *mmio, u64 offset)
{
	struct virtq *queue = selected(mmio);

	switch (offset) {
	case VIRTIO_MMIO_MAGIC_VALUE:
		return MAGIC;
	case VIRTIO_MMIO_VERSION:
		return MMIO_VERSION;
	case VIRTIO_MMIO_DEVICE_ID:
		return mmio->virtio->id;
	case VIRTIO_MMIO_VENDOR_ID:
		return VENDOR;
	case VIRTIO_MMIO_DEVICE_FEATURES:
		return offered_features(mmio);
	case VIRTIO_MMIO_QUEUE_NUM_MAX:
		return queue ? queue->max : 0;
	case VIRTIO_MMIO_QUEUE_READY:
		return queue ? queue->ready : 0;
	case VIRTIO_MMIO_INTERRUPT_STATUS:
		return mmio->interrupt_status;
	case VIRTIO_MMIO_STATUS:
		return mmio->virtio->status;
	case VIRTIO_MMIO_CONFIG_GENERATION:
		return mmio->virtio->generation;
	case VIRTIO_MMIO_SHM_LEN_LOW:
	case VIRTIO_MMIO_SHM_LEN_HIGH:
	case VIRTIO_MMIO_SHM_BASE_LOW:
	case VIRTIO_MMIO_SHM_BASE_HIGH:
		/* No shared memory region has this length and place. */
		return UINT32_MAX;
	default:
		/* QueueReset included: a reset is over before anybody can ask. */
		return 0;
	}
}

static void write_register(struct mmio *mmio, u64 offset, u32 value)
{
	/* "The device stops": nothing but its reset, and the acknowledgement of its last word. */
	if (virtio_device_is_broken(mmio->virtio) && offset != VIRTIO_MMIO_STATUS &&
	    offset != VIRTIO_MMIO_INTERRUPT_ACK)
		return;
	switch (offset) {
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
		mmio->device_features_sel = value;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
		mmio->driver_features_sel = value;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES:
		write_features(mmio, value);
		break;
	case VIRTIO_MMIO_QUEUE_SEL:
		mmio->queue_sel = value;
		break;
	case VIRTIO_MMIO_QUEUE_NOTIFY:
		mmio_notified(mmio, value);
		break;
	case VIRTIO_MMIO_INTERRUPT_ACK:
		mmio->interrupt_status &= ~value;
		break;
	case VIRTIO_MMIO_STATUS:
		write_status(mmio, value);
		break;
	default:
		write_queue(mmio, offset, value);
	}
}

/* ---- configuration space ---- */

static bool config_width(unsigned len, u64 offset)
{
	return len <= 4 && is_aligned(offset, len);
}

static u64 read_config(struct mmio *mmio, u64 offset, unsigned len)
{
	struct virtio_device *virtio = mmio->virtio;
	le64 value = cpu_to_le64(0);

	if (config_width(len, offset) && offset + len <= virtio->config_size &&
	    virtio->ops->config_read)
		virtio->ops->config_read(virtio, offset, &value, len);
	return le64_to_cpu(value);
}

static void write_config(struct mmio *mmio, u64 offset, u64 value, unsigned len)
{
	struct virtio_device *virtio = mmio->virtio;
	le64 data = cpu_to_le64(value);

	if (config_width(len, offset) && offset + len <= virtio->config_size &&
	    virtio->ops->config_write && !virtio_device_is_broken(virtio))
		virtio->ops->config_write(virtio, offset, &data, len);
}

/* ---- the bus ---- */

static u64 mmio_read(struct bus_region *region, u64 offset, unsigned len)
{
	struct mmio *mmio = container_of(region, struct mmio, region);

	if (offset >= VIRTIO_MMIO_CONFIG)
		return read_config(mmio, offset - VIRTIO_MMIO_CONFIG, len);
	/* "MMIO Device Register Layout": 32 bits wide and aligned; others get nothing. */
	return len == 4 && is_aligned(offset, 4) ? read_register(mmio, offset) : 0;
}

static void mmio_write(struct bus_region *region, u64 offset, u64 value, unsigned len)
{
	struct mmio *mmio = container_of(region, struct mmio, region);

	if (offset >= VIRTIO_MMIO_CONFIG)
		write_config(mmio, offset - VIRTIO_MMIO_CONFIG, value, len);
	else if (len == 4 && is_aligned(offset, 4))
		write_register(mmio, offset, value);
}

static const struct bus_ops mmio_bus_ops = { .read = mmio_read, .write = mmio_write };

/* ---- for the device behind us ---- */

static void mmio_interrupt(struct virtio_device *virtio, u32 cause, unsigned queue)
{
	struct mmio *mmio = virtio->transport_state;

	/* An edge even if the bit is still set: the driver may be past its look at the rings. */
	mmio->interrupt_status |= cause;
	irq_line_pulse(mmio->line);
}

static void mmio_kick_again(struct virtio_device *virtio, unsigned queue)
{
	struct mmio *mmio = virtio->transport_state;

	mmio_doorbell_ring(&mmio->doorbells[queue]);
}

static const struct virtio_transport_ops mmio_transport_ops = {
	.interrupt = mmio_interrupt,
	.kick_again = mmio_kick_again,
};

/* ---- life ---- */

static void mmio_destroy(struct device *device)
{
	struct mmio *mmio = container_of(device, struct mmio, device);

	mmio_reset(mmio);
	for (unsigned i = 0; i < mmio->virtio->queue_count; i++)
		mmio_doorbell_close(&mmio->doorbells[i]);
	bus_remove(mmio->vm->mmio, &mmio->region);
	irq_line_destroy(mmio->line);
	mmio->virtio->ops->destroy(mmio->virtio);
	free(mmio);
}

static const struct device_ops mmio_device_ops = { .destroy = mmio_destroy };

static void describe(struct mmio *mmio, const struct device_slot *slot, u32 endpoint, bool is_iommu)
{
	mmio->device.ops = &mmio_device_ops;
	mmio->device.info = (struct device_info){
		.name = mmio->virtio->name,
		.kind = DEVICE_VIRTIO_MMIO,
		.slot = *slot,
		.endpoint = endpoint,
		.is_iommu = is_iommu,
	};
	mmio->region = (struct bus_region){
		.start = slot->base,
		.last = slot->base + CONFIG_LAST,
		.ops = &mmio_bus_ops,
	};
	mmio->required = FEATURE(VIRTIO_F_VERSION_1);
	if (endpoint != DEVICE_NO_ENDPOINT)
		mmio->required |= FEATURE(VIRTIO_F_ACCESS_PLATFORM);
	mmio->offered = mmio->virtio->features | mmio->required |
			FEATURE(VIRTIO_RING_F_INDIRECT_DESC) | FEATURE(VIRTIO_RING_F_EVENT_IDX) |
			FEATURE(VIRTIO_F_RING_RESET);
}

int virtio_mmio_create(struct vm *vm, struct virtio_device *virtio, const struct device_slot *slot,
		       u32 endpoint, bool is_iommu)
{
	struct mmio *mmio;
	int ret;

	assert(virtio->config_size <= VIRTIO_MMIO_SIZE - VIRTIO_MMIO_CONFIG);
	assert(slot->size >= VIRTIO_MMIO_SIZE);
	mmio = calloc(1, sizeof(*mmio) + virtio->queue_count * sizeof(mmio->doorbells[0]));
	if (!mmio)
		return -ENOMEM;
	mmio->vm = vm;
	mmio->virtio = virtio;
	describe(mmio, slot, endpoint, is_iommu);
	for (unsigned i = 0; i < virtio->queue_count; i++) {
		mmio->doorbells[i].index = i;
		mmio->doorbells[i].mmio = mmio;
		mmio->doorbells[i].source.fd = -1;
	}
	ret = irq_line_create(&mmio->line, vm->irq, slot->gsi, IRQ_EDGE);
	if (ret)
		goto free_mmio;
	ret = bus_add(vm->mmio, &mmio->region);
	if (ret)
		goto destroy_line;
	virtio->transport = &mmio_transport_ops;
	virtio->transport_state = mmio;
	vm_add_device(vm, &mmio->device);
	return 0;

destroy_line:
	irq_line_destroy(mmio->line);
free_mmio:
	free(mmio);
	return ret;
}
