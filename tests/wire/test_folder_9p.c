/* SPDX-License-Identifier: BSD-2-Clause */
/* A shared folder over virtio-9p: on MMIO, on PCI and behind the IOMMU. */
#include <linux/virtio_ids.h>
#include <linux/virtio_mmio.h>
#include <string.h>

#include "folder_rig.h"
#include "test.h"

static int p9_on_mmio(void **state)
{
	return folder_rig_setup(state, FOLDER_ON_MMIO, true);
}

static int p9_on_pci(void **state)
{
	return folder_rig_setup(state, FOLDER_ON_PCI, true);
}

static int p9_behind_iommu(void **state)
{
	return folder_rig_setup(state, FOLDER_BEHIND_IOMMU, true);
}

static void p9_start(struct folder_rig *rig)
{
	static const u8 version[] = { 21, 0, 0,	  0,   100, 0xff, 0xff, 0,   32,  0,  0,
				      8,  0, '9', 'P', '2', '0',  '0',	'0', '.', 'L' };
	static const u8 attach[] = { 25,   0,	 0, 0, 104, 1,	 0, 0, 0, 0, 0, 0xff, 0xff,
				     0xff, 0xff, 2, 0, 'm', 'e', 0, 0, 0, 0, 0, 0 };

	folder_rig_ask(rig, 0, version, sizeof(version), 100);
	assert_int_equal(rig->answer[4], 101);
	folder_rig_ask(rig, 0, attach, sizeof(attach), 100);
	assert_int_equal(rig->answer[4], 105);
}

TEST_WITH(nine_p_makes_a_file_of_the_hosts, p9_on_mmio, folder_rig_teardown)
{
	static const u8 create[] = { 27, 0, 0, 0, 14,	1, 0, 0, 0, 0, 0, 1, 0, 'f',
				     2,	 0, 0, 0, 0xa4, 1, 0, 0, 0, 0, 0, 0, 0 };
	static const u8 write[] = { 28, 0, 0, 0, 118, 1, 0, 0, 0, 0,   0,   0,	 0,   0,
				    0,	0, 0, 0, 0,   5, 0, 0, 0, 'h', 'e', 'l', 'l', 'o' };
	struct folder_rig *rig = *state;

	p9_start(rig);
	folder_rig_ask(rig, 0, create, 26, 100);
	assert_int_equal(rig->answer[4], 7); /* it says one byte more than it has */
	{
		u8 right[26];

		memcpy(right, create, 26);
		right[0] = 26;
		folder_rig_ask(rig, 0, right, 26, 100);
	}
	assert_int_equal(rig->answer[4], 15);
	folder_rig_ask(rig, 0, write, sizeof(write), 100);
	assert_int_equal(rig->answer[4], 119);
	assert_true(folder_rig_holds(rig, "f", "hello"));
}
TEST_AGAIN(nine_p_makes_a_file_of_the_hosts, p9_on_pci, folder_rig_teardown)
TEST_AGAIN(nine_p_makes_a_file_of_the_hosts, p9_behind_iommu, folder_rig_teardown)

TEST_WITH(nine_p_has_its_tag, p9_on_mmio, folder_rig_teardown)
{
	struct folder_rig *rig = *state;

	assert_int_equal(wire_reg_read(rig->vm, FOLDER_SLOT, VIRTIO_MMIO_DEVICE_ID), VIRTIO_ID_9P);
	assert_int_equal(wire_features(rig->vm, FOLDER_SLOT) & 1, 1);
	assert_int_equal(wire_config_read(rig->vm, FOLDER_SLOT, 0, 2), 6);
	assert_int_equal(wire_config_read(rig->vm, FOLDER_SLOT, 2, 1), 's');
	assert_int_equal(wire_config_read(rig->vm, FOLDER_SLOT, 7, 1), 'd');
}

TEST_WITH(a_reset_forgets_the_9p_session, p9_on_mmio, folder_rig_teardown)
{
	static const u8 clunk[] = { 11, 0, 0, 0, 120, 1, 0, 0, 0, 0, 0 };
	struct folder_rig *rig = *state;

	p9_start(rig);
	folder_rig_bring_up(rig);
	folder_rig_ask(rig, 0, clunk, sizeof(clunk), 100);
	assert_int_equal(rig->answer[4], 7);
	p9_start(rig);
	folder_rig_ask(rig, 0, clunk, sizeof(clunk), 100);
	assert_int_equal(rig->answer[4], 121);
}
TEST_AGAIN(a_reset_forgets_the_9p_session, p9_on_pci, folder_rig_teardown)
TEST_AGAIN(a_reset_forgets_the_9p_session, p9_behind_iommu, folder_rig_teardown)
