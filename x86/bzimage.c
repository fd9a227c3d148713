/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bzImage, after Linux's "The Linux/x86 Boot Protocol", by its 64-bit entry
 * point ("64-bit Boot Protocol").
 */
#include <errno.h>
#include <string.h>

#include "bootparams.h"
#include "image.h"
#include "layout.h"

#define SECTOR	      512
#define ENTRY_64      0x200  /* from the start of the protected-mode code */
#define VERSION_64    0x020c /* the first with xloadflags */
#define XLF_KERNEL_64 0x0001

bool bzimage_is(const u8 *start)
{
	return !memcmp(start + BP_MAGIC, "HdrS", 4);
}

/* The header and how much of it this kernel has; the rest of it reads as zero. */
static int read_header(struct arch_image *image, struct error *err)
{
	u8 *header = image->header;
	u16 end;

	if (image->file_size < SETUP_HEADER_END ||
	    image_read(image, SETUP_HEADER, header + SETUP_HEADER, SETUP_HEADER_END - SETUP_HEADER))
		return error_set(err, -EINVAL,
				 "%s is no Linux kernel: too short for a bzImage or ELF file",
				 image->path);
	if (bp_get16(header, BP_BOOT_FLAG) != 0xaa55 || memcmp(header + BP_MAGIC, "HdrS", 4))
		return error_set(err, -EINVAL,
				 "%s is no Linux kernel: neither bzImage nor ELF file (vmlinux)",
				 image->path);
	/* "Details of Header Fields": jump's second byte says where the header ends. */
	end = 0x202 + header[0x201];
	if (end < SETUP_HEADER_END)
		memset(header + end, 0, SETUP_HEADER_END - end);
	return 0;
}

static int check_header(const struct arch_image *image, struct error *err)
{
	const u8 *header = image->header;

	if (bp_get16(header, BP_VERSION) < VERSION_64 ||
	    !(bp_get16(header, BP_XLOADFLAGS) & XLF_KERNEL_64))
		return error_set(err, -EINVAL,
				 "%s: this kernel has no 64-bit entry point; lkvm needs a 64-bit "
				 "kernel, Linux 3.8 or later",
				 image->path);
	if (!(header[BP_LOADFLAGS] & LOADED_HIGH))
		return error_set(err, -EINVAL, "%s is a zImage; lkvm needs a bzImage", image->path);
	return 0;
}

/*
 * At its preferred address: a relocatable kernel that is put below it moves
 * itself there all the same, and above is no better.
 */
static int place(struct arch_image *image, u64 offset, u64 size, struct error *err)
{
	const u8 *header = image->header;
	u64 start = bp_get64(header, BP_PREF_ADDRESS);
	u64 need = MAX((u64)bp_get32(header, BP_INIT_SIZE), size);
	u32 align = bp_get32(header, BP_KERNEL_ALIGNMENT);
	struct image_segment *segment = &image->segments[0];

	if (start < LAYOUT_KERNEL_MIN || (align & (align - 1)) ||
	    (align && !is_aligned(start, align)) || !range_make(start, need, &segment->memory))
		return error_set(err, -EINVAL,
				 "%s is damaged: its header asks for address 0x%llx, "
				 "aligned to 0x%x",
				 image->path, (unsigned long long)start, align);
	segment->offset = offset;
	segment->file_size = size;
	image->segment_count = 1;
	image->entry = start + ENTRY_64;
	return 0;
}

int bzimage_parse(struct arch_image *image, struct error *err)
{
	u64 offset, size, rest;
	int ret = read_header(image, err);

	if (!ret)
		ret = check_header(image, err);
	if (ret)
		return ret;
	/* "Loading The Rest of The Kernel": 0 setup sectors mean 4. */
	offset = (image->header[BP_SETUP_SECTS] ? image->header[BP_SETUP_SECTS] + 1 : 5) * SECTOR;
	size = bp_get32(image->header, BP_SYSSIZE) * 16ULL;
	rest = image->file_size > offset ? image->file_size - offset : 0;
	/* syssize counts paragraphs: the last may be cut. */
	if (size <= ENTRY_64 || size > align_up(rest, 16))
		return error_set(err, -EINVAL,
				 "%s is truncated: it has %llu bytes, its header speaks of %llu",
				 image->path, (unsigned long long)image->file_size,
				 (unsigned long long)(offset + size));
	image->entry_kind = ENTRY_LONG;
	image->initrd_max = bp_get32(image->header, BP_INITRD_ADDR_MAX);
	image->cmdline_max = bp_get32(image->header, BP_CMDLINE_SIZE);
	return place(image, offset, MIN(size, rest), err);
}
