/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "boot_cache_private.h"
#include "util/aside.h"
#include "util/range.h"
#include "vmm/boot_cache.h"

/* Kernels that differ do so nearly everywhere, as they are packed. */
#define SAMPLES	    16
#define SAMPLE_SIZE 4096
#define NAME_SIZE   (BOOT_CACHE_KEY + 8)
#define FILLING	    "filling"

static void entry_name(const struct boot_cache *cache, const char *suffix, char *name)
{
	snprintf(name, NAME_SIZE, "%s.%s", cache->key, suffix);
}

/* ---- finding ---- */

static bool make_key(struct boot_cache *cache)
{
	u64 size = cache->kernel_size, sum = boot_sum(0, &size, sizeof(size));
	u8 sample[SAMPLE_SIZE];

	for (unsigned i = 0; i <= SAMPLES; i++) {
		u64 last = size > SAMPLE_SIZE ? size - SAMPLE_SIZE : 0;
		ssize_t len = pread(cache->kernel_fd, sample, sizeof(sample),
				    (off_t)(last / SAMPLES * i));

		if (len < 0)
			return false;
		sum = boot_sum(sum, sample, len);
	}
	snprintf(cache->key, sizeof(cache->key), "%016llx", (unsigned long long)sum);
	return true;
}

static bool find_entry(struct boot_cache *cache, const char *suffix)
{
	char name[NAME_SIZE];
	int fd;

	entry_name(cache, suffix, name);
	fd = boot_folder_open_entry(cache->folder, name);
	if (fd < 0)
		return false;
	if (!boot_entry_open(&cache->entry, fd, cache->kernel_fd, cache->kernel_size))
		return true;
	close(fd);
	return false;
}

static bool is_refused(const struct boot_cache *cache)
{
	char name[NAME_SIZE];

	entry_name(cache, "bad", name);
	return !faccessat(cache->folder, name, F_OK, AT_SYMLINK_NOFOLLOW);
}

static enum boot_cache_state find(struct boot_cache *cache)
{
	if (cache->folder < 0)
		return BOOT_CACHE_MISSING;
	if (find_entry(cache, "ok"))
		return BOOT_CACHE_GOOD;
	if (find_entry(cache, "try"))
		return BOOT_CACHE_TRIED;
	return is_refused(cache) ? BOOT_CACHE_REFUSED : BOOT_CACHE_MISSING;
}

static const char *no_folder(int ret)
{
	switch (ret) {
	case -EINVAL:
		return "neither XDG_CACHE_HOME nor HOME says where";
	case -EPERM:
		return "its folder or the one around that is another user's, or others may write "
		       "to it";
	default:
		return strerror(-ret);
	}
}

void boot_cache_find(struct boot_cache *cache, int kernel_fd, u64 kernel_size)
{
	*cache = (struct boot_cache){
		.kernel_fd = kernel_fd,
		.kernel_size = kernel_size,
		.entry.fd = -1,
		.filler_fd = -1,
	};
	cache->folder = boot_folder_open(false);
	if (cache->folder < 0 && cache->folder != -ENOENT)
		cache->why = no_folder(cache->folder);
	else if (kernel_size > BOOT_IMAGE_MAX || !make_key(cache))
		cache->why = "the kernel cannot be read";
	else
		cache->state = find(cache);
}

void boot_cache_close_files(struct boot_cache *cache)
{
	boot_entry_close(&cache->entry);
	if (cache->folder >= 0)
		close(cache->folder);
	cache->folder = -1;
}

void boot_cache_close(struct boot_cache *cache)
{
	boot_cache_close_files(cache);
	if (cache->filler_fd >= 0)
		close(cache->filler_fd);
	cache->filler_fd = -1;
}

static void drop(void *arg)
{
	const struct boot_cache *cache = arg;
	char name[NAME_SIZE];

	entry_name(cache, cache->state == BOOT_CACHE_GOOD ? "ok" : "try", name);
	unlinkat(cache->folder, name, 0);
}

void boot_cache_drop(struct boot_cache *cache)
{
	aside_call("lkvm-cache", drop, cache);
	boot_entry_close(&cache->entry);
	cache->state = BOOT_CACHE_OFF;
	cache->why = "its entry was damaged";
}

