/* SPDX-License-Identifier: BSD-2-Clause */
/* Each thing that stops a passthrough, on a fake host, and what lkvm says to do about it. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"
#include "vfio_tree.h"

#include "../../vfio/host_sysfs.h"

#define DEVICE "0000:00:04.0"

static struct fixture {
	struct vfio_tree tree;
	int group_error;
	struct vfio_problem problems[VFIO_MAX_PROBLEMS];
	int count;
} f;

int vfio_host_open_group(const struct vfio_paths *paths, int group)
{
	return f.group_error ? f.group_error : dup(STDERR_FILENO);
}

int vfio_sysfs_write(const char *path, const char *text)
{
	fail_msg("check wrote to %s", path);
	return -EIO;
}

/* A host that passes a disk. */
static int setup(void **state)
{
	memset(&f, 0, sizeof(f));
	vfio_tree_create(&f.tree);
	vfio_tree_vfio(&f.tree);
	vfio_tree_device(&f.tree, DEVICE, "0x010802\n", "vfio-pci", 4);
	return 0;
}

static int teardown(void **state)
{
	vfio_tree_destroy(&f.tree);
	return 0;
}

static void check_with(u64 ram_bytes)
{
	struct vfio_address address = vfio_tree_address(DEVICE);

	f.count = vfio_check(&f.tree.paths, &address, ram_bytes, f.problems, NULL);
}

static void check(void)
{
	check_with(0);
}

/* One of the problems is that, with that remedy. */
static void expect(bool fatal, const char *what, const char *remedy)
{
	for (int i = 0; i < f.count; i++) {
		if (f.problems[i].fatal == fatal && strstr(f.problems[i].what, what) &&
		    strstr(f.problems[i].remedy, remedy))
			return;
	}
	for (int i = 0; i < f.count; i++)
		print_error("%d %s: %s\n", f.problems[i].fatal, f.problems[i].what,
			    f.problems[i].remedy);
	fail_msg("no problem '%s' with '%s'", what, remedy);
}

static void expect_alone(bool fatal, const char *what, const char *remedy)
{
	expect(fatal, what, remedy);
	assert_int_equal(f.count, 1);
}

/* ---- sentences ---- */

TEST_WITH(nothing_stops_a_device_that_is_ready, setup, teardown)
{
	check();
	assert_int_equal(f.count, 0);
}

TEST_WITH(a_device_that_is_not_there_is_an_error, setup, teardown)
{
	struct vfio_address address = vfio_tree_address("00:1e.0");
	struct error err = { "" };

	assert_int_equal(vfio_check(&f.tree.paths, &address, 0, f.problems, &err), -ENOENT);
	assert_non_null(strstr(err.text, "0000:00:1e.0"));
}

TEST_WITH(a_device_of_another_driver_is_to_be_bound, setup, teardown)
{
	vfio_tree_device(&f.tree, DEVICE, "0x010802\n", "nvme", 4);
	check();
	expect_alone(true, "driven by nvme", "lkvm vfio bind " DEVICE);
	vfio_tree_remove(&f.tree, "sys/devices/pci0000:00/" DEVICE "/driver");
	check();
	expect_alone(true, "has no driver", "lkvm vfio bind " DEVICE);
}

TEST_WITH(without_an_iommu_the_remedy_is_the_hosts, setup, teardown)
{
	vfio_tree_remove(&f.tree, "sys/class/iommu");
	vfio_tree_remove(&f.tree, "sys/devices/pci0000:00/" DEVICE "/iommu_group");
	check();
	expect_alone(true, "no IOMMU", "firmware's set-up");
	vfio_tree_file(&f.tree, "", "sys/firmware/acpi/tables/DMAR");
	check();
	expect_alone(true, "no IOMMU", "intel_iommu=on");
	vfio_tree_remove(&f.tree, "sys/firmware");
	vfio_tree_file(&f.tree, "", "sys/firmware/acpi/tables/IVRS");
	check();
	expect_alone(true, "no IOMMU", "amd_iommu=off");
	vfio_tree_remove(&f.tree, "sys/firmware");
	vfio_tree_file(&f.tree, "", "sys/firmware/acpi/tables/IORT");
	check();
	expect_alone(true, "no IOMMU", "SMMU");
}

