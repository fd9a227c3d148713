/* SPDX-License-Identifier: BSD-2-Clause */
/* The capabilities of MSI and MSI-X (PCI Local Bus 3.0, "MSI Capability Structure", "MSI-X ...").
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>

#include "pci_private.h"

#define MSI_MAX_VECTORS	    32
#define MSI_SIZE	    14 /* of the capability with 64-bit addresses ... */
#define MSI_SIZE_MASKABLE   24 /* ... and with mask bits */
#define MSI_ENABLED_SHIFT   4  /* of PCI_MSI_FLAGS_QSIZE */
#define MSI_CAPABLE_SHIFT   1  /* of PCI_MSI_FLAGS_QMASK */
#define MSIX_TABLE_ALIGN    8
#define MSIX_CONTROL_GUESTS (PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL)

static void set_writable16(struct pci_function *function, u32 offset, u16 mask)
{
	function->writable[offset] = mask;
	function->writable[offset + 1] = mask >> 8;
}

static void set_writable32(struct pci_function *function, u32 offset, u32 mask)
{
	set_writable16(function, offset, mask);
	set_writable16(function, offset + 2, mask >> 16);
}

static bool count_is_possible(unsigned count)
{
	return count && count <= MSI_MAX_VECTORS && !(count & (count - 1));
}

static u16 msi_control(const struct pci_function *function)
{
	return pci_get16(function, function->msi + PCI_MSI_FLAGS);
}

static unsigned msi_capable(const struct pci_function *function)
{
	return 1u << ((msi_control(function) & PCI_MSI_FLAGS_QMASK) >> MSI_CAPABLE_SHIFT);
}

int pci_add_msi(struct pci_function *function, u16 at, unsigned count, bool maskable)
{
	int offset;

	if (!count_is_possible(count) || function->msi)
		return -EINVAL;
	function->msi_vectors = calloc(MSI_MAX_VECTORS, sizeof(function->msi_vectors[0]));
	if (!function->msi_vectors)
		return -ENOMEM;
	offset = pci_add_capability(function, PCI_CAP_ID_MSI, at,
				    maskable ? MSI_SIZE_MASKABLE : MSI_SIZE);
	if (offset < 0) {
		free(function->msi_vectors);
		function->msi_vectors = NULL;
		return offset;
	}
	for (unsigned n = 0; n < MSI_MAX_VECTORS; n++)
		msi_vector_init(&function->msi_vectors[n], function->space, 0);
	function->msi = offset;
	pci_set16(function, offset + PCI_MSI_FLAGS,
		  __builtin_ctz(count) << MSI_CAPABLE_SHIFT | PCI_MSI_FLAGS_64BIT |
			  (maskable ? PCI_MSI_FLAGS_MASKBIT : 0));
	set_writable16(function, offset + PCI_MSI_FLAGS,
		       PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE);
	set_writable32(function, offset + PCI_MSI_ADDRESS_LO, ~3u);
	set_writable32(function, offset + PCI_MSI_ADDRESS_HI, ~0u);
	set_writable16(function, offset + PCI_MSI_DATA_64, 0xffff);
	if (maskable)
		set_writable32(function, offset + PCI_MSI_MASK_64, (2u << (count - 1)) - 1);
	return 0;
}

/* How many the guest has enabled: at most as many as there are (110b and 111b are reserved). */
static unsigned msi_enabled(const struct pci_function *function)
{
	u16 control = msi_control(function);
	unsigned shift = (control & PCI_MSI_FLAGS_QSIZE) >> MSI_ENABLED_SHIFT;

	return control & PCI_MSI_FLAGS_ENABLE ? MIN(1u << shift, msi_capable(function)) : 0;
}

static bool msi_is_maskable(const struct pci_function *function)
{
	return msi_control(function) & PCI_MSI_FLAGS_MASKBIT;
}

/* "The function is permitted to modify the low order message data bits" to say which vector. */
static void msi_program(struct pci_function *function, unsigned count)
{
	u64 address = pci_get32(function, function->msi + PCI_MSI_ADDRESS_LO) |
		      (u64)pci_get32(function, function->msi + PCI_MSI_ADDRESS_HI) << 32;
	u32 data = pci_get16(function, function->msi + PCI_MSI_DATA_64) & ~(count - 1);
	u32 mask = 0;

	if (msi_is_maskable(function))
		mask = pci_get32(function, function->msi + PCI_MSI_MASK_64);
	/* A vector for which the host has no room stays masked; the next change tries again. */
	for (unsigned n = 0; n < count; n++)
		msi_vector_program(&function->msi_vectors[n], address, data | n, mask & 1u << n);
}

