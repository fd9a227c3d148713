/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The boot cache's files and folder: what is found, kept, refused and forgotten.
 *
 * One file, though long: each case is a way in which the same entry can be there or be damaged.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "temp_folder.h"
#include "test.h"
#include "vmm/boot_cache.h"

#define PAGE	    BOOT_IMAGE_PAGE
#define IMAGE_PAGES 900
#define KERNEL_SIZE 300001
#define HEADER_SIZE 128

struct rig {
	struct temp_folder folder;
	char cache[64]; /* $XDG_CACHE_HOME */
	int kernel_fd;
	u8 kernel[KERNEL_SIZE];
	int unpacked; /* how often */
	int fails;    /* the error of unpack() */
	bool rebuilt; /* a build writes the kernel's file while it is unpacked */
	u64 pages;
	bool proved;
	struct boot_cache at; /* what was found last */
};

static u8 byte_of(u64 page)
{
	/* Runs, gaps, single pages. */
	return page % 97 < 50 || page % 31 == 0 ? page % 251 + 1 : 0;
}

static void write_kernel(struct rig *rig)
{
	assert_int_equal(pwrite(rig->kernel_fd, rig->kernel, KERNEL_SIZE, 0), KERNEL_SIZE);
}

/* A byte that no sample has: the name in the cache stays. */
static void change_kernel(struct rig *rig)
{
	rig->kernel[KERNEL_SIZE / 32] ^= 1;
	write_kernel(rig);
}

static int unpack_rig(void *arg, struct boot_image *image)
{
	struct rig *rig = arg;

	rig->unpacked++;
	if (rig->rebuilt)
		change_kernel(rig);
	if (rig->fails || boot_image_alloc(image, rig->pages * PAGE))
		return rig->fails ? rig->fails : -ENOMEM;
	for (u64 page = 0; page < rig->pages; page++)
		image->data[page * PAGE + page % PAGE] = byte_of(page);
	image->words[2] = 0x123456789abcdef0;
	image->list = malloc(3 * sizeof(u32));
	image->list_count = 3;
	memcpy(image->list, (const u32[]){ 7, 8, 9 }, 3 * sizeof(u32));
	image->proved = rig->proved;
	return 0;
}

static int fill(struct rig *rig)
{
	return boot_cache_fill(&rig->at, &(struct boot_cache_source){ unpack_rig, rig });
}

static enum boot_cache_state find(struct rig *rig)
{
	boot_cache_close(&rig->at);
	boot_cache_find(&rig->at, rig->kernel_fd, KERNEL_SIZE);
	return rig->at.state;
}

static int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	temp_folder_create(&rig->folder, "/tmp");
	snprintf(rig->cache, sizeof(rig->cache), "%s/cache", rig->folder.path);
	setenv("XDG_CACHE_HOME", rig->cache, 1);
	rig->kernel_fd = memfd_create("kernel", MFD_CLOEXEC);
	for (unsigned i = 0; i < KERNEL_SIZE; i++)
		rig->kernel[i] = i * 2654435761u >> 13;
	write_kernel(rig);
	rig->pages = IMAGE_PAGES;
	rig->proved = true;
	rig->at.folder = rig->at.filler_fd = rig->at.entry.fd = -1;
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	boot_cache_close(&rig->at);
	close(rig->kernel_fd);
	temp_folder_remove(&rig->folder);
	free(rig);
	return 0;
}

#define CACHE_TEST(name) TEST_WITH(name, setup, teardown)

/* 0, or what boot_entry_load() says; what it gives is checked. */
static int load(struct rig *rig)
{
	struct boot_image image = { 0 };
	u32 *list = NULL;
	int ret;

	assert_int_equal(boot_image_alloc(&image, rig->at.entry.size), 0);
	ret = boot_entry_load(&rig->at.entry, image.data, &list);
	for (u64 page = 0; !ret && page < rig->pages; page++)
		assert_int_equal(image.data[page * PAGE + page % PAGE], byte_of(page));
	if (!ret)
		assert_memory_equal(list, ((const u32[]){ 7, 8, 9 }), 3 * sizeof(u32));
	else
		assert_null(list);
	free(list);
	boot_image_free(&image);
	return ret;
}

