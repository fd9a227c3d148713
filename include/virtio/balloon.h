/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio-balloon (virtio 1.4, "Traditional Memory Balloon Device"): a guest gives memory back to
 * the host, because it is asked to or because it does not use it.
 *
 * All calls with the VM lock held, on any thread.
 */
#ifndef VIRTIO_BALLOON_H
#define VIRTIO_BALLOON_H

#include "util/list.h"
#include "virtio/device.h"

struct guest_memory;
struct loop;

struct virtio_balloon_options {
	bool reporting;	     /* offer free page reporting */
	bool deflate_on_oom; /* let the guest take memory back when it has none left */
	bool pinned; /* others reach all of RAM by its addresses now: nothing is given back */
};

/* What a guest says of its memory, by VIRTIO_BALLOON_S_* (Linux has more than our headers). */
#define BALLOON_STATS 16

struct balloon_stats {
	u64 target;	/* bytes that the guest is asked to do without */
	u64 actual;	/* and does, as it says itself */
	u64 given_back; /* bytes that were given to the host, by balloon and reports, ever */
	bool has_driver;
	u32 known; /* a bit for each of @values that the guest has said */
	u64 values[BALLOON_STATS];
};

/* Somebody who wants to know how the guest's memory is. Lives inside its owner. */
struct balloon_watch {
	struct list_node node; /* balloon.c's; list_init()ed while it is not used */
	/* The guest has answered, or has not for a while (not @fresh): balloon_get_stats() now. */
	void (*told)(struct balloon_watch *watch, bool fresh);
};

/* All borrowed. @memory is the guest's, and @space its identity: pages have physical numbers. */
int virtio_balloon_create(struct virtio_device **device,
			  const struct virtio_balloon_options *options, struct loop *loop,
			  struct guest_memory *memory, struct dma_space *space);

/* How much the guest is to do without; a multiple of 4 KiB. -ERANGE: more than it has. */
int balloon_set_target(struct virtio_device *device, u64 bytes);
/* What is known now. */
void balloon_get_stats(const struct virtio_device *device, struct balloon_stats *stats);
/* Ask the guest for its numbers; @watch is told within a second, perhaps before this returns. */
void balloon_ask(struct virtio_device *device, struct balloon_watch *watch);
/* @watch will not be told. */
void balloon_forget(struct balloon_watch *watch);

#endif
