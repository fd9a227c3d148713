/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the live view (view.c) shows: requests counted by type and status, their
 * latencies, and events for tracers. Without a tracer an event costs one look at an
 * empty list.
 */
#ifndef IOMMU_TRACE_H
#define IOMMU_TRACE_H

#include <linux/virtio_iommu.h>

#include "util/list.h"
#include "util/types.h"

struct viommu;

/* Requests are counted by VIRTIO_IOMMU_T_*, unknown types as type 0; */
#define STATS_TYPES (VIRTIO_IOMMU_T_PROBE + 1)
/* and by VIRTIO_IOMMU_S_*, those returned without a status as the last one. */
#define STATS_UNWRITTEN (VIRTIO_IOMMU_S_NOMEM + 1)
#define STATS_STATUSES	(STATS_UNWRITTEN + 1)
/* Bucket n counts requests of 2^n to 2^(n+1) - 1 ns; the last one longer ones, too. */
#define STATS_BUCKETS 40

struct viommu_stats {
	u64 requests[STATS_TYPES][STATS_STATUSES];
	u64 latency[STATS_BUCKETS];
};

/* How many there were, or how many of them were refused. */
u64 stats_requests(const struct viommu_stats *stats, bool refused);
/* @count requests took @ns together. */
void stats_latency(struct viommu_stats *stats, u64 ns, u64 count);

enum trace_kind {
	TRACE_REQUEST, /* and up: plus VIRTIO_IOMMU_T_* */
	TRACE_FAULT = STATS_TYPES,
	TRACE_RESET,
};

/* An event; fields that its kind does not use are 0. */
struct trace_event {
	u64 time;	 /* ns of CLOCK_REALTIME; filled in by trace_send() */
	u64 start, last; /* IOVAs; a fault's address is start */
	u64 gpa;
	u32 domain;
	u32 endpoint;
	u32 flags; /* of ATTACH and MAP; of a fault VIRTIO_IOMMU_FAULT_F_* */
	u32 lost;  /* how many events before this one found no room */
	u8 kind;   /* enum trace_kind */
	u8 status; /* as counted; of a fault VIRTIO_IOMMU_FAULT_R_* */
	bool injected;
};

#define TRACER_EVENTS 1024

/* A listener to events. */
struct tracer {
	struct list_node node; /* viommu->tracers */
	/* There is an event, and there was none; on any thread that has the VM lock. */
	void (*wake)(struct tracer *tracer);
	u32 first, count;
	u32 lost; /* since the last event that had room */
	struct trace_event ring[TRACER_EVENTS];
};

/* Zeroed but for wake. */
void tracer_start(struct tracer *tracer, struct viommu *viommu);
void tracer_stop(struct tracer *tracer);
/* The oldest event; false: none. */
bool tracer_next(struct tracer *tracer, struct trace_event *event);

/* Only where viommu->tracers is not empty: it costs a look at the clock. */
void trace_send(struct viommu *viommu, struct trace_event *event);

#endif
