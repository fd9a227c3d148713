/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "oneshot/cpio.h"

#define ALIGN	4
#define TRAILER "TRAILER!!!"

struct entry {
	const char *name;
	u32 mode, links, major, minor;
	const void *data;
	size_t len;
};

static void put(struct cpio *cpio, const void *data, size_t len)
{
	const char *at = data;

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

static void align(struct cpio *cpio)
{
	put(cpio, "\0\0\0", -cpio->at % ALIGN);
}

static void put_entry(struct cpio *cpio, const struct entry *entry)
{
	char header[6 + 13 * 8 + 1];
	size_t name_len = strlen(entry->name) + 1;

	if (entry->len > UINT32_MAX && !cpio->error)
		cpio->error = -EFBIG;
	snprintf(header, sizeof(header),
		 "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", ++cpio->inode,
		 entry->mode, 0, 0, entry->links, 0, (u32)entry->len, 0, 0, entry->major,
		 entry->minor, (u32)name_len, 0);
	put(cpio, header, sizeof(header) - 1);
	put(cpio, entry->name, name_len);
	align(cpio);
	put(cpio, entry->data, entry->len);
	align(cpio);
}

void cpio_add(struct cpio *cpio, const char *name, u32 mode, const void *data, size_t len)
{
	const struct entry entry = {
		.name = name, .mode = mode, .links = S_ISDIR(mode) ? 2 : 1, .data = data, .len = len
	};

	put_entry(cpio, &entry);
}

void cpio_add_device(struct cpio *cpio, const char *name, u32 mode, u32 major, u32 minor)
{
	const struct entry entry = {
		.name = name, .mode = S_IFCHR | mode, .links = 1, .major = major, .minor = minor
	};

	put_entry(cpio, &entry);
}

int cpio_end(struct cpio *cpio)
{
	const struct entry entry = { .name = TRAILER, .links = 1 };

	put_entry(cpio, &entry);
	return cpio->error;
}
