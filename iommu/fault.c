/* SPDX-License-Identifier: BSD-2-Clause */
/* Refused accesses: reports to the guest (virtio 1.4, "Fault reporting") and to the user. */
#include <errno.h>
#include <stdio.h>
#include <linux/virtio_config.h>

#include "private.h"

static const char *access_name(enum dma_access access)
{
	return access == DMA_READ ? "read" : "write";
}

/*
 * A guest without the driver has a disk that does not answer and no message to say why: so we
 * say it, once for each endpoint.
 */
static void fault_explain(struct endpoint *endpoint, iova_t address, enum dma_access access)
{
	if (endpoint->explained)
		return;
	endpoint->explained = true;
	log_warning(
		"%s: the IOMMU refused its first DMA, a %s at 0x%llx, because the guest has not "
		"attached any device: the guest needs the virtio_iommu driver, as a module in "
		"its initrd or built in; a guest without it works with --viommu bypass=on",
		endpoint->name, access_name(access), (unsigned long long)address);
}

/* For the user. A guest that has attached something, or has ended boot bypass, has a driver. */
static void fault_log(struct endpoint *endpoint, iova_t address, enum dma_access access)
{
	struct viommu *viommu = endpoint->viommu;

	if (endpoint_bypasses(endpoint))
		log_limited(&viommu->fault_log, LOG_WARNING,
			    "%s: a %s at 0x%llx, past the IOMMU, met no memory", endpoint->name,
			    access_name(access), (unsigned long long)address);
	else if (viommu->attached || viommu->config.bypass)
		log_limited(&viommu->fault_log, LOG_WARNING, "%s: the IOMMU refused a %s at 0x%llx",
			    endpoint->name, access_name(access), (unsigned long long)address);
	else
		fault_explain(endpoint, address, access);
}

static bool event_queue_live(const struct viommu *viommu)
{
	return viommu->device.status & VIRTIO_CONFIG_S_DRIVER_OK &&
	       !virtio_device_is_inert(&viommu->device) && viommu->queues[VIOMMU_EVENT_QUEUE].ready;
}

/* One report into one buffer. False: there was none, or it was too short. */
static bool event_send(struct viommu *viommu, const struct virtio_iommu_fault *event)
{
	struct virtio_device *device = &viommu->device;
	struct virtq_chain chain;
	u32 written = sizeof(*event);

	if (!event_queue_live(viommu) || !virtio_device_pop(device, VIOMMU_EVENT_QUEUE, &chain))
		return false;
	/* "Fault reporting": a report does not span buffers; a short one goes back empty. */
	if (chain.writable_len < sizeof(*event))
		written = 0;
	else if (virtq_chain_write(&chain, 0, event, sizeof(*event)) != sizeof(*event)) {
		virtio_device_broken(device, "an event buffer lies outside memory");
		return false;
	}
	virtio_device_push(device, VIOMMU_EVENT_QUEUE, &chain, written);
	virtio_device_interrupt(device, VIOMMU_EVENT_QUEUE);
	return written;
}

static void fault_trace(const struct virtio_iommu_fault *fault, struct viommu *viommu,
			bool injected)
{
	struct trace_event event = {
		.kind = TRACE_FAULT,
		.endpoint = le32_to_cpu(fault->endpoint),
		.start = le64_to_cpu(fault->address),
		.flags = le32_to_cpu(fault->flags),
		.status = fault->reason,
		.injected = injected,
	};

	trace_send(viommu, &event);
}

/* False: the event queue had no buffer. */
static bool fault_send(struct endpoint *endpoint, iova_t address, enum dma_access access, u8 reason,
		       bool injected)
{
	struct viommu *viommu = endpoint->viommu;
	u32 flags = access == DMA_READ ? VIRTIO_IOMMU_FAULT_F_READ : VIRTIO_IOMMU_FAULT_F_WRITE;
	struct virtio_iommu_fault event = {
		.reason = reason,
		.flags = cpu_to_le32(flags | VIRTIO_IOMMU_FAULT_F_ADDRESS),
		.endpoint = cpu_to_le32(endpoint->id),
		.address = cpu_to_le64(address),
	};

	if (!list_empty(&viommu->tracers))
		fault_trace(&event, viommu, injected);
	if (event_send(viommu, &event))
		return true;
	viommu->reports_dropped++;
	return false;
}

void fault_report(struct endpoint *endpoint, iova_t address, enum dma_access access, u8 reason)
{
	char why[64];

	fault_log(endpoint, address, access);
	snprintf(why, sizeof(why), "the IOMMU refused a %s at 0x%llx", access_name(access),
		 (unsigned long long)address);
	virtio_device_fault(&endpoint->viommu->device, endpoint->name, why);
	fault_send(endpoint, address, access, reason, false);
}

int fault_inject(struct endpoint *endpoint, iova_t address, enum dma_access access)
{
	u8 reason = endpoint->domain ? VIRTIO_IOMMU_FAULT_R_MAPPING : VIRTIO_IOMMU_FAULT_R_DOMAIN;

	return fault_send(endpoint, address, access, reason, true) ? 0 : -ENOBUFS;
}
