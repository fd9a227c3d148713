/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtio device. A request that takes a translation away is carried out at once, and answered
 * when no device uses the memory any more. Until then the request queue waits, and nothing else
 * does.
 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>

#include "private.h"
#include "util/clock.h"

static struct viommu *viommu_of(struct virtio_device *device)
{
	return container_of(device, struct viommu, device);
}

/* ---- the request queue ---- */

static void viommu_answer(struct viommu *viommu)
{
	struct request *request = &viommu->request;
	s64 written = request_answer(viommu, request);

	request->busy = false;
	if (written < 0)
		virtio_device_broken(&viommu->device, "a request's buffer lies outside memory");
	else
		virtio_device_fill(&viommu->device, VIOMMU_REQUEST_QUEUE, &request->chain, written);
}

/* Take the next request off the queue and carry it out. False: there is none. */
static bool viommu_next(struct viommu *viommu)
{
	struct request *request = &viommu->request;

	if (!virtio_device_pop(&viommu->device, VIOMMU_REQUEST_QUEUE, &request->chain))
		return false;
	request->busy = true;
	if (!request_execute(viommu, request))
		return true;
	request->busy = false;
	virtio_device_broken(&viommu->device, "a request lies outside memory");
	return false;
}

/*
 * Count the latencies of a batch of @answered requests that began at @begin; the first of them had
 * @waited since an earlier batch. One look at the clock is for all of them: each gets its share.
 */
static void viommu_time(struct viommu *viommu, u64 begin, unsigned answered, bool waited)
{
	struct request *request = &viommu->request;
	u64 end = answered ? now_ns() : begin;

	if (answered)
		viommu->answered_at = end;
	if (answered && waited) {
		stats_latency(&viommu->stats, end - request->since, 1);
		answered--;
		waited = false;
	}
	if (answered)
		stats_latency(&viommu->stats, end - begin, answered);
	if (request->busy && !waited)
		request->since = begin;
}

/* One request. One that waits is carried out already, and those behind it wait with it. */
static enum virtio_step viommu_step(struct virtio_device *device, unsigned index)
{
	struct viommu *viommu = viommu_of(device);

	if (!viommu->request.busy && !viommu_next(viommu))
		return VIRTIO_IDLE;
	if (request_waits(viommu, &viommu->request))
		return VIRTIO_IDLE;
	viommu_answer(viommu);
	return VIRTIO_DONE;
}

static void viommu_serve(struct viommu *viommu)
{
	const bool waited = viommu->request.busy;
	const u64 begin = now_ns();
	unsigned answered;

	answered = virtio_device_serve(&viommu->device, VIOMMU_REQUEST_QUEUE, VIOMMU_QUEUE_SIZE,
				       viommu_step);
	viommu_time(viommu, begin, answered, waited);
}

/* The queue is paused, and the pause waits for the request that was taken before: for no other. */
static void viommu_finish(struct viommu *viommu)
{
	const u64 begin = now_ns();

	viommu_answer(viommu);
	virtio_device_flush(&viommu->device, VIOMMU_REQUEST_QUEUE);
	virtio_device_interrupt(&viommu->device, VIOMMU_REQUEST_QUEUE);
	viommu_time(viommu, begin, 1, true);
}

/* A hold was dropped: serve the request that waited for it, and those behind it. */
static void viommu_dropped(struct dma_space *space)
{
	struct viommu *viommu = container_of(space, struct endpoint, space)->viommu;

	if (!viommu->request.busy || request_waits(viommu, &viommu->request))
		return;
	if (viommu->device.paused) {
		viommu_finish(viommu);
		return;
	}
	viommu_serve(viommu);
	/* A thread that polls still looks at the place of a request that was just served. */
	if (viommu->device.poll.mode != VIRTIO_POLL_OFF)
		virtio_device_kick_again(&viommu->device, VIOMMU_REQUEST_QUEUE);
}

