/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which of the hardware's capabilities the guest sees. They keep their offsets, as drivers may rely
 * on them; a capability that is hidden is not in the list, and its registers are neither read nor
 * written. On our root bus a device has no link and no port above it: its PCI Express capability
 * shows a Root Complex Integrated Endpoint, and capabilities of links, address translation and
 * virtual functions are hidden (PCI Express Base 6.0, "PCI Express Capability Structure").
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>

#include "capability_list.h"
#include "device.h"

/* ID and next pointer, which the bus keeps. */
#define CAPABILITY_HEADER 2
#define EXTENDED_HEADER	  4

/* What becomes of a capability's registers, after its header. */
enum fate {
	HIDDEN = 0,
	STATIC,	 /* as they were when it was opened */
	READ,	 /* the hardware's, for reading */
	PASSED,	 /* the hardware's */
	SPECIAL, /* each its own way */
	OURS,	 /* the bus has it */
};

/*
 * Not on the list: hidden. VPD is accessed by the host's driver itself; modern virtio finds its
 * registers by VNDR.
 */
static const enum fate fates[PCI_CAP_ID_MAX + 1] = {
	[PCI_CAP_ID_PM] = SPECIAL,  [PCI_CAP_ID_VPD] = PASSED,	[PCI_CAP_ID_MSI] = OURS,
	[PCI_CAP_ID_VNDR] = PASSED, [PCI_CAP_ID_EXP] = SPECIAL, [PCI_CAP_ID_MSIX] = OURS,
	[PCI_CAP_ID_SATA] = READ,   [PCI_CAP_ID_AF] = SPECIAL,
};

static const enum fate extended_fates[PCI_EXT_CAP_ID_MAX + 1] = {
	[PCI_EXT_CAP_ID_ERR] = PASSED,	 [PCI_EXT_CAP_ID_DSN] = STATIC,
	[PCI_EXT_CAP_ID_PWR] = READ,	 [PCI_EXT_CAP_ID_VNDR] = PASSED,
	[PCI_EXT_CAP_ID_DVSEC] = PASSED,
};

static enum fate fate_of(u16 id)
{
	return id < ARRAY_SIZE(fates) ? fates[id] : HIDDEN;
}

static enum fate extended_fate_of(u16 id)
{
	return id < ARRAY_SIZE(extended_fates) ? extended_fates[id] : HIDDEN;
}

/* ---- what the guest sees ---- */

static void set_bits(u8 *bits, u32 offset, u32 size, u8 value)
{
	memset(bits + offset, value, size);
}

static void pass(struct vfio_device *device, u32 offset, u32 size, u8 reads, u8 writes)
{
	set_bits(device->reads, offset, size, reads);
	set_bits(device->writes, offset, size, writes);
}

static void copy(struct vfio_device *device, const u8 *hardware, u32 offset, u32 size)
{
	memcpy(device->function.config + offset, hardware + offset, size);
}

/* The capability's registers after its header, by its rule. */
static void apply(struct vfio_device *device, const u8 *hardware, const struct capability *place,
		  enum fate fate, u16 header)
{
	u32 at = place->at + header, size = place->size - header;

	copy(device, hardware, at, size);
	pass(device, at, size, fate >= READ ? 0xff : 0, fate == PASSED ? 0xff : 0);
}

/* "Power Management Control/Status" is the hardware's, the rest of the structure constant. */
static void special_pm(struct vfio_device *device, const struct capability *place)
{
	if (place->size < PCI_PM_SIZEOF)
		return;
	device->pm = place->at;
	pass(device, place->at + PCI_PM_CTRL, 2, 0xff, 0xff);
}

static void clear(struct vfio_device *device, const struct capability *place, u32 offset, u32 size)
{
	if (offset < place->size)
		memset(device->function.config + place->at + offset, 0,
		       MIN(size, place->size - offset));
}

/*
 * Registers of the link, the slot and the root "must be hardwired to 0" in a function that has
 * none.
 */
