/* SPDX-License-Identifier: BSD-2-Clause */
/* A kernel in the arm64 Image format (Linux, Documentation/arch/arm64/booting.rst). */
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
	const struct boot_entry *unpacked; /* loaded instead; NULL: the file is. Borrowed */
	/* The plan's. */
	gpa_t entry; /* and start of the kernel */
	gpa_t dtb;
	gpa_t initrd;
	u64 initrd_size;
	const char *cmdline; /* borrowed */
};

#endif
