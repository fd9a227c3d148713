/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A kernel in the arm64 Image format (Linux, Documentation/arch/arm64/booting.rst), or firmware in
 * its stead.
 */
#ifndef ARM_IMAGE_H
#define ARM_IMAGE_H

#include "util/unpack.h"
#include "util/types.h"

/* The kernel takes a device tree of up to 2 MiB, which must not cross such a boundary. */
#define IMAGE_DTB_SIZE (2 * MIB)

struct boot_entry;

struct arch_image {
	int fd;	    /* owned */
	char *path; /* for messages; owned */
	struct packed packed;
	u64 file_size;	/* unpacked */
	u64 least_size; /* unpacked, as the sections in its header say; <= file_size */
	/* The header's. */
	u64 text_offset;
	u64 image_size; /* in memory, .bss too; >= file_size */
	u64 page_size;	/* 0: it may be any */
	bool is_flat; /* it has no header, and image_size leaves out what it needs behind itself */
	/* It is no kernel: it is all of the file, at @address of RAM, or at 0 in @rom, owned, which
	 * is there once it is loaded. */
	bool is_firmware;
	gpa_t address;
	void *rom;
	u64 rom_size;			   /* of whole pages of the host's */
	const struct boot_entry *unpacked; /* loaded instead; NULL: the file is. Borrowed */
	/* The plan's. */
	gpa_t entry; /* and start of the kernel */
	gpa_t dtb;
	gpa_t initrd;
	u64 initrd_size;
	const char *cmdline; /* borrowed */
};

struct error;
struct range;
/* As arch_image_plan(), of firmware; @ram: the range that it is in. */
int image_plan_firmware(struct arch_image *image, const struct range *ram, const char *cmdline,
			struct error *err);
/* Pages for it, of zeroes; NULL: no memory. */
void *image_make_rom(struct arch_image *image);
void image_free_rom(struct arch_image *image);

#endif