static void special_pcie(struct vfio_device *device, const struct capability *place)
{
	struct pci_function *function = &device->function;
	u16 at = place->at, flags = pci_get16(function, at + PCI_EXP_FLAGS);

	if (place->size < PCI_EXP_DEVSTA + 2)
		return; /* another structure is where its registers should be: constant */
	device->pcie = at;
	flags &= ~(PCI_EXP_FLAGS_TYPE | PCI_EXP_FLAGS_SLOT);
	pci_set16(function, at + PCI_EXP_FLAGS, flags | PCI_EXP_TYPE_RC_END << 4);
	clear(device, place, PCI_EXP_LNKCAP, 8);
	clear(device, place, PCI_EXP_SLTCAP, 8);
	clear(device, place, PCI_EXP_RTCTL, 8);
	clear(device, place, PCI_EXP_LNKCAP2, 8);
	clear(device, place, PCI_EXP_SLTCAP2, 8);
	/* Device Control without the reset bit, which config.c handles; Device Status. */
	pass(device, at + PCI_EXP_DEVCTL, 4, 0xff, 0xff);
	device->writes[at + PCI_EXP_DEVCTL + 1] = 0x7f;
	if (place->size < PCI_EXP_DEVCTL2 + 2)
		return;
	/* Of the second Control: completion timeouts, ID-based ordering. */
	device->reads[at + PCI_EXP_DEVCTL2] = device->writes[at + PCI_EXP_DEVCTL2] =
		PCI_EXP_DEVCTL2_COMP_TIMEOUT | PCI_EXP_DEVCTL2_COMP_TMOUT_DIS;
	device->reads[at + PCI_EXP_DEVCTL2 + 1] = device->writes[at + PCI_EXP_DEVCTL2 + 1] =
		(PCI_EXP_DEVCTL2_IDO_REQ_EN | PCI_EXP_DEVCTL2_IDO_CMP_EN) >> 8;
	pci_set32(function, at + PCI_EXP_DEVCAP2,
		  pci_get32(function, at + PCI_EXP_DEVCAP2) &
			  ~(u32)(PCI_EXP_DEVCAP2_ARI | PCI_EXP_DEVCAP2_LTR |
				 PCI_EXP_DEVCAP2_OBFF_MASK));
}

static void special(struct vfio_device *device, const struct capability *place)
{
	switch (place->id) {
	case PCI_CAP_ID_PM:
		special_pm(device, place);
		break;
	case PCI_CAP_ID_EXP:
		special_pcie(device, place);
		break;
	case PCI_CAP_ID_AF:
		device->af = place->at; /* config.c handles its reset; the rest is constant */
		break;
	}
}

static int no_room(const struct vfio_device *device, const char *what, int ret, struct error *err)
{
	return error_set(err, ret, "%s: no room for its %s in configuration space: %s",
			 device->name, what, strerror(-ret));
}

static int add_capability(struct vfio_device *device, const u8 *hardware,
			  const struct capability *place, struct error *err)
{
	enum fate fate = fate_of(place->id);
	int ret;

	if (fate == HIDDEN || fate == OURS)
		return 0;
	ret = pci_add_capability(&device->function, place->id, place->at, place->size);
	if (ret < 0)
		return no_room(device, "capabilities", ret, err);
	apply(device, hardware, place, fate == SPECIAL ? STATIC : fate, CAPABILITY_HEADER);
	if (fate == SPECIAL)
		special(device, place);
	return 0;
}

static int add_extended(struct vfio_device *device, const u8 *hardware,
			const struct capability *place, struct error *err)
{
	enum fate fate = extended_fate_of(place->id);
	int ret;

	if (fate == HIDDEN)
		return 0;
	ret = pci_add_extended_capability(&device->function, place->id, place->version, place->at,
					  place->size);
	if (ret < 0)
		return no_room(device, "extended capabilities", ret, err);
	apply(device, hardware, place, fate, EXTENDED_HEADER);
	return 0;
}

/* ---- MSI and MSI-X: at their places, if ours fit there ---- */

static int add_msi(struct vfio_device *device, const u8 *hardware, const struct capability *place,
		   struct error *err)
{
	u16 flags = capability_get16(hardware, place->at + PCI_MSI_FLAGS);
	unsigned count = 1u << MIN((flags & PCI_MSI_FLAGS_QMASK) >> 1, 5);
	bool maskable = flags & PCI_MSI_FLAGS_MASKBIT;
	int ret;

	count = vfio_msi_probe(device, MIN(count, device->irq_counts[VFIO_PCI_MSI_IRQ_INDEX]));
	/*
	 * Our MSI capability always has 64-bit addresses; there may be no room for it at the
	 * hardware's offset.
	 */
	ret = pci_add_msi(&device->function, place->at, count, maskable);
	if (ret == -ENOSPC)
		ret = pci_add_msi(&device->function, 0, count, maskable);
	return ret ? no_room(device, "MSI", ret, err) : 0;
}

static bool msix_fits(const struct vfio_device *device, unsigned bar, u32 offset, u64 size)
{
	return bar < PCI_BARS && size <= device->regions[bar].size &&
	       offset <= device->regions[bar].size - size;
}

