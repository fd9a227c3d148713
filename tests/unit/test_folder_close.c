/* SPDX-License-Identifier: BSD-2-Clause */
/* To close the last descriptor of a removed file may take long: nobody waits for it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../folder/private.h"
#include "temp_folder.h"
#include "test.h"

/* More than are closed at once. */
#define FILES 200

static const struct folder_cred root_cred;
static struct temp_folder base;
static char path[64];
static struct folder *folder;
/* Calls of close() while a folder is watched, and those with its lock held. */
static struct folder *watched;
static unsigned closes, closes_locked;

/* In place of the C library's. */
int close(int fd)
{
	if (watched) {
		closes++;
		if (pthread_mutex_trylock(&watched->lock))
			closes_locked++;
		else
			pthread_mutex_unlock(&watched->lock);
	}
	return syscall(SYS_close, fd);
}

static void open_with(unsigned max_fds)
{
	const struct folder_options options = { .map = FOLDER_MAP_SQUASH, .max_fds = max_fds };
	struct error err = { 0 };

	snprintf(path, sizeof(path), "%s/shared", base.path);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(folder_open(&folder, path, &options, &err), 0);
	assert_int_equal(folder_thread_start(folder), 0);
	closes = closes_locked = 0;
	watched = folder;
}

static int setup(void **state)
{
	temp_folder_create(&base, "/tmp");
	return 0;
}

static int teardown(void **state)
{
	watched = NULL;
	folder_close(folder);
	folder = NULL;
	temp_folder_remove(&base);
	return 0;
}

/* Removed, with its handle closed: the node alone keeps it. */
static u64 make_removed(u64 dir, const char *name)
{
	struct folder_entry entry;
	u64 file;

	assert_int_equal(
		folder_create(folder, &root_cred, dir, name, O_WRONLY, 0600, &entry, &file), 0);
	assert_int_equal(folder_close_file(folder, file), 0);
	assert_int_equal(folder_unlink(folder, dir, name, 0), 0);
	return entry.node;
}

TEST_WITH(what_the_guest_forgets_is_closed_without_the_lock, setup, teardown)
{
	unsigned before;

	open_with(1000);
	for (unsigned i = 0; i < FILES; i++) {
		u64 node = make_removed(FOLDER_ROOT, "removed");

		before = closes;
		folder_forget(folder, node, 1);
		assert_int_equal(closes, before + 1);
	}
	assert_int_equal(closes_locked, 0);
}

TEST_WITH(what_has_to_make_room_is_closed_without_the_lock, setup, teardown)
{
	open_with(4);
	for (unsigned i = 0; i < FILES; i++)
		make_removed(FOLDER_ROOT, "removed");
	/* The handles', and all but a few of the nodes'. */
	assert_true(closes > 2 * FILES - 10);
	assert_int_equal(closes_locked, 0);
}

TEST_WITH(what_a_reset_forgets_is_closed_without_the_lock, setup, teardown)
{
	open_with(1000);
	for (unsigned i = 0; i < FILES; i++)
		make_removed(FOLDER_ROOT, "removed");
	closes = 0;
	folder_reset(folder);
	assert_int_equal(closes, FILES);
	assert_int_equal(closes_locked, 0);
}