void pci_msi_update(struct pci_function *function)
{
	unsigned before = function->msi_count, count;

	if (!function->msi)
		return;
	count = msi_enabled(function);
	if (count)
		msi_program(function, count);
	function->msi_count = count;
	if (count != before && function->ops->msi_changed)
		function->ops->msi_changed(function, count);
	for (unsigned n = count; n < before; n++)
		msi_vector_disable(&function->msi_vectors[n]);
}

static u32 msi_size(const struct pci_function *function)
{
	return msi_is_maskable(function) ? MSI_SIZE_MASKABLE : MSI_SIZE;
}

bool pci_msi_has(const struct pci_function *function, u32 offset)
{
	if (function->msi && offset - function->msi < msi_size(function))
		return true;
	return function->msix_at && offset - function->msix_at < PCI_CAP_MSIX_SIZEOF;
}

void pci_msi_read_pending(struct pci_function *function, u32 offset, unsigned len, u32 *value)
{
	u32 at = function->msi + PCI_MSI_PENDING_64, pending = 0;

	if (!function->msi || !msi_is_maskable(function) || offset < at || offset >= at + 4)
		return;
	for (unsigned n = 0; n < function->msi_count; n++)
		pending |= (u32)msi_vector_pending(&function->msi_vectors[n]) << n;
	*value = pending >> (8 * (offset - at)) & (~0u >> (32 - 8 * len));
}

void pci_msi_signal(struct pci_function *function, unsigned n)
{
	if (n < function->msi_count)
		msi_vector_signal(&function->msi_vectors[n]);
}

/* ---- MSI-X ---- */

static bool place_is_possible(unsigned bar, u32 offset)
{
	return bar < PCI_BARS && is_aligned(offset, MSIX_TABLE_ALIGN);
}

int pci_add_msix(struct pci_function *function, u16 at, unsigned count, unsigned table_bar,
		 u32 table_offset, unsigned pba_bar, u32 pba_offset, const struct msix_ops *ops,
		 void *arg)
{
	int offset, ret;

	if (!count || count > MSIX_MAX_VECTORS || function->msix_at ||
	    !place_is_possible(table_bar, table_offset) || !place_is_possible(pba_bar, pba_offset))
		return -EINVAL;
	ret = msix_create(&function->msix, count, function->space, 0, ops, arg);
	if (ret)
		return ret;
	offset = pci_add_capability(function, PCI_CAP_ID_MSIX, at, PCI_CAP_MSIX_SIZEOF);
	if (offset < 0) {
		msix_destroy(function->msix);
		function->msix = NULL;
		return offset;
	}
	function->msix_at = offset;
	pci_set16(function, offset + PCI_MSIX_FLAGS, count - 1);
	set_writable16(function, offset + PCI_MSIX_FLAGS, MSIX_CONTROL_GUESTS);
	pci_set32(function, offset + PCI_MSIX_TABLE, table_offset | table_bar);
	pci_set32(function, offset + PCI_MSIX_PBA, pba_offset | pba_bar);
	return 0;
}

void pci_msix_update(struct pci_function *function)
{
	u16 control;

	if (!function->msix_at)
		return;
	control = pci_get16(function, function->msix_at + PCI_MSIX_FLAGS);
	msix_control(function->msix, control & PCI_MSIX_FLAGS_ENABLE,
		     control & PCI_MSIX_FLAGS_MASKALL);
}

/* ---- both ---- */

void pci_msi_placed(struct pci_function *function)
{
	for (unsigned n = 0; function->msi && n < MSI_MAX_VECTORS; n++)
		function->msi_vectors[n].device_id = pci_bdf(function);
	for (unsigned n = 0; function->msix && n < msix_count(function->msix); n++)
		msix_vector(function->msix, n)->device_id = pci_bdf(function);
}

/* The bits of [at, at + size) that the guest may write become 0. */
static void clear_writable(struct pci_function *function, u32 at, u32 size)
{
	for (u32 i = at; i < at + size; i++)
		function->config[i] &= ~function->writable[i];
}

void pci_msi_reset(struct pci_function *function)
{
	if (function->msi)
		clear_writable(function, function->msi, msi_size(function));
	if (!function->msix_at)
		return;
	clear_writable(function, function->msix_at, PCI_CAP_MSIX_SIZEOF);
	msix_reset(function->msix);
}

void pci_msi_destroy(struct pci_function *function)
{
	for (unsigned n = 0; function->msi && n < MSI_MAX_VECTORS; n++)
		msi_vector_destroy(&function->msi_vectors[n]);
	free(function->msi_vectors);
	msix_destroy(function->msix);
	function->msi_vectors = NULL;
	function->msix = NULL;
	function->msi = function->msix_at = 0;
	function->msi_count = 0;
}
