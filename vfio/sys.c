/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sys.h"
#include "util/reach.h"

int vfio_sys_open(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	reach_add_host_kernel();
	return fd < 0 ? -errno : fd;
}

void vfio_sys_close(int fd)
{
	close(fd);
}

int vfio_sys_ioctl(int fd, unsigned long request, void *argument)
{
	int ret = ioctl(fd, request, argument);

	return ret < 0 ? -errno : ret;
}

int vfio_sys_ioctl_value(int fd, unsigned long request, unsigned long value)
{
	int ret = ioctl(fd, request, value);

	return ret < 0 ? -errno : ret;
}

ssize_t vfio_sys_read(int fd, void *data, size_t size, u64 offset)
{
	ssize_t ret = pread(fd, data, size, offset);

	return ret < 0 ? -errno : ret;
}

ssize_t vfio_sys_write(int fd, const void *data, size_t size, u64 offset)
{
	ssize_t ret = pwrite(fd, data, size, offset);

	return ret < 0 ? -errno : ret;
}

void *vfio_sys_map(int fd, u64 offset, u64 size, bool writable)
{
	int prot = PROT_READ | (writable ? PROT_WRITE : 0);
	void *host = mmap(NULL, size, prot, MAP_SHARED, fd, offset);

	return host == MAP_FAILED ? NULL : host;
}

void vfio_sys_unmap(void *host, u64 size)
{
	munmap(host, size);
}
