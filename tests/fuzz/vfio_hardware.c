/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>

#include "pci_take.h"
#include "shim.h"
#include "vfio_play.h"
#include "vmm/slot.h"
#include "vmm/vm.h"

#define PAGE	   4096
#define MEMORY_MAX (64 * KIB)

/* ---- what stands for KVM ---- */

int page_slot_map(struct vm *vm, struct page_slot *slot, gpa_t gpa, void *host, u64 size)
{
	const struct list_node *node;

	fuzz_check(size && !((gpa | size | (uintptr_t)host) % PAGE));
	list_for_each(node, &vm->page_slots) {
		const struct page_slot *other = list_entry(node, struct page_slot, node);

		if (gpa < other->gpa + other->size && other->gpa < gpa + size)
			return -EEXIST;
	}
	if (!play.slots_left)
		return -EINVAL;
	play.slots_left--;
	*slot = (struct page_slot){ .gpa = gpa, .size = size, .host = host };
	list_add_tail(&vm->page_slots, &slot->node);
	return 0;
}

void page_slot_unmap(struct vm *vm, struct page_slot *slot)
{
	if (!slot->size)
		return;
	list_del(&slot->node);
	slot->size = 0;
	play.slots_left++;
}

int __real_irq_attach_fd(struct irq *irq, u32 gsi, int fd, int resample_fd);
int __wrap_irq_attach_fd(struct irq *irq, u32 gsi, int fd, int resample_fd);
void __real_irq_detach_fd(struct irq *irq, u32 gsi, int fd);
void __wrap_irq_detach_fd(struct irq *irq, u32 gsi, int fd);

static bool is_line(u32 gsi)
{
	return gsi >= RIG_INTX && gsi < RIG_INTX + LINES;
}

int __wrap_irq_attach_fd(struct irq *irq, u32 gsi, int fd, int resample_fd)
{
	if (!is_line(gsi))
		return __real_irq_attach_fd(irq, gsi, fd, resample_fd);
	fuzz_check(play.intx_fds[gsi - RIG_INTX] < 0 && fd >= 0 && resample_fd >= 0);
	play.intx_fds[gsi - RIG_INTX] = fd;
	return 0;
}

void __wrap_irq_detach_fd(struct irq *irq, u32 gsi, int fd)
{
	if (!is_line(gsi)) {
		__real_irq_detach_fd(irq, gsi, fd);
		return;
	}
	fuzz_check(play.intx_fds[gsi - RIG_INTX] == fd);
	play.intx_fds[gsi - RIG_INTX] = -1;
}

/* ---- what stands for the kernel, where BARs have no memory behind them ---- */

ssize_t __real_vfio_sys_read(int fd, void *data, size_t size, u64 offset);
ssize_t __wrap_vfio_sys_read(int fd, void *data, size_t size, u64 offset);
ssize_t __real_vfio_sys_write(int fd, const void *data, size_t size, u64 offset);
ssize_t __wrap_vfio_sys_write(int fd, const void *data, size_t size, u64 offset);
void *__real_vfio_sys_map(int fd, u64 offset, u64 size, bool writable);
void *__wrap_vfio_sys_map(int fd, u64 offset, u64 size, bool writable);
void __wrap_vfio_sys_unmap(void *host, u64 size);

u64 play_memory(unsigned n)
{
	return MIN(play.hardware->regions[n].size, MEMORY_MAX);
}

/* Within what it says that it has, always; whether there is memory. */
static bool has_memory(u64 offset, u64 size)
{
	unsigned n = offset / FAKE_CONFIG_AT;
	u64 at = offset % FAKE_CONFIG_AT;

	fuzz_check(play.hardware->open);
	if (n == VFIO_PCI_CONFIG_REGION_INDEX)
		return true;
	fuzz_check(n < VFIO_PCI_CONFIG_REGION_INDEX);
	fuzz_check(at < play.hardware->regions[n].size &&
		   size <= play.hardware->regions[n].size - at);
	return at < play_memory(n) && size <= play_memory(n) - at;
}

