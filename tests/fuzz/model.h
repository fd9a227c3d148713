/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a virtio-iommu must answer and do (virtio 1.4, "IOMMU Device"), written down
 * without any cleverness: arrays, and a look at every element. It follows the device:
 * it judges an answer, and carries out what the device says that it did.
 */
#ifndef TESTS_FUZZ_MODEL_H
#define TESTS_FUZZ_MODEL_H

#include "util/range.h"
#include "util/types.h"
#include "vmm/dma.h"

#define MODEL_ENDPOINTS 4
#define MODEL_MAPPINGS	48 /* in all; less than what a mirror holds */
#define MODEL_REQUEST	80 /* bytes; PROBE has the most, 72 */
#define MODEL_UNWRITTEN 255u

struct model_mapping {
	iova_t start, last;
	gpa_t gpa;
	u32 flags;
};

struct model_domain {
	bool live;
	u32 id;
	bool bypass;
	unsigned count;
	struct model_mapping mappings[MODEL_MAPPINGS];
};

struct model_endpoint {
	u32 id;
	struct model_domain *domain; /* NULL: not attached */
	bool has_window;	     /* model->window is its doorbell */
	u64 room;		     /* of what stands behind it */
};

struct model {
	u64 features; /* negotiated */
	u64 granule;
	struct range aperture, window;
	gpa_t last_gpa;
	u64 max_mappings;
	u32 probe_size;
	bool bypass;
	struct model_endpoint endpoints[MODEL_ENDPOINTS];
	/* One more than can be: a new one is there before an old one dies. */
	struct model_domain domains[MODEL_ENDPOINTS + 1];
};

/* Nothing is attached. */
void model_reset(struct model *model);

/* A request as it was sent, and how many bytes there are for the answer. */
struct model_request {
	u8 bytes[MODEL_REQUEST];
	u32 size, room;
};

/*
 * Whether @status (or MODEL_UNWRITTEN) may be the answer, now. @failed: the host failed
 * the device while it worked, and that may be why.
 */
bool model_allows(const struct model *model, const struct model_request *request, unsigned status,
		  bool failed);
/* The used length that goes with it. */
u32 model_used_length(const struct model *model, const struct model_request *request,
		      unsigned status);
/* The answer was OK. */
void model_carry_out(struct model *model, const struct model_request *request);

struct model_endpoint *model_endpoint(struct model *model, u32 id);
unsigned model_count(const struct model *model);
/* Where an access leads; false: it faults. */
bool model_translate(const struct model *model, const struct model_endpoint *endpoint, iova_t iova,
		     enum dma_access access, gpa_t *gpa);
bool model_doorbell(const struct model *model, const struct model_endpoint *endpoint,
		    iova_t address, gpa_t *gpa);
/* Whether a host's IOMMU is to hold it. */
bool model_mirrors(const struct model_mapping *mapping);

#endif