static void entry_path(const struct rig *rig, const char *suffix, char *path, size_t size)
{
	snprintf(path, size, "%s/lkvm/%s.%s", rig->cache, rig->at.key, suffix);
}

static int open_entry(const struct rig *rig, const char *suffix)
{
	char path[128];

	entry_path(rig, suffix, path, sizeof(path));
	return open(path, O_RDWR | O_CLOEXEC);
}

static bool has(const struct rig *rig, const char *suffix)
{
	int fd = open_entry(rig, suffix);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

CACHE_TEST(a_kernel_that_was_kept_is_found_and_is_what_it_was)
{
	struct rig *rig = *state;

	assert_int_equal(find(rig), BOOT_CACHE_MISSING);
	assert_int_equal(fill(rig), 0);
	assert_int_equal(find(rig), BOOT_CACHE_GOOD);
	assert_int_equal(rig->at.entry.size, IMAGE_PAGES * PAGE);
	assert_true(rig->at.entry.words[2] == 0x123456789abcdef0);
	assert_int_equal(load(rig), 0);
	assert_int_equal(rig->unpacked, 1);
}

CACHE_TEST(pages_that_are_zero_take_no_room_and_are_not_touched)
{
	struct rig *rig = *state;
	struct boot_image image = { 0 };
	unsigned touched = 0;
	u8 in_core[IMAGE_PAGES];
	u32 *list;

	find(rig);
	assert_int_equal(fill(rig), 0);
	assert_int_equal(find(rig), BOOT_CACHE_GOOD);
	assert_int_equal(boot_image_alloc(&image, rig->at.entry.size), 0);
	madvise(image.data, image.size, MADV_NOHUGEPAGE);
	assert_int_equal(boot_entry_load(&rig->at.entry, image.data, &list), 0);
	free(list);
	assert_int_equal(mincore(image.data, image.size, in_core), 0);
	for (u64 page = 0; page < IMAGE_PAGES; page++)
		touched += in_core[page] & 1;
	/* Gaps of three pages and less are read. */
	assert_true(touched < IMAGE_PAGES * 2 / 3);
	boot_image_free(&image);
}

CACHE_TEST(a_kernel_with_one_byte_changed_is_another_one)
{
	struct rig *rig = *state;

	find(rig);
	assert_int_equal(fill(rig), 0);
	for (unsigned at = 0; at < KERNEL_SIZE; at += 7919) {
		rig->kernel[at] ^= 1;
		write_kernel(rig);
		assert_int_equal(find(rig), BOOT_CACHE_MISSING);
		rig->kernel[at] ^= 1;
	}
	write_kernel(rig);
	assert_int_equal(find(rig), BOOT_CACHE_GOOD);
	boot_cache_close(&rig->at);
	boot_cache_find(&rig->at, rig->kernel_fd, KERNEL_SIZE - 1);
	assert_int_equal(rig->at.state, BOOT_CACHE_MISSING);
}

CACHE_TEST(a_kernel_that_is_built_anew_while_it_is_unpacked_is_not_taken_for_the_old_one)
{
	struct rig *rig = *state;
	char key[BOOT_CACHE_KEY];

	assert_int_equal(find(rig), BOOT_CACHE_MISSING);
	memcpy(key, rig->at.key, sizeof(key));
	rig->rebuilt = true;
	assert_int_equal(fill(rig), -ESTALE);
	assert_int_equal(find(rig), BOOT_CACHE_MISSING);
	assert_string_equal(rig->at.key, key);
	/* Half of one and half of another cannot be unpacked: that says nothing of either. */
	rig->fails = -EINVAL;
	assert_int_equal(fill(rig), -ESTALE);
	assert_int_equal(find(rig), BOOT_CACHE_MISSING);
	rig->rebuilt = false;
	rig->fails = 0;
	assert_int_equal(fill(rig), 0);
	assert_int_equal(find(rig), BOOT_CACHE_GOOD);
}

CACHE_TEST(an_entry_that_others_made_under_this_name_is_not_this_kernels)
{
	struct rig *rig = *state;
	char mine[128], theirs[128];

	find(rig);
	assert_int_equal(fill(rig), 0);
	entry_path(rig, "ok", theirs, sizeof(theirs));
	rig->kernel[KERNEL_SIZE / 2] ^= 1;
	write_kernel(rig);
	find(rig);
	entry_path(rig, "ok", mine, sizeof(mine));
	/* A byte that no sample has gives the same name by itself. */
	if (strcmp(mine, theirs))
		assert_int_equal(rename(theirs, mine), 0);
	assert_int_equal(find(rig), BOOT_CACHE_MISSING);
	assert_int_equal(fill(rig), 0);
	assert_int_equal(find(rig), BOOT_CACHE_GOOD);
}

/* Whether an entry with a bit flipped there is found out. */
static bool refuses_flipped(struct rig *rig, int fd, off_t at)
{
	u8 byte, flipped;
	bool refused;

	assert_int_equal(pread(fd, &byte, 1, at), 1);
	flipped = byte ^ 1 << at % 8;
	assert_int_equal(pwrite(fd, &flipped, 1, at), 1);
	refused = find(rig) != BOOT_CACHE_GOOD || load(rig) == -EILSEQ;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	return refused;
}

CACHE_TEST(an_entry_that_was_damaged_is_not_used)
{
	struct rig *rig = *state;
	unsigned refused = 0, n = 0;
	struct stat st;
	int fd;

	find(rig);
	assert_int_equal(fill(rig), 0);
	fd = open_entry(rig, "ok");
	assert_int_equal(fstat(fd, &st), 0);
	for (off_t at = 0; at < HEADER_SIZE; at++)
		assert_true(refuses_flipped(rig, fd, at));
	/* Between two parts there are bytes that nobody reads; what load() gave was right then. */
	for (off_t at = PAGE; at < st.st_size; at += 8191, n++)
		refused += refuses_flipped(rig, fd, at);
	assert_true(refused > n * 9 / 10);
	close(fd);
	assert_int_equal(find(rig), BOOT_CACHE_GOOD);
	assert_int_equal(load(rig), 0);
}

CACHE_TEST(an_entry_that_was_cut_is_not_used)
{
	struct rig *rig = *state;
	struct stat st;
	int fd;

	find(rig);
	assert_int_equal(fill(rig), 0);
	fd = open_entry(rig, "ok");
	assert_int_equal(fstat(fd, &st), 0);
	for (off_t size = st.st_size - 1; size > 0; size = size * 3 / 4) {
		assert_int_equal(ftruncate(fd, size), 0);
		assert_true(find(rig) != BOOT_CACHE_GOOD || load(rig) == -EILSEQ);
	}
	/* Zeroes in its place are no better. */
	assert_int_equal(ftruncate(fd, st.st_size), 0);
	assert_int_equal(find(rig), BOOT_CACHE_MISSING);
	close(fd);
}

CACHE_TEST(an_entry_that_is_damaged_can_be_dropped_and_made_again)
{
	struct rig *rig = *state;

	find(rig);
	assert_int_equal(fill(rig), 0);
	assert_int_equal(find(rig), BOOT_CACHE_GOOD);
	boot_cache_drop(&rig->at);
	assert_false(has(rig, "ok"));
	assert_int_equal(find(rig), BOOT_CACHE_MISSING);
	assert_int_equal(fill(rig), 0);
	assert_int_equal(find(rig), BOOT_CACHE_GOOD);
}

CACHE_TEST(of_two_that_fill_at_once_one_does)
{
	struct rig *rig = *state;
	char path[96];
	int lock;

	find(rig);
	assert_int_equal(fill(rig), 0);
	find(rig);
	boot_cache_drop(&rig->at);
	assert_int_equal(find(rig), BOOT_CACHE_MISSING);
	snprintf(path, sizeof(path), "%s/lkvm/lock", rig->cache);
	lock = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(lock, LOCK_EX), 0);
	assert_int_equal(fill(rig), -EBUSY);
	close(lock);
	assert_int_equal(fill(rig), 0);
	/* One that had not seen it has nothing to do. */
	assert_int_equal(fill(rig), -EEXIST);
	assert_int_equal(rig->unpacked, 2);
}

