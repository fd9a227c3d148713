/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of this folder share, in the order in which to read them. Each calls those above
 * it and none below:
 *
 *   store*.c    the mappings of one domain, and the memory they are kept in
 *   resv.c      where an endpoint's guest may map nothing
 *   trace.c     what is counted and told for the live view
 *   domain.c    domains and their members; MAP and UNMAP, and the listeners they go to
 *   group.c     endpoints that share a listener, and what it holds
 *   move.c      endpoints that go from one domain to another: ATTACH, DETACH, reset
 *   fault.c     reports to the event queue, and to the user
 *   endpoint.c  an endpoint's DMA space: translation, doorbells
 *   request.c   the requests of the wire, one table
 *   viommu.c    the virtio device: queues, configuration, waiting for holds
 *   view*.c     the live view: commands of the control socket
 *
 * Everything runs under the VM lock. Functions that serve a request answer its
 * VIRTIO_IOMMU_S_* status.
 */
#ifndef IOMMU_PRIVATE_H
#define IOMMU_PRIVATE_H

#include <linux/virtio_iommu.h>

#include "iommu/viommu.h"
#include "resv.h"
#include "store.h"
#include "trace.h"

enum { VIOMMU_REQUEST_QUEUE, VIOMMU_EVENT_QUEUE, VIOMMU_QUEUES };

/* Linux flushes up to as many UNMAPs at once; and as many are served under one hold of the lock. */
#define VIOMMU_QUEUE_SIZE 256

/* How many properties a PROBE answer always has room for: a host's group has two or three. */
#define VIOMMU_PROBE_ROOM 8

/* Guests number domains from 0; Linux keeps to the positive ints. */
#define VIOMMU_LAST_DOMAIN 0x7fffffffu

struct domain {
	struct viommu *viommu;
	struct list_node node;	    /* viommu->domains */
	struct list_node endpoints; /* endpoint.member; a domain dies with its last one */
	u32 id;
	bool bypass; /* IOVA = GPA: no mappings */
	struct store store;
	u64 registers;		 /* mappings with the MMIO flag: doorbells may be among them */
	u64 inaccessible;	 /* mappings without READ and WRITE: no listener has them */
	struct list_node groups; /* group.member: whose listeners hold this domain */
};

/*
 * Endpoints that the host cannot tell apart, and the listener that mirrors their domain. It holds
 * the domain that all attached (or bypassing) members are in. While they are in different ones,
 * because a guest moves them one after the other, it holds nothing.
 */
struct group {
	struct list_node node; /* viommu->groups */
	struct viommu *viommu;
	struct dma_listener *listener; /* borrowed */
	struct list_node endpoints;    /* endpoint.sibling */
	struct list_node member;       /* domain->groups */
	struct domain *domain;	       /* whose mappings it holds; NULL: none, or bypass */
	bool bypass;		       /* it holds all RAM: its endpoints bypass */
	bool lost; /* its listener refused to undo a change: groups_isolate_lost() is due */
};

struct endpoint {
	struct dma_space space;
	struct viommu *viommu;
	struct list_node node;	  /* viommu->endpoints */
	struct list_node member;  /* domain->endpoints */
	struct domain *domain;	  /* NULL: not attached */
	struct group *group;	  /* NULL: emulated, needs no mirror */
	struct list_node sibling; /* group->endpoints */
	struct resv resv;
	u64 page_size_mask; /* of the hardware behind it; for the view */
	struct range aperture;
	u32 id;
	char *name; /* owned */
	/* Holds numbered below this are on translations that a reset or a change of bypass took. */
	u64 lost_holds;
	/* It reaches nothing, boot bypass or not: its listener could not follow, or a reset is on.
	 */
	bool isolated;
	bool explained; /* the user was told that the guest has no driver */
};

/* What a request that took a translation away waits for: holds on what was there. */
struct request_wait {
	enum { WAIT_NOTHING, WAIT_DOMAIN, WAIT_ENDPOINT } what;
	u32 domain;	    /* its ID: holds of its members on [start, last] */
	iova_t start, last; /* inclusive */
	struct endpoint *endpoint;
	u64 holds_put; /* holds of the endpoint's that are older, as it had them when it moved */
};

/* The request being served; at most one, because the others wait behind it. */
struct request {
	struct virtq_chain chain;
	bool busy;     /* popped, not answered */
	bool answered; /* has a status; else it goes back unwritten */
	u8 status;
	u8 type;   /* as it is counted */
	u64 since; /* when the batch began with which it came, if it waits */
	u32 tail;  /* where the status goes in the writable part */
	struct request_wait wait;
};

