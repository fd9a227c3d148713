/* SPDX-License-Identifier: BSD-2-Clause */
#include "vfio_kernel.h"

struct kernel kernel;

void read_at(char *text, size_t size, const char *device, const char *file)
{
	vfio_sysfs_read(text, size, "%s/bus/pci/devices/%s/%s", kernel.tree.sys, device, file);
}

void driver_of(const char *device, char driver[64])
{
	vfio_sysfs_link(driver, 64, "%s/bus/pci/devices/%s/driver", kernel.tree.sys, device);
}

/* As arm64's kernels do when a driver binds. */
static void join_group(const char *device, int group)
{
	char target[PATH_MAX];

	snprintf(target, sizeof(target), "%s/devices/pci0000:00/%s", kernel.tree.sys, device);
	vfio_tree_link(&kernel.tree, target, "sys/kernel/iommu_groups/%d/devices/%s", group,
		       device);
	snprintf(target, sizeof(target), "%s/kernel/iommu_groups/%d", kernel.tree.sys, group);
	vfio_tree_link(&kernel.tree, target, "sys/devices/pci0000:00/%s/iommu_group", device);
}

int kernel_bind(const char *device, const char *driver)
{
	char override[64], own[64], target[PATH_MAX], now[64];

	driver_of(device, now);
	if (now[0])
		return -EBUSY;
	read_at(override, sizeof(override), device, "driver_override");
	read_at(own, sizeof(own), device, "own_driver");
	if (!strcmp(override, "(null)"))
		override[0] = '\0';
	if (strcmp(driver, override[0] ? override : own) ||
	    (kernel.reluctant && !strcmp(driver, kernel.reluctant)))
		return -ENODEV;
	snprintf(target, sizeof(target), "%s/bus/pci/drivers/%s", kernel.tree.sys, driver);
	if (access(target, F_OK))
		return -ENODEV;
	vfio_tree_link(&kernel.tree, target, "sys/devices/pci0000:00/%s/driver", device);
	if (kernel.late && !strcmp(device, kernel.late))
		join_group(device, 8);
	return 0;
}

static int kernel_probe(const char *device)
{
	char driver[64];

	read_at(driver, sizeof(driver), device, "driver_override");
	if (!strcmp(driver, "(null)"))
		read_at(driver, sizeof(driver), device, "own_driver");
	if (driver[0])
		kernel_bind(device, driver);
	return 0; /* whatever came of it */
}

int kernel_unbind(const char *device)
{
	char driver[64];

	driver_of(device, driver);
	if (!driver[0])
		return -ENODEV;
	if (kernel.stubborn && !strcmp(driver, kernel.stubborn))
		return -EBUSY;
	vfio_tree_remove(&kernel.tree, "sys/devices/pci0000:00/%s/driver", device);
	return 0;
}

static bool take_name(const char *path, const char *before, const char *after, char name[64])
{
	const char *at = strstr(path, before), *end;

	if (!at)
		return false;
	at += strlen(before);
	end = strchr(at, '/');
	if (!end || strcmp(end, after))
		return false;
	snprintf(name, 64, "%.*s", (int)(end - at), at);
	return true;
}

int vfio_sysfs_write(const char *path, const char *text)
{
	char name[64];

	kernel.writes++;
	if (kernel.writes == kernel.kill_at)
		_exit(9);
	if (kernel.writes == kernel.fail_at)
		return -EIO;
	if (take_name(path, "/devices/", "/driver_override", name)) {
		vfio_tree_file(&kernel.tree, strcmp(text, "\n") ? text : "(null)\n",
			       "sys/devices/pci0000:00/%s/driver_override", name);
		return 0;
	}
	if (take_name(path, "/devices/", "/driver/unbind", name))
		return strcmp(name, text) ? -ENODEV : kernel_unbind(text);
	if (take_name(path, "/drivers/", "/bind", name))
		return kernel_bind(text, name);
	if (take_name(path, "/bus/pci", "/drivers_probe", name))
		return kernel_probe(text);
	fail_msg("a write to %s", path);
	return -ENOENT;
}

int vfio_host_open_group(const struct vfio_paths *paths, int group)
{
	if (kernel.open_group)
		return kernel.open_group(group);
	return kernel.group_error ? kernel.group_error : dup(STDERR_FILENO);
}

void add_device(const char *name, const char *class, const char *driver, const char *own, int group)
{
	vfio_tree_device(&kernel.tree, name, class, driver, group);
	vfio_tree_file(&kernel.tree, own, "sys/devices/pci0000:00/%s/own_driver", name);
	vfio_tree_folder(&kernel.tree, "sys/bus/pci/drivers/%s", own);
}

int kernel_setup(void **state)
{
	memset(&kernel, 0, sizeof(kernel));
	vfio_tree_create(&kernel.tree);
	vfio_tree_vfio(&kernel.tree);
	add_device(DISK, "0x010802\n", "nvme", "nvme", 4);
	add_device(PORT, "0x060400\n", "pcieport", "pcieport", 8);
	add_device(SOUND, "0x040300\n", "snd", "snd", 8);
	add_device(MODEM, "0x070300\n", "modem", "modem", 8);
	add_device(SPARE, "0x00ff00\n", "", "spare", 8);
	return 0;
}

int kernel_teardown(void **state)
{
	vfio_tree_destroy(&kernel.tree);
	return 0;
}

int bind_device(const char *name, struct error *err)
{
	struct vfio_address address = vfio_tree_address(name);

	return vfio_bind(&kernel.tree.paths, &address, err);
}

int release(const char *name, struct error *err)
{
	struct vfio_address address = vfio_tree_address(name);

	return vfio_release(&kernel.tree.paths, &address, err);
}

void assert_driver(const char *name, const char *driver)
{
	char now[64];

	driver_of(name, now);
	assert_string_equal(now, driver);
}

bool is_remembered(const char *name)
{
	return vfio_sysfs_exists("%s/vfio/%s", kernel.tree.state, name);
}

void assert_as_before(const char *name, const char *driver)
{
	char override[64];

	assert_driver(name, driver);
	read_at(override, sizeof(override), name, "driver_override");
	assert_string_equal(override, "(null)");
	assert_false(is_remembered(name));
}

void assert_all_as_before(void)
{
	assert_as_before(DISK, "nvme");
	assert_as_before(PORT, "pcieport");
	assert_as_before(SOUND, "snd");
	assert_as_before(MODEM, "modem");
	assert_as_before(SPARE, "");
}