static int wait_for_ever(void *arg, struct boot_image *image)
{
	kill(getpid(), SIGSTOP);
	return unpack_rig(arg, image);
}

/* In the middle of its work, with the file begun. */
CACHE_TEST(who_is_killed_while_it_fills_leaves_nothing_in_the_way)
{
	struct rig *rig = *state;
	char path[96];
	pid_t pid;

	find(rig);
	pid = fork();
	if (!pid) {
		boot_cache_fill(&rig->at, &(struct boot_cache_source){ wait_for_ever, rig });
		_exit(0);
	}
	assert_int_equal(waitpid(pid, NULL, WUNTRACED), pid);
	assert_int_equal(find(rig), BOOT_CACHE_MISSING);
	assert_int_equal(fill(rig), -EBUSY);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	snprintf(path, sizeof(path), "%s/lkvm", rig->cache);
	temp_file(open(path, O_PATH | O_CLOEXEC), "filling", "half of it");
	assert_int_equal(find(rig), BOOT_CACHE_MISSING);
	assert_int_equal(fill(rig), 0);
	assert_int_equal(find(rig), BOOT_CACHE_GOOD);
	assert_int_equal(load(rig), 0);
}

CACHE_TEST(a_full_disk_leaves_no_entry_and_no_rest)
{
	const struct rlimit most = { 500 * KIB, RLIM_INFINITY };
	struct rig *rig = *state;
	struct rlimit before;
	char path[96];

	find(rig);
	getrlimit(RLIMIT_FSIZE, &before);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &most), 0);
	assert_int_equal(fill(rig), -EFBIG);
	setrlimit(RLIMIT_FSIZE, &before);
	snprintf(path, sizeof(path), "%s/lkvm/filling", rig->cache);
	assert_int_equal(access(path, F_OK), -1);
	/* It is no fault of the kernel's. */
	assert_int_equal(find(rig), BOOT_CACHE_MISSING);
	assert_int_equal(fill(rig), 0);
}

