/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Many files: descriptors and nodes stay within their bounds, and what is beyond them is an error
 * that passes. MANY=n files (30,000).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder/folder.h"
#include "temp_folder.h"
#include "test.h"

#define IN_ONE 1000u
#define FDS    100u
#define FILES  50u

static struct temp_folder base;
static struct folder *folder;
static int base_fd = -1;
static unsigned many = 30000;

static void open_with(struct folder_options options)
{
	struct error err = { 0 };

	folder_close(folder);
	folder = NULL;
	assert_int_equal(folder_open(&folder, base.path, &options, &err), 0);
	assert_int_equal(folder_thread_start(folder), 0);
}

static void name_of(unsigned n, char dir[16], char name[16])
{
	snprintf(dir, 16, "d%u", n / IN_ONE);
	snprintf(name, 16, "f%u", n);
}

static int setup(void **state)
{
	const char *text = getenv("MANY");
	char dir[16], name[16], path[32];

	many = text ? strtoul(text, NULL, 10) : many;
	temp_folder_create(&base, "/dev/shm");
	base_fd = open(base.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (unsigned n = 0; n < many; n++) {
		name_of(n, dir, name);
		if (n % IN_ONE == 0)
			assert_int_equal(mkdirat(base_fd, dir, 0755), 0);
		snprintf(path, sizeof(path), "%s/%s", dir, name);
		assert_int_equal(mknodat(base_fd, path, S_IFREG | 0644, 0), 0);
	}
	return 0;
}

static int teardown(void **state)
{
	folder_close(folder);
	folder = NULL;
	close(base_fd);
	temp_folder_remove(&base);
	return 0;
}

static unsigned count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static int look_up(unsigned n, u64 *node)
{
	struct folder_entry dir_entry, entry;
	char dir[16], name[16];
	int ret;

	name_of(n, dir, name);
	ret = folder_lookup(folder, FOLDER_ROOT, dir, &dir_entry);
	if (ret)
		return ret;
	ret = folder_lookup(folder, dir_entry.node, name, &entry);
	folder_forget(folder, dir_entry.node, 1);
	*node = ret ? 0 : entry.node;
	return ret;
}

TEST_WITH(all_files_are_known_at_once_with_few_descriptors, setup, teardown)
{
	u64 *nodes = calloc(many, sizeof(*nodes));
	struct folder_attr attr;
	unsigned before;

	open_with((struct folder_options){ .map = FOLDER_MAP_SQUASH, .max_fds = FDS });
	before = count_fds();
	for (unsigned n = 0; n < many; n++)
		assert_int_equal(look_up(n, &nodes[n]), 0);
	assert_true(count_fds() <= before + FDS + 2);
	/* Each is found again when it is wanted. */
	for (unsigned n = 0; n < many; n += 97)
		assert_int_equal(folder_getattr(folder, nodes[n], 0, &attr), 0);
	assert_true(count_fds() <= before + FDS + 2);
	for (unsigned n = 0; n < many; n++)
		folder_forget(folder, nodes[n], 1);
	assert_int_equal(folder_getattr(folder, nodes[0], 0, &attr), -ESTALE);
	folder_reset(folder);
	assert_true(count_fds() <= before);
	free(nodes);
}

TEST_WITH(files_beyond_the_bounds_are_errors_that_pass, setup, teardown)
{
	unsigned refused = 0, opened = 0, before;
	u64 node, first = 0, file, files[FILES];

	open_with((struct folder_options){ .map = FOLDER_MAP_SQUASH,
					   .max_fds = FDS,
					   .max_files = FILES,
					   .max_nodes = many / 2 });
	before = count_fds();
	for (unsigned n = 0; n < many; n++) {
		int ret = look_up(n, &node);

		assert_true(!ret || ret == -ENFILE);
		refused += ret != 0;
		first = first ? first : node;
	}
	assert_true(refused >= many / 2);
	for (unsigned n = 0; n < many; n++) {
		int ret = folder_open_file(folder, first, O_RDONLY, &file);

		assert_true(ret == (n < FILES ? 0 : -ENFILE));
		if (!ret)
			files[opened++] = file;
	}
	/* Descriptors of nodes, of files, and of what is open. */
	assert_true(count_fds() <= before + FDS + FILES + 2);
	for (unsigned i = 0; i < opened; i++)
		assert_int_equal(folder_close_file(folder, files[i]), 0);
	assert_int_equal(folder_open_file(folder, first, O_RDONLY, &file), 0);
}