static void viommu_kick(struct virtio_device *device, unsigned index)
{
	/* Event buffers are taken when there is something to tell. */
	if (index == VIOMMU_REQUEST_QUEUE)
		viommu_serve(viommu_of(device));
}

static bool viommu_has_unasked(struct dma_space *space)
{
	struct viommu *viommu = container_of(space, struct endpoint, space)->viommu;

	if (virtio_device_has_more(&viommu->device, VIOMMU_REQUEST_QUEUE))
		return true;
	/*
	 * What was answered a moment ago may not have been looked at: its processor waits for its
	 * turn on the host while another goes on, or a thread that polls answered unasked.
	 */
	return (viommu->config.smp || viommu->device.poll.mode != VIRTIO_POLL_OFF) &&
	       now_ns() - viommu->answered_at < DMA_UNASKED_NS;
}

static void viommu_queue_reset(struct virtio_device *device, unsigned index)
{
	if (index == VIOMMU_REQUEST_QUEUE)
		viommu_of(device)->request.busy = false;
}

/* ---- configuration ---- */

static void viommu_config_read(struct virtio_device *device, u32 offset, void *data, u32 len)
{
	const struct viommu *viommu = viommu_of(device);
	struct virtio_iommu_config config = {
		.page_size_mask = cpu_to_le64(viommu->page_size_mask),
		.input_range.start = cpu_to_le64(viommu->aperture.start),
		.input_range.end = cpu_to_le64(viommu->aperture.last),
		.domain_range.end = cpu_to_le32(VIOMMU_LAST_DOMAIN),
		.probe_size = cpu_to_le32(viommu->probe_size),
		.bypass = viommu->bypass,
	};

	memcpy(data, (const u8 *)&config + offset, len);
}

/* No request caused it, so no status can tell the guest of a failure: the device needs a reset. */
static void viommu_set_bypass(struct viommu *viommu, bool bypass)
{
	struct list_node *node;

	if (viommu->bypass == bypass)
		return;
	viommu->bypass = bypass;
	list_for_each(node, &viommu->groups) {
		if (group_settle(list_entry(node, struct group, node)))
			virtio_device_broken(
				&viommu->device,
				"the host cannot map all memory for a device in bypass");
	}
	list_for_each(node, &viommu->endpoints) {
		struct endpoint *endpoint = list_entry(node, struct endpoint, node);

		dma_space_changed(&endpoint->space);
		if (!endpoint->domain)
			endpoint->lost_holds = endpoint->space.holds_put;
	}
}

/* "Device configuration layout": the driver may write bypass alone, 0 or 1. */
static void viommu_config_write(struct virtio_device *device, u32 offset, const void *data, u32 len)
{
	struct viommu *viommu = viommu_of(device);
	u8 value = *(const u8 *)data;

	if (offset == offsetof(struct virtio_iommu_config, bypass) && len == 1 && value <= 1 &&
	    virtio_has_feature(device, VIRTIO_IOMMU_F_BYPASS_CONFIG))
		viommu_set_bypass(viommu, value);
	else
		viommu->bad_config++;
}

/* ---- life ---- */

/* bypass survives a device reset ("Device initialization" leaves that to us). */
static void viommu_reset(struct virtio_device *device)
{
	struct viommu *viommu = viommu_of(device);
	struct trace_event event = { .kind = TRACE_RESET };

	viommu->request.busy = false;
	if (!list_empty(&viommu->tracers))
		trace_send(viommu, &event);
	endpoints_release(viommu);
	if (!device->ending)
		endpoints_restart(viommu);
}

/* Whether all I/O on what the devices have lost is over. What they began later does not count. */
static bool viommu_settled(const struct virtio_device *device)
{
	const struct viommu *viommu = container_of(device, struct viommu, device);
	const struct list_node *node;

	list_for_each(node, &viommu->endpoints) {
		const struct endpoint *endpoint = list_entry(node, struct endpoint, node);

		if (dma_space_held_before(&endpoint->space, endpoint->lost_holds))
			return false;
	}
	return true;
}