CACHE_TEST(the_oldest_go_when_there_are_too_many)
{
	struct rig *rig = *state;
	char path[128], first[128];
	u64 size = 0;

	/* Four of 150 MB, three of which there is room for: sparse, as their content is no matter.
	 */
	for (unsigned n = 0; n < 4; n++) {
		const struct timespec times[] = { { 1000 + n, 0 }, { 1000 + n, 0 } };
		int fd;

		rig->kernel[0] = n;
		write_kernel(rig);
		find(rig);
		assert_int_equal(fill(rig), 0);
		entry_path(rig, "ok", path, sizeof(path));
		if (!n)
			strcpy(first, path);
		fd = open(path, O_RDWR | O_CLOEXEC);
		assert_int_equal(ftruncate(fd, 150 * MIB), 0);
		assert_int_equal(futimens(fd, times), 0);
		size += 150 * MIB;
		close(fd);
	}
	assert_true(size > BOOT_CACHE_MAX);
	rig->kernel[0] = 4;
	write_kernel(rig);
	find(rig);
	assert_int_equal(fill(rig), 0);
	assert_int_equal(find(rig), BOOT_CACHE_GOOD);
	assert_int_equal(access(first, F_OK), -1);
	assert_int_equal(access(path, F_OK), 0);
}

CACHE_TEST(a_kernel_that_cannot_be_kept_is_not_tried_again)
{
	const int errors[] = { -EINVAL, -EOPNOTSUPP };
	struct rig *rig = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(errors); i++) {
		rig->kernel[0] = i;
		write_kernel(rig);
		find(rig);
		rig->fails = errors[i];
		assert_int_equal(fill(rig), errors[i]);
		assert_int_equal(find(rig), BOOT_CACHE_REFUSED);
	}
	/* The host's fault is another day's good luck. */
	rig->kernel[0] = 17;
	write_kernel(rig);
	find(rig);
	rig->fails = -ENOMEM;
	assert_int_equal(fill(rig), -ENOMEM);
	assert_int_equal(find(rig), BOOT_CACHE_MISSING);
}

