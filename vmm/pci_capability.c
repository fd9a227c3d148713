/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists of capabilities (PCI Express Base 6.0, "PCI-Compatible" and "Extended Capabilities"). */
#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>

#include "pci_private.h"

#define CAPABILITY_FIRST    PCI_STD_HEADER_SIZEOF
#define CAPABILITY_HEADER   2
#define CAPABILITY_ALIGN    4
#define EXTENDED_NEXT_SHIFT 20
#define EXTENDED_NEXT_MASK  0xfff00000u

static bool dword_is_taken(const struct pci_function *function, u32 offset)
{
	return function->taken[offset / 32] & 1u << (offset / 4 % 8);
}

static bool is_free(const struct pci_function *function, u32 at, u32 size, u32 end)
{
	if (at % CAPABILITY_ALIGN || at > end || size > end - at)
		return false;
	for (u32 offset = at; offset < at + size; offset += 4) {
		if (dword_is_taken(function, offset))
			return false;
	}
	return true;
}

/* Take @size bytes in [first, end) for a capability: at @at, or where there is room. */
static int take(struct pci_function *function, u32 at, u32 size, u32 first, u32 end)
{
	if (!at) {
		for (at = first; at < end && !is_free(function, at, size, end); at += 4)
			;
	}
	if (at < first || !is_free(function, at, size, end))
		return -ENOSPC;
	for (u32 offset = at; offset < at + size; offset += 4)
		function->taken[offset / 32] |= 1u << (offset / 4 % 8);
	memset(function->writable + at, 0, size);
	memset(function->clear + at, 0, size);
	return at;
}

int pci_add_capability(struct pci_function *function, u8 id, u16 at, u16 size)
{
	int offset;

	if (size < CAPABILITY_HEADER)
		return -ENOSPC;
	offset = take(function, at, size, CAPABILITY_FIRST, PCI_CONFIG_COMPATIBLE);
	if (offset < 0)
		return offset;
	memset(function->config + offset, 0, size);
	function->config[offset + PCI_CAP_LIST_ID] = id;
	if (function->last_capability)
		function->config[function->last_capability + PCI_CAP_LIST_NEXT] = offset;
	else
		function->config[PCI_CAPABILITY_LIST] = offset;
	function->last_capability = offset;
	pci_set16(function, PCI_STATUS, pci_get16(function, PCI_STATUS) | PCI_STATUS_CAP_LIST);
	return offset;
}

/*
 * The list begins at 0x100, whatever is there: a header without an ID, if nothing else,
 * whose link a capability that comes there later keeps.
 */
static u32 extended_link(struct pci_function *function, u32 offset)
{
	u32 previous = function->last_extended ? function->last_extended : PCI_CFG_SPACE_SIZE;

	if (offset == PCI_CFG_SPACE_SIZE) {
		if (!function->last_extended)
			function->last_extended = offset;
		return pci_get32(function, offset) & EXTENDED_NEXT_MASK;
	}
	pci_set32(function, previous,
		  (pci_get32(function, previous) & ~EXTENDED_NEXT_MASK) |
			  offset << EXTENDED_NEXT_SHIFT);
	function->last_extended = offset;
	return 0;
}

int pci_add_extended_capability(struct pci_function *function, u16 id, u8 version, u16 at, u16 size)
{
	int offset;
	u32 next;

	if (size < sizeof(u32))
		return -ENOSPC;
	offset = take(function, at, size, PCI_CFG_SPACE_SIZE, PCI_CONFIG_SIZE);
	if (offset < 0)
		return offset;
	next = extended_link(function, offset);
	memset(function->config + offset, 0, size);
	pci_set32(function, offset, next | (version & 0xfu) << 16 | id);
	return offset;
}
