/* SPDX-License-Identifier: BSD-2-Clause */
/* Firmware in a kernel's stead: which files are taken, and where they go. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../../arm/image.h"
#include "temp_folder.h"
#include "vmm/arch.h"
#include "vmm/memory.h"

static const struct range ram = { GIB, GIB + 64 * MIB - 1 };
static struct temp_folder folder;
static char path[80];

static int setup(void **state)
{
	temp_folder_create(&folder, "/tmp");
	snprintf(path, sizeof(path), "%s/u-boot.bin", folder.path);
	return 0;
}

static int teardown(void **state)
{
	temp_folder_remove(&folder);
	return 0;
}

static void make_file(const char *start, u64 size)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_int_equal(write(fd, start, strlen(start)), strlen(start));
	assert_int_equal(ftruncate(fd, size), 0);
	close(fd);
}

static void refused(gpa_t address, const char *why)
{
	struct arch_image *image;
	struct error err = { "" };

	assert_int_equal(arch_image_open_firmware(&image, path, address, &err), -EINVAL);
	if (!strstr(err.text, why))
		fail_msg("'%s' does not say '%s'", err.text, why);
}

static struct arch_image *opened(gpa_t address)
{
	struct arch_image *image;

	assert_int_equal(arch_image_open_firmware(&image, path, address, NULL), 0);
	return image;
}

TEST_WITH(what_is_no_firmware_is_refused, setup, teardown)
{
	struct arch_image *image;
	struct error err = { "" };

	assert_int_equal(arch_image_open_firmware(&image, path, 0, &err), -ENOENT);
	assert_int_equal(strncmp(err.text, "--firmware ", 11), 0);
	make_file("", 0);
	refused(0, "empty");
	make_file("\177ELF", 4096);
	refused(0, "an ELF file");
	make_file("code", 64 * MIB + 1);
	refused(0, "room for 64 MiB");
	make_file("code", 64 * MIB);
	arch_image_close(opened(0));
}

TEST_WITH(it_begins_at_0_in_memory_of_its_own, setup, teardown)
{
	struct arch_image *image;
	struct guest_memory *memory;

	make_file("code", 5000);
	image = opened(0);
	assert_false(arch_image_page_size(image));
	assert_int_equal(arch_image_plan(image, &ram, 1, 0, "quiet", NULL), 0);
	assert_int_equal(image->entry, 0);
	assert_int_equal(image->dtb, GIB);
	assert_string_equal(image->cmdline, "quiet");
	assert_int_equal(memory_create(&memory, NULL, &ram, 1, NULL), 0);
	assert_int_equal(arch_image_load(image, memory, -1, NULL), 0);
	arch_image_close_file(image);
	assert_true(image->rom_size >= 5000 && image->rom_size % sysconf(_SC_PAGESIZE) == 0);
	assert_memory_equal(image->rom, "code", 5);
	memory_destroy(memory);
	arch_image_close(image);
}

TEST_WITH(or_in_ram_where_it_is_asked_for, setup, teardown)
{
	const gpa_t address = GIB + 2 * MIB;
	struct guest_memory *memory;
	struct arch_image *image;

	make_file("code", 62 * MIB);
	image = opened(address);
	assert_int_equal(arch_image_plan(image, &ram, 1, 0, "", NULL), 0);
	assert_int_equal(image->entry, address);
	assert_int_equal(memory_create(&memory, NULL, &ram, 1, NULL), 0);
	assert_int_equal(arch_image_load(image, memory, -1, NULL), 0);
	assert_null(image->rom);
	assert_memory_equal(memory_host(memory, address, 5), "code", 5);
	memory_destroy(memory);
	arch_image_close(image);
}

TEST_WITH(an_address_where_it_does_not_fit_is_refused, setup, teardown)
{
	static const gpa_t wrong[] = { 4096,
				       GIB,
				       GIB + 2 * MIB - 4096,
				       GIB + 60 * MIB,
				       2 * GIB,
				       GIB + 2 * MIB + 4,
				       UINT64_MAX - 4095 };

	make_file("code", 5 * MIB);
	for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct arch_image *image = opened(wrong[i]);
		struct error err = { "" };

		assert_int_equal(arch_image_plan(image, &ram, 1, 0, "", &err), -EINVAL);
		assert_int_equal(strncmp(err.text, "--firmware-address ", 19), 0);
		arch_image_close(image);
	}
}

TEST_WITH(a_file_that_became_shorter_is_refused, setup, teardown)
{
	struct guest_memory *memory;
	struct arch_image *image;
	struct error err = { "" };

	make_file("code", 5000);
	image = opened(0);
	assert_int_equal(arch_image_plan(image, &ram, 1, 0, "", NULL), 0);
	assert_int_equal(truncate(path, 4000), 0);
	assert_int_equal(memory_create(&memory, NULL, &ram, 1, NULL), 0);
	assert_int_equal(arch_image_load(image, memory, -1, &err), -ENODATA);
	assert_non_null(strstr(err.text, "truncated"));
	memory_destroy(memory);
	arch_image_close(image);
}