/* ---- the folder ---- */

static void folder_path(const struct rig *rig, char *path, size_t size)
{
	snprintf(path, size, "%s/lkvm", rig->cache);
}

CACHE_TEST(folder_and_entries_are_their_users_alone)
{
	struct rig *rig = *state;
	char path[128];
	struct stat st;

	find(rig);
	assert_int_equal(fill(rig), 0);
	folder_path(rig, path, sizeof(path));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	entry_path(rig, "ok", path, sizeof(path));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

CACHE_TEST(a_folder_that_others_may_write_to_is_not_used)
{
	struct rig *rig = *state;
	char path[96];

	find(rig);
	assert_int_equal(fill(rig), 0);
	folder_path(rig, path, sizeof(path));
	assert_int_equal(chmod(path, 0770), 0);
	assert_int_equal(find(rig), BOOT_CACHE_OFF);
	assert_int_equal(chmod(path, 0702), 0);
	assert_int_equal(find(rig), BOOT_CACHE_OFF);
	assert_int_equal(chmod(path, 0755), 0);
	assert_int_equal(find(rig), BOOT_CACHE_GOOD);
	assert_int_equal(chmod(rig->cache, 0777), 0);
	assert_int_equal(find(rig), BOOT_CACHE_OFF);
	assert_non_null(rig->at.why);
}

CACHE_TEST(a_folder_of_another_users_is_not_used)
{
	struct rig *rig = *state;
	char path[96];

	if (geteuid())
		skip();
	find(rig);
	assert_int_equal(fill(rig), 0);
	folder_path(rig, path, sizeof(path));
	assert_int_equal(chown(path, 1, 1), 0);
	assert_int_equal(find(rig), BOOT_CACHE_OFF);
	assert_int_equal(chown(path, 0, 0), 0);
	assert_int_equal(find(rig), BOOT_CACHE_GOOD);
	assert_int_equal(chown(rig->cache, 1, 1), 0);
	assert_int_equal(find(rig), BOOT_CACHE_OFF);
	assert_int_equal(chown(rig->cache, 0, 0), 0);
	assert_int_equal(find(rig), BOOT_CACHE_GOOD);
	entry_path(rig, "ok", path, sizeof(path));
	assert_int_equal(chown(path, 1, 1), 0);
	assert_int_equal(find(rig), BOOT_CACHE_MISSING);
}

CACHE_TEST(a_folder_that_is_a_link_or_no_folder_is_not_used)
{
	struct rig *rig = *state;
	char path[96];

	assert_int_equal(mkdir(rig->cache, 0700), 0);
	folder_path(rig, path, sizeof(path));
	assert_int_equal(symlink("/tmp", path), 0);
	assert_int_equal(find(rig), BOOT_CACHE_OFF);
	assert_int_equal(fill(rig), -EPERM);
	assert_int_equal(unlink(path), 0);
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(find(rig), BOOT_CACHE_OFF);
}

CACHE_TEST(links_in_the_folder_are_not_followed)
{
	struct rig *rig = *state;
	char path[128], away[128];

	find(rig);
	assert_int_equal(fill(rig), 0);
	entry_path(rig, "ok", path, sizeof(path));
	snprintf(away, sizeof(away), "%s/away", rig->folder.path);
	assert_int_equal(rename(path, away), 0);
	assert_int_equal(symlink(away, path), 0);
	assert_int_equal(find(rig), BOOT_CACHE_MISSING);
	snprintf(path, sizeof(path), "%s/lkvm/filling", rig->cache);
	assert_int_equal(symlink("/nowhere", path), 0);
	assert_int_equal(fill(rig), -ELOOP);
}

CACHE_TEST(without_a_home_or_with_a_relative_one_there_is_no_cache)
{
	struct rig *rig = *state;
	char *home = getenv("HOME") ? strdup(getenv("HOME")) : NULL;

	setenv("XDG_CACHE_HOME", "relative", 1);
	unsetenv("HOME");
	assert_int_equal(find(rig), BOOT_CACHE_OFF);
	setenv("HOME", "relative", 1);
	assert_int_equal(find(rig), BOOT_CACHE_OFF);
	/* HOME's is used where XDG_CACHE_HOME says nothing. */
	setenv("HOME", rig->folder.path, 1);
	assert_int_equal(find(rig), BOOT_CACHE_MISSING);
	assert_int_equal(fill(rig), 0);
	assert_int_equal(find(rig), BOOT_CACHE_GOOD);
	unsetenv("HOME");
	if (home)
		setenv("HOME", home, 1);
	free(home);
}

/* ---- the filler ---- */

static bool becomes(struct rig *rig, enum boot_cache_state state)
{
	for (unsigned n = 0; n < 6000; n++) {
		if (find(rig) == state)
			return true;
		usleep(10000);
	}
	return false;
}

static void keep(struct rig *rig)
{
	boot_cache_start_filler(&rig->at, &(struct boot_cache_source){ unpack_rig, rig });
	assert_true(rig->at.filler_fd >= 0);
}

CACHE_TEST(the_filler_fills_when_the_guest_runs_and_goes_on_without_us)
{
	struct rig *rig = *state;

	assert_int_equal(find(rig), BOOT_CACHE_MISSING);
	keep(rig);
	boot_cache_begin(&rig->at);
	assert_true(becomes(rig, BOOT_CACHE_GOOD));
	assert_int_equal(load(rig), 0);
	/* It is no child of ours. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

CACHE_TEST(a_run_that_never_began_keeps_nothing)
{
	struct rig *rig = *state;
	char path[96];

	find(rig);
	keep(rig);
	boot_cache_close(&rig->at);
	usleep(200000);
	folder_path(rig, path, sizeof(path));
	assert_int_equal(access(path, F_OK), -1);
}

CACHE_TEST(an_entry_is_good_when_a_guest_ran_by_it)
{
	struct rig *rig = *state;

	rig->proved = false;
	find(rig);
	assert_int_equal(fill(rig), 0);
	assert_int_equal(find(rig), BOOT_CACHE_TRIED);
	assert_int_equal(load(rig), 0);
	keep(rig);
	boot_cache_begin(&rig->at);
	boot_cache_judge(&rig->at, true);
	assert_true(becomes(rig, BOOT_CACHE_GOOD));
	assert_false(has(rig, "try"));
}

CACHE_TEST(an_entry_by_which_no_guest_ran_is_forgotten_and_not_made_again)
{
	struct rig *rig = *state;

	rig->proved = false;
	find(rig);
	assert_int_equal(fill(rig), 0);
	assert_int_equal(find(rig), BOOT_CACHE_TRIED);
	keep(rig);
	boot_cache_judge(&rig->at, false);
	assert_true(becomes(rig, BOOT_CACHE_REFUSED));
	assert_false(has(rig, "try"));
}

CACHE_TEST(a_run_that_says_nothing_leaves_the_entry_to_be_tried)
{
	struct rig *rig = *state;

	rig->proved = false;
	find(rig);
	assert_int_equal(fill(rig), 0);
	find(rig);
	keep(rig);
	boot_cache_close(&rig->at);
	usleep(200000);
	assert_int_equal(find(rig), BOOT_CACHE_TRIED);
}

TEST(a_sum_sees_each_changed_byte_and_the_length)
{
	u8 data[200] = { 0 };
	u64 sum = boot_sum(1, data, sizeof(data));

	assert_true(sum != boot_sum(2, data, sizeof(data)));
	for (unsigned i = 0; i < sizeof(data); i++) {
		data[i] = 0x80;
		assert_true(sum != boot_sum(1, data, sizeof(data)));
		data[i] = 0;
		assert_true(sum != boot_sum(1, data, i));
	}
}
