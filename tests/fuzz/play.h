/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of fuzz_viommu.c share: one input's play. */
#ifndef TESTS_FUZZ_PLAY_H
#define TESTS_FUZZ_PLAY_H

#include "../wire/iommu_driver.h"
#include "input.h"
#include "model.h"

#define MIRRORS	     2
#define HOLDS	     6
#define PENDING	     32
#define EVENTS	     64
#define REQUESTS     0x60000ull /* PENDING of 256 bytes */
#define REPLIES	     0x70000ull /* PENDING of 4 KiB */
#define TABLES	     0x90000ull /* PENDING of 2 KiB */
#define MIRROR_ID(n) (0x80000002u + (n))

/* Sent, not answered. */
struct pending {
	struct model_request request;
	unsigned slot;
	u16 head;
};

struct held {
	struct dma_hold hold;
	struct dma_segment segment;
	unsigned endpoint;
	bool live;
};

struct play {
	struct rig rig;
	struct model model;
	struct mirror mirrors[MIRRORS];
	struct dma_space *spaces[MODEL_ENDPOINTS];
	struct held holds[HOLDS];
	struct loop_source let_go;	 /* in the loop, ready during a step: drops a hold */
	struct pending pending[PENDING]; /* oldest first */
	unsigned pending_count, slot;
	unsigned events;     /* buffers that the device has */
	unsigned next_event; /* which of EVENTS places the next one is at */
	u8 event_at[EVENTS]; /* by the head of its chain */
	u64 offered, features;
	bool lost;		    /* the model does not follow */
	unsigned fail_in;	    /* for alloc_fail(), in the next step */
	unsigned failures, excused; /* of the hosts' since all was quiet, and refusals for it */
	iova_t last_iova;	    /* what the last request was about */
};

/* ---- play_send.c: the driver ---- */

/* Addresses as guests have them, and others. */
iova_t take_iova(struct input *in);
gpa_t take_gpa(struct input *in);
/* One request, as it should be or spoilt a little; or any bytes. */
void send_attach(struct play *play, struct input *in);
void send_detach(struct play *play, struct input *in);
void send_map(struct play *play, struct input *in);
void send_unmap(struct play *play, struct input *in);
void send_probe(struct play *play, struct input *in);
void send_bytes(struct play *play, struct input *in);
/*
 * What would take a dozen lucky requests: some endpoints in one domain, with some pages
 * in it. Each as a sensible driver sends it.
 */
void settle(struct play *play, struct input *in);

/* ---- play_check.c: the judge ---- */

/* Add up what has failed since the last call; and let nothing fail from here on. */
void count_failures(struct play *play);
void disarm(struct play *play);
/* Where @endpoint's device reaches memory, or NULL; and that it is where the model says. */
void *reach(struct play *play, unsigned endpoint, iova_t iova, enum dma_access access);
void check_reach(struct play *play, unsigned n, iova_t iova, enum dma_access access);
/* All of the model against all of the device; the part of it that is worth a look at each step. */
void check_whole(struct play *play);
void check_step(struct play *play);
/* Take the answers there are, judge them, and have the model follow. */
void harvest(struct play *play);

#endif
