/* SPDX-License-Identifier: BSD-2-Clause */
/* vfio/check_display.c: whether a display shows something, and that it is not bound then. */
#include <errno.h>
#include <string.h>

#include "../../vfio/check.h"
#include "../../vfio/use.h"
#include "vfio_kernel.h"
#include "test.h"

#define CARD "0000:00:02.0"

/* ---- the drivers ---- */

static int console_on, master; /* what they answer */

int vfio_host_console_on(const struct vfio_paths *paths, unsigned n)
{
	return console_on;
}

int vfio_host_card_has_master(const struct vfio_paths *paths, unsigned n)
{
	return master;
}

/* ---- the host ---- */

static void add_entry(const char *device, const char *class, const char *entry)
{
	char target[PATH_MAX];

	snprintf(target, sizeof(target), "../../devices/pci0000:00/%s/%s/%s", device, class, entry);
	vfio_tree_folder(&kernel.tree, "sys/devices/pci0000:00/%s/%s/%s", device, class, entry);
	vfio_tree_link(&kernel.tree, target, "sys/class/%s/%s", class, entry);
}

static void add_open_file(const char *node)
{
	char target[PATH_MAX];

	snprintf(target, sizeof(target), "%s/%s", kernel.tree.dev, node);
	vfio_tree_file(&kernel.tree, "Xorg\n", "proc/77/comm");
	vfio_tree_link(&kernel.tree, target, "proc/77/fd/9");
}

/* A card with a framebuffer, and the console's driver on framebuffers. */
static int start(void **state)
{
	kernel_setup(state);
	console_on = master = 0;
	add_device(CARD, "0x030000\n", "i915", "i915", 2);
	add_entry(CARD, "drm", "card0");
	add_entry(CARD, "drm", "card0-HDMI-A-1");
	add_entry(CARD, "drm", "renderD128");
	add_entry(CARD, "graphics", "fb0");
	vfio_tree_file(&kernel.tree, "(S) dummy device\n", "sys/class/vtconsole/vtcon0/name");
	vfio_tree_file(&kernel.tree, "0\n", "sys/class/vtconsole/vtcon0/bind");
	vfio_tree_file(&kernel.tree, "(M) frame buffer device\n",
		       "sys/class/vtconsole/vtcon1/name");
	vfio_tree_file(&kernel.tree, "1\n", "sys/class/vtconsole/vtcon1/bind");
	return 0;
}

static void is_refused(const char *what, const char *remedy)
{
	struct error err = { "" };

	assert_int_equal(bind_device(CARD, &err), -EBUSY);
	assert_null(strchr(err.text, '\n'));
	assert_non_null(strstr(err.text, what));
	assert_non_null(strstr(err.text, remedy));
	assert_as_before(CARD, "i915");
}

static void is_bound(const char *name)
{
	struct error err = { "" };

	if (bind_device(name, &err))
		fail_msg("%s", err.text);
	assert_driver(name, "vfio-pci");
}

/* ---- */

TEST_WITH(the_consoles_display_is_not_bound, start, kernel_teardown)
{
	console_on = 1;
	is_refused(CARD " is in use: the host's console is on fb0",
		   "echo 0 >/sys/class/vtconsole/vtcon1/bind");
	/* Without the right to ask, the answer is the careful one. */
	console_on = -EACCES;
	is_refused("the host's console is on fb0", "vtcon1");
}

TEST_WITH(one_of_firmware_without_a_driver_neither, start, kernel_teardown)
{
	struct error err = { "" };

	console_on = 1;
	assert_int_equal(kernel_unbind(CARD), 0);
	assert_int_equal(bind_device(CARD, &err), -EBUSY);
	assert_non_null(strstr(err.text, "the host's console is on fb0"));
}

TEST_WITH(one_that_the_console_has_left_is_bound, start, kernel_teardown)
{
	vfio_tree_file(&kernel.tree, "0\n", "sys/class/vtconsole/vtcon1/bind");
	console_on = 1;
	is_bound(CARD);
}

TEST_WITH(a_display_beside_the_consoles_is_bound, start, kernel_teardown)
{
	console_on = 0;
	is_bound(CARD);
}

TEST_WITH(a_card_that_a_program_has_open_is_not_bound, start, kernel_teardown)
{
	add_open_file("dri/card0");
	is_refused("dri/card0 is open in process 77 (Xorg)", "end that first");
	add_open_file("dri/renderD128");
	is_refused("dri/renderD128 is open in process 77 (Xorg)", "end that first");
	add_open_file("fb0");
	is_refused("fb0 is open in process 77 (Xorg)", "end that first");
}

TEST_WITH(a_card_with_a_master_that_cannot_be_seen_is_not_bound, start, kernel_teardown)
{
	master = 1;
	is_refused("a program shows its picture on", "fuser");
	master = -ENOENT;
	is_bound(CARD);
}

TEST_WITH(other_devices_do_not_mind_what_a_display_shows, start, kernel_teardown)
{
	console_on = master = 1;
	add_open_file("dri/card0");
	is_bound(DISK);
}

TEST_WITH(check_says_it_too, start, kernel_teardown)
{
	struct vfio_address address = vfio_tree_address(CARD);
	struct vfio_problem problems[VFIO_MAX_PROBLEMS];
	int count;
	bool found = false;

	console_on = 1;
	count = vfio_check(&kernel.tree.paths, &address, 0, problems, NULL);
	for (int i = 0; i < count; i++)
		found |= problems[i].fatal && strstr(problems[i].what, "console is on fb0");
	assert_true(found);
}