ssize_t __wrap_vfio_sys_read(int fd, void *data, size_t size, u64 offset)
{
	return has_memory(offset, size) ? __real_vfio_sys_read(fd, data, size, offset) : -EIO;
}

ssize_t __wrap_vfio_sys_write(int fd, const void *data, size_t size, u64 offset)
{
	return has_memory(offset, size) ? __real_vfio_sys_write(fd, data, size, offset) : -EIO;
}

void *__wrap_vfio_sys_map(int fd, u64 offset, u64 size, bool writable)
{
	return has_memory(offset, size) ? __real_vfio_sys_map(fd, offset, size, writable) : NULL;
}

void __wrap_vfio_sys_unmap(void *host, u64 size)
{
	for (unsigned n = 0; n < FAKE_REGIONS; n++) {
		u8 *memory = play.hardware->regions[n].memory;

		if (memory && (u8 *)host >= memory && (u8 *)host < memory + play_memory(n)) {
			fuzz_check(size <= play_memory(n) - ((u8 *)host - memory));
			play.hardware->mapped--;
			return;
		}
	}
	fuzz_failed("vfio_sys_unmap", __FILE__, __LINE__);
}

/* ---- hardware that says anything ---- */

static void put8(u32 offset, u8 value)
{
	play.hardware->config[offset % PCI_CONFIG_SIZE] = value;
}

static void put32(u32 offset, u32 value)
{
	for (unsigned i = 0; i < 4; i++)
		put8(offset + i, value >> (8 * i));
}

static u64 take_size(struct input *in)
{
	u8 how = input_u8(in);

	if (how < 0xc0)
		return 1ull << (how < 0x80 ? how % 20 : how % 64);
	return how < 0xe0 ? input_u16(in) : input_u64(in);
}

static void take_areas(struct fake_region *region, struct input *in)
{
	region->area_count = input_below(in, 4);
	for (unsigned i = 0; i < region->area_count; i++) {
		u8 how = input_u8(in);

		region->areas[i] = (struct fake_area){ (how & 0xf) * 0x1000ull,
						       (how >> 4) * 0x1000ull };
		if (how == 0xff)
			region->areas[i] = (struct fake_area){ input_u64(in), input_u64(in) };
	}
}

static void take_bar(unsigned n, struct input *in)
{
	u8 how = input_u8(in);
	u64 size;

	if (!(how & 3))
		return;
	size = take_size(in);
	vfio_fake_region(play.hardware, n, MIN(size, MEMORY_MAX),
			 how & 0x80 ? VFIO_REGION_INFO_FLAG_MMAP : 0);
	play.hardware->regions[n].size = size;
	if (how & 0x40)
		take_areas(&play.hardware->regions[n], in);
	put8(PCI_BASE_ADDRESS_0 + 4 * n, how >> 2 & 0xf);
}

static void take_msix(struct input *in, u32 at)
{
	u8 how = input_u8(in);
	u32 count = how & 0x80 ? input_u16(in) : how & 0x7f;

	put8(at + PCI_MSIX_FLAGS, count);
	put8(at + PCI_MSIX_FLAGS + 1, count >> 8);
	put32(at + PCI_MSIX_TABLE, how & 1 ? input_u32(in) : input_u8(in) << 9 | (how >> 1 & 7));
	put32(at + PCI_MSIX_PBA, how & 1 ? input_u32(in) : input_u8(in) << 9 | (how >> 1 & 7));
}

/* One after the other, or wherever the input has it: cycles and overlaps. */
static void take_capabilities(struct input *in)
{
	static const u8 ids[] = {
		PCI_CAP_ID_MSI,	 PCI_CAP_ID_MSIX, PCI_CAP_ID_MSIX, PCI_CAP_ID_PM,   PCI_CAP_ID_EXP,
		PCI_CAP_ID_VNDR, PCI_CAP_ID_AF,	  PCI_CAP_ID_VPD,  PCI_CAP_ID_SATA, 0
	};
	unsigned count = input_below(in, 10);
	u32 link = PCI_CAPABILITY_LIST, next = PCI_STD_HEADER_SIZEOF;

	put8(PCI_STATUS, count ? PCI_STATUS_CAP_LIST : 0);
	for (unsigned i = 0; i < count; i++) {
		u8 how = input_u8(in), id = ids[how % ARRAY_SIZE(ids)];
		u32 at = how & 0x80 ? input_u8(in) : next;

		put8(link, at);
		link = (at & 0xfc) + PCI_CAP_LIST_NEXT;
		put8(at, id ? id : input_u8(in));
		if (id == PCI_CAP_ID_MSIX)
			take_msix(in, at);
		else
			put32(at + 2, input_u32(in));
		next = (at + 0x18) & 0xfc;
	}
	/* The last one's link is what was written last: 0, or into the others. */
	if (input_u8(in) & 0x80)
		put8(link, input_u8(in));
}

