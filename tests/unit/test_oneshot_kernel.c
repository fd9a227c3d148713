/* SPDX-License-Identifier: BSD-2-Clause */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "oneshot/kernel.h"
#include "temp_folder.h"
#include "test.h"

#define SIZE (3 * 1024 * 1024)

static struct temp_folder folder;

static int set_up(void **state)
{
	temp_folder_create(&folder, "/tmp");
	return 0;
}

static int tear_down(void **state)
{
	temp_folder_remove(&folder);
	return 0;
}

static const char *path_of(const char *name)
{
	static char path[100];

	snprintf(path, sizeof(path), "%s/%s", folder.path, name);
	return path;
}

/* A file of zeros, with @text at @at. */
static void put(const char *name, size_t size, size_t at, const void *text, size_t len)
{
	FILE *file = fopen(path_of(name), "w");

	assert_non_null(file);
	assert_int_equal(fseek(file, at, SEEK_SET), 0);
	assert_int_equal(fwrite(text, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(truncate(path_of(name), size), 0);
}

static void version_is(const char *name, const char *want)
{
	char version[KERNEL_VERSION_SIZE];

	kernel_version(path_of(name), version);
	assert_string_equal(version, want);
}

TEST_WITH(a_bzimage_says_its_version_in_its_header, set_up, tear_down)
{
	u8 header[0x400] = { 0 };

	memcpy(header + 0x202, "HdrS", 4);
	header[0x20e] = 0x10; /* less 0x200 */
	strcpy((char *)header + 0x210, "6.1.0-test (who@where) #1");
	put("bzImage", 4096, 0, header, sizeof(header));
	version_is("bzImage", "6.1.0-test");
	/* It is a place anywhere, perhaps behind the end. */
	header[0x20f] = 0xff;
	put("bzImage", 4096, 0, header, sizeof(header));
	version_is("bzImage", "");
}

TEST_WITH(an_image_says_its_version_wherever_that_is, set_up, tear_down)
{
	static const char banner[] = "Linux version 6.12.1-arm (who@where)";

	/* Across the place where a piece that is read ends, among others. */
	for (size_t at = 1024 * 1024 - sizeof(banner) - 2; at < 1024 * 1024 + 2; at += 3) {
		put("Image", SIZE, at, banner, sizeof(banner));
		version_is("Image", "6.12.1-arm");
		unlink(path_of("Image"));
	}
}

TEST_WITH(a_version_is_no_path, set_up, tear_down)
{
	put("Image", 4096, 0, "Linux version 6/../../etc ", 27);
	version_is("Image", "");
	put("Image", 4096, 0, "Linux version %s (%s)", 22);
	version_is("Image", "");
}

TEST_WITH(what_says_nothing_goes_by_its_name, set_up, tear_down)
{
	put("vmlinuz-6.6.6", 100, 0, "packed", 6);
	version_is("vmlinuz-6.6.6", "6.6.6");
	put("kernel", 100, 0, "packed", 6);
	version_is("kernel", "");
	version_is("missing-1.0", "");
}

TEST_WITH(modules_beside_a_kernel_are_its, set_up, tear_down)
{
	char found[PATH_MAX];

	put("kernel", 100, 0, "", 0);
	kernel_find_modules(path_of("kernel"), found);
	assert_string_equal(found, "");
	assert_int_equal(mkdir(path_of("modules"), 0755), 0);
	put("modules/modules.dep", 0, 0, "", 0);
	kernel_find_modules(path_of("kernel"), found);
	assert_string_equal(found, path_of("modules"));
	put("modules.dep", 0, 0, "", 0);
	kernel_find_modules(path_of("kernel"), found);
	assert_string_equal(found, folder.path);
}
