/* SPDX-License-Identifier: BSD-2-Clause */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "holder.h"

/* ---- reading proc and sys ---- */

struct answer {
	const char *root;
	char *text;
	size_t size;
};

static void path_make(char path[PATH_MAX], const struct answer *answer, const char *format,
		      va_list args)
{
	int len = snprintf(path, PATH_MAX, "%s", answer->root);

	vsnprintf(path + len, PATH_MAX - len, format, args);
}

static FILE *file_of(const struct answer *answer, const char *format, ...)
{
	char path[PATH_MAX];
	va_list args;

	va_start(args, format);
	path_make(path, answer, format, args);
	va_end(args);
	return fopen(path, "re");
}

static DIR *folder_of(const struct answer *answer, const char *format, ...)
{
	char path[PATH_MAX];
	va_list args;

	va_start(args, format);
	path_make(path, answer, format, args);
	va_end(args);
	return opendir(path);
}

/* The first line of @file, which is closed; false if there is none. */
static bool line_of(FILE *file, char *line, int size)
{
	bool found = file && fgets(line, size, file);

	if (file)
		fclose(file);
	if (found)
		line[strcspn(line, "\n")] = 0;
	return found;
}

static const char *next_name(DIR *folder)
{
	struct dirent *entry;

	while ((entry = readdir(folder))) {
		if (entry->d_name[0] != '.')
			return entry->d_name;
	}
	return NULL;
}

__attribute__((format(printf, 2, 3))) static bool say(const struct answer *answer,
						      const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(answer->text, answer->size, format, args);
	va_end(args);
	/* A process chooses its name, and whoever mounts the name of a place. */
	for (char *c = answer->text; *c; c++) {
		if (!isprint((unsigned char)*c))
			*c = '?';
	}
	return true;
}

/* ---- devices ---- */

/* A block device: its number as sysfs writes it, and its name in /dev. */
struct block {
	char number[32];
	char name[64];
	char whose[96]; /* "", or "its partition sda1 " */
};

static void block_find_name(const struct answer *answer, struct block *block)
{
	FILE *file = file_of(answer, "/sys/dev/block/%s/uevent", block->number);
	char line[128];

	block->name[0] = 0;
	while (file && fgets(line, sizeof(line), file))
		sscanf(line, "DEVNAME=%63[^\n]", block->name);
	if (file)
		fclose(file);
}

static bool is_named(const struct block *block, const char *path)
{
	return block->name[0] && !strncmp(path, "/dev/", 5) && !strcmp(path + 5, block->name);
}

/* proc(5), "/proc/pid/mountinfo": number, place, and after a lone '-' type and source. */
static bool is_mounted(const struct answer *answer, const struct block *block)
{
	FILE *file = file_of(answer, "/proc/self/mountinfo");
	char *line = NULL;
	size_t size = 0;
	bool found = false;

	while (file && !found && getline(&line, &size, file) > 0) {
		char number[32], place[128], source[128] = "";
		const char *rest = strstr(line, " - ");

		if (sscanf(line, "%*s %*s %31s %*s %127s", number, place) != 2)
			continue;
		if (rest)
			sscanf(rest, " - %*s %127s", source);
		/* Some file systems, such as btrfs, give a number of their own. */
		found = !strcmp(number, block->number) || is_named(block, source);
		if (found)
			say(answer, "%sis mounted at %s", block->whose, place);
	}
	free(line);
	if (file)
		fclose(file);
	return found;
}

static bool is_swap(const struct answer *answer, const struct block *block)
{
	FILE *file = file_of(answer, "/proc/swaps");
	char line[256], path[128];
	bool found = false;

	while (file && !found && fgets(line, sizeof(line), file))
		found = sscanf(line, "%127s", path) == 1 && is_named(block, path);
	if (file)
		fclose(file);
	return found && say(answer, "%sis in use as swap", block->whose);
}

static bool is_part_of_another(const struct answer *answer, const struct block *block)
{
	DIR *folder = folder_of(answer, "/sys/dev/block/%s/holders", block->number);
	const char *name = folder ? next_name(folder) : NULL;
	char alias[128];

	if (name &&
	    line_of(file_of(answer, "/sys/dev/block/%s/holders/%s/dm/name", block->number, name),
		    alias, sizeof(alias)))
		say(answer, "%sis a part of %s (%s)", block->whose, name, alias);
	else if (name)
		say(answer, "%sis a part of %s", block->whose, name);
	if (folder)
		closedir(folder);
	return name;
}

static bool is_taken(const struct answer *answer, struct block *block)
{
	block_find_name(answer, block);
	return is_mounted(answer, block) || is_swap(answer, block) ||
	       is_part_of_another(answer, block);
}

