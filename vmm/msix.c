/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/msix.h"

/* "Table Structure": four dwords to an entry. */
#define ENTRY_DWORDS (MSIX_ENTRY_SIZE / 4)
enum { ENTRY_ADDRESS, ENTRY_ADDRESS_UPPER, ENTRY_DATA, ENTRY_CONTROL };

struct msix_entry {
	u32 dwords[ENTRY_DWORDS];
	bool used; /* unmasked since MSI-X is on, and the listener was told */
	struct msi_vector vector;
};

struct msix {
	unsigned count;
	bool enabled, function_mask;
	const struct msix_ops *ops; /* NULL: nobody listens */
	void *arg;
	struct msix_entry entries[];
};

/* "Mask Bit [...]: state after reset is 1". */
static void entry_reset(struct msix_entry *entry)
{
	memset(entry->dwords, 0, sizeof(entry->dwords));
	entry->dwords[ENTRY_CONTROL] = PCI_MSIX_ENTRY_CTRL_MASKBIT;
}

int msix_create(struct msix **out, unsigned count, struct dma_space *space, u32 device_id,
		const struct msix_ops *ops, void *arg)
{
	struct msix *msix = calloc(1, sizeof(*msix) + count * sizeof(msix->entries[0]));

	if (!msix)
		return -ENOMEM;
	msix->count = count;
	msix->ops = ops;
	msix->arg = arg;
	for (unsigned n = 0; n < count; n++) {
		msi_vector_init(&msix->entries[n].vector, space, device_id);
		entry_reset(&msix->entries[n]);
	}
	*out = msix;
	return 0;
}

void msix_destroy(struct msix *msix)
{
	if (!msix)
		return;
	for (unsigned n = 0; n < msix->count; n++)
		msi_vector_destroy(&msix->entries[n].vector);
	free(msix);
}

void msix_reset(struct msix *msix)
{
	msix_control(msix, false, false);
	for (unsigned n = 0; n < msix->count; n++)
		entry_reset(&msix->entries[n]);
}

unsigned msix_count(const struct msix *msix)
{
	return msix->count;
}

struct msi_vector *msix_vector(struct msix *msix, unsigned n)
{
	return &msix->entries[n].vector;
}

bool msix_vector_is_used(const struct msix *msix, unsigned n)
{
	return msix->entries[n].used;
}

bool msix_is_enabled(const struct msix *msix)
{
	return msix->enabled;
}

/* ---- from registers to vectors ---- */

static bool entry_is_masked(const struct msix *msix, const struct msix_entry *entry)
{
	return msix->function_mask || (entry->dwords[ENTRY_CONTROL] & PCI_MSIX_ENTRY_CTRL_MASKBIT);
}

static int entry_program(const struct msix *msix, struct msix_entry *entry)
{
	u64 address = entry->dwords[ENTRY_ADDRESS] | (u64)entry->dwords[ENTRY_ADDRESS_UPPER] << 32;

	return msi_vector_program(&entry->vector, address, entry->dwords[ENTRY_DATA],
				  entry_is_masked(msix, entry));
}

/*
 * A vector costs nothing until the guest unmasks it for the first time: most drivers use few
 * of many. One for which the host has no eventfd stays unused, and is tried again.
 */
static void entry_update(struct msix *msix, struct msix_entry *entry)
{
	if (!msix->enabled || (!entry->vector.programmed && entry_is_masked(msix, entry)))
		return;
	entry_program(msix, entry);
	if (entry->used || entry_is_masked(msix, entry) || entry->vector.fd < 0)
		return;
	entry->used = true;
	if (msix->ops && msix->ops->vector_used)
		msix->ops->vector_used(msix, msix->arg, entry - msix->entries);
}

static void tell_enabled(struct msix *msix, bool on)
{
	if (msix->ops && msix->ops->enabled)
		msix->ops->enabled(msix, msix->arg, on);
}

/* The listener, which signals, is told first: it must not signal what is forgotten here. */
static void switch_off(struct msix *msix)
{
	msix->enabled = false;
	tell_enabled(msix, false);
	for (unsigned n = 0; n < msix->count; n++) {
		msi_vector_disable(&msix->entries[n].vector);
		msix->entries[n].used = false;
	}
}

void msix_control(struct msix *msix, bool enable, bool function_mask)
{
	if (msix->enabled == enable && msix->function_mask == function_mask)
		return;
	msix->function_mask = function_mask;
	if (!enable) {
		if (msix->enabled)
			switch_off(msix);
		return;
	}
	if (!msix->enabled) {
		msix->enabled = true;
		tell_enabled(msix, true);
	}
	for (unsigned n = 0; n < msix->count; n++)
		entry_update(msix, &msix->entries[n]);
}

/* ---- the guest's accesses ---- */

u64 msix_table_size(const struct msix *msix)
{
	return (u64)msix->count * MSIX_ENTRY_SIZE;
}

u64 msix_pba_size(const struct msix *msix)
{
	return (u64)(msix->count + 63) / 64 * 8;
}

/* "Software must use aligned DWORD or QWORD accesses", to both structures. */
static bool access_is_possible(u64 offset, unsigned len, u64 size)
{
	return (len == 4 || len == 8) && !(offset % len) && offset < size && len <= size - offset;
}

u64 msix_table_read(const struct msix *msix, u64 offset, unsigned len)
{
	const struct msix_entry *entry;
	unsigned dword = offset / 4 % ENTRY_DWORDS;

	if (!access_is_possible(offset, len, msix_table_size(msix)))
		return 0;
	entry = &msix->entries[offset / MSIX_ENTRY_SIZE];
	return entry->dwords[dword] | (len == 8 ? (u64)entry->dwords[dword + 1] << 32 : 0);
}

static void entry_write(struct msix_entry *entry, unsigned dword, u32 value)
{
	static const u32 writable[ENTRY_DWORDS] = {
		[ENTRY_ADDRESS] = ~3u,
		[ENTRY_ADDRESS_UPPER] = ~0u,
		[ENTRY_DATA] = ~0u,
		[ENTRY_CONTROL] = PCI_MSIX_ENTRY_CTRL_MASKBIT,
	};

	entry->dwords[dword] = value & writable[dword];
}

void msix_table_write(struct msix *msix, u64 offset, u64 value, unsigned len)
{
	unsigned dword = offset / 4 % ENTRY_DWORDS;
	struct msix_entry *entry;

	if (!access_is_possible(offset, len, msix_table_size(msix)))
		return;
	entry = &msix->entries[offset / MSIX_ENTRY_SIZE];
	entry_write(entry, dword, value);
	if (len == 8)
		entry_write(entry, dword + 1, value >> 32);
	entry_update(msix, entry);
}

u64 msix_pba_read(const struct msix *msix, u64 offset, unsigned len)
{
	u64 bits = 0;

	if (!access_is_possible(offset, len, msix_pba_size(msix)))
		return 0;
	for (unsigned i = 0; i < 8 * len && 8 * offset + i < msix->count; i++)
		bits |= (u64)msi_vector_pending(&msix->entries[8 * offset + i].vector) << i;
	return bits;
}

/* A vector that was never unmasked has no eventfd yet in which the message could be pending. */
void msix_signal(struct msix *msix, unsigned n)
{
	struct msix_entry *entry;

	if (n >= msix->count || !msix->enabled)
		return;
	entry = &msix->entries[n];
	if (!entry->vector.programmed)
		entry_program(msix, entry);
	msi_vector_signal(&entry->vector);
}
