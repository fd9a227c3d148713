/* SPDX-License-Identifier: BSD-2-Clause */
#include <linux/pci_regs.h>

#include "capability_list.h"

#define MSI_SIZE	  10 /* with 32-bit addresses */
#define MSI_SIZE_64	  4  /* more */
#define MSI_SIZE_MASKABLE 10 /* more, wherever the address ends */
/* Advanced Error Reporting of an endpoint: with the prefix log, without a root's registers. */
#define AER_SIZE      0x48
#define VENDOR_LENGTH 20 /* of the second dword, in both vendor-specific structures: bits 31:20 */
#define CONFIG_SIZE   4096

u16 capability_get16(const u8 *hardware, u32 offset)
{
	return hardware[offset] | hardware[offset + 1] << 8;
}

u32 capability_get32(const u8 *hardware, u32 offset)
{
	return capability_get16(hardware, offset) | (u32)capability_get16(hardware, offset + 2)
							    << 16;
}

/* ---- sizes ---- */

static u16 msi_size(u16 control)
{
	return MSI_SIZE + (control & PCI_MSI_FLAGS_64BIT ? MSI_SIZE_64 : 0) +
	       (control & PCI_MSI_FLAGS_MASKBIT ? MSI_SIZE_MASKABLE : 0);
}

static u16 express_size(u16 flags)
{
	return (flags & PCI_EXP_FLAGS_VERS) > 1 ? PCI_EXP_SLTSTA2 + 2
						: PCI_CAP_EXP_ENDPOINT_SIZEOF_V1;
}

/* @room: up to the next one. */
static u16 structure_size(const u8 *hardware, const struct capability *capability, u16 room)
{
	u16 flags = capability_get16(hardware, capability->at + PCI_CAP_FLAGS);

	switch (capability->id) {
	case PCI_CAP_ID_PM:
	case PCI_CAP_ID_VPD:
	case PCI_CAP_ID_SATA:
	case PCI_CAP_ID_AF: /* six, and two reserved */
		return 8;
	case PCI_CAP_ID_MSI:
		return msi_size(flags);
	case PCI_CAP_ID_VNDR: /* its own length comes first */
		return MAX(flags & 0xff, PCI_CAP_SIZEOF);
	case PCI_CAP_ID_EXP:
		return express_size(flags);
	case PCI_CAP_ID_MSIX:
		return PCI_CAP_MSIX_SIZEOF;
	default:
		return room;
	}
}

static u16 extended_size(const u8 *hardware, const struct capability *capability, u16 room)
{
	switch (capability->id) {
	case PCI_EXT_CAP_ID_ERR:
		return AER_SIZE;
	case PCI_EXT_CAP_ID_DSN:
		return PCI_EXT_CAP_DSN_SIZEOF;
	case PCI_EXT_CAP_ID_PWR:
		return PCI_EXT_CAP_PWR_SIZEOF;
	case PCI_EXT_CAP_ID_VNDR:
	case PCI_EXT_CAP_ID_DVSEC:
		if (room < 8) /* the second dword is another's, or past the end */
			return room;
		return MAX(capability_get32(hardware, capability->at + 4) >> VENDOR_LENGTH, 8);
	default:
		return room;
	}
}

/* Bytes from @capability to the next one, or to @end. */
static u16 find_room(const struct capability_list *list, const struct capability *capability,
		     u16 end)
{
	u16 next = end;

	for (unsigned i = 0; i < list->count; i++) {
		if (list->all[i].at > capability->at)
			next = MIN(next, list->all[i].at);
	}
	return next - capability->at;
}

/* ---- lists ---- */

static bool is_listed(const struct capability_list *list, u16 at)
{
	for (unsigned i = 0; i < list->count; i++) {
		if (list->all[i].at == at)
			return true;
	}
	return false;
}

static bool may_follow(const struct capability_list *list, u16 at, u16 first)
{
	return at >= first && list->count < CAPABILITY_LIST_MAX && !is_listed(list, at);
}

void capability_list_read(struct capability_list *list, const u8 *hardware)
{
	u16 at = hardware[PCI_CAPABILITY_LIST] & ~3u;

	list->count = 0;
	if (!(hardware[PCI_STATUS] & PCI_STATUS_CAP_LIST))
		return;
	while (may_follow(list, at, PCI_STD_HEADER_SIZEOF)) {
		list->all[list->count++] = (struct capability){
			.at = at,
			.id = hardware[at + PCI_CAP_LIST_ID],
		};
		at = hardware[at + PCI_CAP_LIST_NEXT] & ~3u;
	}
	for (unsigned i = 0; i < list->count; i++) {
		u16 room = find_room(list, &list->all[i], PCI_CFG_SPACE_SIZE);

		list->all[i].size = MIN(room, structure_size(hardware, &list->all[i], room));
	}
}

void capability_list_read_extended(struct capability_list *list, const u8 *hardware)
{
	u16 at = PCI_CFG_SPACE_SIZE;

	list->count = 0;
	while (may_follow(list, at, PCI_CFG_SPACE_SIZE)) {
		u32 header = capability_get32(hardware, at);

		if (!header || header == ~0u)
			break;
		list->all[list->count++] = (struct capability){
			.at = at,
			.id = PCI_EXT_CAP_ID(header),
			.version = PCI_EXT_CAP_VER(header),
		};
		at = PCI_EXT_CAP_NEXT(header);
	}
	for (unsigned i = 0; i < list->count; i++) {
		u16 room = find_room(list, &list->all[i], CONFIG_SIZE);

		list->all[i].size = MIN(room, extended_size(hardware, &list->all[i], room));
	}
}
