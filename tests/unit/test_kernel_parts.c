/* SPDX-License-Identifier: BSD-2-Clause */
/* What a run for a command asks a kernel's configuration: parts that are never modules. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "temp_folder.h"
#include "test.h"
#include "vmm/kernel_config.h"

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

static const char *put(const char *name, const char *text)
{
	static char path[100];

	snprintf(path, sizeof(path), "%s/%s", folder.path, name);
	temp_file(AT_FDCWD, path, text);
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

#define BY_MAKE "#\n# Automatically generated file; DO NOT EDIT.\nCONFIG_VIRTIO_MMIO=y\n"

TEST_WITH(only_a_whole_configuration_of_the_kernels_version_is_beyond_doubt, set_up, tear_down)
{
	struct kernel_config config;

	put("config-1", BY_MAKE);
	kernel_config_read_beside(&config, put("vmlinuz-1", "none"));
	assert_false(config.in_doubt);
	assert_true(kernel_config_has_built_in(&config, "virtio_mmio"));
	assert_false(kernel_config_has_built_in(&config, "virtio_pci"));
	assert_false(kernel_config_has_built_in(&config, "virtio"));
	/* A fragment. */
	put("config-1", "#\nCONFIG_VIRTIO_MMIO=y\n");
	kernel_config_read_beside(&config, put("vmlinuz-1", "none"));
	assert_true(config.in_doubt);
	assert_false(kernel_config_has_built_in(&config, "virtio_mmio"));
	/* Of any kernel. */
	put("config", BY_MAKE);
	kernel_config_read_beside(&config, put("bzImage", "none"));
	assert_true(config.in_doubt);
}

TEST_WITH(a_modules_list_is_told_from_a_configuration, set_up, tear_down)
{
	struct kernel_config config;

	put("modules.builtin", "kernel/fs/fuse/virtiofs.ko\n");
	kernel_config_read_beside(&config, put("kernel", "none"));
	assert_true(config.is_list);
	assert_true(config.in_doubt);
	put("config", BY_MAKE);
	kernel_config_read_beside(&config, put("kernel", "none"));
	assert_false(config.is_list);
}

TEST(each_part_has_the_name_of_its_option)
{
	char name[KERNEL_NAME_SIZE];

	assert_string_equal(kernel_config_name(KERNEL_VIRTIO_FS, name), "CONFIG_VIRTIO_FS");
	assert_string_equal(kernel_config_name(KERNEL_64BIT, name), "CONFIG_64BIT");
	for (unsigned part = 0; part < KERNEL_PARTS; part++)
		assert_int_equal(strncmp(kernel_config_name(part, name), "CONFIG_", 7), 0);
}
