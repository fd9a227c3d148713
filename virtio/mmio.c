/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio 1.4, "Virtio Over MMIO": the registers of layout version 2. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>

#include "transport.h"
#include "util/range.h"
#include "virtio/mmio.h"
#include "vmm/bus.h"
#include "vmm/ioevent.h"
#include "vmm/vm.h"

#define MAGIC	     0x74726976 /* "virt" */
#define MMIO_VERSION 2
#define VENDOR	     0x4d564b4c /* "LKVM" */
#define QUEUE_RESET  0x0c0	/* QueueReset: not in every linux/virtio_mmio.h */
#define CONFIG_LAST  (VIRTIO_MMIO_SIZE - 1)

struct mmio {
	struct device device; /* what the machine sees */
	struct transport transport;
	struct bus_region region;
	struct irq_line *line; /* owned */
	u32 interrupt_status;
	u64 matched; /* queues whose doorbells KVM rings, by the kick's value */
	bool shares; /* KVM rings one doorbell for all queues, or refused to */
};

static void mmio_reset(struct mmio *mmio)
{
	if (!transport_reset(&mmio->transport))
		return;
	mmio->interrupt_status = 0;
	unasked_await(&mmio->transport.unasked);
}

static struct mmio *mmio_of(struct transport *transport)
{
	return container_of(transport, struct mmio, transport);
}

/* ---- doorbells, which are one register ---- */

static gpa_t doorbell_address(const struct mmio *mmio)
{
	return mmio->region.start + VIRTIO_MMIO_QUEUE_NOTIFY;
}

/*
 * With VIRTIO_F_NOTIFICATION_DATA no two kicks have the same value, and an ioevent cannot look at
 * half of it. So one takes all of them, for all queues; from then on for good, as it does for a
 * driver without the feature, too.
 */
static bool arm_shared(struct mmio *mmio, unsigned queue)
{
	struct doorbell *doorbells = mmio->transport.doorbells;

	for (unsigned i = 0; i < mmio->transport.virtio->queue_count; i++) {
		if (mmio->matched & 1ull << i)
			ioevent_remove(mmio->transport.vm, doorbell_address(mmio), 4, i,
				       doorbells[i].source.fd);
		mmio->matched &= ~(1ull << i);
	}
	mmio->shares = true;
	doorbells[queue].shared = !ioevent_add_any(mmio->transport.vm, doorbell_address(mmio),
						   doorbells[queue].source.fd);
	return doorbells[queue].shared;
}

static bool arm_match(struct mmio *mmio, unsigned queue)
{
	if (ioevent_add(mmio->transport.vm, doorbell_address(mmio), 4, queue,
			mmio->transport.doorbells[queue].source.fd))
		return false;
	mmio->matched |= 1ull << queue;
	return true;
}

/* Without an ioevent kicks are exits that come to mmio_write(): slower, and as good. */
static void mmio_arm(struct transport *transport, unsigned queue)
{
	struct mmio *mmio = mmio_of(transport);
	bool rung;

	if (mmio->shares)
		return;
	rung = virtio_has_feature(transport->virtio, VIRTIO_F_NOTIFICATION_DATA)
		       ? arm_shared(mmio, queue)
		       : arm_match(mmio, queue);
	if (!rung)
		log_debug("%s: kicks of queue %u leave the kernel: no ioeventfd",
			  transport->virtio->name, queue);
}

/* Features may have been agreed on that an earlier driver did without. */
static void rearm(struct mmio *mmio)
{
	if (mmio->matched && !mmio->shares &&
	    virtio_has_feature(mmio->transport.virtio, VIRTIO_F_NOTIFICATION_DATA))
		mmio_arm(&mmio->transport, __builtin_ctzll(mmio->matched));
}

static void write_status(struct mmio *mmio, u32 value)
{
	if (!value) {
		mmio_reset(mmio);
		return;
	}
	transport_write_status(&mmio->transport, value);
	rearm(mmio);
}

/* ---- queues ---- */

static void write_queue_ready(struct mmio *mmio, struct virtq *queue, u32 value)
{
	if (!value)
		transport_stop_queue(&mmio->transport, queue);
	if (value == 1)
		transport_enable_queue(&mmio->transport, queue);
}

