/* SPDX-License-Identifier: BSD-2-Clause */
/* Directories that are read in pieces, as guests do, and change meanwhile. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder/folder.h"
#include "temp_folder.h"
#include "test.h"

#define FILES 700
#define PIECE 9
/* More than what the server keeps for. */
#define MANY 300

static const struct folder_cred root_cred;
static struct temp_folder base;
static char path[64]; /* the folder: base/shared */
static struct folder *folder;

static void open_folder(void)
{
	const struct folder_options options = { .map = FOLDER_MAP_SQUASH, .cross_mounts = true };
	struct error err = { 0 };

	assert_int_equal(folder_open(&folder, path, &options, &err), 0);
	assert_int_equal(folder_thread_start(folder), 0);
}

static int setup(void **state)
{
	temp_folder_create(&base, "/var/tmp");
	snprintf(path, sizeof(path), "%s/shared", base.path);
	assert_int_equal(mkdir(path, 0755), 0);
	return 0;
}

static int teardown(void **state)
{
	char sub[80];

	folder_close(folder);
	folder = NULL;
	snprintf(sub, sizeof(sub), "%s/sub", path);
	umount2(sub, MNT_DETACH);
	umount2(path, MNT_DETACH);
	temp_folder_remove(&base);
	return 0;
}

static void make_file(u64 dir, const char *name)
{
	struct folder_entry entry;
	u64 file;

	assert_int_equal(
		folder_create(folder, &root_cred, dir, name, O_WRONLY, 0600, &entry, &file), 0);
	assert_int_equal(folder_close_file(folder, file), 0);
	folder_forget(folder, entry.node, 1);
}

/* A piece of a listing: names but for "." and "..", and where it goes on. */
struct piece {
	unsigned most, count;
	u64 next;
	char names[PIECE][32];
	u64 inos[PIECE];
};

static bool take(void *arg, const struct folder_dirent *entry)
{
	struct piece *piece = arg;

	if (piece->count == piece->most)
		return false;
	piece->next = entry->next;
	if (!strcmp(entry->name, ".") || !strcmp(entry->name, ".."))
		return true;
	snprintf(piece->names[piece->count], 32, "%s", entry->name);
	piece->inos[piece->count++] = entry->ino;
	return true;
}

/* The next @most entries; how many there were. */
static unsigned list(u64 dir, struct piece *piece, unsigned most)
{
	piece->most = most;
	piece->count = 0;
	assert_int_equal(folder_readdir(folder, dir, piece->next, take, piece), 0);
	return piece->count;
}

static u64 open_dir(u64 node)
{
	u64 file;

	assert_int_equal(folder_open_file(folder, node, O_RDONLY | O_DIRECTORY, &file), 0);
	return file;
}

static unsigned remove_while_listing(void)
{
	u64 dir = open_dir(FOLDER_ROOT);
	struct piece piece = { 0 };
	unsigned removed = 0;

	while (list(dir, &piece, PIECE)) {
		for (unsigned i = 0; i < piece.count; i++, removed++)
			assert_int_equal(folder_unlink(folder, FOLDER_ROOT, piece.names[i], 0), 0);
	}
	assert_int_equal(folder_close_file(folder, dir), 0);
	return removed;
}

static void make_files(void)
{
	char name[32];

	for (unsigned i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "file-%u", i);
		make_file(FOLDER_ROOT, name);
	}
}

TEST_WITH(a_directory_can_be_emptied_while_it_is_listed, setup, teardown)
{
	open_folder();
	make_files();
	assert_int_equal(remove_while_listing(), FILES);
}

/* Where a position is the number of entries before it. */
TEST_WITH(so_can_one_whose_positions_move_with_that, setup, teardown)
{
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("test", path, "ramfs", 0, NULL))
		skip(); /* root's alone */
	open_folder();
	make_files();
	assert_int_equal(remove_while_listing(), FILES);
}

TEST_WITH(a_listing_that_is_begun_again_shows_what_is_new, setup, teardown)
{
	struct piece piece = { 0 };
	u64 dir;

	open_folder();
	make_file(FOLDER_ROOT, "old");
	dir = open_dir(FOLDER_ROOT);
	/* Nothing of it, not even the first entry. */
	assert_int_equal(list(dir, &piece, 0), 0);
	make_file(FOLDER_ROOT, "new");
	piece.next = 0;
	assert_int_equal(list(dir, &piece, PIECE), 2);
	assert_int_equal(list(dir, &piece, PIECE), 0);
	assert_int_equal(folder_unlink(folder, FOLDER_ROOT, "old", 0), 0);
	piece.next = 0;
	assert_int_equal(list(dir, &piece, PIECE), 1);
	assert_string_equal(piece.names[0], "new");
}

/* One of each, in turn: the server keeps what was read for so many and no more. */
TEST_WITH(many_directories_are_listed_at_once_and_whole, setup, teardown)
{
	static struct piece pieces[MANY];
	static u64 dirs[MANY];
	unsigned listed = 0;

	open_folder();
	for (unsigned i = 0; i < 2 * PIECE; i++) {
		char name[32];

		snprintf(name, sizeof(name), "%u", i);
		make_file(FOLDER_ROOT, name);
	}
	memset(pieces, 0, sizeof(pieces));
	for (unsigned i = 0; i < MANY; i++)
		dirs[i] = open_dir(FOLDER_ROOT);
	for (unsigned n = 0; n < 2 * PIECE; n++) {
		for (unsigned i = 0; i < MANY; i++)
			listed += list(dirs[i], &pieces[i], 1);
	}
	assert_int_equal(listed, MANY * 2 * PIECE);
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(list(dirs[i], &pieces[i], PIECE), 0);
}

TEST_WITH(a_listing_has_the_numbers_that_the_files_have_on_other_file_systems_too, setup, teardown)
{
	struct folder_entry sub, file;
	struct piece piece = { 0 };
	char name[80];

	snprintf(name, sizeof(name), "%s/sub", path);
	assert_int_equal(mkdir(name, 0755), 0);
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("test", name, "tmpfs", 0, "size=64k"))
		skip();
	open_folder();
	assert_int_equal(folder_lookup(folder, FOLDER_ROOT, "sub", &sub), 0);
	make_file(sub.node, "file");
	assert_int_equal(folder_lookup(folder, sub.node, "file", &file), 0);
	assert_int_equal(list(open_dir(sub.node), &piece, PIECE), 1);
	assert_true(piece.inos[0] == file.attr.ino);
}