static void take_extended(struct input *in)
{
	static const u8 ids[] = { PCI_EXT_CAP_ID_ERR,	PCI_EXT_CAP_ID_DSN,  PCI_EXT_CAP_ID_VNDR,
				  PCI_EXT_CAP_ID_DVSEC, PCI_EXT_CAP_ID_ACS,  PCI_EXT_CAP_ID_SRIOV,
				  PCI_EXT_CAP_ID_PWR,	PCI_EXT_CAP_ID_REBAR };
	unsigned count = input_below(in, 6);
	u32 at = PCI_CFG_SPACE_SIZE;

	for (unsigned i = 0; i < count; i++) {
		u8 how = input_u8(in);
		u32 next = how & 0x80 ? input_u16(in) % PCI_CONFIG_SIZE : at + 0x60;

		put32(at & ~3u, ids[how % ARRAY_SIZE(ids)] | 1 << 16 | (next & 0xffc) << 20);
		put32((at & ~3u) + 4, input_u32(in));
		at = next % PCI_CONFIG_SIZE;
	}
}

static void spray(struct input *in)
{
	unsigned count = input_below(in, 5);

	for (unsigned i = 0; i < count; i++) {
		u16 offset = input_u16(in);

		put8(offset, input_u8(in));
	}
}

static void take_interrupts(struct input *in)
{
	struct fake_device *hardware = play.hardware;
	u8 how = input_u8(in);

	put8(PCI_INTERRUPT_PIN, how & 0x40 ? input_u8(in) : how & 1);
	hardware->irq_counts[VFIO_PCI_INTX_IRQ_INDEX] = how & 1;
	hardware->irq_counts[VFIO_PCI_ERR_IRQ_INDEX] = !(how & 2);
	hardware->irq_counts[VFIO_PCI_REQ_IRQ_INDEX] = !(how & 4);
	hardware->irq_counts[VFIO_PCI_MSI_IRQ_INDEX] = how & 8 ? input_u8(in) : 8;
	hardware->irq_counts[VFIO_PCI_MSIX_IRQ_INDEX] = how & 16 ? input_u16(in) : 64;
	hardware->irq_flags[VFIO_PCI_MSIX_IRQ_INDEX] = how & 32 ? VFIO_IRQ_INFO_NORESIZE : 0;
	hardware->vectors_max = how & 0x80 ? input_below(in, FAKE_VECTORS + 1) : FAKE_VECTORS;
}

void take_hardware(struct input *in)
{
	static const u32 sizes[] = { 4096, 4096, 256, 64 };
	u8 how = input_u8(in);

	vfio_fake_init();
	play.hardware = vfio_fake_device("0000:00:04.0", 4);
	put32(PCI_VENDOR_ID, 0x11e81234);
	play.hardware->config_size = how & 0x80 ? input_u16(in) : sizes[how & 3];
	play.hardware->config_size = MIN(play.hardware->config_size, 4096u);
	play.hardware->no_reset = how & 4;
	vfio_fake.refuse_mmap = (how & 0x18) == 0x18;
	play.slots_left = how & 0x20 ? input_below(in, 4) : 32;
	for (unsigned n = 0; n <= PCI_ROM; n++)
		take_bar(n, in);
	take_interrupts(in);
	take_capabilities(in);
	take_extended(in);
	spray(in);
	memcpy(play.header, play.hardware->config, sizeof(play.header));
}
