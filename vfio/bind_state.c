/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bind_state.h"
#include "host_sysfs.h"

/* Unbinding a disk that does not answer takes as long as its driver's timeout. */
#define LOCK_SECONDS 60

/* ---- the folder and its lock ---- */

static int say_no_folder(const char *path, struct error *err)
{
	return error_set(err, -errno, "%s: %s%s", path, strerror(errno),
			 errno == EACCES ? ": only root may bind and release devices" : "");
}

/* Make the folders above it too: in an initrd they may be missing. */
static int make_folder(const char *path, struct error *err)
{
	char above[PATH_MAX];

	snprintf(above, sizeof(above), "%s", path);
	for (char *at = strchr(above + 1, '/'); at; at = strchr(at + 1, '/')) {
		*at = '\0';
		mkdir(above, 0755);
		*at = '/';
	}
	return mkdir(path, 0700) && errno != EEXIST ? say_no_folder(path, err) : 0;
}

int vfio_state_relock(int lock)
{
	const struct timespec moment = { .tv_nsec = 50000000 };

	for (unsigned i = 0; i < LOCK_SECONDS * 20; i++) {
		if (!flock(lock, LOCK_EX | LOCK_NB))
			return 0;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		nanosleep(&moment, NULL);
	}
	return -EAGAIN;
}

int vfio_state_lock(const struct vfio_paths *paths, struct error *err)
{
	char path[PATH_MAX];
	int ret, fd;

	ret = make_folder(paths->state, err);
	snprintf(path, sizeof(path), "%s/vfio", paths->state);
	if (!ret)
		ret = make_folder(path, err);
	if (ret)
		return ret;
	snprintf(path, sizeof(path), "%s/vfio/lock", paths->state);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return say_no_folder(path, err);
	ret = vfio_state_relock(fd);
	if (!ret)
		return fd;
	close(fd);
	if (ret == -EAGAIN)
		return error_set(err, ret,
				 "another lkvm has been binding or releasing devices for too "
				 "long: 'fuser -v %s' names it",
				 path);
	return error_set(err, ret, "%s: %s", path, strerror(-ret));
}

/* ---- a record ---- */

static void record_path(const struct vfio_paths *paths, const struct vfio_address *address,
			const char *suffix, char path[PATH_MAX])
{
	char name[VFIO_ADDRESS_TEXT];

	vfio_address_format(address, name);
	snprintf(path, PATH_MAX, "%s/vfio/%s%s", paths->state, name, suffix);
}

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	size_t len = strlen(text);
	ssize_t written;
	int ret = 0;

	if (fd < 0)
		return -errno;
	written = write(fd, text, len);
	if (written != (ssize_t)len)
		ret = written < 0 ? -errno : -ENOSPC;
	else if (fsync(fd))
		ret = -errno;
	close(fd);
	return ret;
}

/* The rename itself must be on the disk too, before the device is touched. */
static int sync_folder(const struct vfio_paths *paths)
{
	char path[PATH_MAX];
	int fd, ret = 0;

	snprintf(path, sizeof(path), "%s/vfio", paths->state);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fsync(fd))
		ret = -errno;
	close(fd);
	return ret;
}

int vfio_record_write(const struct vfio_paths *paths, const struct vfio_record *record,
		      struct error *err)
{
	char path[PATH_MAX], new[PATH_MAX], text[256], taken_for[VFIO_ADDRESS_TEXT];
	int ret;

	vfio_address_format(&record->taken_for, taken_for);
	snprintf(text, sizeof(text), "for %s\ndriver %s\noverride %s\n", taken_for, record->driver,
		 record->override);
	record_path(paths, &record->address, "", path);
	record_path(paths, &record->address, ".new", new);
	ret = write_file(new, text);
	if (!ret && rename(new, path))
		ret = -errno;
	if (!ret)
		ret = sync_folder(paths);
	return ret ? error_set(err, ret, "%s: %s", path, strerror(-ret)) : 0;
}

/* The rest of the line that begins with @key. */
static void take_word(const char *text, const char *key, char *word, size_t size)
{
	const char *at = strstr(text, key);
	size_t len;

	word[0] = '\0';
	if (!at)
		return;
	at += strlen(key);
	len = strcspn(at, "\n");
	if (len < size) {
		memcpy(word, at, len);
		word[len] = '\0';
	}
}

int vfio_record_read(const struct vfio_paths *paths, const struct vfio_address *address,
		     struct vfio_record *record)
{
	char path[PATH_MAX], text[256], taken_for[VFIO_ADDRESS_TEXT];
	int len;

	memset(record, 0, sizeof(*record));
	record->address = *address;
	record_path(paths, address, "", path);
	text[0] = '\n';
	len = vfio_sysfs_read(text + 1, sizeof(text) - 1, "%s", path);
	if (len < 0)
		return len;
	take_word(text, "\nfor ", taken_for, sizeof(taken_for));
	take_word(text, "\ndriver ", record->driver, sizeof(record->driver));
	take_word(text, "\noverride ", record->override, sizeof(record->override));
	if (vfio_address_parse(&record->taken_for, taken_for, NULL))
		record->taken_for = *address;
	return 0;
}

void vfio_record_forget(const struct vfio_paths *paths, const struct vfio_address *address)
{
	char path[PATH_MAX];

	record_path(paths, address, "", path);
	unlink(path);
}

/* ---- all of them ---- */

struct search {
	const struct vfio_paths *paths;
	struct vfio_address taken_for;
	struct vfio_record *records;
	unsigned count;
};

static int add_record(void *opaque, const char *name)
{
	struct search *search = opaque;
	struct vfio_address address;
	struct vfio_record *record = &search->records[search->count];

	/* Skip the lock, and a file that a killed process left half written. */
	if (search->count == VFIO_MAX_MEMBERS || vfio_address_parse(&address, name, NULL) ||
	    vfio_record_read(search->paths, &address, record))
		return 0;
	search->count += !vfio_address_compare(&record->taken_for, &search->taken_for);
	return 0;
}

unsigned vfio_records_of(const struct vfio_paths *paths, const struct vfio_address *address,
			 struct vfio_record records[VFIO_MAX_MEMBERS])
{
	struct search search = { .paths = paths, .taken_for = *address, .records = records };

	vfio_sysfs_each(add_record, &search, "%s/vfio", paths->state);
	if (search.count)
		qsort(records, search.count, sizeof(*records), vfio_address_compare);
	return search.count;
}