TEST_WITH(a_device_that_the_iommu_leaves_out_is_named, setup, teardown)
{
	vfio_tree_remove(&f.tree, "sys/devices/pci0000:00/" DEVICE "/iommu_group");
	check();
	expect_alone(true, "does not translate " DEVICE, "another device");
}

TEST_WITH(without_a_driver_a_device_may_still_get_a_group, setup, teardown)
{
	vfio_tree_remove(&f.tree, "sys/devices/pci0000:00/" DEVICE "/iommu_group");
	vfio_tree_remove(&f.tree, "sys/devices/pci0000:00/" DEVICE "/driver");
	check();
	expect_alone(true, "has no driver", "lkvm vfio bind " DEVICE);
}

TEST_WITH(vfios_no_iommu_mode_is_no_iommu, setup, teardown)
{
	vfio_tree_remove(&f.tree, "sys/class/iommu");
	vfio_tree_file(&f.tree, "vfio-noiommu\n", "sys/kernel/iommu_groups/4/name");
	check();
	expect_alone(true, "no IOMMU", "no-IOMMU mode is not supported");
}

TEST_WITH(missing_modules_are_named, setup, teardown)
{
	vfio_tree_device(&f.tree, DEVICE, "0x010802\n", "nvme", 4);
	vfio_tree_remove(&f.tree, "sys/bus/pci/drivers/vfio-pci");
	vfio_tree_remove(&f.tree, "sys/module/vfio_iommu_type1");
	check();
	expect(true, "no vfio-pci", "modprobe vfio-pci");
	expect(true, "no vfio_iommu_type1", "modprobe vfio_iommu_type1");
}

TEST_WITH(a_container_without_dev_vfio_is_told, setup, teardown)
{
	vfio_tree_remove(&f.tree, "dev/vfio/vfio");
	check();
	expect_alone(true, "/dev/vfio/vfio", "container");
}

TEST_WITH(members_of_the_group_that_others_drive_are_named_with_their_drivers, setup, teardown)
{
	vfio_tree_device(&f.tree, "0000:00:04.1", "0x020000\n", "e1000e", 4);
	vfio_tree_device(&f.tree, "0000:00:04.2", "0x0c0300\n", "xhci_hcd", 4);
	check();
	expect(true, "0000:00:04.1 is in IOMMU group 4 with " DEVICE ", and driven by e1000e",
	       "lkvm vfio bind " DEVICE);
	expect(true, "0000:00:04.2 is in IOMMU group 4 with " DEVICE ", and driven by xhci_hcd",
	       "lkvm vfio bind " DEVICE);
	assert_int_equal(f.count, 2);
}

TEST_WITH(a_member_that_is_no_pci_device_is_named_too, setup, teardown)
{
	vfio_tree_link(&f.tree, "/drivers/dma-engine",
		       "sys/kernel/iommu_groups/4/devices/fb000000.dma/driver");
	check();
	expect_alone(true, "fb000000.dma is in IOMMU group 4", "unbind it from dma-engine");
}

TEST_WITH(members_without_a_driver_and_bridges_stop_nothing, setup, teardown)
{
	vfio_tree_device(&f.tree, "0000:00:04.1", "0x020000\n", "", 4);
	vfio_tree_device(&f.tree, "0000:00:04.2", "0x020000\n", "pci-stub", 4);
	vfio_tree_device(&f.tree, "0000:00:01.0", "0x060400\n", "pcieport", 4);
	vfio_tree_device(&f.tree, "0000:00:02.0", "0x060400\n", "shpchp", 4);
	check();
	assert_int_equal(f.count, 0);
}

TEST_WITH(bridges_belong_to_the_host, setup, teardown)
{
	vfio_tree_device(&f.tree, DEVICE, "0x060400\n", "pcieport", 4);
	check();
	expect_alone(true, "bridge to another bus", "behind it");
	vfio_tree_device(&f.tree, DEVICE, "0x060000\n", "", 4);
	check();
	expect_alone(true, "host bridge", "behind it");
}

