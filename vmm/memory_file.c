/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "util/aside.h"
#include "vmm/memory_file.h"

struct making {
	struct memory_file *file;
	const char *folder;
	const struct range *ranges;
	unsigned count;
	u64 size;
	long long left; /* pages that the host had before; -1: it does not say */
	struct error *err;
	int ret;
};

static long long free_pages(u64 page_size)
{
	long long count = -1;
	char path[80];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%llukB/free_hugepages",
		 (unsigned long long)(page_size / KIB));
	file = fopen(path, "re");
	if (!file)
		return -1;
	if (fscanf(file, "%lld", &count) != 1)
		count = -1;
	fclose(file);
	return count;
}

static int say_missing(const struct making *making, struct error *err)
{
	const u64 page = making->file->page_size;

	return error_set(err, -ENOMEM,
			 "--hugetlbfs %s: RAM takes %llu pages of %llu KiB, and of the host's %lld "
			 "free ones there are not so many for it: raise "
			 "/proc/sys/vm/nr_hugepages, or what limits the folder",
			 making->folder, (unsigned long long)(making->size / page),
			 (unsigned long long)(page / KIB), making->left);
}

/* Linux before 5.19 has no files without names there. */
static int open_unnamed(const char *folder)
{
	int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	char *path;

	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
		return fd >= 0 ? fd : -errno;
	if (asprintf(&path, "%s/lkvm.XXXXXX", folder) < 0)
		return -ENOMEM;
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		fd = -errno;
	else
		unlink(path);
	free(path);
	return fd;
}

static int check_folder(struct making *making)
{
	struct statfs fs;

	if (statfs(making->folder, &fs))
		return error_set(making->err, -errno, "--hugetlbfs %s: %s", making->folder,
				 strerror(errno));
	if ((unsigned long)fs.f_type != HUGETLBFS_MAGIC)
		return error_set(making->err, -EINVAL,
				 "--hugetlbfs %s: is not on a file system of huge pages: 'mount -t "
				 "hugetlbfs none FOLDER' makes one",
				 making->folder);
	making->file->page_size = fs.f_bsize;
	making->left = free_pages(fs.f_bsize);
	for (unsigned i = 0; i < making->count; i++) {
		u64 size = making->ranges[i].last - making->ranges[i].start + 1;

		if (!is_aligned(size, (u64)fs.f_bsize))
			return error_set(making->err, -EINVAL,
					 "--hugetlbfs %s: %llu KiB of RAM are no multiple of its "
					 "pages of %llu KiB",
					 making->folder, (unsigned long long)(size / KIB),
					 (unsigned long long)(fs.f_bsize / KIB));
		making->size += size;
	}
	return 0;
}

/* The pages are the file's from here on, mapped or not. */
static int take_pages(struct making *making)
{
	int fd = making->file->fd, ret;

	do
		ret = ftruncate(fd, making->size) || fallocate(fd, 0, 0, making->size) ? -errno : 0;
	while (ret == -EINTR);
	if (ret == -ENOSPC || ret == -ENOMEM)
		return say_missing(making, making->err);
	return ret ? error_set(making->err, ret, "--hugetlbfs %s: %s", making->folder,
			       strerror(-ret))
		   : 0;
}

static void make(void *arg)
{
	struct making *making = arg;

	making->ret = check_folder(making);
	if (making->ret)
		return;
	making->file->fd = open_unnamed(making->folder);
	if (making->file->fd < 0)
		making->ret = error_set(making->err, making->file->fd,
					"--hugetlbfs %s: no file can be made there: %s",
					making->folder, strerror(-making->file->fd));
	else
		making->ret = take_pages(making);
}

int memory_file_create(struct memory_file *file, const char *folder, const struct range *ranges,
		       unsigned count, struct error *err)
{
	struct making making = { .file = file,
				 .folder = folder,
				 .ranges = ranges,
				 .count = count,
				 .err = err,
				 .ret = -EIO };

	file->fd = -1;
	/* The name may lead to a file system that does not answer. */
	aside_call("lkvm-memory", make, &making);
	if (making.ret)
		memory_file_close(file);
	return making.ret;
}

void memory_file_close(struct memory_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
}
