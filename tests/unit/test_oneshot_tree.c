/* SPDX-License-Identifier: BSD-2-Clause */
/* Trees in which kernels were built: which kernel is ours, and modules that were not installed. */
#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "oneshot/kernel.h"
#include "oneshot/modules.h"
#include "temp_folder.h"
#include "test.h"

static struct temp_folder tree;
static struct modules *modules;

static int set_up(void **state)
{
	modules = NULL;
	temp_folder_create(&tree, "/tmp");
	return 0;
}

static int tear_down(void **state)
{
	modules_close(modules);
	temp_folder_remove(&tree);
	return 0;
}

static const char *path_of(const char *name)
{
	static char path[200];

	snprintf(path, sizeof(path), "%s/%s", tree.path, name);
	return path;
}

static void put(const char *name, const void *data, size_t len)
{
	char command[300];
	FILE *file;

	snprintf(command, sizeof(command), "mkdir -p \"$(dirname '%s')\"", path_of(name));
	assert_int_equal(system(command), 0);
	file = fopen(path_of(name), "w");
	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

static void put_text(const char *name, const char *text)
{
	put(name, text, strlen(text));
}

/* ---- kernels ---- */

static void is_found(const char *arch, const char *want)
{
	struct error err = { "" };
	char path[PATH_MAX];

	if (kernel_find(tree.path, arch, path, &err))
		fail_msg("%s", err.text);
	assert_string_equal(path, path_of(want));
}

static void is_refused(const char *arch, const char *words)
{
	struct error err = { "" };
	char path[PATH_MAX];

	assert_int_equal(kernel_find(tree.path, arch, path, &err), -EISDIR);
	if (!strstr(err.text, words))
		fail_msg("%s", err.text);
}

TEST_WITH(of_a_tree_that_was_built_for_both_each_architecture_has_its_own, set_up, tear_down)
{
	put_text("arch/x86/boot/bzImage", "a");
	put_text("arch/arm64/boot/Image.gz", "b");
	is_found("x86", "arch/x86/boot/bzImage");
	is_found("arm64", "arch/arm64/boot/Image.gz");
	put_text("arch/arm64/boot/Image", "c");
	is_found("arm64", "arch/arm64/boot/Image");
}

TEST_WITH(a_tree_that_was_built_for_the_other_architecture_is_refused, set_up, tear_down)
{
	put_text("arch/arm64/boot/Image", "a");
	is_refused("x86", "is for arm64, and guests here are for x86");
	unlink(path_of("arch/arm64/boot/Image"));
	put_text("arch/x86/boot/bzImage", "a");
	is_refused("arm64", "is for x86, and guests here are for arm64");
	/* What is installed may be for any. */
	put_text("vmlinuz", "b");
	is_found("arm64", "vmlinuz");
}

TEST_WITH(a_tree_that_was_never_built_says_what_is_missing, set_up, tear_down)
{
	is_refused("x86", "is a directory, and there is no kernel in this folder");
	put_text(".config", "CONFIG_X86=y\n");
	is_refused("x86", "the tree is not built: there is no arch/x86/boot/bzImage");
	is_refused("arm64", "the tree is not built: there is no arch/arm64/boot/Image");
}

/* ---- where modules are ---- */

TEST_WITH(modules_that_were_built_in_the_kernels_tree_are_its, set_up, tear_down)
{
	char found[PATH_MAX], real[PATH_MAX];

	put_text("arch/x86/boot/bzImage", "a");
	kernel_find_modules(path_of("arch/x86/boot/bzImage"), found);
	assert_string_equal(found, "");
	put_text("modules.order", "");
	assert_non_null(realpath(tree.path, real));
	kernel_find_modules(path_of("arch/x86/boot/bzImage"), found);
	assert_string_equal(found, real);
	assert_int_equal(symlink("arch/x86/boot/bzImage", path_of("link")), 0);
	kernel_find_modules(path_of("link"), found);
	assert_string_equal(found, real);
	/* What is beside the kernel is nearer. */
	put_text("arch/x86/boot/modules.dep", "");
	kernel_find_modules(path_of("arch/x86/boot/bzImage"), found);
	assert_string_equal(found, path_of("arch/x86/boot"));
}

TEST_WITH(a_kernel_in_another_folder_has_no_tree, set_up, tear_down)
{
	char found[PATH_MAX];

	put_text("modules.order", "");
	put_text("some/x86/boot/bzImage", "a");
	kernel_find_modules(path_of("some/x86/boot/bzImage"), found);
	assert_string_equal(found, "");
	put_text("arch/x86/other/bzImage", "a");
	kernel_find_modules(path_of("arch/x86/other/bzImage"), found);
	assert_string_equal(found, "");
}

/* ---- what they need ---- */

struct built {
	Elf64_Ehdr head;
	Elf64_Shdr sections[3]; /* none, .modinfo, the names */
	char names[16], info[200];
};

/* A module whose .modinfo is @info of @len. */
static struct built build(const char *info, size_t len)
{
	struct built built = { .names = "\0.modinfo" };

	memcpy(built.head.e_ident, ELFMAG, SELFMAG);
	built.head.e_ident[EI_CLASS] = ELFCLASS64;
	built.head.e_ident[EI_DATA] = ELFDATA2LSB;
	built.head.e_shoff = offsetof(struct built, sections);
	built.head.e_shentsize = sizeof(Elf64_Shdr);
	built.head.e_shnum = 3;
	built.head.e_shstrndx = 2;
	built.sections[1].sh_name = 1;
	built.sections[1].sh_offset = offsetof(struct built, info);
	built.sections[1].sh_size = len;
	built.sections[2].sh_offset = offsetof(struct built, names);
	built.sections[2].sh_size = sizeof(built.names);
	assert_true(len <= sizeof(built.info));
	memcpy(built.info, info, len);
	return built;
}

static void put_module(const char *name, const char *needs)
{
	char info[150] = "license=GPL", *end = info + sizeof("license=GPL");
	struct built built;

	end += snprintf(end, info + sizeof(info) - end, "depends=%s", needs) + 1;
	built = build(info, end - info);
	put(name, &built, sizeof(built));
}

static void open_tree(void)
{
	struct error err = { "" };

	if (modules_open(&modules, tree.path, &err))
		fail_msg("%s", err.text);
	assert_string_equal(err.text, "");
}

static void are_loaded(const char *want)
{
	char text[500] = "", path[PATH_MAX];

	for (unsigned i = 0; i < modules_count(modules); i++) {
		modules_path(modules, i, path, sizeof(path));
		assert_int_equal(strncmp(path, tree.path, strlen(tree.path)), 0);
		strcat(text, path + strlen(tree.path));
		strcat(text, " ");
	}
	assert_string_equal(text, want);
}

TEST_WITH(what_a_module_in_a_tree_needs_is_loaded_before_it, set_up, tear_down)
{
	/* As Linux lists them, and as it did before 6.3. */
	put_text("modules.order", "fs/fuse/fuse.o\nfs/fuse/virtiofs.o\ndrivers/virtio/virtio.ko\n"
				  "drivers/virtio/virtio_ring.ko");
	put_module("fs/fuse/fuse.ko", "");
	put_module("fs/fuse/virtiofs.ko", "virtio-ring,fuse,virtio");
	put_module("drivers/virtio/virtio.ko", "");
	put_module("drivers/virtio/virtio_ring.ko", "virtio");
	open_tree();
	assert_int_equal(modules_find(modules, "virtiofs"), MODULES_FILE);
	assert_int_equal(modules_want(modules, "virtiofs"), 0);
	are_loaded("/drivers/virtio/virtio.ko /drivers/virtio/virtio_ring.ko /fs/fuse/fuse.ko "
		   "/fs/fuse/virtiofs.ko ");
}

TEST_WITH(a_tree_of_an_older_kernel_lists_modules_as_they_are_installed, set_up, tear_down)
{
	put_text("modules.order", "kernel/fs/fuse/fuse.ko\nkernel/kernel/configs.ko\nkernel/.x\n");
	put_module("fs/fuse/fuse.ko", "");
	put_module("kernel/configs.ko", "");
	open_tree();
	assert_int_equal(modules_want(modules, "fuse"), 0);
	assert_int_equal(modules_want(modules, "configs"), 0);
	are_loaded("/fs/fuse/fuse.ko /kernel/configs.ko ");
}

TEST_WITH(where_modules_of_a_tree_are_in_its_kernel_folder_too, set_up, tear_down)
{
	put_text("modules.order", "kernel/configs.o\nfs/fuse/fuse.o\n");
	put_module("kernel/configs.ko", "");
	put_module("fs/fuse/fuse.ko", "");
	open_tree();
	assert_int_equal(modules_want(modules, "configs"), 0);
	assert_int_equal(modules_want(modules, "fuse"), 0);
	are_loaded("/kernel/configs.ko /fs/fuse/fuse.ko ");
}

TEST_WITH(a_module_that_a_tree_lists_and_has_not_is_absent, set_up, tear_down)
{
	put_text("modules.order", "a.o\nb.o\nnonsense\nc.o\n");
	put_text("modules.builtin", "kernel/d.ko\n");
	put_module("b.ko", "a");
	put_text("c.ko", "no module");
	open_tree();
	assert_int_equal(modules_find(modules, "a"), MODULES_ABSENT);
	assert_int_equal(modules_find(modules, "d"), MODULES_BUILT_IN);
	assert_int_equal(modules_want(modules, "a"), -ENOENT);
	assert_int_equal(modules_want(modules, "b"), -ENOENT);
	assert_int_equal(modules_want(modules, "c"), -ENOENT);
	assert_int_equal(modules_count(modules), 0);
}

TEST_WITH(modules_in_a_tree_that_need_each_other_end, set_up, tear_down)
{
	put_text("modules.order", "a.o\nb.o\n");
	put_module("a.ko", "b");
	put_module("b.ko", "a");
	open_tree();
	assert_int_equal(modules_want(modules, "a"), -ELOOP);
}

TEST_WITH(what_depmod_left_is_read_before_a_trees_own_list, set_up, tear_down)
{
	put_text("modules.order", "a.o\n");
	put_text("modules.dep", "b.ko:\n");
	open_tree();
	assert_int_equal(modules_want(modules, "b"), 0);
	assert_int_equal(modules_want(modules, "a"), -ENOENT);
}

/* ---- files that are none ---- */

static char *needs_of(const void *data, size_t len)
{
	/* Just so large, so that what reads behind it is caught. */
	void *copy = malloc(len + !len);
	char *needs;

	memcpy(copy, data, len);
	needs = module_needs(copy, len);
	free(copy);
	return needs;
}

TEST(a_module_says_what_it_needs_or_that_it_needs_nothing)
{
	static const char many[] = "name=x\0depends=a,b-c\0depends=d",
			  none[] = "name=x\0vermagic=6";
	static const char open_end[] = { 'd', 'e', 'p', 'e', 'n', 'd', 's', '=', 'a' };
	struct built built = build(many, sizeof(many));
	char *needs = needs_of(&built, sizeof(built));

	assert_string_equal(needs, "a,b-c");
	free(needs);
	built = build(none, sizeof(none));
	needs = needs_of(&built, sizeof(built));
	assert_string_equal(needs, "");
	free(needs);
	built = build(open_end, sizeof(open_end));
	needs = needs_of(&built, sizeof(built));
	assert_string_equal(needs, "a");
	free(needs);
}

TEST(a_module_that_is_cut_or_damaged_is_not_read_beyond_its_end)
{
	static const char info[] = "depends=a";
	const struct built built = build(info, sizeof(info));
	struct built bad;

	for (size_t len = 0; len <= sizeof(built); len++)
		free(needs_of(&built, len));
	for (size_t at = 0; at < offsetof(struct built, info); at++) {
		static const u8 values[] = { 0, 1, 0x7f, 0x80, 0xff };

		for (unsigned i = 0; i < ARRAY_SIZE(values); i++) {
			bad = built;
			((u8 *)&bad)[at] = values[i];
			free(needs_of(&bad, sizeof(bad)));
		}
	}
	assert_null(needs_of("", 0));
	assert_null(needs_of(&built, sizeof(built.head)));
}
