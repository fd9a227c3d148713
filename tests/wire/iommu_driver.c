/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <string.h>

#include "cmocka_all.h"
#include "iommu_driver.h"
#include "vmm/windows.h"
#include "virtio/mmio.h"

/* ---- the host behind an endpoint ---- */

static struct mirror *mirror_of(struct dma_listener *listener)
{
	return container_of(listener, struct mirror, listener);
}

static bool mirror_fails(struct mirror *mirror)
{
	mirror->calls++;
	if (!mirror->fail_at || mirror->calls < mirror->fail_at)
		return false;
	return mirror->fail_on || mirror->calls == mirror->fail_at;
}

static int mirror_map(struct dma_listener *listener, const struct dma_mapping *mapping)
{
	struct mirror *mirror = mirror_of(listener);

	if (mirror_fails(mirror))
		return mirror->error;
	assert_false(mirror->bypass);
	assert_true(mapping->access);
	assert_true(mirror->count < MIRROR_MAX);
	assert_false(mirror_has(mirror, mapping->start));
	mirror->maps[mirror->count++] = *mapping;
	return 0;
}

static bool same_mapping(const struct dma_mapping *a, const struct dma_mapping *b)
{
	return a->start == b->start && a->last == b->last && a->gpa == b->gpa &&
	       a->access == b->access;
}

static int mirror_unmap(struct dma_listener *listener, const struct dma_mapping *mapping)
{
	struct mirror *mirror = mirror_of(listener);

	if (mirror_fails(mirror))
		return mirror->error;
	for (unsigned i = 0; i < mirror->count; i++) {
		if (same_mapping(&mirror->maps[i], mapping)) {
			mirror->maps[i] = mirror->maps[--mirror->count];
			return 0;
		}
	}
	fail_msg("the host is asked to unmap what it never mapped");
	return -ENOENT;
}

static int mirror_check(struct dma_listener *listener, u64 count)
{
	const struct mirror *mirror = mirror_of(listener);

	if (!count || mirror->count + count <= (mirror->room ? mirror->room : MIRROR_MAX))
		return 0;
	return -ENOSPC;
}

static void mirror_clear(struct dma_listener *listener)
{
	mirror_of(listener)->count = 0;
	mirror_of(listener)->bypass = false;
}

static int mirror_bypass(struct dma_listener *listener)
{
	struct mirror *mirror = mirror_of(listener);

	if (mirror_fails(mirror))
		return mirror->error;
	assert_int_equal(mirror->count, 0);
	mirror->bypass = true;
	return 0;
}

static bool mirror_masters(const struct dma_listener *listener)
{
	return container_of(listener, const struct mirror, listener)->masters;
}

static const struct dma_listener_ops mirror_ops = {
	.map = mirror_map,
	.unmap = mirror_unmap,
	.check = mirror_check,
	.clear = mirror_clear,
	.bypass = mirror_bypass,
	.masters = mirror_masters,
};

void mirror_init(struct mirror *mirror)
{
	memset(mirror, 0, sizeof(*mirror));
	mirror->listener.ops = &mirror_ops;
}

bool mirror_has(const struct mirror *mirror, iova_t start)
{
	for (unsigned i = 0; i < mirror->count; i++) {
		if (mirror->maps[i].start == start)
			return true;
	}
	return false;
}

void mirror_fail(struct mirror *mirror, unsigned nth, int error)
{
	mirror->fail_at = mirror->calls + nth;
	mirror->error = error;
}

/* ---- the machine ---- */

static struct dma_space *add_endpoint(struct rig *rig, u32 id, const char *name,
				      struct dma_windows *windows, const struct range *doorbell,
				      struct dma_listener *listener)
{
	struct dma_doorbell offer = { { 0, 0 }, NULL, NULL };
	struct dma_space *space;

	if (doorbell)
		offer.at = *doorbell;
	assert_int_equal(dma_windows_decide(windows, doorbell ? &offer : NULL, NULL), 0);
	assert_int_equal(viommu_add_endpoint(rig->viommu, id, name, &windows->emulated, listener,
					     &space, NULL),
			 0);
	return space;
}

void rig_create(struct rig *rig, const struct viommu_config *config)
{
	static const struct range doorbell = { DOORBELL, DOORBELL_LAST };
	struct viommu_config defaults = { .address_bits = 40 };
	struct dma_windows windows = { .iommu = true, .msi_map = config && config->msi_map };

	memset(rig, 0, sizeof(*rig));
	rig->vm = wire_create();
	assert_int_equal(viommu_create(&rig->viommu, config ? config : &defaults,
				       &rig->vm->identity, rig->vm->irq),
			 0);
	rig->a = add_endpoint(rig, ENDPOINT_A, "a", &windows, &doorbell, NULL);
	rig->b = add_endpoint(rig, ENDPOINT_B, "b", &windows, NULL, NULL);
}

struct dma_space *rig_add_mirror(struct rig *rig, u32 id, struct mirror *mirror)
{
	struct dma_windows windows = { .iommu = true };

	return add_endpoint(rig, id, "mirrored", &windows, NULL, &mirror->listener);
}

static void rig_bring_up(struct rig *rig, u64 features)
{
	struct vm *vm = rig->vm;

	if (features == ALL_FEATURES)
		features = FEATURE(INPUT_RANGE) | FEATURE(DOMAIN_RANGE) | FEATURE(MAP_UNMAP) |
			   FEATURE(PROBE) | FEATURE(MMIO) | FEATURE(BYPASS_CONFIG);
	assert_true(wire_negotiate(vm, 0, features));
	wire_queue_init(&rig->requests, vm, 0, 0, 256, 0x10000);
	wire_queue_init(&rig->events, vm, 0, 1, 64, 0x20000);
	wire_driver_ok(vm, 0);
}

