/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A connection tells whose it is, and this is for a socket that takes none: proc(5) has the number
 * of each socket with its path, and the numbers of what each process has open.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include "list.h"

/* Linux, net/unix/af_unix.c: unix_seq_show(). */
#define LISTENS 0x10000u

/* Whoever made it may have come there by other names of its folders. */
static bool is_same(const char *path, const char *other)
{
	const char *name = strrchr(path, '/'), *others = strrchr(other, '/');
	struct stat one, two;

	return name && others && !strcmp(name, others) && !stat(path, &one) && !stat(other, &two) &&
	       one.st_ino == two.st_ino && one.st_dev == two.st_dev;
}

/* The number of the socket that listens at @path; 0: there is none. */
static unsigned long socket_number(const char *path)
{
	FILE *file = fopen("/proc/net/unix", "re");
	unsigned long number, found = 0;
	char *line = NULL;
	size_t size = 0;
	unsigned flags;

	while (file && getline(&line, &size, file) > 0) {
		int at = 0;

		/* Num: RefCount Protocol Flags Type St Inode Path */
		line[strcspn(line, "\n")] = '\0';
		if (sscanf(line, "%*s %*s %*s %x %*s %*s %lu %n", &flags, &number, &at) == 2 &&
		    at && flags & LISTENS && is_same(line + at, path))
			found = number;
	}
	free(line);
	if (file)
		fclose(file);
	return found;
}

/* Whether the process has the socket open, as far as we may know. */
static bool has_open(const char *process, unsigned long number)
{
	char path[32], wanted[48], link[48];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%.10s/fd", process);
	snprintf(wanted, sizeof(wanted), "socket:[%lu]", number);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir))) {
		ssize_t len = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);

		if (len < 0)
			continue;
		link[len] = '\0';
		found = !strcmp(link, wanted);
	}
	if (dir)
		closedir(dir);
	return found;
}

static pid_t parent_of(pid_t pid)
{
	char path[32], line[256] = "", *end;
	int parent = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	/* "PID (NAME) STATE PARENT", of any name. */
	if (file && fgets(line, sizeof(line), file) && (end = strrchr(line, ')')))
		sscanf(end, ") %*c %d", &parent);
	if (file)
		fclose(file);
	return parent;
}

pid_t listener_pid(const char *path)
{
	unsigned long number = socket_number(path);
	DIR *dir = number ? opendir("/proc") : NULL;
	struct dirent *entry;
	pid_t found = 0;

	while (dir && (entry = readdir(dir))) {
		pid_t pid = atoi(entry->d_name);

		/* A process aside of lkvm's may have it, too: it is a child. */
		if (pid > 0 && has_open(entry->d_name, number) &&
		    (!found || parent_of(found) == pid))
			found = pid;
	}
	if (dir)
		closedir(dir);
	return found;
}
