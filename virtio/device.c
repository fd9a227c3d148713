/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>

#include "queue_ring.h"
#include "virtio/device.h"
#include "vmm/counters.h"

static bool started(const struct virtio_device *device)
{
	return device->status & VIRTIO_CONFIG_S_DRIVER_OK && !virtio_device_is_inert(device);
}

static void interrupt(struct virtio_device *device, u32 cause, unsigned queue)
{
	if (device->transport)
		device->transport->interrupt(device, cause, queue);
}

static const char *queue_complaint(int error)
{
	return error == -EFAULT ? "a ring or a descriptor table lies outside its memory"
				: "a ring breaks the rules";
}

void virtio_device_interrupt(struct virtio_device *device, unsigned index)
{
	int ret;

	if (!started(device))
		return;
	ret = virtq_should_interrupt(&device->queues[index]);
	if (ret > 0)
		device->queues[index].interrupts++;
	if (ret > 0)
		interrupt(device, VIRTIO_MMIO_INT_VRING, index);
	else if (ret)
		virtio_device_broken(device, queue_complaint(ret));
}

void virtio_device_config_changed(struct virtio_device *device)
{
	device->generation++;
	/* "Device Initialization": nothing is notified before DRIVER_OK. */
	if (started(device))
		interrupt(device, VIRTIO_MMIO_INT_CONFIG, 0);
}

void virtio_device_broken(struct virtio_device *device, const char *why)
{
	if (virtio_device_is_inert(device))
		return;
	log_limited(&device->complaints, LOG_WARNING,
		    "%s: %s; the device stops until the guest resets it", device->name, why);
	virtio_device_fault(device, device->name, why);
	device->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	if (device->ops->broken)
		device->ops->broken(device);
	if (device->status & VIRTIO_CONFIG_S_DRIVER_OK)
		interrupt(device, VIRTIO_MMIO_INT_CONFIG, 0);
}

void virtio_device_fault(struct virtio_device *device, const char *who, const char *why)
{
	if (device->transport && device->transport->fault)
		device->transport->fault(device, who, why);
}

bool virtio_device_is_inert(const struct virtio_device *device)
{
	return device->resetting || device->status & VIRTIO_CONFIG_S_NEEDS_RESET;
}

void virtio_device_kick_again(struct virtio_device *device, unsigned index)
{
	if (started(device) && device->transport)
		device->transport->kick_again(device, index);
}

bool virtio_device_pop(struct virtio_device *device, unsigned index, struct virtq_chain *chain)
{
	int ret;

	if (!started(device) || device->paused)
		return false;
	ret = virtq_pop(&device->queues[index], chain);
	if (ret < 0)
		virtio_device_broken(device, queue_complaint(ret));
	else
		device->queues[index].chains += ret;
	return ret == 1;
}

bool virtio_device_has_more(struct virtio_device *device, unsigned index)
{
	return started(device) && !device->paused && virtq_has_more(&device->queues[index]);
}

void virtio_device_push(struct virtio_device *device, unsigned index,
			const struct virtq_chain *chain, u32 written)
{
	int ret;

	if (!started(device))
		return;
	ret = virtq_push(&device->queues[index], chain, written);
	if (ret)
		virtio_device_broken(device, queue_complaint(ret));
}

void virtio_device_fill(struct virtio_device *device, unsigned index,
			const struct virtq_chain *chain, u32 written)
{
	int ret;

	if (!started(device))
		return;
	ret = virtq_fill(&device->queues[index], chain, written);
	if (ret)
		virtio_device_broken(device, queue_complaint(ret));
}

void virtio_device_flush(struct virtio_device *device, unsigned index)
{
	int ret;

	if (!started(device))
		return;
	ret = virtq_flush(&device->queues[index]);
	if (ret)
		virtio_device_broken(device, queue_complaint(ret));
}

void virtio_device_count(const struct virtio_device *device, struct counters *counters)
{
	for (unsigned i = 0; i < device->queue_count; i++) {
		const struct virtq *queue = &device->queues[i];

		counters_begin_queue(counters, device->name, i);
		counters_number(counters, "kicks", queue->kicks);
		counters_number(counters, "chains", queue->chains);
		counters_number(counters, "interrupts", queue->interrupts);
	}
}

unsigned virtio_device_serve(struct virtio_device *device, unsigned index, unsigned budget,
			     enum virtio_step (*step)(struct virtio_device *device, unsigned index))
{
	enum virtio_step last = VIRTIO_DONE;
	unsigned done = 0;

	/* All queues are kicked when it goes on. */
	if (device->paused)
		return 0;
	while (done < budget && (last = step(device, index)) != VIRTIO_IDLE)
		done++;
	if (device->batched)
		virtio_device_flush(device, index);
	virtio_device_interrupt(device, index);
	if (last == VIRTIO_PART || (last == VIRTIO_DONE && virtio_device_has_more(device, index)))
		virtio_device_kick_again(device, index);
	return done;
}
