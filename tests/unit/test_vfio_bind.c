/* SPDX-License-Identifier: BSD-2-Clause */
/* To vfio-pci and back, and what cannot be done. */
#include "vfio_kernel.h"
#include "test.h"

/* ---- bind, release ---- */

TEST_WITH(a_device_goes_to_vfio_pci_and_back_to_its_driver, kernel_setup, kernel_teardown)
{
	assert_int_equal(bind_device(DISK, NULL), 0);
	assert_driver(DISK, "vfio-pci");
	assert_true(is_remembered(DISK));
	assert_int_equal(release(DISK, NULL), 0);
	assert_all_as_before();
}

TEST_WITH(a_group_goes_whole_but_for_bridges_and_who_has_no_driver, kernel_setup, kernel_teardown)
{
	assert_int_equal(bind_device(SOUND, NULL), 0);
	assert_driver(SOUND, "vfio-pci");
	assert_driver(MODEM, "vfio-pci");
	assert_driver(SPARE, "");
	assert_driver(PORT, "pcieport");
	assert_driver(DISK, "nvme");
	assert_int_equal(release(SOUND, NULL), 0);
	assert_all_as_before();
}

TEST_WITH(a_device_without_a_driver_is_bound_and_given_back_to_none, kernel_setup, kernel_teardown)
{
	assert_int_equal(bind_device(SPARE, NULL), 0);
	assert_driver(SPARE, "vfio-pci");
	assert_driver(SOUND, "vfio-pci");
	assert_int_equal(release(SPARE, NULL), 0);
	assert_all_as_before();
}

TEST_WITH(a_device_that_gets_its_group_only_now_takes_the_others_along, kernel_setup,
	  kernel_teardown)
{
	add_device("0000:00:08.3", "0x00ff00\n", "", "other", -1);
	kernel.late = "0000:00:08.3";
	assert_int_equal(bind_device("0000:00:08.3", NULL), 0);
	assert_driver("0000:00:08.3", "vfio-pci");
	assert_driver(SOUND, "vfio-pci");
	assert_driver(MODEM, "vfio-pci");
	assert_int_equal(release("0000:00:08.3", NULL), 0);
	assert_as_before("0000:00:08.3", "");
	assert_all_as_before();
}

TEST_WITH(and_is_given_back_if_they_do_not_come, kernel_setup, kernel_teardown)
{
	struct error err = { "" };

	add_device("0000:00:08.3", "0x00ff00\n", "", "other", -1);
	kernel.late = "0000:00:08.3";
	kernel.stubborn = "modem";
	assert_int_equal(bind_device("0000:00:08.3", &err), -EBUSY);
	assert_non_null(strstr(err.text, MODEM));
	assert_as_before("0000:00:08.3", "");
	assert_all_as_before();
}

TEST_WITH(to_bind_again_changes_nothing, kernel_setup, kernel_teardown)
{
	unsigned writes;

	assert_int_equal(bind_device(DISK, NULL), 0);
	writes = kernel.writes;
	assert_int_equal(bind_device(DISK, NULL), 0);
	assert_int_equal(kernel.writes, writes);
	assert_int_equal(release(DISK, NULL), 0);
	assert_all_as_before();
}

TEST_WITH(what_vfio_pci_had_already_is_not_remembered, kernel_setup, kernel_teardown)
{
	struct error err = { "" };

	vfio_tree_file(&kernel.tree, "vfio-pci", "sys/devices/pci0000:00/" DISK "/driver_override");
	assert_int_equal(kernel_unbind(DISK), 0);
	assert_int_equal(kernel_bind(DISK, "vfio-pci"), 0);
	assert_int_equal(bind_device(DISK, NULL), 0);
	assert_int_equal(kernel.writes, 0);
	assert_int_equal(release(DISK, &err), -ENOENT);
	assert_non_null(strstr(err.text, "nothing to give back"));
	assert_driver(DISK, "vfio-pci");
}

