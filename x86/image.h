/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A kernel file as the loader sees it. Both formats come down to pieces of
 * file that go to fixed places in RAM and an address to start at.
 */
#ifndef X86_IMAGE_H
#define X86_IMAGE_H

#include "util/error.h"
#include "util/range.h"
#include "vmm/arch.h"

/* How the first instruction runs. */
enum image_entry {
	ENTRY_LONG, /* 64-bit mode, boot_params in RSI (Linux/x86 boot protocol) */
	ENTRY_REAL, /* real mode, at LAYOUT_FLAT; nothing is handed over */
	ENTRY_PVH,  /* 32-bit protected mode, start info in EBX (x86/HVM direct boot ABI) */
};

#define IMAGE_MAX_SEGMENTS 32
/* The setup header of the boot protocol: its place in the file is its place in boot_params. */
#define SETUP_HEADER	 0x1f1
#define SETUP_HEADER_END 0x290

struct image_segment {
	u64 offset; /* in the file */
	u64 file_size;
	struct range memory; /* at least file_size bytes; what the file does not fill is zero */
};

struct boot_entry;

struct arch_image {
	int fd;	    /* owned */
	char *path; /* owned */
	u64 file_size;
	enum image_entry entry_kind;
	u64 entry;
	unsigned segment_count;
	struct image_segment segments[IMAGE_MAX_SEGMENTS];
	u8 header[SETUP_HEADER_END]; /* from SETUP_HEADER on; zero before it and in an ELF file */
	u64 initrd_max;		     /* the last address that the kernel can read an initrd at */
	u32 cmdline_max;	     /* characters, without the NUL */
	/*
	 * A bzImage whose vmlinux is loaded instead; NULL: the file is. Borrowed. It stands in for
	 * the first segment and the entry; what they were:
	 */
	const struct boot_entry *unpacked;
	struct image_segment packed_segment;
	u64 packed_entry;
	/* by arch_image_plan() */
	u64 virtual_shift;   /* of the vmlinux, from where it is linked to */
	bool moved;	     /* by chance, and so is the rest to be */
	bool five_levels;    /* it starts with so many of page tables, if the processor has them */
	u64 initrd;	     /* GPA */
	u64 initrd_size;     /* 0: none */
	const char *cmdline; /* borrowed */
};

/* @count bytes at @offset of the file; -EIO if it ends before, or -errno. */
int image_read(const struct arch_image *image, u64 offset, void *data, size_t count);

/*
 * Whether it is one, and read the headers of the file. -EINVAL with a line. image->fd, path and
 * file_size are there.
 * @start: the file's first KiB, zeros past its end.
 */
bool bzimage_is(const u8 *start);
int bzimage_parse(struct arch_image *image, struct error *err);
int elf_parse(struct arch_image *image, const u8 *start, struct error *err);

/* Of a bzImage that is loaded unpacked: where, and do so. -EILSEQ: the entry is damaged. */
struct guest_memory;
void image_plan_unpacked(struct arch_image *image, const struct range *ram);
int image_load_unpacked(const struct arch_image *image, const struct guest_memory *memory,
			struct error *err);

#endif
