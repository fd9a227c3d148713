/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where doorbells and MSI windows are: decided by one function. It turns
 *
 *   facts      what the host says of each passed device (struct dma_host, which vfio/ fills)
 *   doorbells  what the architecture offers (struct dma_doorbell)
 *   msi=       whether the guest shall map its doorbell itself
 *
 * into the doorbell's place and what PROBE answers for each endpoint. On arm64 Linux leaves a
 * doorbell unmapped only if it lies in the window of the one MSI property that PROBE gave: so it
 * goes inside the host's window, if the architecture can put it there.
 */
#ifndef VMM_WINDOWS_H
#define VMM_WINDOWS_H

#include "util/error.h"
#include "vmm/dma_limits.h"

/* Of one passed device. All borrowed. */
struct dma_host {
	const char *name;
	u64 page_size_mask; /* as struct dma_limits */
	const struct range *apertures;
	unsigned aperture_count; /* IOVAs that the host maps, sorted */
	const struct dma_range *ranges;
	unsigned range_count; /* of its group: in any order, they may overlap */
};

/* The doorbell of the interrupt controller that the architecture makes. */
struct dma_doorbell {
	struct range at; /* where it is unless it moves */
	/* Whether it can be put into @window, and where it is then. NULL: it cannot move. */
	bool (*move)(const void *arg, const struct range *window, struct range *at);
	const void *arg;
};

struct dma_windows {
	/* What is asked. All borrowed. */
	const struct range *usual; /* where doorbells of this architecture are if they can be */
	unsigned usual_count;
	const struct dma_host *hosts;
	unsigned host_count;
	bool iommu;   /* the guest has one, so that PROBE is answered */
	bool msi_map; /* --viommu msi=map: there is no MSI property */
	/* What is decided. */
	bool has_doorbell;
	struct range doorbell;
	struct dma_limits emulated; /* of a device that has no host behind it */
	struct dma_limits *passed;  /* of hosts[]; the caller's array, of host_count */
};

/*
 * @offer NULL: the machine has no doorbell, or it is not known yet. Pure. What hosts say becomes
 * limits: widened outward to the granule, kinds never merged with each other; RESERVED is what is
 * reserved or direct but not MSI; at most one MSI window, the others are RESERVED. The host's
 * window is the MSI property if the doorbell lies in it; else the doorbell's page is, and the
 * host's window is RESERVED. -EINVAL with a line that names the device: a host that fits no guest,
 * or that reserves the doorbell's place.
 */
int dma_windows_decide(struct dma_windows *windows, const struct dma_doorbell *offer,
		       struct error *err);

#endif
