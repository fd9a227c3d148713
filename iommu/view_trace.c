/* SPDX-License-Identifier: BSD-2-Clause */
/* iommu-trace, which sends events as they happen, and iommu-fault, which injects a fault. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "private.h"
#include "util/parse.h"
#include "view_json.h"

/* ---- iommu-trace ---- */

struct trace {
	struct tracer tracer;
	struct control_client *client;
	bool begun;
};

static void trace_wake(struct tracer *tracer)
{
	control_wake(container_of(tracer, struct trace, tracer)->client);
}

static void trace_lost(struct control_client *client, u32 lost)
{
	if (lost)
		control_send(client, json_pack("{sI}", "lost", (json_int_t)lost));
}

static const char *fault_reason(u8 reason)
{
	return reason == VIRTIO_IOMMU_FAULT_R_DOMAIN ? "DOMAIN" : "MAPPING";
}

/* All events have time and name; the other fields depend on the kind. */
static json_t *trace_json(const struct trace_event *event)
{
	json_t *json = json_pack("{sI}", "time", view_number(event->time));
	bool fault = event->kind == TRACE_FAULT;
	bool map = event->kind == VIRTIO_IOMMU_T_MAP;
	bool attach = event->kind == VIRTIO_IOMMU_T_ATTACH;
	bool detach = event->kind == VIRTIO_IOMMU_T_DETACH;

	json_object_set_new(json, "what",
			    json_string(fault			    ? "FAULT"
					: event->kind < STATS_TYPES ? view_types[event->kind]
								    : "RESET"));
	if (attach || detach || fault || event->kind == VIRTIO_IOMMU_T_PROBE)
		json_object_set_new(json, "endpoint", view_hex(event->endpoint));
	if (attach || detach || map || event->kind == VIRTIO_IOMMU_T_UNMAP)
		json_object_set_new(json, "domain", json_integer(event->domain));
	if (map || event->kind == VIRTIO_IOMMU_T_UNMAP) {
		json_object_set_new(json, "start", view_hex(event->start));
		json_object_set_new(json, "last", view_hex(event->last));
	}
	if (map)
		json_object_set_new(json, "gpa", view_hex(event->gpa));
	if (map || attach)
		json_object_set_new(json, "flags", view_hex(event->flags));
	if (fault) {
		bool read = event->flags & VIRTIO_IOMMU_FAULT_F_READ;

		json_object_set_new(json, "address", view_hex(event->start));
		json_object_set_new(json, "access", json_string(read ? "read" : "write"));
		json_object_set_new(json, "status", json_string(fault_reason(event->status)));
		json_object_set_new(json, "injected", json_boolean(event->injected));
	} else if (event->kind < STATS_TYPES) {
		json_object_set_new(json, "status", json_string(view_statuses[event->status]));
	}
	return json_pack("{so}", "event", json);
}

static enum control_more trace_more(void *state, struct control_client *client)
{
	struct trace *trace = state;
	struct trace_event event;

	if (!trace->begun)
		control_send(client, json_pack("{sb}", "trace", 1));
	trace->begun = true;
	for (unsigned n = 0; n < VIEW_LINES; n++) {
		if (!tracer_next(&trace->tracer, &event)) {
			trace_lost(client, trace->tracer.lost);
			trace->tracer.lost = 0;
			return CONTROL_PAUSE;
		}
		trace_lost(client, event.lost);
		control_send(client, trace_json(&event));
	}
	return CONTROL_AGAIN;
}

static void trace_end(void *state)
{
	struct trace *trace = state;

	tracer_stop(&trace->tracer);
	free(trace);
}

static const struct control_stream trace_stream = {
	.more = trace_more,
	.end = trace_end,
	.follows = true,
};

int view_trace(void *arg, struct control_client *client, json_t *request, struct error *err)
{
	struct trace *trace;
	int ret = view_check(arg, err);

	if (ret)
		return ret;
	trace = calloc(1, sizeof(*trace));
	if (!trace)
		return -ENOMEM;
	trace->client = client;
	trace->tracer.wake = trace_wake;
	tracer_start(&trace->tracer, arg);
	ret = control_stream(client, &trace_stream, trace, err);
	if (ret)
		trace_end(trace);
	return ret;
}

/* ---- iommu-fault ---- */

/* The line names the endpoints that there are, as many as fit. */
static int say_no_endpoint(const struct viommu *viommu, u64 id, struct error *err)
{
	const struct list_node *node;
	char known[400] = "";
	size_t len = 0;

	list_for_each(node, &viommu->endpoints) {
		const struct endpoint *endpoint = list_entry(node, struct endpoint, node);

		if (len < sizeof(known))
			len += snprintf(known + len, sizeof(known) - len, "%s0x%x (%s)",
					len ? ", " : "", endpoint->id, endpoint->name);
	}
	return error_set(err, -ENOENT, "no endpoint 0x%llx: there are %s", (unsigned long long)id,
			 len ? known : "none");
}

static int get_address(const json_t *request, const char *key, u64 max, u64 *value,
		       struct error *err)
{
	const char *text = json_string_value(json_object_get(request, key));

	if (!text || parse_u64(text, max, value))
		return error_set(err, -EINVAL, "%s: it is a number up to 0x%llx", key,
				 (unsigned long long)max);
	return 0;
}

int view_fault(void *arg, struct control_client *client, json_t *request, struct error *err)
{
	const char *access = json_string_value(json_object_get(request, "access"));
	struct viommu *viommu = arg;
	struct endpoint *endpoint;
	u64 id = 0, address = 0;
	int ret = view_check(viommu, err);

	if (!ret)
		ret = get_address(request, "endpoint", UINT32_MAX, &id, err);
	if (!ret)
		ret = get_address(request, "address", UINT64_MAX, &address, err);
	if (ret)
		return ret;
	if (!access || (strcmp(access, "read") && strcmp(access, "write")))
		return error_set(err, -EINVAL, "access: it is read or write");
	endpoint = endpoint_find(viommu, id);
	if (!endpoint)
		return say_no_endpoint(viommu, id, err);
	if (fault_inject(endpoint, address, strcmp(access, "read") ? DMA_WRITE : DMA_READ))
		return error_set(err, -ENOBUFS,
				 "the guest has no buffer in its event queue: has it a driver?");
	control_send(client, json_pack("{ss}", "fault", "delivered"));
	return 0;
}
