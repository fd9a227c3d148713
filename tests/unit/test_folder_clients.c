/* SPDX-License-Identifier: BSD-2-Clause */
/* Both front ends, in memory, by clients that do what a guest's kernel does. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../load/client.h"
#include "folder/fuse.h"
#include "folder/p9.h"
#include "temp_folder.h"
#include "test.h"

static struct temp_folder base;
static char path[64]; /* the folder: base/shared */
static struct folder *folder;
static int base_fd = -1; /* base/shared */
static struct fuse fuse;
static struct p9 *p9;
static struct fuse_scratch *fuse_scratch;
static struct p9_scratch *p9_scratch;
static struct load_fuse fuse_client;
static struct load_p9 p9_client;

static u32 ask_fuse(void *arg, const void *message, u32 len, void *answer, u32 room)
{
	struct iovec in = { (void *)message, len }, out = { answer, room };

	return fuse_serve(&fuse, fuse_scratch, &in, 1, &out, 1);
}

static u32 ask_p9(void *arg, const void *message, u32 len, void *answer, u32 room)
{
	struct iovec in = { (void *)message, len }, out = { answer, room };
	struct p9_message one = { .in = &in, .in_count = 1, .out = &out, .out_count = 1 };

	p9_begin(p9, &one);
	return p9_serve(p9, p9_scratch, &one);
}

static void open_with(struct folder_options options)
{
	static const struct fuse_options fuse_options;

	p9_destroy(p9);
	folder_close(folder);
	folder = NULL;
	assert_int_equal(folder_open(&folder, path, &options, NULL), 0);
	assert_int_equal(folder_thread_start(folder), 0);
	fuse_init(&fuse, folder, &fuse_options);
	assert_int_equal(p9_create(&p9, folder), 0);
	assert_int_equal(load_fuse_open(&fuse_client, ask_fuse, NULL), 0);
	assert_int_equal(load_p9_open(&p9_client, ask_p9, NULL), 0);
}

static int setup(void **state)
{
	temp_folder_create(&base, "/var/tmp");
	snprintf(path, sizeof(path), "%s/shared", base.path);
	assert_int_equal(mkdir(path, 0755), 0);
	base_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fuse_scratch = fuse_scratch_create();
	p9_scratch = p9_scratch_create();
	return 0;
}

static int teardown(void **state)
{
	p9_destroy(p9);
	p9 = NULL;
	folder_close(folder);
	folder = NULL;
	fuse_scratch_destroy(fuse_scratch);
	p9_scratch_destroy(p9_scratch);
	close(base_fd);
	temp_folder_remove(&base);
	return 0;
}

/* ---- read-only ---- */

/* Every way to change something, and what there is afterwards. */
static void try_to_change(struct load_target *target)
{
	const struct load_ops *ops = target->ops;
	struct load_stat st;

	assert_int_equal(ops->mkdir(target, "new", 0755), -EROFS);
	assert_int_equal(ops->mkfifo(target, "new", 0644), -EROFS);
	assert_int_equal(ops->symlink(target, "to", "new"), -EROFS);
	assert_int_equal(ops->link(target, "file", "new"), -EROFS);
	assert_int_equal(ops->unlink(target, "file"), -EROFS);
	assert_int_equal(ops->rmdir(target, "dir"), -EROFS);
	assert_int_equal(ops->rename(target, "file", "new", 0), -EROFS);
	assert_int_equal(ops->chmod(target, "file", 0600), -EROFS);
	assert_int_equal(ops->truncate(target, "file", 1), -EROFS);
	assert_int_equal(ops->utimes(target, "file", 1, 1), -EROFS);
	assert_int_equal(ops->setxattr(target, "file", "user.x", "y", 1, 0), -EROFS);
	assert_int_equal(ops->removexattr(target, "file", "user.x"), -EROFS);
	assert_int_equal(ops->open(target, 0, "new", O_CREAT | O_RDONLY, 0644), -EROFS);
	assert_int_equal(ops->open(target, 0, "file", O_WRONLY, 0), -EROFS);
	assert_int_equal(ops->open(target, 0, "file", O_RDWR, 0), -EROFS);
	assert_int_equal(ops->open(target, 0, "file", O_RDONLY | O_TRUNC, 0), -EROFS);
	assert_int_equal(ops->open(target, 0, "file", O_RDONLY, 0), 0);
	assert_int_equal(ops->write(target, 0, "x", 1, 0), -EBADF);
	if (ops->fallocate)
		assert_int_equal(ops->fallocate(target, 0, 0, 0, 4096), -EBADF);
	if (ops->copy)
		assert_int_equal(ops->copy(target, 0, 0, 0, 3, 2), -EBADF);
	assert_int_equal(ops->fsync(target, 0), 0);
	assert_int_equal(ops->fstat(target, 0, &st), 0);
	assert_int_equal(st.size, 5);
	ops->close(target, 0);
}