/* "The driver MUST NOT access" these while QueueReady is 1: ignored. */
static void write_queue_layout(const struct transport *transport, struct virtq *queue, u64 offset,
			       u32 value)
{
	switch (offset) {
	case VIRTIO_MMIO_QUEUE_NUM:
		transport_set_queue_size(transport, queue, value);
		break;
	case VIRTIO_MMIO_QUEUE_DESC_LOW:
		transport_set_low(&queue->desc_area, value);
		break;
	case VIRTIO_MMIO_QUEUE_DESC_HIGH:
		transport_set_high(&queue->desc_area, value);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
		transport_set_low(&queue->driver_area, value);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
		transport_set_high(&queue->driver_area, value);
		break;
	case VIRTIO_MMIO_QUEUE_USED_LOW:
		transport_set_low(&queue->device_area, value);
		break;
	case VIRTIO_MMIO_QUEUE_USED_HIGH:
		transport_set_high(&queue->device_area, value);
		break;
	}
}

static void write_queue(struct mmio *mmio, u64 offset, u32 value)
{
	struct virtq *queue = transport_queue(&mmio->transport);

	if (!queue)
		return;
	switch (offset) {
	case VIRTIO_MMIO_QUEUE_READY:
		write_queue_ready(mmio, queue, value);
		break;
	case QUEUE_RESET:
		if (value == 1 && virtio_has_feature(mmio->transport.virtio, VIRTIO_F_RING_RESET))
			transport_reset_queue(&mmio->transport, queue);
		break;
	default:
		if (!transport_queue_enabled(queue))
			write_queue_layout(&mmio->transport, queue, offset, value);
	}
}

/* ---- registers ---- */

static u32 read_register(struct mmio *mmio, u64 offset)
{
	const struct virtq *queue = transport_queue(&mmio->transport);

	switch (offset) {
	case VIRTIO_MMIO_MAGIC_VALUE:
		return MAGIC;
	case VIRTIO_MMIO_VERSION:
		return MMIO_VERSION;
	case VIRTIO_MMIO_DEVICE_ID:
		return mmio->transport.virtio->id;
	case VIRTIO_MMIO_VENDOR_ID:
		return VENDOR;
	case VIRTIO_MMIO_DEVICE_FEATURES:
		return transport_device_features(&mmio->transport);
	case VIRTIO_MMIO_QUEUE_NUM_MAX:
		return queue ? queue->max : 0;
	case VIRTIO_MMIO_QUEUE_READY:
		return queue && transport_queue_enabled(queue);
	case QUEUE_RESET:
		return queue && queue->stopping;
	case VIRTIO_MMIO_INTERRUPT_STATUS:
		return mmio->interrupt_status;
	case VIRTIO_MMIO_STATUS:
		return mmio->transport.virtio->status;
	case VIRTIO_MMIO_CONFIG_GENERATION:
		return mmio->transport.virtio->generation;
	case VIRTIO_MMIO_SHM_LEN_LOW:
	case VIRTIO_MMIO_SHM_LEN_HIGH:
	case VIRTIO_MMIO_SHM_BASE_LOW:
	case VIRTIO_MMIO_SHM_BASE_HIGH:
		/* No shared memory region has this length and place. */
		return UINT32_MAX;
	default:
		return 0;
	}
}

