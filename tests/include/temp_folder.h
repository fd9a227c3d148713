/* SPDX-License-Identifier: BSD-2-Clause */
/* A folder for the length of a test. */
#ifndef TESTS_TEMP_FOLDER_H
#define TESTS_TEMP_FOLDER_H

struct temp_folder {
	char path[40];
	int working; /* the test's working directory, which a thread that serves a folder leaves */
};

/* In @parent: "/tmp"; or "/var/tmp", which is no tmpfs. */
void temp_folder_create(struct temp_folder *folder, const char *parent);
/* With all that is in it. The working directory is the test's again. */
void temp_folder_remove(struct temp_folder *folder);
/* Write a file, new or not, whose name is relative to the directory @dir_fd. */
void temp_file(int dir_fd, const char *name, const char *text);

#endif
