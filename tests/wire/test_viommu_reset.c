/* SPDX-License-Identifier: BSD-2-Clause */
/* What the user is told when the guest resets its IOMMU, and does not need it or needs it still. */
#include <errno.h>
#include <linux/virtio_mmio.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "catch.h"
#include "test.h"
#include "iommu_driver.h"
#include "util/log.h"

#define HOST 0x10u

static struct rig the_rig;
static struct mirror host;

static int start_config(void **state, bool bypass)
{
	const struct viommu_config config = { .bypass = bypass, .address_bits = 40 };

	mirror_init(&host);
	rig_create(&the_rig, &config);
	rig_add_mirror(&the_rig, HOST, &host);
	rig_start(&the_rig, ALL_FEATURES);
	log_set_level(LOG_INFO);
	*state = &the_rig;
	return 0;
}

static int start(void **state)
{
	return start_config(state, false);
}

static int start_bypassing(void **state)
{
	return start_config(state, true);
}

static int stop(void **state)
{
	log_set_level(LOG_WARNING);
	rig_destroy(*state);
	return 0;
}

/* Reset the IOMMU; returns the lines that this puts into the log, in @text. */
static unsigned reset_lines(struct rig *rig, char *text, size_t size)
{
	unsigned lines = 0;

	catch_stderr();
	rig_restart(rig, ALL_FEATURES);
	caught_stderr(text, size);
	for (const char *at = text; (at = strchr(at, '\n')); at++)
		lines++;
	return lines;
}

TEST_WITH(a_reset_under_a_device_that_may_do_dma_is_explained_in_one_line, start, stop)
{
	char text[4096];

	assert_int_equal(rig_attach(*state, 1, HOST, 0), VIRTIO_IOMMU_S_OK);
	host.masters = true;
	assert_int_equal(reset_lines(*state, text, sizeof(text)), 1);
	assert_non_null(strstr(text, "info: "));
	assert_non_null(strstr(text, "the guest resets its IOMMU"));
	assert_non_null(strstr(text, "the host stops"));
	assert_non_null(strstr(text, "virtio_iommu"));
	/* It is attached no longer. */
	assert_int_equal(reset_lines(*state, text, sizeof(text)), 0);
}

TEST_WITH(a_reset_under_a_device_that_does_no_dma_is_nobodys_business, start, stop)
{
	char text[4096];

	assert_int_equal(rig_attach(*state, 1, HOST, 0), VIRTIO_IOMMU_S_OK);
	assert_int_equal(reset_lines(*state, text, sizeof(text)), 0);
}

TEST_WITH(a_reset_before_anything_is_attached_is_normal, start, stop)
{
	char text[4096];

	host.masters = true;
	assert_int_equal(reset_lines(*state, text, sizeof(text)), 0);
}

TEST_WITH(with_boot_bypass_the_line_says_what_the_device_reaches_then, start_bypassing, stop)
{
	char text[4096];

	host.masters = true;
	assert_int_equal(rig_attach(*state, 1, HOST, 0), VIRTIO_IOMMU_S_OK);
	assert_int_equal(reset_lines(*state, text, sizeof(text)), 1);
	assert_non_null(strstr(text, "it reaches all memory instead"));
	/* In bypass before and after it loses nothing. */
	assert_int_equal(rig_attach(*state, 1, HOST, VIRTIO_IOMMU_ATTACH_F_BYPASS),
			 VIRTIO_IOMMU_S_OK);
	assert_int_equal(reset_lines(*state, text, sizeof(text)), 0);
}

TEST_WITH(a_guest_that_resets_for_ever_does_not_fill_the_log, start, stop)
{
	char text[65536];
	unsigned lines = 0;

	host.masters = true;
	for (unsigned i = 0; i < 200; i++) {
		rig_attach(*state, 1, HOST, 0);
		lines += reset_lines(*state, text, sizeof(text));
	}
	assert_in_range(lines, 1, 4 * LOG_LIMIT_BURST);
}

TEST_WITH(nor_does_one_whose_host_maps_no_memory_after_a_reset, start_bypassing, stop)
{
	char text[65536];
	unsigned lines = 0;

	assert_int_equal(rig_attach(*state, 1, HOST, 0), VIRTIO_IOMMU_S_OK);
	mirror_fail(&host, 1, -ENOMEM);
	host.fail_on = true;
	for (unsigned i = 0; i < 200; i++)
		lines += reset_lines(*state, text, sizeof(text));
	assert_in_range(lines, 1, 4 * LOG_LIMIT_BURST);
}

/* What Linux does when it wakes: reset, features, DRIVER_OK, and for some drivers no queues. */
static void wake(struct vm *vm)
{
	wire_reg_write(vm, 0, VIRTIO_MMIO_STATUS, 0);
	assert_true(wire_negotiate(vm, 0, wire_features(vm, 0)));
	wire_driver_ok(vm, 0);
}

TEST_WITH(a_guest_that_waits_for_a_queue_it_has_not_enabled_is_explained_once, start, stop)
{
	struct rig *rig = *state;
	char text[4096];

	wake(rig->vm);
	catch_stderr();
	wire_kick(&rig->requests);
	wire_kick(&rig->requests);
	caught_stderr(text, sizeof(text));
	assert_non_null(
		strstr(text, "warning: virtio-iommu: the guest notifies queue 0, which it has not "
			     "enabled"));
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	/* With its queues it works again, and if it loses them once more that is said once more. */
	rig_restart(rig, ALL_FEATURES);
	assert_int_equal(rig_attach(rig, 1, HOST, 0), VIRTIO_IOMMU_S_OK);
	wake(rig->vm);
	catch_stderr();
	wire_kick(&rig->requests);
	assert_true(caught_stderr(text, sizeof(text)) > 0);
}
