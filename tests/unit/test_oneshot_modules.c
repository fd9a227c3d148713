/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "oneshot/modules.h"
#include "test.h"

/* A folder that begins empty; its files go with it. */
struct tree {
	char folder[64];
	struct modules *modules;
};

static void put(const struct tree *tree, const char *name, const void *data, size_t len)
{
	char path[PATH_MAX];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", tree->folder, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

static void put_text(const struct tree *tree, const char *name, const char *text)
{
	put(tree, name, text, strlen(text));
}

static int set_up(void **state)
{
	struct tree *tree = calloc(1, sizeof(*tree));

	snprintf(tree->folder, sizeof(tree->folder), "/tmp/lkvm-test.XXXXXX");
	*state = tree;
	return !mkdtemp(tree->folder);
}

static int tear_down(void **state)
{
	struct tree *tree = *state;
	char command[100];

	modules_close(tree->modules);
	snprintf(command, sizeof(command), "rm -rf '%s'", tree->folder);
	assert_int_equal(system(command), 0);
	free(tree);
	return 0;
}

static void open_modules(struct tree *tree, const char *dep, const char *builtin)
{
	struct error err = { "" };

	put_text(tree, "modules.dep", dep);
	if (builtin)
		put_text(tree, "modules.builtin", builtin);
	if (modules_open(&tree->modules, tree->folder, &err))
		fail_msg("%s", err.text);
}

/* The names in their order, without folder and suffix. */
static void assert_order(const struct tree *tree, const char *want)
{
	char text[1000] = "", path[PATH_MAX];

	for (unsigned i = 0; i < modules_count(tree->modules); i++) {
		const char *base;

		modules_path(tree->modules, i, path, sizeof(path));
		base = strrchr(path, '/') + 1;
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%.*s", i ? " " : "",
			 (int)strcspn(base, "."), base);
	}
	assert_string_equal(text, want);
}

TEST_WITH(a_module_comes_after_all_that_it_needs, set_up, tear_down)
{
	struct tree *tree = *state;

	open_modules(tree,
		     "kernel/a/top.ko.xz: kernel/a/middle.ko.xz kernel/b/bottom.ko\n"
		     "kernel/b/bottom.ko:\n"
		     "kernel/a/middle.ko.xz: kernel/b/bottom.ko\n"
		     "kernel/a/other.ko: kernel/b/bottom.ko\n",
		     NULL);
	assert_int_equal(modules_want(tree->modules, "top"), 0);
	assert_order(tree, "bottom middle top");
	assert_int_equal(modules_want(tree->modules, "other"), 0);
	assert_int_equal(modules_want(tree->modules, "top"), 0);
	assert_order(tree, "bottom middle top other");
}

TEST_WITH(dash_and_underscore_are_the_same_in_a_name, set_up, tear_down)
{
	struct tree *tree = *state;

	open_modules(tree, "kernel/pci-host.ko.zst:\n", "kernel/virtio-pci.ko\nkernel/last_one.ko");
	assert_int_equal(modules_find(tree->modules, "pci_host"), MODULES_FILE);
	assert_int_equal(modules_find(tree->modules, "pci-host"), MODULES_FILE);
	assert_int_equal(modules_find(tree->modules, "virtio_pci"), MODULES_BUILT_IN);
	assert_int_equal(modules_find(tree->modules, "last-one"), MODULES_BUILT_IN);
}

TEST_WITH(what_is_built_in_is_not_loaded, set_up, tear_down)
{
	struct tree *tree = *state;

	open_modules(tree, "", "kernel/fs/fuse/fuse.ko\n");
	assert_int_equal(modules_want(tree->modules, "fuse"), 0);
	assert_int_equal(modules_count(tree->modules), 0);
	assert_int_equal(modules_find(tree->modules, "9p"), MODULES_ABSENT);
	assert_int_equal(modules_want(tree->modules, "9p"), -ENOENT);
}

TEST_WITH(without_a_list_of_what_is_built_in_nobody_knows, set_up, tear_down)
{
	struct tree *tree = *state;

	open_modules(tree, "kernel/a.ko:\n", NULL);
	assert_int_equal(modules_find(tree->modules, "b"), MODULES_UNKNOWN);
}