TEST_WITH(nothing_changes_a_folder_that_is_read_only, setup, teardown)
{
	struct stat was[3], now[3];
	int fd = openat(base_fd, "file", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);

	assert_int_equal(write(fd, "hello", 5), 5);
	close(fd);
	assert_int_equal(mkdirat(base_fd, "dir", 0755), 0);
	open_with((struct folder_options){ .map = FOLDER_MAP_SQUASH, .read_only = true });
	fstatat(base_fd, "file", &was[0], 0);
	fstatat(base_fd, "dir", &was[1], 0);
	fstat(base_fd, &was[2]);
	try_to_change(&fuse_client.target);
	try_to_change(&p9_client.target);
	fstatat(base_fd, "file", &now[0], 0);
	fstatat(base_fd, "dir", &now[1], 0);
	fstat(base_fd, &now[2]);
	assert_memory_equal(was, now, sizeof(was));
}

/* ---- many ---- */

/* Open files beyond the bound, by each protocol: an error, the session goes on. */
static void open_too_many(struct load_target *target)
{
	unsigned n = 0;
	int ret = 0;

	while (n < LOAD_HANDLES && !(ret = target->ops->open(target, n, "file", O_RDONLY, 0)))
		n++;
	assert_int_equal(n, 10);
	assert_int_equal(ret, -ENFILE);
	target->ops->close(target, --n);
	assert_int_equal(target->ops->open(target, n, "file", O_RDONLY, 0), 0);
	while (n + 1)
		target->ops->close(target, n--);
	assert_int_equal(folder_trouble(folder), ENFILE);
	folder_reset(folder);
}

TEST_WITH(open_files_beyond_the_bound_are_the_protocols_error, setup, teardown)
{
	close(openat(base_fd, "file", O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	open_with((struct folder_options){ .map = FOLDER_MAP_SQUASH, .max_files = 10 });
	open_too_many(&fuse_client.target);
	open_with((struct folder_options){ .map = FOLDER_MAP_SQUASH, .max_files = 10 });
	open_too_many(&p9_client.target);
}

#define NODES  8
#define ROUNDS 3000

static u64 shared_nodes[NODES];

static pthread_barrier_t barrier;

static void *look_at_one(void *arg)
{
	struct folder_attr attr;
	u64 bad = 0;

	if (folder_thread_start(folder))
		return (void *)1;
	for (unsigned i = 0; i < ROUNDS; i++) {
		/* One takes the descriptor away, and then all want it. */
		for (unsigned n = 1; arg && n < NODES; n++)
			bad += folder_getattr(folder, shared_nodes[n], 0, &attr) != 0;
		pthread_barrier_wait(&barrier);
		bad += folder_getattr(folder, shared_nodes[0], 0, &attr) != 0;
		pthread_barrier_wait(&barrier);
	}
	return (void *)bad;
}

TEST_WITH(a_node_that_several_threads_open_again_is_there_for_all, setup, teardown)
{
	static const struct folder_cred cred;
	struct folder_entry entry;
	pthread_t threads[4];
	void *bad;
	char name[16];

	open_with((struct folder_options){ .map = FOLDER_MAP_SQUASH, .max_fds = NODES / 2 });
	pthread_barrier_init(&barrier, NULL, ARRAY_SIZE(threads));
	for (unsigned i = 0; i < NODES; i++) {
		snprintf(name, sizeof(name), "d%u", i);
		assert_int_equal(folder_mkdir(folder, &cred, FOLDER_ROOT, name, 0755, &entry), 0);
		shared_nodes[i] = entry.node;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, look_at_one, i ? NULL : folder),
				 0);
	for (unsigned i = 0; i < ARRAY_SIZE(threads); i++) {
		pthread_join(threads[i], &bad);
		assert_null(bad);
	}
	pthread_barrier_destroy(&barrier);
}

/* ---- safe on the disk ---- */

/* Descriptors of ours that write through to the disk. */
static unsigned count_synced(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < 1024; fd++) {
		int flags = fcntl(fd, F_GETFL);

		count += flags >= 0 && flags & O_DSYNC;
	}
	return count;
}