struct viommu {
	struct virtio_device device;
	struct virtq queues[VIOMMU_QUEUES];
	struct viommu_config config;
	struct irq *irq; /* borrowed */
	struct list_node endpoints;
	struct list_node domains;
	struct list_node groups;
	struct store_pool pool; /* of the domains' stores */
	u64 page_size_mask;	/* page sizes that all endpoints can map */
	struct range aperture;
	u32 probe_size;
	bool bypass;   /* virtio_iommu_config.bypass */
	bool attached; /* some endpoint was, once: the guest has a driver */
	struct log_limit fault_log;
	struct request request;
	u64 answered_at; /* ns of CLOCK_MONOTONIC: the last time that requests were */
	u64 mappings;	 /* in all domains */
	u64 mappings_peak;
	u64 host_refused;    /* changes that a listener refused */
	u64 reports_dropped; /* faults for which the event queue had no buffer */
	struct viommu_stats stats;
	struct list_node tracers;
	u64 bad_config; /* writes to the configuration that were ignored */
};

/* ---- domain.c ---- */

struct domain *domain_find(const struct viommu *viommu, u32 id);
/* A new one, without endpoints. NULL: no memory. */
struct domain *domain_create(struct viommu *viommu, u32 id, bool bypass);
/* One that has no endpoints (yet). */
void domain_destroy(struct domain *domain);

/* Whether nothing is mapped where @endpoint may have no mappings. */
bool domain_suits(const struct domain *domain, const struct endpoint *endpoint);
/* @endpoint becomes a member, and leaves the domain that it is in. */
void domain_join(struct domain *domain, struct endpoint *endpoint);
/* Out of the domain that it is in, if any: the domain dies with its last member. */
void domain_leave(struct endpoint *endpoint);
/* Whether it is in a domain that would die. */
bool domain_is_last(const struct endpoint *endpoint);
/* Whether IOVA = GPA for it now. */
bool endpoint_bypasses(const struct endpoint *endpoint);

/* The arguments of MAP, as they came. */
struct map_args {
	iova_t start;
	iova_t last;
	gpa_t gpa;
	u32 flags;
};

/*
 * Where either of them is refused, groups may have been marked as lost: groups_isolate_lost().
 * After an UNMAP no device finds what was there, but one that holds memory may still use it.
 */
u8 domain_map(struct domain *domain, const struct map_args *args);
u8 domain_unmap(struct domain *domain, iova_t start, iova_t last);

/* Give @listener all of @domain's mappings, or all RAM; -errno leaves it as far as it came. */
int domain_replay(const struct domain *domain, struct dma_listener *listener);
/* What a listener's -errno is to the guest. */
u8 listener_status(int error);

/* ---- group.c ---- */

/* The group of @listener, which is made if need be. NULL: no memory. */
struct group *group_of(struct viommu *viommu, struct dma_listener *listener);
/* Also if no endpoint ever joined. NULL is fine. */
void group_destroy(struct group *group);
/* For messages: the name of its first endpoint. */
const char *group_name(const struct group *group);

/*
 * Fill the listener with what it must hold once @mover is in @target (NULL: not attached). On
 * -errno it holds what it held before. If the old mappings cannot be restored either, the answer
 * is -EIO and all of its endpoints are isolated.
 */
int group_prepare_move(struct endpoint *mover, struct domain *target);
/* Fill it with what its endpoints agree on now. -errno: they are isolated. */
int group_settle(struct group *group);
/* Make it hold nothing. Cannot fail. */
void group_clear(struct group *group);
/* After a refused MAP or UNMAP: isolate the endpoints of the groups that it left as lost. */
void groups_isolate_lost(struct viommu *viommu);

/* ---- move.c ---- */

/*
 * Add @endpoint to the domain @id, which is made if need be. *moved: it was not there before.
 */
u8 endpoint_attach(struct endpoint *endpoint, u32 id, bool bypass, bool *moved);
u8 endpoint_detach(struct endpoint *endpoint);
/* Device reset, its first half: every endpoint leaves its domain, and reaches nothing. */
void endpoints_release(struct viommu *viommu);
/* The second half: as at power-on, but for config.bypass. Not at the end, which widens nothing. */
void endpoints_restart(struct viommu *viommu);

/* ---- fault.c ---- */

/* @reason: VIRTIO_IOMMU_FAULT_R_*. */
void fault_report(struct endpoint *endpoint, iova_t address, enum dma_access access, u8 reason);
/*
 * The same report although no access was refused, to test the guest's driver. -ENOBUFS: the
 * event queue has no buffer for it.
 */
int fault_inject(struct endpoint *endpoint, iova_t address, enum dma_access access);

/* ---- endpoint.c ---- */

struct endpoint *endpoint_find(const struct viommu *viommu, u32 id);
int endpoint_create(struct endpoint **endpoint, struct viommu *viommu, u32 id, const char *name,
		    const struct guest_memory *memory);
void endpoint_destroy(struct endpoint *endpoint);
/* ---- request.c ---- */

/*
 * Carry out the request whose chain is in request->chain. -errno: its
 * buffers cannot be reached.
 */
int request_execute(struct viommu *viommu, struct request *request);
/* Whether it must wait for a device to let go of memory. */
bool request_waits(const struct viommu *viommu, const struct request *request);
/* Count it, and write its status. Returns the used length, or -errno. */
s64 request_answer(struct viommu *viommu, const struct request *request);

#endif
