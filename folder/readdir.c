/* SPDX-License-Identifier: BSD-2-Clause */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "private.h"

#define READ_SIZE 16384

struct reader {
	struct folder *folder;
	struct folder_file *file;
	bool (*take)(void *arg, const struct folder_dirent *entry);
	void *arg;
	u64 next; /* the offset behind what was taken last */
	u64 dev;  /* the directory's */
};

/* What is above the folder is nobody's business in the guest. */
static u64 ino_to_show(const struct reader *reader, const struct dirent64 *entry)
{
	if (reader->file->node == reader->folder->root && !strcmp(entry->d_name, ".."))
		return reader->folder->root->key.ino;
	return attr_ino(reader->folder, reader->dev, entry->d_ino);
}

/* A plain file may be anything to a guest that believes so. */
static u32 type_to_show(const struct reader *reader, const struct dirent64 *entry)
{
	if (reader->folder->options.map == FOLDER_MAP_XATTR && entry->d_type == DT_REG)
		return DT_UNKNOWN;
	return entry->d_type;
}

/* ---- what was read and not taken ---- */

/*
 * Linux's ramfs, and its tmpfs before 6.6, count the entries that there are for a position. After
 * some were removed, as "rm -r" does while it reads, a seek to where the guest has come to would
 * pass by others. A directory that is read on without a seek loses none. So what is left of a
 * buffer is kept for the next call. Beyond LEFT_MAX directories, which are a hostile guest's, a
 * seek has to do.
 */
#define LEFT_MAX 256

struct folder_left {
	u64 offset; /* at which the guest has to ask for it */
	size_t len;
	char entries[] __attribute__((aligned(8)));
};

/* Into @buffer what was left at @offset. 0: nothing, and the directory stands there. -errno. */
static ssize_t begin_at(struct reader *reader, u64 offset, char *buffer)
{
	struct folder_left *left = reader->file->left;
	size_t len = left && left->offset == offset ? left->len : 0;

	if (len)
		memcpy(buffer, left->entries, len);
	file_drop_left(reader->folder, reader->file);
	if (!len && lseek(reader->file->fd, offset, SEEK_SET) < 0)
		return -errno;
	return len;
}

/* The start of a directory is always read anew: that is what rewinddir() is for. */
static void keep_left(struct reader *reader, const char *entries, size_t len)
{
	struct folder_left *left;

	if (!reader->next || reader->folder->lefts >= LEFT_MAX)
		return;
	left = malloc(sizeof(*left) + len);
	if (!left)
		return;
	left->offset = reader->next;
	left->len = len;
	memcpy(left->entries, entries, len);
	reader->file->left = left;
	reader->folder->lefts++;
}

/* ---- reading ---- */

/* False: @take has enough, and what is left is kept. */
static bool give(struct reader *reader, const char *buffer, size_t len)
{
	for (size_t at = 0; at < len;) {
		const struct dirent64 *entry = (const void *)(buffer + at);
		struct folder_dirent out = {
			.name = entry->d_name,
			.ino = ino_to_show(reader, entry),
			.next = entry->d_off,
			.type = type_to_show(reader, entry),
		};

		if (!reader->take(reader->arg, &out)) {
			keep_left(reader, buffer + at, len - at);
			return false;
		}
		reader->next = entry->d_off;
		at += entry->d_reclen;
	}
	return true;
}

static int read_from(struct reader *reader, u64 offset)
{
	char buffer[READ_SIZE] __attribute__((aligned(8)));
	ssize_t len = begin_at(reader, offset, buffer);

	reader->next = offset;
	while (len >= 0) {
		if (!len)
			len = getdents64(reader->file->fd, buffer, sizeof(buffer));
		if (len <= 0)
			return len ? -errno : 0;
		if (!give(reader, buffer, len))
			return 0;
		len = 0;
	}
	return len;
}

int folder_readdir(struct folder *folder, u64 id, u64 offset,
		   bool (*take)(void *arg, const struct folder_dirent *entry), void *arg)
{
	struct reader reader = { folder, file_get(folder, id), take, arg, 0, 0 };
	int ret = -ENOTDIR;

	if (!reader.file)
		return -EBADF;
	if (S_ISDIR(reader.file->node->key.type) && offset <= INT64_MAX) {
		pthread_mutex_lock(&folder->lock);
		reader.dev = reader.file->node->key.dev;
		pthread_mutex_unlock(&folder->lock);
		pthread_mutex_lock(&reader.file->lock);
		ret = read_from(&reader, offset);
		pthread_mutex_unlock(&reader.file->lock);
	}
	file_put(folder, reader.file);
	return ret;
}