/* A request that waits for other devices' I/O is over when that is. */
static bool viommu_idle(const struct virtio_device *device)
{
	return !container_of(device, struct viommu, device)->request.busy;
}

static void viommu_destroy(struct virtio_device *device)
{
	struct viommu *viommu = viommu_of(device);
	struct list_node *node, *next;

	/* The transport has reset us: no endpoint is attached, and no group in a domain. */
	list_for_each_safe(node, next, &viommu->endpoints)
		endpoint_destroy(list_entry(node, struct endpoint, node));
	list_for_each_safe(node, next, &viommu->groups)
		group_destroy(list_entry(node, struct group, node));
	store_pool_release(&viommu->pool);
	free(viommu);
}

static const struct virtio_device_ops viommu_ops = {
	.reset = viommu_reset,
	.settled = viommu_settled,
	.idle = viommu_idle,
	.kick = viommu_kick,
	.queue_reset = viommu_queue_reset,
	.config_read = viommu_config_read,
	.config_write = viommu_config_write,
	.destroy = viommu_destroy,
};

static void viommu_init_device(struct viommu *viommu, struct dma_space *space)
{
	struct virtio_device *device = &viommu->device;

	device->ops = &viommu_ops;
	device->name = "virtio-iommu";
	device->id = VIRTIO_ID_IOMMU;
	/* Never F_BYPASS: "a device that offers BYPASS_CONFIG should not offer it". */
	device->features = 1ULL << VIRTIO_IOMMU_F_INPUT_RANGE |
			   1ULL << VIRTIO_IOMMU_F_DOMAIN_RANGE | 1ULL << VIRTIO_IOMMU_F_MAP_UNMAP |
			   1ULL << VIRTIO_IOMMU_F_PROBE | 1ULL << VIRTIO_IOMMU_F_MMIO |
			   1ULL << VIRTIO_IOMMU_F_BYPASS_CONFIG | 1ULL << VIRTIO_F_IN_ORDER;
	device->config_size = sizeof(struct virtio_iommu_config);
	device->queue_count = VIOMMU_QUEUES;
	device->queues = viommu->queues;
	device->space = space;
	device->batched = true;
	/* Linux spins, interrupts off, until each synchronous request is answered. */
	device->kick_on_vcpu = true;
	device->poll = (struct virtio_poll){
		.mode = viommu->config.poll,
		.queue = VIOMMU_REQUEST_QUEUE,
		.limit_us = viommu->config.poll_us ? viommu->config.poll_us : VIOMMU_POLL_US,
	};
	for (unsigned i = 0; i < VIOMMU_QUEUES; i++)
		virtq_init(&viommu->queues[i], VIOMMU_QUEUE_SIZE);
}

int viommu_create(struct viommu **out, const struct viommu_config *config, struct dma_identity *ram,
		  struct irq *irq)
{
	struct viommu *viommu = calloc(1, sizeof(*viommu));

	if (!viommu)
		return -ENOMEM;
	list_init(&viommu->endpoints);
	list_init(&viommu->domains);
	list_init(&viommu->groups);
	list_init(&viommu->tracers);
	viommu->config = *config;
	if (!viommu->config.max_mappings)
		viommu->config.max_mappings = VIOMMU_DEFAULT_MAPPINGS;
	viommu->bypass = config->bypass;
	viommu->irq = irq;
	viommu->page_size_mask = -DMA_SMALLEST_PAGE;
	viommu->aperture = (struct range){ 0, UINT64_MAX };
	/* A driver reads it once, so it has room for endpoints that are added later. */
	viommu->probe_size = VIOMMU_PROBE_ROOM * sizeof(struct virtio_iommu_probe_resv_mem);
	viommu_init_device(viommu, &ram->space);
	*out = viommu;
	return 0;
}

struct virtio_device *viommu_device(struct viommu *viommu)
{
	return &viommu->device;
}

/* ---- endpoints ---- */

