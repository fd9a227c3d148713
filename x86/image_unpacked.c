/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A bzImage whose vmlinux was unpacked in an earlier run: it begins at its own 64-bit entry, as its
 * decompressor would have it begin. Of what that does besides unpacking, this is left:
 *
 * - It puts the kernel at random addresses. So do we, in the same ranges: virtually from where it
 * is linked to up to 1 GiB, physically in RAM from there on (we: below 3 GiB, where it is mapped).
 *   That the flag says so makes the kernel randomize the rest of its memory.
 * - It turns five levels of page tables on: arch_vcpu_boot() does.
 * - It looks for the RSDP where boot_params do not name one: ours do. It reads the command line to
 *   keep out of the way of memory that the user reserves: we then leave the kernel where it is.
 * - It maps memory for itself, opens an early console and talks to SEV and TDX: the kernel does so
 *   again, by itself.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bootparams.h"
#include "image.h"
#include "vmlinux.h"
#include "vmm/arch.h"
#include "vmm/memory.h"

/* Linux's KERNEL_IMAGE_SIZE of kernels that can be relocated: the text mapping ends there. */
#define TEXT_MAP_SIZE GIB

bool arch_image_is_packed(const struct arch_image *image, int *fd, u64 *size)
{
	*fd = image->fd;
	*size = image->file_size;
	/* A vmlinux has no header. */
	return image->entry_kind == ENTRY_LONG && bp_get32(image->header, BP_PAYLOAD_LENGTH);
}

int arch_image_unpack(const struct arch_image *image, struct boot_image *out)
{
	return vmlinux_unpack(image, out);
}

static void use_packed(struct arch_image *image)
{
	if (!image->unpacked)
		return;
	image->segments[0] = image->packed_segment;
	image->entry = image->packed_entry;
	image->moved = image->five_levels = false;
	image->unpacked = NULL;
}

int arch_image_use(struct arch_image *image, const struct boot_entry *entry)
{
	use_packed(image);
	if (!entry)
		return 0;
	if (!vmlinux_words_fit(image, entry->words, entry->size, entry->list_count))
		return -EINVAL;
	image->packed_segment = image->segments[0];
	image->packed_entry = image->entry;
	image->unpacked = entry;
	return 0;
}

/* A word of the kernel's command line: itself, or what it begins with if that ends in "=". */
static bool has_word(const char *cmdline, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = cmdline; (at = strstr(at, word)); at += len) {
		bool begins = at == cmdline || at[-1] == ' ';

		if (begins && (word[len - 1] == '=' || !at[len] || at[len] == ' '))
			return true;
	}
	return false;
}

/* What makes some of RAM something else, or is to get whole gigabytes of it. */
static bool reserves_memory(const char *cmdline)
{
	return has_word(cmdline, "mem=") || has_word(cmdline, "memmap=") ||
	       strstr(cmdline, "hugepages");
}

static u64 physical_shift(const struct arch_image *image, const struct range *ram, u64 start,
			  u64 need, u64 align)
{
	u64 end = image->initrd_size ? image->initrd : ram->last + 1;

	if (!image->header[BP_RELOCATABLE] || reserves_memory(image->cmdline))
		return 0;
	return vmlinux_random_shift(start, end, need, align);
}

void image_plan_unpacked(struct arch_image *image, const struct range *ram)
{
	const struct boot_entry *entry = image->unpacked;
	u64 align = MAX(bp_get32(image->header, BP_KERNEL_ALIGNMENT), BOOT_IMAGE_PAGE);
	struct range *memory = &image->segments[0].memory;
	u64 start = entry->words[VMLINUX_START], need;

	need = image->packed_segment.memory.last - image->packed_segment.memory.start + 1;
	image->moved = entry->list_count && !has_word(image->cmdline, "nokaslr");
	image->virtual_shift = image->moved
				       ? vmlinux_random_shift(start, TEXT_MAP_SIZE, need, align)
				       : 0;
	if (image->moved)
		start += physical_shift(image, ram, start, need, align);
	range_make(start, need, memory);
	image->entry = start + entry->words[VMLINUX_ENTRY];
	image->five_levels = (bp_get16(image->header, BP_XLOADFLAGS) & XLF_5LEVEL) == XLF_5LEVEL &&
			     !has_word(image->cmdline, "no5lvl");
}

int image_load_unpacked(const struct arch_image *image, const struct guest_memory *memory,
			struct error *err)
{
	const struct boot_entry *entry = image->unpacked;
	u8 *host = memory_host(memory, image->segments[0].memory.start, entry->size);
	u32 *list = NULL;
	int ret = host ? boot_entry_load(entry, host, &list) : -EFAULT;

	if (!ret && image->moved)
		ret = vmlinux_relocate(host, entry->size, entry->words, list, image->virtual_shift);
	free(list);
	return ret ? error_set(err, ret, "cannot load kernel %s: %s", image->path, strerror(-ret))
		   : 0;
}