static void open_synced(struct load_target *target)
{
	const struct load_ops *ops = target->ops;

	assert_int_equal(ops->open(target, 0, "new", O_CREAT | O_RDWR | O_SYNC, 0644), 0);
	assert_int_equal(count_synced(), 1);
	assert_int_equal(ops->open(target, 1, "new", O_WRONLY | O_DSYNC, 0644), 0);
	assert_int_equal(count_synced(), 2);
	assert_int_equal(ops->open(target, 2, "new", O_WRONLY, 0644), 0);
	assert_int_equal(count_synced(), 2);
	for (unsigned n = 0; n < 3; n++)
		ops->close(target, n);
	assert_int_equal(ops->unlink(target, "new"), 0);
}

TEST_WITH(what_the_guest_opens_to_be_synchronous_is_so_on_the_host, setup, teardown)
{
	open_with((struct folder_options){ .map = FOLDER_MAP_SQUASH });
	open_synced(&fuse_client.target);
	open_synced(&p9_client.target);
}

/* ---- long ways ---- */

#define LEVELS 120

/* Deeper than a path can be, with few descriptors, so that each node is found again. */
static void go_deep(struct load_target *target, const char *top)
{
	char name[LEVELS][256];
	u64 nodes[LEVELS + 1];
	struct folder_entry entry;
	struct folder_attr attr;
	static const struct folder_cred cred;

	assert_int_equal(target->ops->mkdir(target, top, 0755), 0);
	assert_int_equal(folder_lookup(folder, FOLDER_ROOT, top, &entry), 0);
	nodes[0] = entry.node;
	for (unsigned i = 0; i < LEVELS; i++) {
		memset(name[i], 'a' + i % 26, 255);
		name[i][255] = '\0';
		assert_int_equal(folder_mkdir(folder, &cred, nodes[i], name[i], 0755, &entry), 0);
		nodes[i + 1] = entry.node;
	}
	/* Others have the descriptors meanwhile. */
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(folder_getattr(folder, nodes[i], 0, &attr), 0);
	assert_int_equal(folder_getattr(folder, nodes[LEVELS], 0, &attr), 0);
	for (unsigned i = LEVELS; i-- > 0;)
		assert_int_equal(folder_unlink(folder, nodes[i], name[i], AT_REMOVEDIR), 0);
	assert_int_equal(target->ops->rmdir(target, top), 0);
}

TEST_WITH(a_way_that_is_longer_than_a_path_is_gone_in_legs, setup, teardown)
{
	open_with((struct folder_options){ .map = FOLDER_MAP_SQUASH, .max_fds = 6 });
	go_deep(&fuse_client.target, "fuse");
	go_deep(&p9_client.target, "9p");
}
