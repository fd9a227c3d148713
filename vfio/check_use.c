/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether the host uses a device, so that it must not be taken: the block devices, network
 * interfaces and displays below its folder in sysfs, and whether these are in use.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "host_sysfs.h"
#include "use.h"

/* ---- block devices ---- */

/*
 * One line of mountinfo: "36 35 259:1 / /data rw - ext4 /dev/nvme0n1p1 rw" (Linux,
 * Documentation/filesystems/proc.rst): btrfs has numbers of its own and is known by its source.
 */
static bool mount_is_of(const char *line, const char *number, const char *node, char point[128])
{
	const char *source = strstr(line, " - ");
	char device[32], from[128] = "";

	if (sscanf(line, "%*s %*s %31s %*s %127s", device, point) != 2)
		return false;
	if (source)
		sscanf(source, " - %*s %127s", from);
	return !strcmp(device, number) || !strcmp(from, node);
}

static bool find_line(const struct vfio_use *use, const char *file, const char *number,
		      const char *node, char point[128])
{
	char path[PATH_MAX], line[4096], first[128];
	bool hit = false;
	FILE *list;

	if (!use->paths->proc)
		return false;
	snprintf(path, sizeof(path), "%s/%s", use->paths->proc, file);
	list = fopen(path, "re");
	if (!list)
		return false;
	while (!hit && fgets(line, sizeof(line), list)) {
		if (number)
			hit = mount_is_of(line, number, node, point);
		else
			hit = sscanf(line, "%127s", first) == 1 && !strcmp(first, node);
	}
	fclose(list);
	return hit;
}

struct name {
	char text[64];
};

static int keep_name(void *opaque, const char *name)
{
	snprintf(((struct name *)opaque)->text, sizeof(struct name), "%s", name);
	return 1;
}

/* Opening a disk with O_EXCL fails with EBUSY if it, or a partition of it, is mounted: open(2). */
static bool is_claimed(const struct vfio_paths *paths, const char *name)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", paths->dev, name);
	fd = open(path, O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	return fd < 0 && errno == EBUSY;
}

/* With several paths to an NVMe disk each is nvme0c1n2, and the disk nvme0n2. */
static void disk_of_path(char name[64])
{
	unsigned subsystem, controller, namespace;
	int end = 0;

	if (sscanf(name, "nvme%uc%un%u%n", &subsystem, &controller, &namespace, &end) == 3 &&
	    !name[end])
		snprintf(name, 64, "nvme%un%u", subsystem, namespace);
}

static int look_at_block(void *opaque, const char *entry)
{
	struct vfio_use *use = opaque;
	char name[64], number[32], node[128], point[128];
	struct name holder;

	if (!vfio_use_has(use, "block", entry))
		return 0;
	snprintf(name, sizeof(name), "%s", entry);
	disk_of_path(name);
	snprintf(node, sizeof(node), "/dev/%s", name);
	vfio_sysfs_read(number, sizeof(number), "%s/class/block/%s/dev", use->paths->sys, name);
	if (find_line(use, "self/mountinfo", number, node, point)) {
		if (strcmp(point, "/"))
			vfio_use_remedy(use, "umount %s", point);
		else
			vfio_use_remedy(use, "the host runs from it: take another device");
		return vfio_use_say(use, "%s is mounted on %s", name, point);
	}
	if (find_line(use, "swaps", NULL, node, NULL)) {
		vfio_use_remedy(use, "swapoff %s", node);
		return vfio_use_say(use, "the host swaps to %s", name);
	}
	if (vfio_sysfs_each(keep_name, &holder, "%s/class/block/%s/holders", use->paths->sys,
			    name) == 1) {
		vfio_use_remedy(use,
				"stop %s first: mdadm --stop, vgchange -an or cryptsetup close",
				holder.text);
		return vfio_use_say(use, "%s is part of %s", name, holder.text);
	}
	if (is_claimed(use->paths, name)) {
		vfio_use_remedy(use, "stop what uses it: 'lsblk' and 'fuser -v %s' may name it",
				node);
		return vfio_use_say(use, "a process has %s open exclusively", name);
	}
	return 0;
}

/* ---- network interfaces, virtual functions ---- */

#define IS_UP 1 /* IFF_UP of linux/if.h, which conflicts with net/if.h */

static int look_at_interface(void *opaque, const char *name)
{
	struct vfio_use *use = opaque;
	char flags[32];

	if (!vfio_use_has(use, "net", name))
		return 0;
	vfio_sysfs_read(flags, sizeof(flags), "%s/class/net/%s/flags", use->paths->sys, name);
	if (!(strtoul(flags, NULL, 0) & IS_UP))
		return 0;
	vfio_use_remedy(use, "if nothing needs it: ip link set %s down", name);
	return vfio_use_say(use, "the network interface %s is up", name);
}

static int look_at_functions(struct vfio_use *use)
{
	char text[16];

	vfio_sysfs_read(text, sizeof(text), "%s/bus/pci/devices/%s/sriov_numvfs", use->paths->sys,
			use->name);
	if (!text[0] || !strcmp(text, "0"))
		return 0;
	vfio_use_remedy(use,
			"pass those, or remove them: echo 0 >/sys/bus/pci/devices/%s/sriov_numvfs",
			use->name);
	return vfio_use_say(use, "it has %s virtual functions", text);
}

/* Firmware's framebuffer needs no driver of the device: it may be in use without one. */
static bool is_used(struct vfio_use *use, const char *driver)
{
	const char *sys = use->paths->sys;

	if (driver[0] && (vfio_sysfs_each(look_at_block, use, "%s/class/block", sys) == 1 ||
			  vfio_sysfs_each(look_at_interface, use, "%s/class/net", sys) == 1 ||
			  look_at_functions(use) == 1))
		return true;
	return vfio_use_display(use);
}

bool vfio_check_use(const struct vfio_paths *paths, const struct vfio_address *address,
		    struct vfio_problem *problem)
{
	struct vfio_use use = { .paths = paths, .problem = problem };
	char link[PATH_MAX], driver[64], *folder;
	bool used = false;

	vfio_address_format(address, use.name);
	vfio_sysfs_link(driver, sizeof(driver), "%s/bus/pci/devices/%s/driver", paths->sys,
			use.name);
	snprintf(link, sizeof(link), "%s/bus/pci/devices/%s", paths->sys, use.name);
	folder = realpath(link, NULL);
	if (folder && !vfio_host_is_vfio_driver(driver) &&
	    snprintf(use.folder, sizeof(use.folder), "%s/", folder) < (int)sizeof(use.folder))
		used = is_used(&use, driver);
	free(folder);
	return used;
}
