/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "test.h"
#include "util/file.h"

/* A folder with a file, a FIFO and a socket in it, which is where we are. */
static int setup(void **state)
{
	static char folder[] = "/tmp/lkvm-file-XXXXXX";
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "socket" };
	int fd;

	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	assert_non_null(mkdtemp(folder));
	assert_int_equal(chdir(folder), 0);
	assert_int_equal(mkfifo("fifo", 0600), 0);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	fd = open("file", O_CREAT | O_WRONLY, 0600);
	assert_int_equal(write(fd, "abc", 3), 3);
	close(fd);
	*state = folder;
	return 0;
}

static int teardown(void **state)
{
	static const char *const names[] = { "fifo", "socket", "file", "new" };

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		unlink(names[i]);
	assert_int_equal(chdir("/"), 0);
	return rmdir(*state);
}

TEST(a_file_is_opened_and_blocks_like_any_other)
{
	struct error err = { "" };
	struct stat st;
	int fd = file_open_regular("thing", "file", O_RDONLY, &st, &err);

	assert_true(fd >= 0);
	assert_string_equal(err.text, "");
	assert_int_equal(st.st_size, 3);
	assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
}

static const struct file_start start = { "a thing", "ab", 2 };

static off_t size_of(const char *name)
{
	struct stat st;

	assert_int_equal(stat(name, &st), 0);
	return st.st_size;
}

TEST(a_file_is_emptied_if_it_is_one_of_ours_and_nobody_has_it)
{
	struct error err = { "" };
	int fd = file_open_anew("--thing", "file", &start, &err);

	assert_true(fd >= 0);
	assert_int_equal(size_of("file"), 0);
	assert_int_equal(write(fd, "abc", 3), 3);
	/* Another option, or another run. */
	assert_int_equal(file_open_anew("--other", "file", &start, &err), -EBUSY);
	assert_string_equal(err.text, "--other file: is in use: choose another name");
	assert_int_equal(size_of("file"), 3);
	close(fd);
	fd = file_open_anew("--other", "file", &start, &err);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "abc", 3), 3);
	close(fd);
}

TEST(a_file_of_another_kind_is_left_as_it_is)
{
	static const struct file_start other = { "a thing", "xyz", 3 };
	static const struct file_start longer = { "a thing", "abcd", 4 };
	struct error err = { "" };

	assert_int_equal(file_check_anew("--thing", "file", &start, &err), 0);
	assert_int_equal(file_check_anew("--thing", "new", &start, &err), 0);
	assert_int_equal(file_check_anew("--thing", "file", &other, &err), -EEXIST);
	assert_int_equal(file_open_anew("--thing", "file", &other, &err), -EEXIST);
	assert_string_equal(err.text, "--thing file: is there, and is not a thing: remove it, or "
				      "choose another name");
	assert_int_equal(file_open_anew("--thing", "file", &longer, &err), -EEXIST);
	assert_int_equal(file_open_anew("--thing", "fifo", &start, &err), -EINVAL);
	assert_int_equal(size_of("file"), 3);
}

TEST(a_file_that_is_not_there_is_made_if_that_was_asked)
{
	struct error err = { "" };
	struct stat st;
	int fd;

	assert_int_equal(file_open_regular("thing", "new", O_WRONLY, &st, &err), -ENOENT);
	assert_string_equal(err.text, "thing new: No such file or directory");
	fd = file_open_regular("thing", "new", O_WRONLY | O_CREAT, &st, NULL);
	assert_true(fd >= 0);
	close(fd);
}

static void refuses(const char *path, int code, const char *line)
{
	struct error regular = { "" }, storage = { "" };
	struct stat st;

	/* Reading and writing: each could wait for the other end of a FIFO. */
	assert_int_equal(file_open_regular("thing", path, O_RDONLY, &st, &regular), code);
	assert_string_equal(regular.text, line);
	assert_int_equal(file_open_regular("thing", path, O_WRONLY, &st, NULL), code);
	assert_int_equal(file_open_storage("disk", path, O_RDWR, &st, &storage), code);
	assert_non_null(strstr(storage.text, code == -EISDIR ? "is a directory; give an image file"
							     : "is neither a regular file nor"));
}

TEST(what_could_keep_us_waiting_is_refused)
{
	refuses("fifo", -EINVAL, "thing fifo: is not a regular file");
	refuses("socket", -EINVAL, "thing socket: is not a regular file");
	refuses("/dev/null", -EINVAL, "thing /dev/null: is not a regular file");
	refuses("/tmp", -EISDIR, "thing /tmp: is a directory; give a file");
}

TEST_PROGRAM(setup, teardown)