static int add_msix(struct vfio_device *device, const u8 *hardware, const struct capability *place,
		    struct error *err)
{
	static const struct msix_ops ops = {
		.enabled = vfio_msix_enabled,
		.vector_used = vfio_msix_vector_used,
	};
	u32 table = capability_get32(hardware, place->at + PCI_MSIX_TABLE);
	u32 pba = capability_get32(hardware, place->at + PCI_MSIX_PBA);
	unsigned count =
		(capability_get16(hardware, place->at + PCI_MSIX_FLAGS) & PCI_MSIX_FLAGS_QSIZE) + 1;
	unsigned table_bar = table & PCI_MSIX_TABLE_BIR, pba_bar = pba & PCI_MSIX_PBA_BIR;
	int ret;

	table &= PCI_MSIX_TABLE_OFFSET;
	pba &= PCI_MSIX_PBA_OFFSET;
	if (!msix_fits(device, table_bar, table, (u64)count * MSIX_ENTRY_SIZE) ||
	    !msix_fits(device, pba_bar, pba, (count + 63) / 64 * 8)) {
		log_warning("%s: its MSI-X table lies outside its BARs: the guest gets no MSI-X",
			    device->name);
		return 0;
	}
	ret = pci_add_msix(&device->function, place->at, count, table_bar, table, pba_bar, pba,
			   &ops, device);
	if (ret)
		return no_room(device, "MSI-X", ret, err);
	device->table_bar = table_bar;
	device->table_offset = table;
	device->pba_bar = pba_bar;
	device->pba_offset = pba;
	return 0;
}

static int add_interrupts(struct vfio_device *device, const u8 *hardware,
			  const struct capability_list *found, struct error *err)
{
	int ret = 0;

	for (unsigned i = 0; i < found->count && !ret; i++) {
		const struct capability *place = &found->all[i];

		if (place->id == PCI_CAP_ID_MSI && device->irq_counts[VFIO_PCI_MSI_IRQ_INDEX] &&
		    !device->function.msi)
			ret = add_msi(device, hardware, place, err);
		if (place->id == PCI_CAP_ID_MSIX && device->irq_counts[VFIO_PCI_MSIX_IRQ_INDEX] &&
		    !device->function.msix)
			ret = add_msix(device, hardware, place, err);
	}
	return ret;
}

/* ---- all of it ---- */

/*
 * Registers that are in no capability are the device's own, and drivers use them: they are
 * passed. Those of the capabilities are taken out here and put back one by one.
 */
static void pass_unclaimed(struct vfio_device *device, const struct capability_list *found,
			   const struct capability_list *extended)
{
	pass(device, PCI_STD_HEADER_SIZEOF, device->config_size - PCI_STD_HEADER_SIZEOF, 0xff,
	     0xff);
	for (unsigned i = 0; i < found->count; i++)
		pass(device, found->all[i].at, found->all[i].size, 0, 0);
	for (unsigned i = 0; i < extended->count; i++)
		pass(device, extended->all[i].at, extended->all[i].size, 0, 0);
}

/* The structures that the bus keeps are not read from the hardware, wherever they were placed. */
static void take_ours(struct vfio_device *device)
{
	const struct pci_function *function = &device->function;

	u16 msi = function->msi;

	if (msi)
		pass(device, msi,
		     pci_get16(function, msi + PCI_MSI_FLAGS) & PCI_MSI_FLAGS_MASKBIT ? 24 : 14, 0,
		     0);
	if (function->msix_at)
		pass(device, function->msix_at, PCI_CAP_MSIX_SIZEOF, 0, 0);
	/* The head of the extended list is a header, whether or not the guest sees what is there.
	 */
	if (function->last_extended && device->config_size > PCI_CFG_SPACE_SIZE)
		pass(device, PCI_CFG_SPACE_SIZE, 4, 0, 0);
}

int vfio_capabilities_build(struct vfio_device *device, const u8 *hardware, struct error *err)
{
	struct capability_list found, extended = { 0 };
	int ret = 0;

	capability_list_read(&found, hardware);
	if (device->config_size == PCI_CONFIG_SIZE)
		capability_list_read_extended(&extended, hardware);
	pass_unclaimed(device, &found, &extended);
	for (unsigned i = 0; i < found.count && !ret; i++)
		ret = add_capability(device, hardware, &found.all[i], err);
	for (unsigned i = 0; i < extended.count && !ret; i++)
		ret = add_extended(device, hardware, &extended.all[i], err);
	if (!ret)
		ret = add_interrupts(device, hardware, &found, err);
	take_ours(device);
	return ret;
}
