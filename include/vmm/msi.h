/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One message-signalled interrupt of a device: its MSI, or an entry of its MSI-X
 * table. It is an eventfd that KVM turns into the message that the guest has
 * programmed: an emulated device writes it, a passed one has the host's kernel write
 * it, and neither leaves the kernel for that.
 *
 * The message's address is a DMA address of the device: the doorbell that it leads to
 * is resolved through the device's space, when the vector is programmed and again
 * whenever the space changes. A vector that leads nowhere, or is masked, is not tied to
 * KVM: its eventfd counts, which is what "pending" means, and nothing is lost.
 *
 * VM lock held for all calls. Rules: PCI Local Bus 3.0, "MSI
 * and MSI-X".
 */
#ifndef VMM_MSI_H
#define VMM_MSI_H

#include "util/list.h"
#include "util/types.h"
#include "vmm/dma.h"

struct msi_vector {
	struct dma_space *space; /* borrowed; its irq is where the message goes */
	u32 device_id;		 /* for controllers that ask who sends */
	int fd;			 /* eventfd, owned; -1 before the first msi_vector_program() */
	/* The rest is msi.c's own. */
	struct list_node node; /* space->vectors, while programmed */
	iova_t address;
	u32 data;
	bool programmed, masked;
	bool routed; /* gsi is ours, and carries route */
	bool tied;   /* fd is tied to gsi */
	u32 gsi;
	/* Calls since the host refused an eventfd or a route: it is asked again at the 1st, 2nd,
	 * 4th, 8th ... of them, so that a guest cannot make a storm of it. 0: it did not. */
	u32 refused;
	struct msi_message route;
};

void msi_vector_init(struct msi_vector *vector, struct dma_space *space, u32 device_id);
/* Forget everything; the eventfd is closed. Idempotent. */
void msi_vector_destroy(struct msi_vector *vector);

/*
 * The message that the guest wants, and whether it may be sent now. A change is made in
 * place: no interrupt is lost. -errno: there is no eventfd or route to be had, as has been said;
 * the vector is then as if masked. The next call tries again, and later ones in growing distances.
 */
int msi_vector_program(struct msi_vector *vector, iova_t address, u32 data, bool masked);
/* The guest has switched it off: what is pending is forgotten. The eventfd stays. */
void msi_vector_disable(struct msi_vector *vector);

/*
 * An emulated device's: send it, or make it pending if it is masked. One that is not masked and
 * leads nowhere is a refused access, which the space reports. Nothing happens to a vector that is
 * not programmed.
 */
void msi_vector_signal(struct msi_vector *vector);
/* Signalled, and not sent. */
bool msi_vector_pending(const struct msi_vector *vector);

/* For dma_space_changed(): see where the doorbell leads now. */
void msi_vector_resolve(struct msi_vector *vector);

#endif
