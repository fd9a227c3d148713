/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "oneshot/cpio.h"

#define ALIGN	4
#define TRAILER "TRAILER!!!"

void cpio_write(struct cpio *cpio, const void *data, size_t len)
{
	const char *at = data;

	if (cpio->fd < 0) {
		cpio->at += len;
		return;
	}
	while (len && !cpio->error) {
		ssize_t done = write(cpio->fd, at, len);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0) {
			cpio->error = done ? -errno : -EIO;
			return;
		}
		at += done;
		len -= done;
		cpio->at += done;
	}
}

void cpio_skip(struct cpio *cpio, u64 len)
{
	cpio->at += len;
}

void cpio_end_entry(struct cpio *cpio)
{
	cpio_write(cpio, "\0\0\0", -cpio->at % ALIGN);
}

u32 cpio_begin_entry(struct cpio *cpio, const struct cpio_entry *entry)
{
	char header[6 + 13 * 8 + 1];
	size_t name_len = strlen(entry->name) + 1;
	u32 inode = entry->inode ? entry->inode : ++cpio->inode;

	if (entry->len > UINT32_MAX && !cpio->error)
		cpio->error = -EFBIG;
	snprintf(header, sizeof(header),
		 "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", inode, entry->mode,
		 entry->uid, entry->gid, entry->links, entry->mtime, (u32)entry->len, 0, 0,
		 entry->major, entry->minor, (u32)name_len, 0);
	cpio_write(cpio, header, sizeof(header) - 1);
	cpio_write(cpio, entry->name, name_len);
	cpio_end_entry(cpio);
	return inode;
}

void cpio_add(struct cpio *cpio, const char *name, u32 mode, const void *data, size_t len)
{
	const struct cpio_entry entry = {
		.name = name, .mode = mode, .links = S_ISDIR(mode) ? 2 : 1, .len = len
	};

	cpio_begin_entry(cpio, &entry);
	cpio_write(cpio, data, len);
	cpio_end_entry(cpio);
}

void cpio_add_device(struct cpio *cpio, const char *name, u32 mode, u32 major, u32 minor)
{
	const struct cpio_entry entry = {
		.name = name, .mode = S_IFCHR | mode, .links = 1, .major = major, .minor = minor
	};

	cpio_begin_entry(cpio, &entry);
}

int cpio_end(struct cpio *cpio)
{
	cpio_add(cpio, TRAILER, 0, NULL, 0);
	return cpio->error;
}