TEST_WITH(interrupts_that_are_not_remapped_stop_it, setup, teardown)
{
	vfio_tree_file(&f.tree, "PCI-MSIX-0000:00:04.0\n", "sys/kernel/irq/30/chip_name");
	vfio_tree_file(&f.tree, "IO-APIC\n", "sys/kernel/irq/1/chip_name");
	check();
	expect_alone(true, "does not remap interrupts", "allow_unsafe_interrupts");
	/* GICv2m is no better; an ITS is. */
	vfio_tree_remove(&f.tree, "sys/kernel/irq/1");
	vfio_tree_file(&f.tree, "GICv2m-PCI-MSIX-0000:00:04.0\n", "sys/kernel/irq/30/chip_name");
	check();
	expect_alone(true, "does not remap interrupts", "allow_unsafe_interrupts");
	vfio_tree_file(&f.tree, "ITS-PCI-MSIX-0000:00:04.0\n", "sys/kernel/irq/30/chip_name");
	check();
	assert_int_equal(f.count, 0);
}

TEST_WITH(interrupts_that_nobody_speaks_of_stop_nothing, setup, teardown)
{
	vfio_tree_file(&f.tree, "GICv3\n", "sys/kernel/irq/30/chip_name");
	check();
	assert_int_equal(f.count, 0);
}

TEST_WITH(unsafe_interrupts_that_are_allowed_are_a_note, setup, teardown)
{
	vfio_tree_file(&f.tree, "PCI-MSIX-0000:00:04.0\n", "sys/kernel/irq/30/chip_name");
	vfio_tree_file(&f.tree, "Y\n",
		       "sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts");
	check();
	expect_alone(false, "does not remap interrupts", "guests that you trust");
}

TEST_WITH(a_group_that_this_user_may_not_open_is_told_whose_it_should_be, setup, teardown)
{
	char owner[32];

	snprintf(owner, sizeof(owner), "chown %u ", geteuid());
	f.group_error = -EACCES;
	check();
	expect_alone(true, "/vfio/4: permission denied", owner);
	expect(true, "permission denied", "SUBSYSTEM==\"vfio\"");
}

TEST_WITH(a_group_that_another_vm_has_is_in_use, setup, teardown)
{
	char node[64];

	f.group_error = -EBUSY;
	check();
	expect_alone(true, DEVICE " is in use: its group 4 is open in another VM", "fuser -v");
	vfio_tree_file(&f.tree, "lkvm\n", "proc/77/comm");
	vfio_tree_link(&f.tree, "/dev/null", "proc/77/fd/0");
	check();
	expect_alone(true, "another VM", "fuser -v");
	snprintf(node, sizeof(node), "%s/vfio/4", f.tree.dev);
	vfio_tree_link(&f.tree, node, "proc/77/fd/9");
	check();
	expect_alone(true, "open in process 77 (lkvm)", "end that");
}

TEST_WITH(a_group_without_its_node_is_told, setup, teardown)
{
	f.group_error = -ENOENT;
	check();
	expect_alone(true, "/vfio/4, though vfio-pci has " DEVICE, "container");
}

TEST_WITH(a_device_without_a_reset_is_noted, setup, teardown)
{
	vfio_tree_remove(&f.tree, "sys/devices/pci0000:00/" DEVICE "/reset_method");
	check();
	expect_alone(false, "cannot be reset", "one guest");
}

TEST_WITH(firmware_that_uses_the_device_is_noted, setup, teardown)
{
	vfio_tree_file(&f.tree, "0x7b000000 0x7fffffff direct\n",
		       "sys/kernel/iommu_groups/4/reserved_regions");
	check();
	expect_alone(false, "0x7b000000-0x7fffffff", "firmware's set-up");
	vfio_tree_file(&f.tree, "0x7b000000 0x7fffffff direct-relaxable\n",
		       "sys/kernel/iommu_groups/4/reserved_regions");
	check();
	assert_int_equal(f.count, 0);
}

