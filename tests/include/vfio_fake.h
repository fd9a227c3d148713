/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A host's VFIO, for tests that have none: it stands in for vfio/sys.c and keeps
 * the rules of type1 v2 and of vfio-pci as linux/vfio.h has them. One per process.
 */
#ifndef TESTS_VFIO_FAKE_H
#define TESTS_VFIO_FAKE_H

#include <linux/vfio.h>

#include "util/range.h"
#include "util/types.h"

#define FAKE_CONTAINERS 4
#define FAKE_GROUPS	4
#define FAKE_DEVICES	4
#define FAKE_MAPS	64
#define FAKE_VECTORS	64
#define FAKE_REGIONS	VFIO_PCI_NUM_REGIONS
#define FAKE_CONFIG_AT	(1ULL << 40) /* offsets: region n begins at n << 40 */

struct fake_map {
	u64 iova, size, host;
	u32 flags;
};

struct fake_container {
	bool open, typed;
	unsigned groups;
	unsigned map_count;
	struct fake_map maps[FAKE_MAPS];
};

struct fake_group {
	int number; /* /dev/vfio/NUMBER */
	bool open, not_viable;
	int open_error; /* -errno */
	int container;	/* -1: none */
};

struct fake_area {
	u64 offset, size;
};

struct fake_region {
	u32 flags;
	u64 size;
	u8 *memory; /* page-aligned; made by fake_region_add() */
	unsigned area_count;
	struct fake_area areas[4]; /* the sparse capability, if any */
};

struct fake_device {
	const char *name; /* as GROUP_GET_DEVICE_FD asks for it */
	int group;	  /* number */
	bool open;
	bool no_reset, hot_reset;
	u32 config_size;
	u8 config[4096];
	u8 read_only[4096]; /* bytes that writes leave alone */
	struct fake_region regions[FAKE_REGIONS];
	u32 irq_counts[VFIO_PCI_NUM_IRQS], irq_flags[VFIO_PCI_NUM_IRQS];
	/* What is on: of one index at a time. */
	u32 irq_on;
	unsigned vector_count; /* 0: nothing is on */
	int vectors[FAKE_VECTORS];
	int unmask_fd, error_fd, request_fd;
	unsigned vectors_max; /* that the host has to give */
	/* While the host resets it, which takes a while; NULL: nothing happens meanwhile. */
	void (*during_reset)(void);
	/* What happened. */
	unsigned resets, hot_resets, switched_off, mapped;
	unsigned config_writes;
};

struct vfio_fake {
	bool no_type1, no_unmap_all, no_avail;
	int set_iommu_error, attach_error; /* -errno */
	u64 page_sizes;
	unsigned range_count;
	struct range ranges[8];
	unsigned map_limit; /* dma_entry_limit */
	unsigned map_calls, unmap_calls, clears;
	unsigned fail_map_at; /* the n-th map from now fails, 1 is the next; 0: none */
	int fail_map_error;
	bool refuse_mmap;
	/* This request is refused, once as many of them were done; 0: none. */
	unsigned long refuse_request;
	int refuse_error; /* -errno */
	unsigned refuse_after;
	bool no_reads; /* of devices' registers: they are not there any more */
	/* For hosts of several processes: open or close a group; -errno. NULL: there is but one. */
	int (*gate)(int number, bool open);
	struct fake_container containers[FAKE_CONTAINERS];
	struct fake_group groups[FAKE_GROUPS];
	struct fake_device devices[FAKE_DEVICES];
};

extern struct vfio_fake vfio_fake;

/* A host with 4 KiB pages, all addresses but 0xfee00000-0xfeefffff, no groups and no devices. */
void vfio_fake_init(void);
/* Frees memory and checks that nothing was left open or mapped. */
void vfio_fake_end(void);
struct fake_device *vfio_fake_device(const char *name, int group);
/* A region of @size bytes, which can be mapped if @flags say so. */
void vfio_fake_region(struct fake_device *device, unsigned n, u64 size, u32 flags);
/* What @container maps at @iova; NULL. */
const struct fake_map *vfio_fake_find(unsigned container, u64 iova);
/* As hardware does: signal vector @n of what is on; false: it is not on. */
bool vfio_fake_raise(struct fake_device *device, unsigned n);

#endif