/* ---- filling ---- */

static bool has_room(int folder, u64 size)
{
	struct statvfs fs;

	return !fstatvfs(folder, &fs) && size <= (u64)fs.f_bavail * fs.f_frsize / 2;
}

/* The most that an entry may take of it: the pages that are zero are not known yet. */
static u64 most_bytes(const struct boot_cache *cache, const struct boot_image *image)
{
	return cache->kernel_size + image->size + image->list_count * sizeof(u32);
}

static int write_entry(const struct boot_cache *cache, const struct boot_image *image,
		       u64 kernel_sum)
{
	int fd, ret;

	if (!has_room(cache->folder, most_bytes(cache, image)))
		return -ENOSPC;
	/* What a filler that was killed left of it goes. */
	fd = openat(cache->folder, FILLING, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
		    0600);
	if (fd < 0)
		return -errno;
	ret = boot_image_write(image, cache->kernel_fd, cache->kernel_size, kernel_sum, fd);
	if (close(fd) && !ret)
		ret = -errno;
	return ret;
}

static int keep_image(const struct boot_cache *cache, const struct boot_image *image,
		      u64 kernel_sum)
{
	u64 most = most_bytes(cache, image);
	char name[NAME_SIZE];
	int ret;

	if (most > BOOT_CACHE_MAX)
		return -EINVAL;
	boot_folder_trim(cache->folder, BOOT_CACHE_MAX - most);
	ret = write_entry(cache, image, kernel_sum);
	entry_name(cache, image->proved ? "ok" : "try", name);
	if (!ret && renameat(cache->folder, FILLING, cache->folder, name))
		ret = -errno;
	if (ret)
		unlinkat(cache->folder, FILLING, 0);
	return ret;
}

/* So that it is not tried at each run. */
static void refuse(const struct boot_cache *cache)
{
	char name[NAME_SIZE];
	int fd;

	entry_name(cache, "bad", name);
	fd = openat(cache->folder, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0)
		close(fd);
	boot_folder_trim(cache->folder, BOOT_CACHE_MAX);
}

/* What a kernel takes at least, copy and all. Without room for it, unpacking would be for nothing.
 */
#define LEAST_GROWTH 3

/*
 * A build may write a new kernel into the file at any time, and that one may have the old one's
 * size and name in the cache. What was unpacked, or could not be, is then of neither.
 */
static int unpack_and_keep(const struct boot_cache *cache, const struct boot_cache_source *source)
{
	struct boot_image image = { 0 };
	u64 before, after;
	int ret = boot_kernel_sum(cache->kernel_fd, cache->kernel_size, &before);

	if (ret)
		return ret;
	ret = source->unpack(source->arg, &image);
	if (!ret)
		ret = keep_image(cache, &image, before);
	boot_image_free(&image);
	if (ret != -EINVAL && ret != -EOPNOTSUPP)
		return ret;
	if (boot_kernel_sum(cache->kernel_fd, cache->kernel_size, &after) || before != after)
		return -ESTALE;
	refuse(cache);
	return ret;
}

static int fill_locked(struct boot_cache *cache, const struct boot_cache_source *source)
{
	if (find(cache) != BOOT_CACHE_MISSING)
		return -EEXIST;
	if (!has_room(cache->folder, LEAST_GROWTH * cache->kernel_size))
		return -ENOSPC;
	return unpack_and_keep(cache, source);
}

int boot_cache_fill(struct boot_cache *cache, const struct boot_cache_source *source)
{
	int lock, ret;

	if (cache->folder < 0)
		cache->folder = boot_folder_open(true);
	if (cache->folder < 0)
		return cache->folder;
	lock = boot_folder_lock(cache->folder);
	if (lock < 0)
		return lock;
	ret = fill_locked(cache, source);
	close(lock);
	return ret;
}

void boot_cache_mark(const struct boot_cache *cache, bool ran)
{
	char from[NAME_SIZE], to[NAME_SIZE];

	entry_name(cache, "try", from);
	entry_name(cache, "ok", to);
	if (ran) {
		renameat(cache->folder, from, cache->folder, to);
		return;
	}
	refuse(cache);
	unlinkat(cache->folder, from, 0);
}
