/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * DMA: how a device reaches guest memory. A device holds a struct dma_space
 * and nothing else; whether its addresses are the guest's physical ones or go
 * through an IOMMU is the space's business, and may change while it runs.
 *
 * Life of an access:
 *
 *   1. dma_read(), dma_write() copy; dma_map_iov() answers host addresses.
 *   2. Host addresses are good until the caller gives up the VM lock. A device
 *      that needs them longer (asynchronous I/O) puts a struct dma_hold on the
 *      space *before* it gives up the lock and drops it when the I/O is done.
 *   3. An IOMMU that takes a translation away (UNMAP, DETACH) removes it and calls
 *      dma_space_forget(), so that no new access finds it. Then it waits, without
 *      blocking, until no hold covers it: it asks dma_space_held(), or for all of the space
 *      dma_space_held_before(), and is called back at each drop.
 *
 * All of this happens under the VM lock, on any thread that has it.
 */
#ifndef VMM_DMA_H
#define VMM_DMA_H

#include <string.h>
#include <sys/uio.h>

#include "util/list.h"
#include "util/range.h"
#include "util/types.h"
#include "vmm/irq.h"

struct guest_memory;
struct dma_space;

/* What the *device* does to memory. */
enum dma_access { DMA_READ = 1, DMA_WRITE = 2 };

/* Addresses of a device's that follow each other in guest-physical memory, too. */
struct dma_run {
	iova_t start;
	iova_t last; /* inclusive */
	gpa_t gpa;   /* of start */
	u32 access;  /* all that the device may do there: DMA_READ | DMA_WRITE */
};

struct dma_space_ops {
	/*
	 * The whole run around @iova, which allows @access. -EFAULT: refused; the
	 * space has counted and reported the fault, with address and direction.
	 * The run need not be RAM: the caller checks. The part of it that is RAM is
	 * remembered until dma_space_forget().
	 */
	int (*translate)(struct dma_space *space, iova_t iova, enum dma_access access,
			 struct dma_run *run);
	/*
	 * An access that translated but met no RAM, at @iova: report it as a
	 * fault. May be NULL.
	 */
	void (*bad_access)(struct dma_space *space, iova_t iova, enum dma_access access);
	/*
	 * A message-signalled interrupt is not a memory access: where the doorbell @address
	 * leads, as the interrupt controller sees it. -EFAULT: nowhere. That is counted and
	 * reported as above if @send, because a message is on its way, and not if a route is
	 * only prepared.
	 */
	int (*resolve_msi)(struct dma_space *space, iova_t address, bool send, gpa_t *doorbell);
};

/*
 * How long has_unasked() can be true of a guest that does ask: Linux's flush queue of I/O addresses
 * does after 10 ms, or a tick later.
 */
#define DMA_UNASKED_NS 20000000

/*
 * A device's IOTLB: translations that lead to RAM, as host addresses. A translation is in the entry
 * of each page through which it was found, so an UNMAP looks only at the entries of its pages.
 */
#define DMA_TLB_ENTRIES 256
#define DMA_TLB_PAGE	4096

struct dma_tlb_entry {
	iova_t start;
	iova_t last; /* < start: empty */
	char *host;  /* of start */
	u32 access;  /* DMA_READ | DMA_WRITE */
};

/* Lives inside its owner: the vm (identity over RAM) or the IOMMU's endpoint. */
struct dma_space {
	const struct dma_space_ops *ops;
	const struct guest_memory *memory;
	struct irq *irq;	  /* where MSIs go; borrowed */
	struct list_node holds;	  /* dma_hold.node, oldest first */
	u64 holds_put;		  /* how many there ever were */
	struct list_node vectors; /* msi_vector.node: resolved again by dma_space_changed() */
	/* Called after each dropped hold, lock held; may be NULL. */
	void (*dropped)(struct dma_space *space);
	/*
	 * Whether the guest may have told the IOMMU of changes for which it has not asked for an
	 * answer yet: Linux unmaps lazily, and asks some milliseconds later. Lock held; NULL:
	 * never.
	 */
	bool (*has_unasked)(struct dma_space *space);
	u64 translations; /* accesses that were translated, for --debug */
	u64 faults;	  /* and those that were refused */
	u64 misses;	  /* translations that were not in the TLB */
	u64 generation;	  /* host addresses from the TLB are good while this stays */
	bool tlb_used;	  /* something is in it */
	struct dma_tlb_entry tlb[DMA_TLB_ENTRIES];
};

/* One piece of a device's buffer. */
struct dma_segment {
	iova_t iova;
	u32 len;
};

/* Buffers whose host addresses a device keeps while it does not have the VM lock. */
struct dma_hold {
	struct list_node node;
	u64 number;			    /* holds put before it: dma.c's */
	const struct dma_segment *segments; /* the holder's; they stay as they are */
	unsigned count;
};

