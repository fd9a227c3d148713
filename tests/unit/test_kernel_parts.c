/* SPDX-License-Identifier: BSD-2-Clause */
/* What a run for a command asks a kernel's configuration: parts that are never modules. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test.h"
#include "vmm/kernel_config.h"

static char folder[64];

static int set_up(void **state)
{
	strcpy(folder, "/tmp/lkvm-test.XXXXXX");
	return !mkdtemp(folder);
}

static int tear_down(void **state)
{
	char command[100];

	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	return system(command);
}

static const char *put(const char *name, const char *text)
{
	static char path[100];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "w");
	fputs(text, file);
	fclose(file);
	return path;
}

TEST_WITH(a_list_of_what_is_built_in_says_nothing_of_what_is_never_a_module, set_up, tear_down)
{
	struct kernel_config config;

	put("modules.builtin", "kernel/fs/fuse/virtiofs.ko\n");
	kernel_config_read(&config, put("kernel", "none"));
	assert_int_equal(config.has[KERNEL_VIRTIO_FS], KERNEL_BUILT_IN);
	assert_int_equal(config.has[KERNEL_VIRTIO_IOMMU], KERNEL_MODULE);
	assert_int_equal(config.has[KERNEL_ELF], KERNEL_BUILT_IN);
	put("config", "#\nCONFIG_VIRTIO_IOMMU=m\nCONFIG_64BIT=y\n");
	kernel_config_read(&config, put("kernel", "none"));
	assert_int_equal(config.has[KERNEL_VIRTIO_IOMMU], KERNEL_MODULE);
	assert_int_equal(config.has[KERNEL_64BIT], KERNEL_BUILT_IN);
	assert_int_equal(config.has[KERNEL_ELF], KERNEL_ABSENT);
}

TEST_WITH(what_is_beside_a_kernel_can_be_asked_alone, set_up, tear_down)
{
	struct kernel_config config;

	kernel_config_read_beside(&config, put("kernel", "none"));
	assert_string_equal(config.source, "");
	put("config", "#\nCONFIG_SIGNALFD=y\n");
	kernel_config_read_beside(&config, put("kernel", "none"));
	assert_string_not_equal(config.source, "");
	assert_int_equal(config.has[KERNEL_SIGNALFD], KERNEL_BUILT_IN);
}

TEST(each_part_has_the_name_of_its_option)
{
	char name[KERNEL_NAME_SIZE];

	assert_string_equal(kernel_config_name(KERNEL_VIRTIO_FS, name), "CONFIG_VIRTIO_FS");
	assert_string_equal(kernel_config_name(KERNEL_64BIT, name), "CONFIG_64BIT");
	for (unsigned part = 0; part < KERNEL_PARTS; part++)
		assert_int_equal(strncmp(kernel_config_name(part, name), "CONFIG_", 7), 0);
}
