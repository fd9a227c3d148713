/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio-iommu on the fake machine, a driver that speaks to it, and a host
 * behind an endpoint that can be told to fail.
 */
#ifndef TESTS_WIRE_IOMMU_DRIVER_H
#define TESTS_WIRE_IOMMU_DRIVER_H

#include <linux/virtio_iommu.h>

#include "iommu/viommu.h"
#include "vmm/dma_listener.h"
#include "wire.h"

/* Two emulated endpoints; ENDPOINT_A has a doorbell window. */
#define ENDPOINT_A    0x80000000u
#define ENDPOINT_B    0x80000001u
#define NO_ENDPOINT   0x80000099u
#define DOORBELL      0xfee00000ull
#define DOORBELL_LAST 0xfeefffffull

#define READ_ONLY  VIRTIO_IOMMU_MAP_F_READ
#define WRITE_ONLY VIRTIO_IOMMU_MAP_F_WRITE
#define READ_WRITE (READ_ONLY | WRITE_ONLY)
#define MMIO_WRITE (WRITE_ONLY | VIRTIO_IOMMU_MAP_F_MMIO)

#define ALL_FEATURES  (~0ull)
#define FEATURE(name) (1ull << VIRTIO_IOMMU_F_##name)

/* Where the driver keeps things. */
#define RIG_REQUEST 0x40000
#define RIG_REPLY   0x41000
#define RIG_EVENTS  0x50000

#define MIRROR_MAX 64

/* A host's IOMMU: keeps what it is told, and fails when it is told to. */
struct mirror {
	struct dma_listener listener;
	struct dma_mapping maps[MIRROR_MAX];
	unsigned count;
	bool bypass, masters;
	u64 room;	  /* mappings that fit; 0: MIRROR_MAX */
	unsigned calls;	  /* of map, unmap and bypass */
	unsigned fail_at; /* the call that fails, counted from 1; 0: none */
	bool fail_on;	  /* and all after it */
	int error;	  /* with this */
};

void mirror_init(struct mirror *mirror);
bool mirror_has(const struct mirror *mirror, iova_t start);
/* Let the @nth call from now fail with @error. */
void mirror_fail(struct mirror *mirror, unsigned nth, int error);

struct rig {
	struct vm *vm;
	struct viommu *viommu;
	struct wire_queue requests, events;
	struct dma_space *a, *b;
};

/* Built in two steps, so that a test can add endpoints in between. */
void rig_create(struct rig *rig, const struct viommu_config *config);
/* An endpoint with @mirror behind it. */
struct dma_space *rig_add_mirror(struct rig *rig, u32 id, struct mirror *mirror);
void rig_start(struct rig *rig, u64 features);
void rig_destroy(struct rig *rig);
/* Reset, and come up again. */
void rig_restart(struct rig *rig, u64 features);

/* Send raw bytes with @reply_size bytes for the answer; returns the used length. */
u32 rig_send(struct rig *rig, const void *request, u32 size, void *reply, u32 reply_size);

/* The status of the request. */
u8 rig_attach(struct rig *rig, u32 domain, u32 endpoint, u32 flags);
u8 rig_detach(struct rig *rig, u32 domain, u32 endpoint);
u8 rig_map(struct rig *rig, u32 domain, iova_t start, iova_t last, gpa_t gpa, u32 flags);
u8 rig_unmap(struct rig *rig, u32 domain, iova_t start, iova_t last);

/* The size of a PROBE answer, its status, and its properties in @properties (of probe_size). */
u32 rig_probe_size(struct rig *rig);
u8 rig_probe(struct rig *rig, u32 endpoint, u8 *properties);

/* Offer one event buffer of @size bytes; and the next report. Returns its used length. */
void rig_offer_event(struct rig *rig, u32 size);
u32 rig_event(struct rig *rig, struct virtio_iommu_fault *event);

/* One byte of DMA by an endpoint's device: 0 or -EFAULT. */
int rig_dma(struct dma_space *space, iova_t iova, enum dma_access access);

/* An endpoint's device sends an MSI. -EFAULT: its doorbell leads nowhere, as is reported. */
int rig_signal_msi(struct dma_space *space, iova_t address, u32 data, u32 device_id);

struct viommu_counters rig_counters(const struct rig *rig);

#endif
