/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The MSI-X table and pending bits of a PCI function, as the guest sees them (PCI Local
 * Bus 3.0, "MSI-X Capability and Table Structures"); the same for an emulated device and
 * for a passed one. The capability itself is in the function's configuration space
 * (vmm/pci.h), which tells us of its two bits.
 *
 * VM lock held for all calls.
 */
#ifndef VMM_MSIX_H
#define VMM_MSIX_H

#include "vmm/msi.h"

#define MSIX_MAX_VECTORS 2048
#define MSIX_ENTRY_SIZE	 16

struct msix;

struct msix_ops {
	/*
	 * MSI-X was switched on or off, or the guest unmasked vector @n for the first time since
	 * it was on, whose eventfd is msix_vector(msix, n)->fd: a passed device is to be
	 * told of it now. NULL in an emulated device.
	 */
	void (*enabled)(struct msix *msix, void *arg, bool on);
	void (*vector_used)(struct msix *msix, void *arg, unsigned n);
};

/* @count vectors, 1 to MSIX_MAX_VECTORS. @ops NULL: nobody listens. -ENOMEM. */
int msix_create(struct msix **msix, unsigned count, struct dma_space *space, u32 device_id,
		const struct msix_ops *ops, void *arg);
/* NULL is fine. */
void msix_destroy(struct msix *msix);
/* As at power-on: all masked, all zero, off. */
void msix_reset(struct msix *msix);

unsigned msix_count(const struct msix *msix);
struct msi_vector *msix_vector(struct msix *msix, unsigned n);
/* Whether the guest has unmasked vector @n since MSI-X was switched on. */
bool msix_vector_is_used(const struct msix *msix, unsigned n);

/* The bits of Message Control. */
void msix_control(struct msix *msix, bool enable, bool function_mask);
bool msix_is_enabled(const struct msix *msix);

/*
 * The guest's accesses to the table and to the pending bits, at @offset of them. An access that
 * is not 4 or 8 bytes wide and aligned, or that lies outside, does nothing and reads as 0.
 */
u64 msix_table_read(const struct msix *msix, u64 offset, unsigned len);
void msix_table_write(struct msix *msix, u64 offset, u64 value, unsigned len);
u64 msix_pba_read(const struct msix *msix, u64 offset, unsigned len);

/* Bytes of both, in whole quadwords. */
u64 msix_table_size(const struct msix *msix);
u64 msix_pba_size(const struct msix *msix);

/* An emulated device's interrupt. Out of range, or MSI-X off: nothing. */
void msix_signal(struct msix *msix, unsigned n);

#endif
