/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Images as files, without a VM: making, looking at, checking and converting them. All of it
 * blocks. -errno with a line where @err is taken.
 */
#ifndef DISK_IMAGE_H
#define DISK_IMAGE_H

#include "disk/disk.h"

struct image_creation {
	enum disk_format format; /* not GUESS */
	u64 size;		 /* bytes; 0: the backing file's */
	u64 cluster_size;	 /* qcow2: 0: 64 KiB */
	const char *backing;	 /* qcow2: as it is to stand in the image; NULL: none */
	enum disk_format backing_format;
};

/* A file that is not there yet. */
int image_create(const char *path, const struct image_creation *creation, struct error *err);

struct image_info {
	const char *format;
	u64 size, allocated; /* of the disk, and of the file's blocks on the host: bytes */
	/* qcow2 alone. */
	u32 version, cluster_size, refcount_bits, snapshots;
	bool zstd, dirty, corrupt, lazy_refcounts;
	char backing[1024], backing_format[16]; /* "": none, or not said */
};

/* Backing files are not opened. */
int image_get_info(const char *path, enum disk_format format, struct image_info *info,
		   struct error *err);

struct image_check {
	u64 errors;   /* what makes writing it harmful */
	u64 leaks;    /* clusters that nothing uses, and that cannot be used */
	u64 clusters; /* of the disk, that are in the file */
	u64 packed;   /* of these, compressed */
	u64 repaired;
	char first[200]; /* the first error, in words */
};

/* A qcow2 image. @repair: write the refcounts that are wrong; nothing else can be. */
int image_check(const char *path, bool repair, struct image_check *check, struct error *err);

struct image_conversion {
	enum disk_format from, to; /* to: not GUESS */
	bool compress;		   /* to qcow2, by zlib */
	u64 cluster_size;
	bool backing_anywhere;
};

/* To a file that is not there yet, with all that is below the source in it, and with holes. */
int image_convert(const char *from, const char *to, const struct image_conversion *conversion,
		  struct error *err);

#endif