TEST_WITH(release_of_a_member_names_the_one_it_was_taken_with, kernel_setup, kernel_teardown)
{
	struct error err = { "" };

	assert_int_equal(bind_device(SOUND, NULL), 0);
	assert_int_equal(release(MODEM, &err), -ENOENT);
	assert_non_null(strstr(err.text, "'lkvm vfio release " SOUND "'"));
	assert_driver(MODEM, "vfio-pci");
	assert_int_equal(release(SOUND, NULL), 0);
	assert_all_as_before();
}

TEST_WITH(to_release_again_says_that_there_is_nothing, kernel_setup, kernel_teardown)
{
	struct error err = { "" };

	assert_int_equal(bind_device(DISK, NULL), 0);
	assert_int_equal(release(DISK, NULL), 0);
	assert_int_equal(release(DISK, &err), -ENOENT);
	assert_non_null(strstr(err.text, "its driver is nvme"));
	assert_all_as_before();
}

TEST_WITH(a_former_override_is_restored, kernel_setup, kernel_teardown)
{
	char override[64];

	vfio_tree_folder(&kernel.tree, "sys/bus/pci/drivers/special");
	vfio_tree_file(&kernel.tree, "special\n",
		       "sys/devices/pci0000:00/" DISK "/driver_override");
	assert_int_equal(kernel_unbind(DISK), 0);
	assert_int_equal(kernel_bind(DISK, "special"), 0);
	assert_int_equal(bind_device(DISK, NULL), 0);
	assert_driver(DISK, "vfio-pci");
	assert_int_equal(release(DISK, NULL), 0);
	assert_driver(DISK, "special");
	read_at(override, sizeof(override), DISK, "driver_override");
	assert_string_equal(override, "special");
}

/* ---- what cannot be done ---- */

TEST_WITH(a_device_that_a_vm_has_open_is_not_released, kernel_setup, kernel_teardown)
{
	struct error err = { "" };

	assert_int_equal(bind_device(SOUND, NULL), 0);
	kernel.group_error = -EBUSY;
	assert_int_equal(release(SOUND, &err), -EBUSY);
	assert_non_null(strstr(err.text, "/vfio/8"));
	assert_driver(SOUND, "vfio-pci");
	assert_driver(MODEM, "vfio-pci");
	kernel.group_error = 0;
	assert_int_equal(release(SOUND, NULL), 0);
	assert_all_as_before();
}

TEST_WITH(what_the_host_works_with_is_not_taken, kernel_setup, kernel_teardown)
{
	struct error err = { "" };

	vfio_tree_file(&kernel.tree, "0x1003\n", "sys/devices/pci0000:00/" MODEM "/net/ppp0/flags");
	vfio_tree_link(&kernel.tree, "../../devices/pci0000:00/" MODEM "/net/ppp0",
		       "sys/class/net/ppp0");
	assert_int_equal(bind_device(SOUND, &err), -EBUSY);
	assert_non_null(strstr(err.text, MODEM " is in use: the network interface ppp0 is up"));
	assert_non_null(strstr(err.text, "ip link set ppp0 down"));
	assert_int_equal(kernel.writes, 0);
	assert_all_as_before();
}

TEST_WITH(bridges_are_not_taken, kernel_setup, kernel_teardown)
{
	struct error err = { "" };

	assert_int_equal(bind_device(PORT, &err), -EINVAL);
	assert_non_null(strstr(err.text, "bridge"));
	assert_all_as_before();
}

TEST_WITH(without_an_iommu_or_vfio_pci_nothing_is_touched, kernel_setup, kernel_teardown)
{
	struct error err = { "" }, no_driver = { "" };

	add_device("0000:00:05.0", "0x010802\n", "nvme", "nvme", -1);
	assert_int_equal(bind_device("0000:00:05.0", &err), -ENODEV);
	assert_non_null(strstr(err.text, "lkvm vfio check 0000:00:05.0"));
	vfio_tree_remove(&kernel.tree, "sys/bus/pci/drivers/vfio-pci");
	assert_int_equal(bind_device(DISK, &no_driver), -ENODEV);
	assert_non_null(strstr(no_driver.text, "modprobe vfio-pci"));
	assert_int_equal(kernel.writes, 0);
	assert_all_as_before();
}

