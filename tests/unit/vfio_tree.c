/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmocka_all.h"
#include "vfio_tree.h"

#define MAKE_PATH(path, tree, format)                                                              \
	do {                                                                                       \
		int top = snprintf(path, sizeof(path), "%s/", (tree)->top);                        \
		va_list args;                                                                      \
                                                                                                   \
		va_start(args, format);                                                            \
		vsnprintf(path + top, sizeof(path) - top, format, args);                           \
		va_end(args);                                                                      \
	} while (0)

static void make_folders(char *path)
{
	for (char *at = strchr(path + 1, '/'); at; at = strchr(at + 1, '/')) {
		*at = '\0';
		assert_true(!mkdir(path, 0755) || errno == EEXIST);
		*at = '/';
	}
}

void vfio_tree_create(struct vfio_tree *tree)
{
	strcpy(tree->top, "/tmp/lkvm-vfio-XXXXXX");
	assert_non_null(mkdtemp(tree->top));
	snprintf(tree->sys, sizeof(tree->sys), "%s/sys", tree->top);
	snprintf(tree->dev, sizeof(tree->dev), "%s/dev", tree->top);
	snprintf(tree->state, sizeof(tree->state), "%s/run", tree->top);
	snprintf(tree->proc, sizeof(tree->proc), "%s/proc", tree->top);
	tree->paths = (struct vfio_paths){ tree->sys, tree->dev, tree->state, tree->proc };
	vfio_tree_folder(tree, "sys/bus/pci/devices");
	vfio_tree_folder(tree, "sys/bus/pci/drivers");
	vfio_tree_folder(tree, "sys/class/iommu");
	vfio_tree_folder(tree, "dev");
	vfio_tree_file(tree, "", "proc/self/mountinfo");
	vfio_tree_file(tree, "", "sys/bus/pci/drivers_probe");
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	return remove(path);
}

void vfio_tree_destroy(struct vfio_tree *tree)
{
	nftw(tree->top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void vfio_tree_file(struct vfio_tree *tree, const char *text, const char *format, ...)
{
	char path[PATH_MAX];
	FILE *file;

	MAKE_PATH(path, tree, format);
	make_folders(path);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

void vfio_tree_link(struct vfio_tree *tree, const char *target, const char *format, ...)
{
	char path[PATH_MAX];

	MAKE_PATH(path, tree, format);
	make_folders(path);
	unlink(path);
	assert_int_equal(symlink(target, path), 0);
}

void vfio_tree_folder(struct vfio_tree *tree, const char *format, ...)
{
	char path[PATH_MAX];

	MAKE_PATH(path, tree, format);
	strcat(path, "/");
	make_folders(path);
}

void vfio_tree_remove(struct vfio_tree *tree, const char *format, ...)
{
	char path[PATH_MAX];

	MAKE_PATH(path, tree, format);
	assert_int_equal(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

void vfio_tree_device(struct vfio_tree *tree, const char *name, const char *class,
		      const char *driver, int group)
{
	char target[PATH_MAX];

	vfio_tree_file(tree, "0x1b36\n", "sys/devices/pci0000:00/%s/vendor", name);
	vfio_tree_file(tree, "0x0010\n", "sys/devices/pci0000:00/%s/device", name);
	vfio_tree_file(tree, "0x1af4\n", "sys/devices/pci0000:00/%s/subsystem_vendor", name);
	vfio_tree_file(tree, "0x1100\n", "sys/devices/pci0000:00/%s/subsystem_device", name);
	vfio_tree_file(tree, class, "sys/devices/pci0000:00/%s/class", name);
	vfio_tree_file(tree, "(null)\n", "sys/devices/pci0000:00/%s/driver_override", name);
	vfio_tree_file(tree, "flr pm\n", "sys/devices/pci0000:00/%s/reset_method", name);
	snprintf(target, sizeof(target), "%s/devices/pci0000:00/%s", tree->sys, name);
	vfio_tree_link(tree, target, "sys/bus/pci/devices/%s", name);
	if (group >= 0) {
		vfio_tree_link(tree, target, "sys/kernel/iommu_groups/%d/devices/%s", group, name);
		snprintf(target, sizeof(target), "%s/kernel/iommu_groups/%d", tree->sys, group);
		vfio_tree_link(tree, target, "sys/devices/pci0000:00/%s/iommu_group", name);
	}
	if (!driver[0])
		return;
	vfio_tree_folder(tree, "sys/bus/pci/drivers/%s", driver);
	snprintf(target, sizeof(target), "%s/bus/pci/drivers/%s", tree->sys, driver);
	vfio_tree_link(tree, target, "sys/devices/pci0000:00/%s/driver", name);
}

void vfio_tree_vfio(struct vfio_tree *tree)
{
	vfio_tree_folder(tree, "sys/class/iommu/dmar0");
	vfio_tree_folder(tree, "sys/bus/pci/drivers/vfio-pci");
	vfio_tree_file(tree, "N\n",
		       "sys/module/vfio_iommu_type1/parameters/"
		       "allow_unsafe_interrupts");
	vfio_tree_file(tree, "IR-PCI-MSIX-0000:00:04.0\n", "sys/kernel/irq/30/chip_name");
	vfio_tree_file(tree, "", "dev/vfio/vfio");
}

struct vfio_address vfio_tree_address(const char *name)
{
	struct vfio_address address;

	assert_int_equal(vfio_address_parse(&address, name, NULL), 0);
	return address;
}