void rig_start(struct rig *rig, u64 features)
{
	struct device_resource slot;

	wire_slot(0, &slot);
	assert_int_equal(virtio_mmio_create(rig->vm, viommu_device(rig->viommu), &slot,
					    DEVICE_NO_ENDPOINT, true),
			 0);
	rig_bring_up(rig, features);
}

void rig_restart(struct rig *rig, u64 features)
{
	rig_bring_up(rig, features);
}

void rig_destroy(struct rig *rig)
{
	wire_destroy(rig->vm);
}

/* ---- the driver ---- */

u32 rig_send(struct rig *rig, const void *request, u32 size, void *reply, u32 reply_size)
{
	const struct wire_segment segments[] = {
		{ .address = RIG_REQUEST, .len = size },
		{ .address = RIG_REPLY, .len = reply_size, .writable = true },
	};
	u32 len;

	wire_write(rig->vm, RIG_REQUEST, request, size);
	wire_fill(rig->vm, RIG_REPLY, 0xee, 0x1000);
	wire_add(&rig->requests, segments, reply_size ? 2 : 1);
	wire_kick(&rig->requests);
	assert_true(wire_used(&rig->requests, NULL, &len));
	if (reply_size)
		wire_read(rig->vm, RIG_REPLY, reply, reply_size);
	return len;
}

/* The readable part of @request ends where its tail begins. */
static u8 rig_status(struct rig *rig, const void *request, u32 size)
{
	struct virtio_iommu_req_tail tail;

	assert_int_equal(rig_send(rig, request, size, &tail, sizeof(tail)), sizeof(tail));
	assert_int_equal(tail.reserved[0] | tail.reserved[1] | tail.reserved[2], 0);
	return tail.status;
}

u8 rig_attach(struct rig *rig, u32 domain, u32 endpoint, u32 flags)
{
	const struct virtio_iommu_req_attach request = {
		.head.type = VIRTIO_IOMMU_T_ATTACH,
		.domain = htole32(domain),
		.endpoint = htole32(endpoint),
		.flags = htole32(flags),
	};

	return rig_status(rig, &request, offsetof(struct virtio_iommu_req_attach, tail));
}

u8 rig_detach(struct rig *rig, u32 domain, u32 endpoint)
{
	const struct virtio_iommu_req_detach request = {
		.head.type = VIRTIO_IOMMU_T_DETACH,
		.domain = htole32(domain),
		.endpoint = htole32(endpoint),
	};

	return rig_status(rig, &request, offsetof(struct virtio_iommu_req_detach, tail));
}

u8 rig_map(struct rig *rig, u32 domain, iova_t start, iova_t last, gpa_t gpa, u32 flags)
{
	const struct virtio_iommu_req_map request = {
		.head.type = VIRTIO_IOMMU_T_MAP,
		.domain = htole32(domain),
		.virt_start = htole64(start),
		.virt_end = htole64(last),
		.phys_start = htole64(gpa),
		.flags = htole32(flags),
	};

	return rig_status(rig, &request, offsetof(struct virtio_iommu_req_map, tail));
}

u8 rig_unmap(struct rig *rig, u32 domain, iova_t start, iova_t last)
{
	const struct virtio_iommu_req_unmap request = {
		.head.type = VIRTIO_IOMMU_T_UNMAP,
		.domain = htole32(domain),
		.virt_start = htole64(start),
		.virt_end = htole64(last),
	};

	return rig_status(rig, &request, offsetof(struct virtio_iommu_req_unmap, tail));
}

u32 rig_probe_size(struct rig *rig)
{
	return wire_config_read(rig->vm, 0, 32, 4);
}

u8 rig_probe(struct rig *rig, u32 endpoint, u8 *properties)
{
	const struct virtio_iommu_req_probe request = {
		.head.type = VIRTIO_IOMMU_T_PROBE,
		.endpoint = htole32(endpoint),
	};
	u32 size = rig_probe_size(rig);
	u8 reply[2048];

	assert_true(size + 4 <= sizeof(reply));
	assert_int_equal(rig_send(rig, &request, sizeof(request), reply, size + 4), size + 4);
	memcpy(properties, reply, size);
	return reply[size];
}

void rig_offer_event(struct rig *rig, u32 size)
{
	const struct wire_segment segment = { RIG_EVENTS, size, true };

	wire_fill(rig->vm, RIG_EVENTS, 0xee, 64);
	wire_add(&rig->events, &segment, 1);
	wire_kick(&rig->events);
}

u32 rig_event(struct rig *rig, struct virtio_iommu_fault *event)
{
	u32 len;

	assert_true(wire_used(&rig->events, NULL, &len));
	wire_read(rig->vm, RIG_EVENTS, event, sizeof(*event));
	return len;
}

int rig_dma(struct dma_space *space, iova_t iova, enum dma_access access)
{
	u8 byte = 0x5a;

	return access == DMA_READ ? dma_read(space, iova, &byte, 1)
				  : dma_write(space, iova, &byte, 1);
}

int rig_signal_msi(struct dma_space *space, iova_t address, u32 data, u32 device_id)
{
	struct msi_message msi = { .data = data, .device_id = device_id };
	int ret = space->ops->resolve_msi(space, address, true, &msi.address);

	if (!ret)
		wire_send_msi(space->irq, &msi);
	return ret;
}

struct viommu_counters rig_counters(const struct rig *rig)
{
	struct viommu_counters counters;

	viommu_get_counters(rig->viommu, &counters);
	return counters;
}
