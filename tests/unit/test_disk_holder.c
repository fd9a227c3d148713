/* SPDX-License-Identifier: BSD-2-Clause */
/* Who has a block device or a file, on a host that is a folder. */
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "test.h"
#include "vfio_tree.h"

#include "../../disk/holder.h"

/* sdb (8:16) with the partition sdb1 (8:17). */
static int setup(void **state)
{
	static struct vfio_tree tree;

	vfio_tree_create(&tree);
	vfio_tree_file(&tree, "8:16\n", "sys/block/sdb/dev");
	vfio_tree_file(&tree, "MAJOR=8\nMINOR=16\nDEVNAME=sdb\n", "sys/block/sdb/uevent");
	vfio_tree_file(&tree, "1\n", "sys/block/sdb/sdb1/partition");
	vfio_tree_file(&tree, "8:17\n", "sys/block/sdb/sdb1/dev");
	vfio_tree_file(&tree, "MAJOR=8\nDEVNAME=sdb1\n", "sys/block/sdb/sdb1/uevent");
	vfio_tree_link(&tree, "../../block/sdb", "sys/dev/block/8:16");
	vfio_tree_link(&tree, "../../block/sdb/sdb1", "sys/dev/block/8:17");
	*state = &tree;
	return 0;
}

static int teardown(void **state)
{
	vfio_tree_destroy(*state);
	return 0;
}

static void device_is(struct vfio_tree *tree, unsigned minor, const char *expected)
{
	char text[192];

	holder_of_device(tree->top, makedev(8, minor), text, sizeof(text));
	assert_string_equal(text, expected);
}

static void mount_at(struct vfio_tree *tree, const char *line)
{
	vfio_tree_file(tree, line, "proc/self/mountinfo");
}

TEST_WITH(a_mount_is_named_by_its_place, setup, teardown)
{
	struct vfio_tree *tree = *state;

	mount_at(tree, "22 27 0:21 / /proc rw - proc proc rw\n"
		       "40 27 8:17 / /data rw,relatime shared:1 - ext4 /dev/sdb1 rw\n");
	device_is(tree, 17, "is mounted at /data");
	device_is(tree, 16, "its partition sdb1 is mounted at /data");
	mount_at(tree, "40 27 8:16 / /data rw,relatime - xfs /dev/sdb rw\n");
	device_is(tree, 16, "is mounted at /data");
	device_is(tree, 17, "its disk is mounted at /data");
	/* btrfs numbers its file systems itself. */
	mount_at(tree, "40 27 0:55 /root /tree rw shared:1 - btrfs /dev/sdb1 rw\n");
	device_is(tree, 17, "is mounted at /tree");
}

TEST_WITH(swap_and_devices_built_on_it_are_named, setup, teardown)
{
	struct vfio_tree *tree = *state;

	vfio_tree_file(tree, "", "sys/block/sdb/holders/md0/dev");
	device_is(tree, 16, "is a part of md0");
	device_is(tree, 17, "its disk is a part of md0");
	vfio_tree_file(tree, "vg-root\n", "sys/block/sdb/sdb1/holders/dm-0/dm/name");
	device_is(tree, 17, "is a part of dm-0 (vg-root)");
	vfio_tree_file(tree, "Filename Type Size Used Priority\n/dev/sdb1 partition 8 0 -2\n",
		       "proc/swaps");
	device_is(tree, 17, "is in use as swap");
}

TEST_WITH(a_process_is_named, setup, teardown)
{
	struct vfio_tree *tree = *state;

	device_is(tree, 16, "is in use by another program");
	vfio_tree_file(tree, "qemu\x1b[31m\n", "proc/4711/comm");
	vfio_tree_link(tree, "/dev/sda", "proc/4711/fd/3");
	device_is(tree, 16, "is in use by another program");
	vfio_tree_link(tree, "/dev/sdb", "proc/4711/fd/4");
	/* Not what would change the terminal's colour. */
	device_is(tree, 16, "is in use by qemu?[31m (process 4711)");
}

TEST_WITH(a_lock_is_the_process_that_has_it_and_not_one_that_only_reads, setup, teardown)
{
	struct vfio_tree *tree = *state;
	char text[192], line[64];

	vfio_tree_file(tree, "cat\n", "proc/10/comm");
	vfio_tree_link(tree, "/img", "proc/10/fd/3");
	vfio_tree_file(tree, "pos:\t0\n", "proc/10/fdinfo/3");
	holder_of_lock(tree->top, "/img", -1, text, sizeof(text));
	assert_string_equal(text, "is locked by another program");
	vfio_tree_file(tree, "qemu\n", "proc/11/comm");
	vfio_tree_link(tree, "/img", "proc/11/fd/9");
	vfio_tree_file(tree, "pos:\t0\nlock:\t1: OFDLCK ADVISORY  READ -1 08:01:7 100 101\n",
		       "proc/11/fdinfo/9");
	holder_of_lock(tree->top, "/img", -1, text, sizeof(text));
	assert_string_equal(text, "is in use by qemu (process 11)");
	holder_of_lock(tree->top, "/img", 10, text, sizeof(text));
	assert_string_equal(text, "is in use by cat (process 10)");
	holder_of_lock(tree->top, "/img", 12, text, sizeof(text));
	assert_string_equal(text, "is in use by process 12");
	snprintf(line, sizeof(line), "proc/%d/fd/3", getpid());
	holder_of_lock(tree->top, "/img", getpid(), text, sizeof(text));
	assert_string_equal(text, "is given twice");
}

TEST_WITH(the_file_behind_a_loop_device_is_known, setup, teardown)
{
	struct vfio_tree *tree = *state;
	char text[192];

	assert_false(holder_is_loop(tree->top, "/img", text, sizeof(text)));
	vfio_tree_file(tree, "0\n", "sys/block/loop0/ro");
	vfio_tree_file(tree, "/other\n", "sys/block/loop1/loop/backing_file");
	assert_false(holder_is_loop(tree->top, "/img", text, sizeof(text)));
	vfio_tree_file(tree, "/img\n", "sys/block/loop1/loop/backing_file");
	assert_true(holder_is_loop(tree->top, "/img", text, sizeof(text)));
	assert_string_equal(text, "is behind /dev/loop1");
}
