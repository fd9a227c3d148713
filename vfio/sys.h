/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every call to the host's VFIO goes through these functions, which tests replace by a fake driver.
 * All return -errno, or the system call's result.
 */
#ifndef VFIO_SYS_H
#define VFIO_SYS_H

#include <sys/types.h>

#include "util/types.h"

/* For reading and writing; the caller closes it. */
int vfio_sys_open(const char *path);
void vfio_sys_close(int fd);
int vfio_sys_ioctl(int fd, unsigned long request, void *argument);
/* As ioctl(), for those whose argument is a number. */
int vfio_sys_ioctl_value(int fd, unsigned long request, unsigned long value);
/* At most @size bytes at @offset. */
ssize_t vfio_sys_read(int fd, void *data, size_t size, u64 offset);
ssize_t vfio_sys_write(int fd, const void *data, size_t size, u64 offset);
/* NULL: the host does not map that. */
void *vfio_sys_map(int fd, u64 offset, u64 size, bool writable);
void vfio_sys_unmap(void *host, u64 size);

#endif
