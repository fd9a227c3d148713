/* SPDX-License-Identifier: BSD-2-Clause */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmocka_all.h"
#include "temp_folder.h"

void temp_folder_create(struct temp_folder *folder, const char *parent)
{
	folder->working = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(folder->working >= 0);
	snprintf(folder->path, sizeof(folder->path), "%s/lkvm-test.XXXXXX", parent);
	assert_non_null(mkdtemp(folder->path));
}

void temp_folder_remove(struct temp_folder *folder)
{
	char command[sizeof(folder->path) + sizeof("rm -rf ")];

	assert_int_equal(fchdir(folder->working), 0);
	close(folder->working);
	snprintf(command, sizeof(command), "rm -rf %s", folder->path);
	assert_int_equal(system(command), 0);
}

void temp_file(int dir_fd, const char *name, const char *text)
{
	int fd = openat(dir_fd, name, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}
