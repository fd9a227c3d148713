/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A container of type1: one address space of the host's IOMMU. Untranslated, it has all RAM
 * from vfio_container_fill() on, and the registers of peers; translated, it mirrors a domain of the
 * guest's IOMMU and is a dma_listener for that.
 */
#ifndef VFIO_CONTAINER_H
#define VFIO_CONTAINER_H

#include "util/error.h"
#include "util/log.h"
#include "peers.h"
#include "type1.h"
#include "vfio/host.h"
#include "vmm/dma_listener.h"

struct vm;

struct vfio_container {
	struct dma_listener listener;
	struct vfio_reach reach;	 /* registers that it maps */
	const struct vm *vm;		 /* borrowed; from vfio_plug() on */
	int fd;				 /* owned */
	bool has_iommu;			 /* a group has been attached */
	unsigned devices;		 /* open ones, which reach what it maps */
	unsigned masters;		 /* of these: whose bus mastering the guest has on */
	bool unmap_all;			 /* the host knows VFIO_DMA_UNMAP_FLAG_ALL */
	struct vfio_container_info told; /* what the guest was told of */
	char name[32];			 /* for messages; of its first group's first device */
	u64 maps, unmaps, refused;
	struct log_limit log;
};

/* -errno with a line. No group is in it yet. */
int vfio_container_open(struct vfio_container **container, const struct vfio_paths *paths,
			const char *name, struct error *err);
/* All of its devices and groups are closed. NULL is fine. */
void vfio_container_close(struct vfio_container *container);

/* Devices behind it may reach registers of the devices of @peers, which outlives the container. */
void vfio_container_join(struct vfio_container *container, struct vfio_peers *peers);
/* A device in one of its groups is opened, or is about to be closed. */
void vfio_container_enter(struct vfio_container *container);
void vfio_container_leave(struct vfio_container *container);

/* Put the group into it; the first one makes it type1. -errno with a line that begins with @name.
 */
int vfio_container_attach(struct vfio_container *container, int group_fd, const char *name,
			  struct error *err);
/* What it can map, once all groups are in it. -errno with a line. */
int vfio_container_learn(struct vfio_container *container, struct error *err);
/*
 * Map all of the guest's RAM, IOVA = GPA: all or nothing. -errno. And the registers of peers, also
 * those that come later, as far as the host maps them.
 */
int vfio_container_fill(struct vfio_container *container);

#endif
