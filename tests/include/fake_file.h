/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * In place of disk/file_io.c: files in memory that remember each write and each flush, so that
 * a test can be what the disk would be had the host stopped at any of them.
 */
#ifndef TESTS_FAKE_FILE_H
#define TESTS_FAKE_FILE_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../disk/file.h"
#include "../../disk/request_memory.h"

#define FAKE_FILES 4
#define FAKE_ROOM  (24 * MIB)

struct fake_write {
	u64 offset, len;
	u8 *data; /* NULL: a flush */
};

struct fake_file {
	u8 *bytes; /* FAKE_ROOM */
	u64 size;
	struct fake_write *log;
	unsigned count, room;
	bool recording;
	int fail_writes; /* the error of all writes; 0: none */
	int fail_flush;	 /* of the next flush, once */
};

/* disk_file.fd is the number here. */
static struct fake_file fakes[FAKE_FILES];

static struct fake_file *fake_reset(unsigned n)
{
	struct fake_file *fake = &fakes[n];

	for (unsigned i = 0; i < fake->count; i++)
		free(fake->log[i].data);
	free(fake->log);
	if (!fake->bytes)
		fake->bytes = calloc(1, FAKE_ROOM);
	memset(fake->bytes, 0, fake->size);
	*fake = (struct fake_file){ .bytes = fake->bytes };
	return fake;
}

static void fake_log(struct fake_file *fake, u64 offset, u64 len, const void *data)
{
	struct fake_write *write;

	if (!fake->recording)
		return;
	if (fake->count == fake->room) {
		fake->room = fake->room ? fake->room * 2 : 256;
		fake->log = realloc(fake->log, fake->room * sizeof(*fake->log));
	}
	write = &fake->log[fake->count++];
	*write = (struct fake_write){ offset, len, len ? malloc(len) : NULL };
	if (len)
		memcpy(write->data, data, len);
}

static int fake_put(const struct disk_file *file, const void *data, u64 len, u64 offset)
{
	struct fake_file *fake = &fakes[file->fd];

	if (fake->fail_writes)
		return fake->fail_writes;
	if (offset > FAKE_ROOM || len > FAKE_ROOM - offset)
		return -ENOSPC;
	memcpy(fake->bytes + offset, data, len);
	fake->size = MAX(fake->size, offset + len);
	fake_log(fake, offset, len, data);
	return 0;
}

bool disk_file_is_aligned(const struct disk_file *file, const struct disk_request *request, u64 at,
			  u64 offset)
{
	return true;
}

int disk_file_read(const struct disk_file *file, void *data, u64 len, u64 offset)
{
	struct fake_file *fake = &fakes[file->fd];
	u64 there = offset < fake->size ? MIN(len, fake->size - offset) : 0;

	memcpy(data, fake->bytes + (there ? offset : 0), there);
	memset((u8 *)data + there, 0, len - there);
	return 0;
}

int disk_file_write(const struct disk_file *file, const void *data, u64 len, u64 offset)
{
	return fake_put(file, data, len, offset);
}

int disk_file_move(const struct disk_file *file, const struct disk_request *request, u64 at,
		   u64 len, u64 offset)
{
	u8 *data = malloc(len);
	int ret = 0;

	if (request->op == DISK_READ) {
		if (offset + len > fakes[file->fd].size)
			ret = -EIO;
		else
			request_copy(request, at, (char *)fakes[file->fd].bytes + offset, len,
				     true);
	} else {
		request_copy(request, at, (char *)data, len, false);
		ret = fake_put(file, data, len, offset);
	}
	free(data);
	return ret;
}

int disk_file_end(const struct disk_file *file, u64 *end)
{
	*end = fakes[file->fd].size;
	return 0;
}

int disk_file_flush(const struct disk_file *file)
{
	struct fake_file *fake = &fakes[file->fd];
	int ret = fake->fail_flush;

	fake->fail_flush = 0;
	if (!ret)
		fake_log(fake, 0, 0, NULL);
	return ret;
}

/* A hole is zeroes that are written, below the end of the file. */
static int fake_zero(const struct disk_file *file, u64 offset, u64 len, bool grow)
{
	u64 size = fakes[file->fd].size;
	u8 *zeroes;
	int ret;

	if (!grow)
		len = offset < size ? MIN(len, size - offset) : 0;
	if (!len)
		return 0;
	zeroes = calloc(1, len);
	ret = fake_put(file, zeroes, len, offset);
	free(zeroes);
	return ret;
}

int disk_file_grow(const struct disk_file *file, u64 end)
{
	u64 size = fakes[file->fd].size;

	return end > size ? fake_zero(file, size, end - size, true) : 0;
}

/* What a discarded cluster holds is the host's choice: the worst, for a test. */
int disk_file_discard(const struct disk_file *file, u64 offset, u64 len)
{
	u64 size = fakes[file->fd].size;
	u8 *junk;
	int ret = 0;

	len = offset < size ? MIN(len, size - offset) : 0;
	junk = malloc(MAX(len, 1));
	memset(junk, 0xdb, len);
	if (len)
		ret = fake_put(file, junk, len, offset);
	free(junk);
	return ret;
}

int disk_file_zero(const struct disk_file *file, u64 offset, u64 len, bool may_unmap)
{
	return fake_zero(file, offset, len, true);
}

#endif
