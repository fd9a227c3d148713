/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <linux/fb.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "use.h"

#define CONSOLES 63 /* MAX_NR_CONSOLES of linux/vt.h */
/* DRM_IOCTL_SET_MASTER of drm/drm.h, which comes with libdrm alone. */
#define SET_MASTER _IO('d', 0x1e)

static int open_node(const struct vfio_paths *paths, const char *name, unsigned n)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/%s%u", paths->dev, name, n);
	fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int vfio_host_console_on(const struct vfio_paths *paths, unsigned n)
{
	int fd = open_node(paths, "fb", n), ret = 0;

	if (fd < 0)
		return fd;
	for (u32 console = 1; console <= CONSOLES && !ret; console++) {
		struct fb_con2fbmap map = { .console = console };

		ret = ioctl(fd, FBIOGET_CON2FBMAP, &map) ? -errno : map.framebuffer == n;
	}
	close(fd);
	return ret;
}

/*
 * If the card has no master, this open makes us its master until the descriptor is closed. If it
 * has one, that does not change, and SET_MASTER fails with EBUSY (Linux,
 * drivers/gpu/drm/drm_auth.c).
 */
int vfio_host_card_has_master(const struct vfio_paths *paths, unsigned n)
{
	int fd = open_node(paths, "dri/card", n), ret = 0;

	if (fd < 0)
		return fd;
	if (ioctl(fd, SET_MASTER, 0))
		ret = errno == EBUSY ? 1 : -errno;
	close(fd);
	return ret;
}
