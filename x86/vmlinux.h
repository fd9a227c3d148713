/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The vmlinux that a bzImage has packed ("The Linux/x86 Boot Protocol", payload_offset and
 * payload_length), as a piece of memory, and the moves that the kernel's own decompressor would
 * make it: it is an ELF file, which the relocations follow.
 */
#ifndef X86_VMLINUX_H
#define X86_VMLINUX_H

#include "image.h"
#include "vmm/boot_image.h"

/* Of boot_image.words. The list has offsets from the image's start, of each kind in turn. */
enum vmlinux_word {
	VMLINUX_START,	  /* the physical address that it is linked to */
	VMLINUX_ENTRY,	  /* from there: startup_64 */
	VMLINUX_ADD32,	  /* how many 32-bit numbers grow with the virtual address, */
	VMLINUX_SUBTRACT, /* shrink (relative to per-CPU variables, which stay), */
	VMLINUX_ADD64,	  /* and 64-bit ones that grow */
};

/*
 * Unpack what is in @image, a bzImage. -EOPNOTSUPP: packed in a way that is not known here;
 * -EINVAL: damaged, or not of a shape that can be run like this; -ENOMEM, -errno. All numbers in
 * the file are checked.
 */
int vmlinux_unpack(const struct arch_image *image, struct boot_image *out);

/* Whether @words of an image of @size bytes can be those of @image's vmlinux. */
bool vmlinux_words_fit(const struct arch_image *image, const u64 *words, u64 size, u64 list_count);

/*
 * Move the @size bytes of a kernel at @data to a virtual address that is @delta higher than it is
 * linked to. -EILSEQ: an offset of @list leads out of it.
 */
int vmlinux_relocate(u8 *data, u64 size, const u64 *words, const u32 *list, u64 delta);

/*
 * How far up, in bytes, a kernel of @need bytes is put that begins at @start or above, ends by
 * @end, and is aligned to @align, a power of two: by chance, or 0 where there is no choice or no
 * chance.
 */
u64 vmlinux_random_shift(u64 start, u64 end, u64 need, u64 align);

#endif