/* The device has one granule and one range of addresses: what all its endpoints can do. */
static int viommu_narrow(struct viommu *viommu, const struct dma_limits *limits, const char *name,
			 struct error *err)
{
	u64 mask = viommu->page_size_mask & limits->page_size_mask;
	struct range both = { MAX(viommu->aperture.start, limits->aperture.start),
			      MIN(viommu->aperture.last, limits->aperture.last) };

	if (!mask)
		return error_set(err, -EINVAL,
				 "%s: its page sizes 0x%llx are none that the other devices have",
				 name, (unsigned long long)limits->page_size_mask);
	if (both.start > both.last)
		return error_set(err, -EINVAL,
				 "%s: its DMA addresses are none that the other devices have",
				 name);
	viommu->page_size_mask = mask;
	viommu->aperture = both;
	return 0;
}

static int join_group(struct endpoint *endpoint, struct dma_listener *listener, struct error *err)
{
	if (!listener)
		return 0;
	endpoint->group = group_of(endpoint->viommu, listener);
	if (!endpoint->group)
		return -ENOMEM;
	list_add_tail(&endpoint->group->endpoints, &endpoint->sibling);
	if (group_settle(endpoint->group))
		return error_set(err, -ENOMEM, "%s: the host cannot map all memory for it",
				 endpoint->name);
	return 0;
}

int viommu_add_endpoint(struct viommu *viommu, u32 id, const char *name,
			const struct dma_limits *limits, struct dma_listener *listener,
			struct dma_space **space, struct error *err)
{
	struct endpoint *endpoint;
	int ret;

	if (endpoint_find(viommu, id))
		return error_set(err, -EEXIST, "%s: there is an endpoint 0x%x already", name, id);
	ret = endpoint_create(&endpoint, viommu, id, name, viommu->device.space->memory);
	if (ret)
		return ret;
	endpoint->space.dropped = viommu_dropped;
	endpoint->space.has_unasked = viommu_has_unasked;
	endpoint->page_size_mask = limits->page_size_mask;
	endpoint->aperture = limits->aperture;
	ret = resv_init(&endpoint->resv, limits, name, err);
	if (!ret)
		ret = viommu_narrow(viommu, limits, name, err);
	if (!ret)
		ret = join_group(endpoint, listener, err);
	if (ret) {
		endpoint_destroy(endpoint);
		return ret;
	}
	viommu->probe_size = MAX(viommu->probe_size, resv_properties_size(&endpoint->resv));
	list_add_tail(&viommu->endpoints, &endpoint->node);
	*space = &endpoint->space;
	return 0;
}

void viommu_get_counters(const struct viommu *viommu, struct viommu_counters *counters)
{
	const struct viommu_stats *stats = &viommu->stats;
	const struct list_node *node;

	*counters = (struct viommu_counters){
		.requests = stats_requests(stats, false) + viommu->request.busy,
		.maps = stats->requests[VIRTIO_IOMMU_T_MAP][VIRTIO_IOMMU_S_OK],
		.unmaps = stats->requests[VIRTIO_IOMMU_T_UNMAP][VIRTIO_IOMMU_S_OK],
		.attaches = stats->requests[VIRTIO_IOMMU_T_ATTACH][VIRTIO_IOMMU_S_OK],
		.detaches = stats->requests[VIRTIO_IOMMU_T_DETACH][VIRTIO_IOMMU_S_OK],
		.probes = stats->requests[VIRTIO_IOMMU_T_PROBE][VIRTIO_IOMMU_S_OK],
		.refused = stats_requests(stats, true),
		.mappings = viommu->mappings,
		.mappings_peak = viommu->mappings_peak,
		.host_refused = viommu->host_refused,
		.reports_dropped = viommu->reports_dropped,
		.poll = viommu->device.poll,
	};
	list_for_each(node, &viommu->endpoints) {
		const struct endpoint *endpoint = list_entry(node, struct endpoint, node);

		counters->translations += endpoint->space.translations;
		counters->faults += endpoint->space.faults;
	}
}
