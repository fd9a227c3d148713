/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of vfio_check_use() share: a device, and the one problem that they look for. */
#ifndef VFIO_USE_H
#define VFIO_USE_H

#include "vfio/host.h"

struct vfio_use {
	const struct vfio_paths *paths;
	char name[VFIO_ADDRESS_TEXT];
	char folder[PATH_MAX]; /* the device's, as all links lead to it; with a '/' */
	struct vfio_problem *problem;
};

/* What is wrong, after the device's name. Returns 1, which ends the search. */
int vfio_use_say(struct vfio_use *use, const char *what, ...) __attribute__((format(printf, 2, 3)));
void vfio_use_remedy(struct vfio_use *use, const char *what, ...)
	__attribute__((format(printf, 2, 3)));
/* Whether @name of class @class is the device, or a part of it. */
bool vfio_use_has(const struct vfio_use *use, const char *class, const char *name);

/* 1: somebody shows something on its screens: the console, or a program. (check_display.c) */
int vfio_use_display(struct vfio_use *use);

/*
 * What only the drivers know (host_display.c, which a test replaces). Both -errno if they cannot be
 * asked: no such node, no permission.
 */
/* 1 if a console of the host's is on /dev/fb@n, 0 if none is. */
int vfio_host_console_on(const struct vfio_paths *paths, unsigned n);
/* 1 if /dev/dri/card@n has a DRM master: a program that has its screens. */
int vfio_host_card_has_master(const struct vfio_paths *paths, unsigned n);

#endif