TEST_WITH(modules_that_need_each_other_end, set_up, tear_down)
{
	struct tree *tree = *state;

	open_modules(tree, "a.ko: b.ko\nb.ko: a.ko\nc.ko: c.ko\n", NULL);
	assert_int_equal(modules_want(tree->modules, "a"), -ELOOP);
	assert_int_equal(modules_want(tree->modules, "c"), 0);
	assert_order(tree, "c");
}

TEST_WITH(nonsense_in_the_list_is_no_module, set_up, tear_down)
{
	struct tree *tree = *state;
	char long_name[1000];

	memset(long_name, 'x', sizeof(long_name));
	memcpy(long_name + sizeof(long_name) - 3, ":\n", 3);
	open_modules(tree, long_name, "");
	assert_int_equal(modules_want(tree->modules, "xxx"), -ENOENT);
	modules_close(tree->modules);
	open_modules(tree, "\n\n:\n: a.ko\nno colon\nlast.ko: missing.ko", "");
	assert_int_equal(modules_want(tree->modules, "last"), 0);
	assert_order(tree, "last");
}

TEST_WITH(a_folder_without_a_list_is_refused_in_one_line, set_up, tear_down)
{
	struct tree *tree = *state;
	struct error err = { "" };

	assert_int_equal(modules_open(&tree->modules, tree->folder, &err), -ENOENT);
	assert_non_null(strstr(err.text, "modules.dep"));
	tree->modules = NULL;
}

/* ---- packed files ---- */

#define PLAIN 300000

/* Of the file that the tool @pack makes of a module. */
static void assert_unpacks(const struct tree *tree, const char *pack)
{
	static u8 plain[PLAIN];
	char path[PATH_MAX], command[2 * PATH_MAX];
	struct error err = { "" };
	void *data;
	size_t len;

	for (unsigned i = 0; i < PLAIN; i++)
		plain[i] = i * i >> 7;
	put(tree, "plain", plain, PLAIN);
	snprintf(path, sizeof(path), "%s/packed", tree->folder);
	snprintf(command, sizeof(command), "%s <%s/plain >%s", pack, tree->folder, path);
	assert_int_equal(system(command), 0);
	if (module_read(path, &data, &len, &err))
		fail_msg("%s: %s", pack, err.text);
	assert_int_equal(len, PLAIN);
	assert_memory_equal(data, plain, PLAIN);
	free(data);
}

TEST_WITH(a_module_is_unpacked_however_it_is_packed, set_up, tear_down)
{
	static const char *const packs[] = { "cat", "gzip -9c", "xz --check=crc32 -c",
					     "xz --lzma2=dict=1MiB -c", "zstd -19 -qc" };

	for (unsigned i = 0; i < ARRAY_SIZE(packs); i++)
		assert_unpacks(*state, packs[i]);
}

/* Cut short and with a byte changed: an error, or for what has no checksum the wrong bytes. */
static void spoil(const struct tree *tree, const char *pack)
{
	char path[PATH_MAX], command[2 * PATH_MAX];
	struct error err = { "" };
	struct stat st;
	void *data;
	size_t len;

	snprintf(path, sizeof(path), "%s/packed", tree->folder);
	snprintf(command, sizeof(command), "head -c 20000 /dev/urandom | %s >%s", pack, path);
	assert_int_equal(system(command), 0);
	assert_int_equal(stat(path, &st), 0);
	for (off_t cut = st.st_size - 1; cut > 10; cut -= 997) {
		assert_int_equal(truncate(path, cut), 0);
		assert_int_not_equal(module_read(path, &data, &len, &err), 0);
	}
	assert_non_null(strstr(err.text, "damaged"));
}

TEST_WITH(a_packed_module_that_was_cut_short_is_refused, set_up, tear_down)
{
	spoil(*state, "gzip -c");
	spoil(*state, "xz -c");
	spoil(*state, "zstd -qc");
}

TEST_WITH(a_file_that_unpacks_without_end_is_refused, set_up, tear_down)
{
	struct tree *tree = *state;
	char path[PATH_MAX], command[2 * PATH_MAX];
	struct error err = { "" };
	void *data;
	size_t len;

	snprintf(path, sizeof(path), "%s/bomb", tree->folder);
	snprintf(command, sizeof(command), "head -c 300M /dev/zero | zstd -1 -qc >%s", path);
	assert_int_equal(system(command), 0);
	assert_int_equal(module_read(path, &data, &len, &err), -EFBIG);
}
