/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A display is in use if the host's console is on its framebuffer, or if a program has its card
 * open (Linux, Documentation/ABI/testing/sysfs-class-drm and fb/fbcon.rst, "Attaching, Detaching
 * and Unloading"). To take the device would leave the console without a screen, or crash the
 * program.
 */
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "host_sysfs.h"
#include "problem.h"
#include "use.h"

/* Whether @entry is @name and a number, and nothing else: "card0", not "card0-HDMI-A-1". */
static bool is_numbered(const char *entry, const char *name, unsigned *n)
{
	size_t len = strlen(name);
	int end = 0;

	return !strncmp(entry, name, len) && sscanf(entry + len, "%u%n", n, &end) == 1 &&
	       !entry[len + end];
}

/* ---- programs ---- */

static int look_for_opener(struct vfio_use *use, const char *node)
{
	char opener[64];

	vfio_find_opener(use->paths, node, opener);
	if (!opener[0])
		return 0;
	vfio_use_remedy(use, "end that first; a desktop: systemctl isolate multi-user.target");
	return vfio_use_say(use, "%s is open in %s", node, opener);
}

static int look_at_card(void *opaque, const char *entry)
{
	struct vfio_use *use = opaque;
	char node[PATH_MAX];
	unsigned n;
	bool card = is_numbered(entry, "card", &n);

	if ((!card && !is_numbered(entry, "renderD", &n)) || !vfio_use_has(use, "drm", entry))
		return 0;
	snprintf(node, sizeof(node), "%s/dri/%s", use->paths->dev, entry);
	if (look_for_opener(use, node))
		return 1;
	/* The program may be one that we cannot see: of another user, or in a container. */
	if (!card || vfio_host_card_has_master(use->paths, n) != 1)
		return 0;
	vfio_use_remedy(use, "end it first: as root, 'fuser -v %s' may name it", node);
	return vfio_use_say(use, "a program shows its picture on %s", node);
}

/* ---- the console ---- */

/* The console driver that is on framebuffers now, as "vtcon1". */
static int look_at_console(void *opaque, const char *entry)
{
	struct vfio_use *use = opaque;
	char name[64], bound[8];

	vfio_sysfs_read(name, sizeof(name), "%s/class/vtconsole/%s/name", use->paths->sys, entry);
	vfio_sysfs_read(bound, sizeof(bound), "%s/class/vtconsole/%s/bind", use->paths->sys, entry);
	if (!strstr(name, "frame buffer") || strcmp(bound, "1"))
		return 0;
	vfio_use_remedy(use, "have another way in, then: echo 0 >/sys/class/vtconsole/%s/bind",
			entry);
	return 1;
}

static int look_at_framebuffer(void *opaque, const char *entry)
{
	struct vfio_use *use = opaque;
	char node[PATH_MAX];
	unsigned n;

	if (!is_numbered(entry, "fb", &n) || !vfio_use_has(use, "graphics", entry))
		return 0;
	snprintf(node, sizeof(node), "%s/%s", use->paths->dev, entry);
	if (look_for_opener(use, node))
		return 1;
	/* If the host does not say which framebuffer its console is on, assume this one. */
	if (vfio_host_console_on(use->paths, n) == 0 ||
	    vfio_sysfs_each(look_at_console, use, "%s/class/vtconsole", use->paths->sys) != 1)
		return 0;
	return vfio_use_say(use, "the host's console is on %s", entry);
}

int vfio_use_display(struct vfio_use *use)
{
	return vfio_sysfs_each(look_at_card, use, "%s/class/drm", use->paths->sys) == 1 ||
	       vfio_sysfs_each(look_at_framebuffer, use, "%s/class/graphics", use->paths->sys) == 1;
}
