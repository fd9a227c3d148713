/* SPDX-License-Identifier: BSD-2-Clause */
/* Small files of sysfs and its kin, and the folders that are listed in them. */
#ifndef VFIO_HOST_SYSFS_H
#define VFIO_HOST_SYSFS_H

#include "util/types.h"
#include "vfio/host.h"

/*
 * The file's first @size - 1 bytes as text, without white space at the end. Its length,
 * or -errno with text = "".
 */
int vfio_sysfs_read(char *text, size_t size, const char *path, ...)
	__attribute__((format(printf, 3, 4)));
/* The last part of where a symbolic link leads. 0, or -errno with name = "". */
int vfio_sysfs_link(char *name, size_t size, const char *path, ...)
	__attribute__((format(printf, 3, 4)));
bool vfio_sysfs_exists(const char *path, ...) __attribute__((format(printf, 1, 2)));
/* Call @each for each name in a folder until it returns other than 0, which is returned. */
int vfio_sysfs_each(int (*each)(void *opaque, const char *name), void *opaque, const char *path,
		    ...) __attribute__((format(printf, 3, 4)));

/*
 * These change something, or ask a driver. They are in host_touch.c, which tests replace by a fake
 * kernel. 0 or an fd, or -errno.
 */
int vfio_sysfs_write(const char *path, const char *text);
int vfio_host_open_group(const struct vfio_paths *paths, int group);

/*
 * Whether opening a group shall be tried again: -EBUSY may be a check's, which has it open for a
 * moment. Waits up to 20 ms; *@turns counts from 0.
 */
bool vfio_host_busy_again(int ret, unsigned *turns);

/* By domain, bus, slot and function: for qsort(). */
int vfio_address_compare(const void *a, const void *b);

#endif
