/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a driver has yet to ask its IOMMU when it lets go of a device.
 *
 * Linux unmaps lazily: it puts UNMAPs into the IOMMU's queue and kicks that some ten milliseconds
 * later. At power-off Linux resets every virtio device, and its IOMMU last. Its driver then waits
 * for ever, its interrupts off, for what was in the queue: it takes no answer from a device that
 * was reset. So the driver is told that a device behind the IOMMU is reset, or no bus master any
 * more, when it has asked the IOMMU for all answers, and has had time to look at them.
 *
 * VM lock held for all calls.
 */
#ifndef VMM_UNASKED_H
#define VMM_UNASKED_H

#include "vmm/dma.h"
#include "vmm/loop.h"

struct vm;

struct unasked {
	struct vm *vm;		 /* borrowed */
	struct dma_space *space; /* borrowed */
	u64 until;		 /* ns of now_ns(), at the latest; 0: nothing is waited for */
	struct loop_timer timer; /* to look again; of a space that may have something */
};

/* -errno of loop_timer_create(). */
int unasked_create(struct unasked *unasked, struct vm *vm, struct dma_space *space);
/* Legal on a zeroed one. */
void unasked_destroy(struct unasked *unasked);

/* The driver lets go of the device. */
void unasked_begin(struct unasked *unasked);
/* It goes on with it: nothing is waited for. */
void unasked_end(struct unasked *unasked);
/*
 * Whether there is nothing, or no more, to wait for: for a register that the driver reads until
 * then. A second at the longest.
 */
bool unasked_is_over(struct unasked *unasked);
/*
 * For a register that it does not read: the last thing that its write does, as vm_wait() says. The
 * processor that writes may be the one whose timer is to kick the IOMMU. So the wait is 20 ms at
 * most where there is no other, else 0.1 s: that timer is due by then, and interrupts it after the
 * write.
 */
void unasked_await(struct unasked *unasked);

#endif
