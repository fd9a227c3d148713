/* SPDX-License-Identifier: BSD-2-Clause */
#include <assert.h>

#include "private.h"
#include "trace.h"
#include "util/clock.h"

static_assert(VIRTIO_IOMMU_S_OK == 0, "all others are refusals");

void stats_latency(struct viommu_stats *stats, u64 ns, u64 count)
{
	u64 each = ns / count;
	unsigned bucket = each ? 63 - __builtin_clzll(each) : 0;

	stats->latency[MIN(bucket, STATS_BUCKETS - 1)] += count;
}

u64 stats_requests(const struct viommu_stats *stats, bool refused)
{
	u64 sum = 0;

	for (unsigned type = 0; type < STATS_TYPES; type++) {
		for (unsigned status = refused; status < STATS_STATUSES; status++)
			sum += stats->requests[type][status];
	}
	return sum;
}

void tracer_start(struct tracer *tracer, struct viommu *viommu)
{
	list_add_tail(&viommu->tracers, &tracer->node);
}

void tracer_stop(struct tracer *tracer)
{
	list_del(&tracer->node);
}

bool tracer_next(struct tracer *tracer, struct trace_event *event)
{
	if (!tracer->count)
		return false;
	*event = tracer->ring[tracer->first];
	tracer->first = (tracer->first + 1) % TRACER_EVENTS;
	tracer->count--;
	return true;
}

static void tracer_put(struct tracer *tracer, const struct trace_event *event)
{
	struct trace_event *slot;

	if (tracer->count == TRACER_EVENTS) {
		tracer->lost++;
		return;
	}
	slot = &tracer->ring[(tracer->first + tracer->count) % TRACER_EVENTS];
	*slot = *event;
	slot->lost = tracer->lost;
	tracer->lost = 0;
	if (!tracer->count++)
		tracer->wake(tracer);
}

void trace_send(struct viommu *viommu, struct trace_event *event)
{
	struct list_node *node;

	event->time = clock_ns(CLOCK_REALTIME);
	list_for_each(node, &viommu->tracers)
		tracer_put(list_entry(node, struct tracer, node), event);
}