static void write_register(struct mmio *mmio, u64 offset, u32 value)
{
	/* It has stopped: the driver can reset it, and acknowledge its last interrupt. */
	if (virtio_device_is_inert(mmio->transport.virtio) && offset != VIRTIO_MMIO_STATUS &&
	    offset != VIRTIO_MMIO_INTERRUPT_ACK)
		return;
	switch (offset) {
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
		mmio->transport.device_features_sel = value;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
		mmio->transport.driver_features_sel = value;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES:
		transport_write_features(&mmio->transport, value);
		break;
	case VIRTIO_MMIO_QUEUE_SEL:
		mmio->transport.queue_sel = value;
		break;
	case VIRTIO_MMIO_QUEUE_NOTIFY:
		transport_notified(&mmio->transport,
				   transport_kicked_queue(&mmio->transport, value));
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

/* ---- the bus ---- */

static u64 mmio_read(struct bus_region *region, u64 offset, unsigned len)
{
	struct mmio *mmio = container_of(region, struct mmio, region);

	if (offset >= VIRTIO_MMIO_CONFIG)
		return transport_config_read(&mmio->transport, offset - VIRTIO_MMIO_CONFIG, len);
	/* "MMIO Device Register Layout": 32 bits wide and aligned; others get nothing. */
	return len == 4 && is_aligned(offset, 4) ? read_register(mmio, offset) : 0;
}

static void mmio_write(struct bus_region *region, u64 offset, u64 value, unsigned len)
{
	struct mmio *mmio = container_of(region, struct mmio, region);

	if (offset >= VIRTIO_MMIO_CONFIG)
		transport_config_write(&mmio->transport, offset - VIRTIO_MMIO_CONFIG, value, len);
	else if (len == 4 && is_aligned(offset, 4))
		write_register(mmio, offset, value);
}

static const struct bus_ops mmio_bus_ops = { .read = mmio_read, .write = mmio_write };

/* ---- for the device behind us ---- */

static void mmio_interrupt(struct virtio_device *virtio, u32 cause, unsigned queue)
{
	struct mmio *mmio = mmio_of(virtio->transport_state);

	/* An edge even if the bit is still set: the driver may have looked at the rings already. */
	mmio->interrupt_status |= cause;
	irq_line_pulse(mmio->line);
}

static const struct virtio_transport_ops mmio_transport_ops = {
	.interrupt = mmio_interrupt,
	.fault = transport_fault,
	.kick_again = transport_kick_again,
	.take_doorbell = transport_take_doorbell,
	.return_doorbell = transport_return_doorbell,
};

/* ---- life ---- */

static void mmio_destroy(struct device *device)
{
	struct mmio *mmio = container_of(device, struct mmio, device);

	transport_end(&mmio->transport);
	transport_destroy(&mmio->transport);
	bus_remove(mmio->transport.vm->mmio, &mmio->region);
	irq_line_destroy(mmio->line);
	mmio->transport.virtio->ops->destroy(mmio->transport.virtio);
	free(mmio);
}

static int mmio_seal(struct device *device)
{
	return transport_seal(&container_of(device, struct mmio, device)->transport);
}

static void mmio_pause(struct device *device)
{
	transport_pause(&container_of(device, struct mmio, device)->transport, TRANSPORT_VM_PAUSED,
			true);
}

static void mmio_resume(struct device *device)
{
	transport_pause(&container_of(device, struct mmio, device)->transport, TRANSPORT_VM_PAUSED,
			false);
}

static bool mmio_settled(const struct device *device)
{
	return transport_settled(&container_of(device, struct mmio, device)->transport);
}

static void mmio_report(const struct device *device, struct counters *counters)
{
	virtio_device_count(container_of(device, struct mmio, device)->transport.virtio, counters);
}

static const struct device_ops mmio_device_ops = {
	.report = mmio_report,
	.seal = mmio_seal,
	.pause = mmio_pause,
	.resume = mmio_resume,
	.settled = mmio_settled,
	.destroy = mmio_destroy,
};

static void describe(struct mmio *mmio, const struct device_resource *resource, u32 endpoint,
		     bool is_iommu)
{
	mmio->device.ops = &mmio_device_ops;
	mmio->device.info = (struct device_info){
		.name = mmio->transport.virtio->name,
		.kind = DEVICE_VIRTIO_MMIO,
		.resource = *resource,
		.endpoint = endpoint,
		.is_iommu = is_iommu,
	};
	mmio->region = (struct bus_region){
		.start = resource->base,
		.last = resource->base + CONFIG_LAST,
		.ops = &mmio_bus_ops,
	};
}

int virtio_mmio_create(struct vm *vm, struct virtio_device *virtio,
		       const struct device_resource *resource, u32 endpoint, bool is_iommu)
{
	struct mmio *mmio;
	int ret;

	assert(virtio->config_size <= VIRTIO_MMIO_SIZE - VIRTIO_MMIO_CONFIG);
	assert(virtio->queue_count <= 64);
	assert(resource->size >= VIRTIO_MMIO_SIZE);
	mmio = calloc(1, sizeof(*mmio));
	if (!mmio)
		return -ENOMEM;
	ret = irq_line_create(&mmio->line, vm->irq, resource->gsi, IRQ_EDGE);
	if (ret)
		goto free_mmio;
	ret = transport_init(&mmio->transport, vm, virtio, endpoint);
	if (ret)
		goto destroy_line;
	mmio->transport.arm = mmio_arm;
	describe(mmio, resource, endpoint, is_iommu);
	ret = bus_add(vm->mmio, &mmio->region);
	if (ret)
		goto destroy_transport;
	transport_adopt(&mmio->transport, &mmio_transport_ops);
	vm_add_device(vm, &mmio->device);
	return 0;

destroy_transport:
	transport_destroy(&mmio->transport);
destroy_line:
	irq_line_destroy(mmio->line);
free_mmio:
	free(mmio);
	return ret;
}
