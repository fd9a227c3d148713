/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Flash with a Common Flash Memory Interface (JEDEC JESD68.01 and JEP137), of Intel's command set:
 * where firmware keeps its variables. Two chips of 16 bits side by side, as QEMU's "virt" board has
 * them.
 *
 * What the guest wrote is in the file once the chip says that it is ready, as on hardware.
 */
#ifndef VMM_FLASH_H
#define VMM_FLASH_H

#include "util/error.h"
#include "vmm/device.h"

struct vm;

/* The least that is erased, of both chips: EDK2 knows it without asking. */
#define FLASH_SECTOR (256 * KIB)
/* Of one that is in no file: what EDK2 wants is three sectors. */
#define FLASH_SIZE (1 * MIB)

/* What is in a file. */
struct flash_file {
	const char *path; /* for messages; borrowed. NULL: there is none, and it is erased */
	int fd;		  /* borrowed: open for both, and locked; -1 */
	u64 size;	  /* bytes: a power of two, a sector at least */
};

/*
 * --flash @path, for a place of @room bytes. -errno with a line: it is no regular file, cannot be
 * written, is somebody else's, or of a wrong size. file->fd is the caller's to close.
 */
int flash_file_open(struct flash_file *file, const char *path, u64 room, struct error *err);

/*
 * At @base, added to @vm, which owns it. Reads all of the file. -errno with a line. Main thread.
 */
int flash_create(struct vm *vm, gpa_t base, const struct flash_file *file, struct error *err);

#endif
