/* SPDX-License-Identifier: BSD-2-Clause */
/* Which files are taken for flash. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "test.h"
#include "temp_folder.h"
#include "util/reach.h"
#include "vmm/flash.h"

#define SIZE (4 * FLASH_SECTOR)

static bool host_is_fuse;
static struct temp_folder folder;
static struct flash_file file;
static char path[80];

int fstatfs(int fd, struct statfs *fs)
{
	*fs = (struct statfs){ .f_type = host_is_fuse ? FUSE_SUPER_MAGIC : EXT4_SUPER_MAGIC };
	return 0;
}

static void make_file(u64 size)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_int_equal(ftruncate(fd, size), 0);
	close(fd);
}

static int setup(void **state)
{
	temp_folder_create(&folder, "/tmp");
	snprintf(path, sizeof(path), "%s/vars", folder.path);
	make_file(SIZE);
	return flash_file_open(&file, path, SIZE, NULL);
}

static int teardown(void **state)
{
	close(file.fd);
	temp_folder_remove(&folder);
	return 0;
}

static void refused(const char *name, int ret, const char *why)
{
	struct flash_file other;
	struct error err = { "" };

	assert_int_equal(flash_file_open(&other, name, SIZE, &err), ret);
	if (!strstr(err.text, why) || strncmp(err.text, "--flash ", 8))
		fail_msg("'%s' does not say '%s'", err.text, why);
	if (other.fd >= 0)
		close(other.fd);
}

TEST_WITH(files_of_a_wrong_size_are_refused, setup, teardown)
{
	static const u64 sizes[] = { 0,	       6,	 FLASH_SECTOR - 1, FLASH_SECTOR / 2,
				     SIZE - 1, SIZE + 1, 3 * FLASH_SECTOR, 2 * SIZE,
				     64 * GIB };

	snprintf(path, sizeof(path), "%s/other", folder.path);
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		make_file(sizes[i]);
		refused(path, -EINVAL, "must have a power of two of them, from 256 KiB to 1 MiB");
	}
	make_file(FLASH_SECTOR);
	assert_int_equal(flash_file_open(&(struct flash_file){ NULL }, path, SIZE, NULL), 0);
}

TEST_WITH(what_is_no_file_of_the_users_is_refused, setup, teardown)
{
	char name[80];

	refused("/nonexistent/vars", -ENOENT, "No such file");
	refused(folder.path, -EISDIR, "a directory");
	snprintf(name, sizeof(name), "%s/pipe", folder.path);
	assert_int_equal(mkfifo(name, 0600), 0);
	refused(name, -EINVAL, "");
	refused("/dev/null", -EINVAL, "");
	/* Two of one run, or of two. */
	refused(path, -EBUSY, "in use");
}

TEST_WITH(a_file_on_fuse_keeps_the_user_who_opened_it, setup, teardown)
{
	struct flash_file other;

	assert_null(reach_user_preferred());
	snprintf(path, sizeof(path), "%s/other", folder.path);
	make_file(SIZE);
	host_is_fuse = true;
	assert_int_equal(flash_file_open(&other, path, SIZE, NULL), 0);
	assert_non_null(reach_user_preferred());
	close(other.fd);
}
