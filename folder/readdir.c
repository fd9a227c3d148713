/* SPDX-License-Identifier: BSD-2-Clause */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "private.h"

#define READ_SIZE 16384

struct reader {
	struct folder *folder;
	struct folder_file *file;
	bool (*take)(void *arg, const struct folder_dirent *entry);
	void *arg;
};

/* What is above the folder is nobody's business in the guest. */
static u64 ino_to_show(const struct reader *reader, const struct dirent64 *entry)
{
	if (reader->file->node == reader->folder->root && !strcmp(entry->d_name, ".."))
		return reader->folder->root->key.ino;
	return entry->d_ino;
}

/* A plain file may be anything to a guest that believes so. */
static u32 type_to_show(const struct reader *reader, const struct dirent64 *entry)
{
	if (reader->folder->options.map == FOLDER_MAP_XATTR && entry->d_type == DT_REG)
		return DT_UNKNOWN;
	return entry->d_type;
}

/* 1: go on; 0: @take has enough. The file's offset is behind what was taken. */
static int give(struct reader *reader, const char *buffer, ssize_t len)
{
	for (ssize_t at = 0; at < len;) {
		const struct dirent64 *entry = (const void *)(buffer + at);
		struct folder_dirent out = {
			.name = entry->d_name,
			.ino = ino_to_show(reader, entry),
			.next = entry->d_off,
			.type = type_to_show(reader, entry),
		};

		if (!reader->take(reader->arg, &out))
			return 0;
		at += entry->d_reclen;
	}
	return 1;
}

static int read_from(struct reader *reader, u64 offset)
{
	char buffer[READ_SIZE] __attribute__((aligned(8)));
	int fd = reader->file->fd, more = 1;

	/* What was read beyond the last entry that was taken is read again. */
	if (lseek(fd, offset, SEEK_SET) < 0)
		return -errno;
	while (more > 0) {
		ssize_t len = getdents64(fd, buffer, sizeof(buffer));

		if (len < 0)
			return -errno;
		if (!len)
			return 0;
		more = give(reader, buffer, len);
	}
	return more;
}

int folder_readdir(struct folder *folder, u64 id, u64 offset,
		   bool (*take)(void *arg, const struct folder_dirent *entry), void *arg)
{
	struct reader reader = { folder, file_get(folder, id), take, arg };
	int ret = -ENOTDIR;

	if (!reader.file)
		return -EBADF;
	if (S_ISDIR(reader.file->node->key.type) && offset <= INT64_MAX) {
		pthread_mutex_lock(&reader.file->lock);
		ret = read_from(&reader, offset);
		pthread_mutex_unlock(&reader.file->lock);
	}
	file_put(folder, reader.file);
	return ret;
}