TEST_WITH(the_hosts_screen_is_noted_until_vfio_has_it, setup, teardown)
{
	vfio_tree_file(&f.tree, "1\n", "sys/devices/pci0000:00/" DEVICE "/boot_vga");
	check();
	assert_int_equal(f.count, 0);
	vfio_tree_device(&f.tree, DEVICE, "0x030000\n", "i915", 4);
	check();
	expect(false, "screen of the host's console", "another way in");
}

/* ---- in use ---- */

static void add_disk(const char *name)
{
	char target[128];

	vfio_tree_device(&f.tree, DEVICE, "0x010802\n", "nvme", 4);
	vfio_tree_file(&f.tree, "259:1\n", "sys/devices/pci0000:00/" DEVICE "/nvme/nvme0/%s/dev",
		       name);
	vfio_tree_folder(&f.tree, "sys/devices/pci0000:00/" DEVICE "/nvme/nvme0/%s/holders", name);
	snprintf(target, sizeof(target), "../../devices/pci0000:00/" DEVICE "/nvme/nvme0/%s", name);
	vfio_tree_link(&f.tree, target, "sys/class/block/%s", name);
}

TEST_WITH(a_mounted_disk_is_in_use, setup, teardown)
{
	add_disk("nvme0n1p1");
	vfio_tree_file(&f.tree,
		       "22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n"
		       "36 22 259:1 / /data rw,relatime shared:1 - ext4 /dev/nvme0n1p1 rw\n",
		       "proc/self/mountinfo");
	check();
	expect(true, "nvme0n1p1 is mounted on /data", "umount /data");
}

TEST_WITH(a_disk_that_is_mounted_under_a_number_of_its_file_system_is_in_use, setup, teardown)
{
	add_disk("nvme0n1");
	vfio_tree_file(&f.tree, "36 22 0:43 /sub /data rw - btrfs /dev/nvme0n1 rw\n",
		       "proc/self/mountinfo");
	check();
	expect(true, "nvme0n1 is mounted on /data", "umount /data");
}

TEST_WITH(the_disk_that_the_host_runs_from_has_no_umount, setup, teardown)
{
	add_disk("nvme0n1");
	vfio_tree_file(&f.tree, "1 1 259:1 / / rw - ext4 /dev/root rw\n", "proc/self/mountinfo");
	check();
	expect(true, "nvme0n1 is mounted on /", "another device");
}

TEST_WITH(a_disk_with_swap_or_below_another_is_in_use, setup, teardown)
{
	add_disk("nvme0n1");
	vfio_tree_file(&f.tree, "Filename Type Size Used Priority\n/dev/nvme0n1 partition 1 0 -2\n",
		       "proc/swaps");
	check();
	expect(true, "swaps to nvme0n1", "swapoff /dev/nvme0n1");
	vfio_tree_remove(&f.tree, "proc/swaps");
	vfio_tree_folder(&f.tree,
			 "sys/devices/pci0000:00/" DEVICE "/nvme/nvme0/nvme0n1/holders/dm-0");
	check();
	expect(true, "nvme0n1 is part of dm-0", "stop dm-0");
}

TEST_WITH(one_path_of_several_to_a_disk_stands_for_the_disk, setup, teardown)
{
	add_disk("nvme0c1n1");
	vfio_tree_file(&f.tree, "259:7\n", "sys/class/block/nvme0n1/dev");
	vfio_tree_file(&f.tree, "36 22 259:7 / /data rw - ext4 /dev/x rw\n", "proc/self/mountinfo");
	check();
	expect(true, "nvme0n1 is mounted on /data", "umount");
}

TEST_WITH(a_disk_that_nobody_uses_is_not_in_use, setup, teardown)
{
	add_disk("nvme0n1");
	/* Another host's disk, mounted. */
	vfio_tree_file(&f.tree, "36 22 259:2 / /data rw - ext4 /dev/nvme1n1 rw\n",
		       "proc/self/mountinfo");
	check();
	expect_alone(true, "driven by nvme", "bind");
	f.tree.paths.proc = NULL;
	check();
	expect_alone(true, "driven by nvme", "bind");
}

