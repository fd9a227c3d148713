/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kernels unpacked, and the files of them that later runs begin with: the entries of the boot
 * cache (vmm/boot_cache.h). An entry has a copy of the kernel's file, by which it is known, and
 * what lies in memory after that has been unpacked.
 */
#ifndef VMM_BOOT_IMAGE_H
#define VMM_BOOT_IMAGE_H

#include "util/types.h"

#define BOOT_IMAGE_PAGE	 4096
#define BOOT_IMAGE_WORDS 8
/* No kernel has more, in memory or in a file; a header that says more is damaged. */
#define BOOT_IMAGE_MAX GIB

/* A kernel as it lies in memory, from its first page on. All zero: none. */
struct boot_image {
	u8 *data; /* of mmap(); owned */
	u64 size; /* a multiple of BOOT_IMAGE_PAGE */
	/* The architecture's own: what else it has to know, and a list. */
	u64 words[BOOT_IMAGE_WORDS];
	u32 *list; /* of malloc(); owned */
	u64 list_count;
	bool proved; /* nothing can go wrong that would not go wrong with the packed one */
};

/* @size bytes of zeroes. -ENOMEM. */
int boot_image_alloc(struct boot_image *image, u64 size);
void boot_image_free(struct boot_image *image);

/*
 * A sum of the first @size bytes of a kernel's file, to be taken before it is unpacked. -EIO if it
 * is shorter by now; -errno.
 */
int boot_kernel_sum(int kernel_fd, u64 size, u64 *sum);
/*
 * Write @image, and the @kernel_size bytes of the file @kernel_fd that it was made of, into @fd,
 * which is empty. -ESTALE if the kernel's file does not have @kernel_sum any more; -EIO if it is
 * shorter by now; -errno of what it writes to. May take seconds.
 */
int boot_image_write(const struct boot_image *image, int kernel_fd, u64 kernel_size, u64 kernel_sum,
		     int fd);

/* A file of those, open. The numbers are checked against each other and the file's size. */
struct boot_entry {
	int fd; /* owned; -1: none */
	u64 size, words[BOOT_IMAGE_WORDS], list_count;
	/* of boot_image.c alone */
	u64 kernel_size, run_count;
	u64 sum; /* of all that boot_entry_load() and boot_entry_list() give */
};

/*
 * Whether @fd is an entry of the kernel in @kernel_fd: its copy and the file are compared byte by
 * byte. 0: @entry has @fd, which it owns now. -ESTALE: another kernel's, of another version of
 * lkvm, or no entry; -EIO.
 */
int boot_entry_open(struct boot_entry *entry, int fd, int kernel_fd, u64 kernel_size);
void boot_entry_close(struct boot_entry *entry);

/*
 * Read the image to @to, entry->size zero bytes, and the list to *list, which the caller frees
 * (NULL if it is empty). What is left zero in the image is not touched. -EILSEQ: the file is
 * damaged, and
 * @to is not to be used; -ENOMEM.
 */
int boot_entry_load(const struct boot_entry *entry, void *to, u32 **list);

/* A checksum of @len bytes that goes on from @sum: finds each change of up to eight bytes in a row,
 * and others but for one in 2^64. It is no secret: it stands against accidents. */
u64 boot_sum(u64 sum, const void *data, size_t len);

#endif
