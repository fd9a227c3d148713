/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtio-iommu device (virtio 1.4, "IOMMU Device"). Endpoints are added while the machine is
 * built, each with the limits of the hardware behind it. Every endpoint gets a DMA space: its view
 * of the domain to which the guest attaches it.
 *
 * VM lock held for all calls that are made while the VM runs.
 */
#ifndef IOMMU_VIOMMU_H
#define IOMMU_VIOMMU_H

#include "util/error.h"
#include "util/option.h"
#include "util/types.h"
#include "virtio/device.h"
#include "vmm/dma.h"
#include "vmm/dma_limits.h"
#include "vmm/dma_listener.h"

struct viommu;

struct viommu_config {
	bool bypass;	       /* boot bypass: endpoints reach all memory until attached */
	u64 max_mappings;      /* in all domains together; 0: VIOMMU_DEFAULT_MAPPINGS */
	bool msi_map;	       /* no MSI property (arm64): vmm/windows.h's, not the IOMMU's */
	unsigned address_bits; /* of a guest physical address */
	bool smp;	       /* the guest has more than one processor */
	enum virtio_poll_mode poll;
	bool old_rings; /* packed=off: the device's place's, not the IOMMU's */
	u64 poll_us;	/* the longest wait for the next request while polling; 0: VIOMMU_POLL_US */
};

/* As long as KVM itself polls for a halted vCPU. */
#define VIOMMU_POLL_US 200

/* 64 bytes each at most: 64 MiB if a guest uses them all. */
#define VIOMMU_DEFAULT_MAPPINGS (1ULL << 20)

/* "--viommu[=OPTIONS]", for a struct viommu_config. Ended by an entry without a name. */
extern const struct option_spec viommu_options[];

/*
 * @ram: the space of the IOMMU's own rings, and of endpoints in bypass;
 * @irq: where translated MSIs go. Both borrowed. -ENOMEM.
 */
int viommu_create(struct viommu **viommu, const struct viommu_config *config,
		  struct dma_identity *ram, struct irq *irq);

/* The device for a transport, which then owns all of it. */
struct virtio_device *viommu_device(struct viommu *viommu);

/*
 * Before the guest runs. @limits: copied; its MSI range, if any, is the doorbell window.
 * @listener: borrowed, it outlives the IOMMU; NULL for an emulated device. Endpoints that
 * share one are one group to the host, and reach nothing while they are attached to
 * different domains. *space lives as long as the IOMMU. -EEXIST, -ENOMEM; -EINVAL with a
 * line if the limits fit no guest.
 */
int viommu_add_endpoint(struct viommu *viommu, u32 id, const char *name,
			const struct dma_limits *limits, struct dma_listener *listener,
			struct dma_space **space, struct error *err);

/* Counters since the start, for --debug. */
struct viommu_counters {
	u64 requests;	  /* answered, and the one that waits */
	u64 maps, unmaps; /* that were answered with OK */
	u64 attaches, detaches, probes;
	u64 refused;  /* requests answered with another status than OK, or unwritten */
	u64 mappings; /* now */
	u64 mappings_peak;
	u64 translations;    /* of all endpoints */
	u64 faults;	     /* accesses refused */
	u64 host_refused;    /* changes that a listener refused */
	u64 reports_dropped; /* faults for which the event queue had no buffer */
	struct virtio_poll poll;
};

void viommu_get_counters(const struct viommu *viommu, struct viommu_counters *counters);

#endif