TEST_WITH(an_interface_that_is_up_is_in_use, setup, teardown)
{
	vfio_tree_device(&f.tree, DEVICE, "0x020000\n", "virtio-pci", 4);
	vfio_tree_file(&f.tree, "0x1003\n",
		       "sys/devices/pci0000:00/" DEVICE "/virtio0/net/eth0/flags");
	vfio_tree_link(&f.tree, "../../devices/pci0000:00/" DEVICE "/virtio0/net/eth0",
		       "sys/class/net/eth0");
	check();
	expect(true, "eth0 is up", "ip link set eth0 down");
	vfio_tree_file(&f.tree, "0x1002\n",
		       "sys/devices/pci0000:00/" DEVICE "/virtio0/net/eth0/flags");
	check();
	expect_alone(true, "driven by virtio-pci", "bind");
}

TEST_WITH(a_device_with_virtual_functions_is_in_use, setup, teardown)
{
	vfio_tree_device(&f.tree, DEVICE, "0x020000\n", "ixgbe", 4);
	vfio_tree_file(&f.tree, "2\n", "sys/devices/pci0000:00/" DEVICE "/sriov_numvfs");
	check();
	expect(true, "2 virtual functions", "sriov_numvfs");
}

/* ---- memory ---- */

static void drop_lock_capability(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	assert_int_equal(syscall(SYS_capget, &header, data), 0);
	data[CAP_TO_INDEX(CAP_IPC_LOCK)].effective &= ~CAP_TO_MASK(CAP_IPC_LOCK);
	assert_int_equal(syscall(SYS_capset, &header, data), 0);
}

/* In a process of its own, as what is dropped there does not come back. */
TEST_WITH(locked_memory_is_asked_of_who_is_not_exempt, setup, teardown)
{
	struct rlimit limit = { 64 * KIB, 64 * KIB };
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (!child) {
		drop_lock_capability();
		if (setrlimit(RLIMIT_MEMLOCK, &limit))
			_exit(1);
		check_with(64 * KIB);
		if (f.count)
			_exit(2);
		check_with(GIB);
		if (f.count != 1 || !f.problems[0].fatal || !strstr(f.problems[0].what, "64 KiB") ||
		    !strstr(f.problems[0].remedy, "memlock 1048576"))
			_exit(3);
		check_with(0);
		_exit(f.count ? 4 : 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

TEST_WITH(a_limit_that_the_user_can_raise_is_raised_by_ulimit, setup, teardown)
{
	struct rlimit limit;
	int status;
	pid_t child;

	getrlimit(RLIMIT_MEMLOCK, &limit);
	if (limit.rlim_max != RLIM_INFINITY && limit.rlim_max < 8 * KIB)
		skip();
	child = fork();
	if (!child) {
		drop_lock_capability();
		limit.rlim_cur = 4 * KIB;
		if (setrlimit(RLIMIT_MEMLOCK, &limit))
			_exit(1);
		check_with(8 * KIB);
		_exit(f.count == 1 && strstr(f.problems[0].remedy, "ulimit -l 8") ? 0 : 2);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

TEST_WITH(more_problems_than_fit_keep_the_list_whole, setup, teardown)
{
	struct vfio_address address = { 0, 0, 0, 0 };
	char name[VFIO_ADDRESS_TEXT];

	vfio_tree_remove(&f.tree, "sys/devices/pci0000:00/" DEVICE);
	for (unsigned i = 0; i < VFIO_MAX_MEMBERS; i++) {
		address.slot = i / 8;
		address.function = i % 8;
		vfio_address_format(&address, name);
		vfio_tree_device(&f.tree, name, "0x020000\n", "e1000e", 4);
	}
	for (unsigned i = 0; i < 40; i++)
		vfio_tree_link(&f.tree, "/drivers/x",
			       "sys/kernel/iommu_groups/4/devices/platform.%u/driver", i);
	check();
	assert_int_equal(f.count, VFIO_MAX_PROBLEMS);
	for (int i = 0; i < f.count; i++)
		assert_true(f.problems[i].what[0] && f.problems[i].remedy[0]);
}