TEST_WITH(a_device_that_is_not_there_is_not_bound, kernel_setup, kernel_teardown)
{
	assert_int_equal(bind_device("00:1e.0", NULL), -ENOENT);
	assert_int_equal(release("00:1e.0", NULL), -ENOENT);
}

TEST_WITH(if_vfio_pci_does_not_take_one_all_are_given_back, kernel_setup, kernel_teardown)
{
	struct error err = { "" };

	kernel.reluctant = "vfio-pci";
	assert_int_equal(bind_device(SOUND, &err), -EIO);
	assert_non_null(strstr(err.text, SOUND ": vfio-pci does not take it"));
	assert_all_as_before();
}

TEST_WITH(if_a_driver_does_not_let_go_all_are_given_back, kernel_setup, kernel_teardown)
{
	struct error err = { "" };

	kernel.stubborn = "modem";
	assert_int_equal(bind_device(SOUND, &err), -EBUSY);
	assert_non_null(strstr(err.text, MODEM ": modem does not let it go"));
	assert_all_as_before();
}

TEST_WITH(a_failure_at_any_write_leaves_all_or_nothing, kernel_setup, kernel_teardown)
{
	int ret;

	for (unsigned n = 1;; n++) {
		kernel.writes = 0;
		kernel.fail_at = n;
		ret = bind_device(SOUND, NULL);
		if (ret)
			assert_all_as_before();
		if (kernel.writes < n)
			break;
		kernel.fail_at = 0;
		if (!ret)
			assert_int_equal(release(SOUND, NULL), 0);
		assert_all_as_before();
	}
	assert_driver(SOUND, "vfio-pci");
	assert_driver(MODEM, "vfio-pci");
}

TEST_WITH(a_failure_at_any_write_of_release_is_made_good_by_the_next, kernel_setup, kernel_teardown)
{
	for (unsigned n = 1;; n++) {
		int ret;

		assert_int_equal(bind_device(SOUND, NULL), 0);
		kernel.writes = 0;
		kernel.fail_at = n;
		ret = release(SOUND, NULL);
		if (kernel.writes < n)
			break;
		kernel.fail_at = 0;
		if (ret)
			assert_int_equal(release(SOUND, NULL), 0);
		assert_all_as_before();
	}
	assert_all_as_before();
}

TEST_WITH(a_driver_that_is_gone_is_named_with_the_remedy, kernel_setup, kernel_teardown)
{
	struct error err = { "" };

	assert_int_equal(bind_device(SOUND, NULL), 0);
	vfio_tree_remove(&kernel.tree, "sys/bus/pci/drivers/snd");
	assert_int_equal(release(SOUND, &err), -ENODEV);
	assert_non_null(strstr(err.text, "modprobe snd"));
	assert_true(is_remembered(SOUND));
	assert_as_before(MODEM, "modem");
	vfio_tree_folder(&kernel.tree, "sys/bus/pci/drivers/snd");
	assert_int_equal(release(SOUND, NULL), 0);
	assert_all_as_before();
}

TEST_WITH(a_device_that_was_unplugged_is_forgotten, kernel_setup, kernel_teardown)
{
	assert_int_equal(bind_device(DISK, NULL), 0);
	vfio_tree_remove(&kernel.tree, "sys/devices/pci0000:00/" DISK);
	vfio_tree_remove(&kernel.tree, "sys/bus/pci/devices/" DISK);
	assert_int_equal(release(DISK, NULL), 0);
	assert_false(is_remembered(DISK));
}

TEST_WITH(a_device_that_others_rebound_stays_where_they_want_it, kernel_setup, kernel_teardown)
{
	assert_int_equal(bind_device(DISK, NULL), 0);
	assert_int_equal(kernel_unbind(DISK), 0);
	vfio_tree_folder(&kernel.tree, "sys/bus/pci/drivers/uio");
	vfio_tree_file(&kernel.tree, "uio\n", "sys/devices/pci0000:00/" DISK "/driver_override");
	assert_int_equal(kernel_bind(DISK, "uio"), 0);
	assert_int_equal(release(DISK, NULL), 0);
	assert_driver(DISK, "uio");
	assert_false(is_remembered(DISK));
}
