/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Registers that devices reach by DMA: one another's (peer-to-peer) and their own. type1 keeps a
 * page mapped until it is told otherwise, also when its device has gone, so that we keep account:
 *
 *   struct vfio_pages   pages of a BAR, while the guest sees them
 *   struct vfio_reach   what of these a container maps, and where
 *   struct vfio_peers   all of a VM
 *
 * Pages that the guest no longer sees, because their BAR moved, their device sleeps or is given
 * back, are unmapped everywhere at once, and mapped again when they are back.
 *
 * VM lock held for all calls, or before the vCPUs run.
 */
#ifndef VFIO_PEERS_H
#define VFIO_PEERS_H

#include "util/list.h"
#include "util/log.h"
#include "util/types.h"
#include "vmm/dma_listener.h"

/* Lives inside the region of its device. */
struct vfio_pages {
	struct list_node node; /* vfio_peers.pages, while shown */
	const char *device;    /* whose, for messages; borrowed */
	gpa_t gpa;
	u64 size;
	void *host;
};

/*
 * A guest could make as many mappings of registers as its quota allows, in each domain: of these a
 * container knows so many. More are left out, as the contract of a dma_listener allows.
 */
#define VFIO_MAX_MMIO_MAPPINGS 4096

/* Lives inside its container. */
struct vfio_reach {
	struct list_node node; /* vfio_peers.reaches */
	const struct vfio_peers *peers;
	int fd;		  /* the container's; borrowed */
	const char *name; /* the container's; borrowed */
	bool knows_all;	  /* as vfio_type1_clear() */
	bool identity;	  /* all pages, at their guest-physical addresses */
	/* Those of the guest's IOMMU that lead to registers, whether these are there or not. */
	unsigned count, room;
	struct dma_mapping *mappings; /* owned */
	const char *said;	      /* the device whose end was reported last */
	struct log_limit log, details;
};

struct vfio_peers {
	struct list_node reaches;
	struct list_node pages;
};

void vfio_peers_init(struct vfio_peers *peers);
/* The guest sees @pages from now on; peers NULL: no device shall reach them. */
void vfio_peers_show(struct vfio_peers *peers, struct vfio_pages *pages);
/*
 * The guest no longer sees @pages. @gone: their device is being given back to the host. Idempotent.
 */
void vfio_peers_hide(struct vfio_peers *peers, struct vfio_pages *pages, bool gone);

/* Part of no VM, and empty. */
void vfio_reach_init(struct vfio_reach *reach);
/* @fd, @name: borrowed until vfio_reach_leave(). */
void vfio_reach_join(struct vfio_reach *reach, struct vfio_peers *peers, int fd, bool knows_all,
		     const char *name);
/* It maps no registers any more, and nothing that is shown later. Idempotent. */
void vfio_reach_leave(struct vfio_reach *reach);

/*
 * The guest maps registers: what of them is there, and the host can map. The rest faults. -ENOSPC,
 * -ENOMEM: the host's table is full, and nothing of @m is mapped.
 */
int vfio_reach_map(struct vfio_reach *reach, const struct dma_mapping *m);
/*
 * Whether @m leads to pages of registers alone: guests need not say so (virtio 1.4, "MAP request":
 * VIRTIO_IOMMU_MAP_F_MMIO is a hint), and a guest that itself passes devices does not.
 */
bool vfio_reach_leads(const struct vfio_reach *reach, const struct dma_mapping *m);
/* @m is unmapped: forget it. */
void vfio_reach_forget(struct vfio_reach *reach, const struct dma_mapping *m);
/* Map all pages at their guest-physical addresses, from now on. */
void vfio_reach_all(struct vfio_reach *reach);
/* The container has been emptied. */
void vfio_reach_clear(struct vfio_reach *reach);

#endif