static bool has_partition_taken(const struct answer *answer, const struct block *disk)
{
	DIR *folder = folder_of(answer, "/sys/dev/block/%s", disk->number);
	struct block part;
	const char *name;
	bool found = false;

	while (folder && !found && (name = next_name(folder))) {
		FILE *mark = file_of(answer, "/sys/dev/block/%s/%s/partition", disk->number, name);

		if (!mark)
			continue;
		fclose(mark);
		snprintf(part.whose, sizeof(part.whose), "its partition %.64s ", name);
		found = line_of(file_of(answer, "/sys/dev/block/%s/%s/dev", disk->number, name),
				part.number, sizeof(part.number)) &&
			is_taken(answer, &part);
	}
	if (folder)
		closedir(folder);
	return found;
}

/* A partition cannot be had either where its disk is somebody's. */
static bool has_disk_taken(const struct answer *answer, const struct block *part)
{
	FILE *mark = file_of(answer, "/sys/dev/block/%s/partition", part->number);
	struct block disk = { .whose = "its disk " };

	if (!mark)
		return false;
	fclose(mark);
	return line_of(file_of(answer, "/sys/dev/block/%s/../dev", part->number), disk.number,
		       sizeof(disk.number)) &&
	       is_taken(answer, &disk);
}

/* ---- processes ---- */

static bool say_process(const struct answer *answer, long pid)
{
	char name[64];

	if (pid == getpid())
		return say(answer, "is given twice");
	if (!line_of(file_of(answer, "/proc/%ld/comm", pid), name, sizeof(name)))
		return say(answer, "is in use by process %ld", pid);
	return say(answer, "is in use by %s (process %ld)", name, pid);
}

static bool has_lock(const struct answer *answer, const char *pid, const char *fd)
{
	FILE *file = file_of(answer, "/proc/%s/fdinfo/%s", pid, fd);
	char line[256];
	bool found = false;

	while (file && !found && fgets(line, sizeof(line), file))
		found = !strncmp(line, "lock:", 5);
	if (file)
		fclose(file);
	return found;
}

/* Whether process @pid has the file open that its links call @name. */
static bool has_open(const struct answer *answer, const char *pid, const char *name, bool locked)
{
	DIR *folder = folder_of(answer, "/proc/%s/fd", pid);
	const char *fd;
	char link[PATH_MAX];
	bool found = false;

	while (folder && !found && (fd = next_name(folder))) {
		ssize_t len = readlinkat(dirfd(folder), fd, link, sizeof(link) - 1);

		if (len < 0)
			continue;
		link[len] = 0;
		found = !strcmp(link, name) && (!locked || has_lock(answer, pid, fd));
	}
	if (folder)
		closedir(folder);
	return found;
}

static bool is_open(const struct answer *answer, const char *name, bool locked)
{
	DIR *folder = folder_of(answer, "/proc");
	const char *pid;
	bool found = false;

	while (folder && !found && (pid = next_name(folder))) {
		if (isdigit((unsigned char)*pid) && has_open(answer, pid, name, locked))
			found = say_process(answer, atol(pid));
	}
	if (folder)
		closedir(folder);
	return found;
}

/* ---- what others ask ---- */

void holder_of_device(const char *root, dev_t device, char *text, size_t size)
{
	struct answer answer = { root, text, size };
	struct block block = { .whose = "" };
	char path[80];

	snprintf(block.number, sizeof(block.number), "%u:%u", major(device), minor(device));
	if (is_taken(&answer, &block) || has_partition_taken(&answer, &block) ||
	    has_disk_taken(&answer, &block))
		return;
	snprintf(path, sizeof(path), "/dev/%s", block.name);
	if (!block.name[0] || !is_open(&answer, path, false))
		say(&answer, "is in use by another program");
}

void holder_of_lock(const char *root, const char *name, pid_t pid, char *text, size_t size)
{
	struct answer answer = { root, text, size };

	if (pid > 0)
		say_process(&answer, pid);
	else if (!is_open(&answer, name, true))
		say(&answer, "is locked by another program");
}

bool holder_is_loop(const char *root, const char *name, char *text, size_t size)
{
	struct answer answer = { root, text, size };
	DIR *folder = folder_of(&answer, "/sys/block");
	const char *device;
	char backing[PATH_MAX];
	bool found = false;

	while (folder && !found && (device = next_name(folder))) {
		if (strncmp(device, "loop", 4) ||
		    !line_of(file_of(&answer, "/sys/block/%s/loop/backing_file", device), backing,
			     sizeof(backing)))
			continue;
		found = !strcmp(backing, name) && say(&answer, "is behind /dev/%s", device);
	}
	if (folder)
		closedir(folder);
	return found;
}