/* @memory, @irq: borrowed. */
void dma_space_init(struct dma_space *space, const struct dma_space_ops *ops,
		    const struct guest_memory *memory, struct irq *irq);

/*
 * Translations of [start, last] may be different from now on: the TLB forgets them. To be called,
 * if not dma_space_changed(), when a translation was taken away and before holds are asked for. A
 * new mapping needs no call, because refusals are not remembered.
 */
void dma_space_forget(struct dma_space *space, iova_t start, iova_t last);

/*
 * Host addresses of [iova, iova + len) in *iov, at most @max pieces. Returns
 * their number (0 for len 0); -EFAULT if any byte of it is refused or not RAM,
 * -ENOSPC if it needs more pieces. On error nothing of *iov counts.
 */
int dma_map_iov(struct dma_space *space, iova_t iova, u64 len, enum dma_access access,
		struct iovec *iov, unsigned max);

/* What is not in the TLB, or in more than one place: dma_object(), dma_read(), dma_write(). */
void *dma_object_slow(struct dma_space *space, iova_t iova, u64 len, enum dma_access access);
int dma_read_slow(struct dma_space *space, iova_t iova, void *data, u64 len);
int dma_write_slow(struct dma_space *space, iova_t iova, const void *data, u64 len);

/* The entry that translates @iova for @access, or NULL. */
static inline const struct dma_tlb_entry *dma_tlb_find(const struct dma_space *space, iova_t iova,
						       enum dma_access access)
{
	const struct dma_tlb_entry *entry = &space->tlb[iova / DMA_TLB_PAGE % DMA_TLB_ENTRIES];

	return iova >= entry->start && iova <= entry->last && entry->access & access ? entry : NULL;
}

/*
 * Host address of all of [iova, iova + len) if that is known, good until space->generation
 * changes or the VM lock is given up; NULL says nothing.
 */
static inline void *dma_tlb_host(struct dma_space *space, iova_t iova, u64 len,
				 enum dma_access access)
{
	const struct dma_tlb_entry *entry = dma_tlb_find(space, iova, access);

	/* A len of 0 wraps to the longest there is, and is not found. */
	if (!entry || len - 1 > entry->last - iova)
		return NULL;
	space->translations++;
	return entry->host + (iova - entry->start);
}

/*
 * Host address of an object that must not be torn: NULL unless it lies in one run. For single
 * fields of a ring, of 2 or 4 bytes and aligned to their size, which never cross a page; a used
 * element, 8 bytes aligned to 4, may.
 */
static inline void *dma_object(struct dma_space *space, iova_t iova, u64 len,
			       enum dma_access access)
{
	void *host = dma_tlb_host(space, iova, len, access);

	return host ? host : dma_object_slow(space, iova, len, access);
}

/* Keep the compiler from reading guest memory a second time in place of the copy. */
static inline void dma_copied(void)
{
	__asm__ volatile("" : : : "memory");
}

/* Copy. -EFAULT if a byte is refused; the bytes before it may have been copied. */
static inline int dma_read(struct dma_space *space, iova_t iova, void *data, u64 len)
{
	const void *host = dma_tlb_host(space, iova, len, DMA_READ);

	if (!host)
		return dma_read_slow(space, iova, data, len);
	memcpy(data, host, len);
	dma_copied();
	return 0;
}

static inline int dma_write(struct dma_space *space, iova_t iova, const void *data, u64 len)
{
	void *host = dma_tlb_host(space, iova, len, DMA_WRITE);

	if (!host)
		return dma_write_slow(space, iova, data, len);
	memcpy(host, data, len);
	return 0;
}

/*
 * All translations of @space may be different from now on: its TLB is forgotten and the routes of
 * its MSI vectors (vmm/msi.h) are resolved again. To be called before the guest is told of the
 * change.
 */
void dma_space_changed(struct dma_space *space);

void dma_hold(struct dma_space *space, struct dma_hold *hold);
/* May call space->dropped, which may serve other requests: the last thing that a holder does. */
void dma_drop(struct dma_space *space, struct dma_hold *hold);
/* Whether a hold covers a byte of [start, last]. */
bool dma_space_held(const struct dma_space *space, iova_t start, iova_t last);

/* Whether a hold is left that was there when space->holds_put was @put. */
bool dma_space_held_before(const struct dma_space *space, u64 put);

/* The space of a machine without an IOMMU, and of the IOMMU itself: IOVA is GPA. */
struct dma_identity {
	struct dma_space space;
};

void dma_identity_init(struct dma_identity *identity, const struct guest_memory *memory,
		       struct irq *irq);

#endif
