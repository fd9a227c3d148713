/* SPDX-License-Identifier: BSD-2-Clause */
/* A folder by system calls. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "load.h"

static struct load_posix *to_posix(struct load_target *target)
{
	return container_of(target, struct load_posix, target);
}

static s64 result(s64 ret)
{
	return ret < 0 ? -errno : ret;
}

static void fill_stat(struct load_stat *out, const struct stat *st)
{
	*out = (struct load_stat){
		.mode = st->st_mode,
		.nlink = st->st_nlink,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.size = S_ISREG(st->st_mode) || S_ISLNK(st->st_mode) ? st->st_size : 0,
		.mtime = st->st_mtim.tv_sec,
		.mtime_nsec = st->st_mtim.tv_nsec,
	};
}

static int posix_stat(struct load_target *target, const char *path, struct load_stat *out)
{
	struct stat st;

	if (fstatat(to_posix(target)->dir, path, &st, AT_SYMLINK_NOFOLLOW))
		return -errno;
	fill_stat(out, &st);
	return 0;
}

static int posix_mkdir(struct load_target *target, const char *path, mode_t mode)
{
	return result(mkdirat(to_posix(target)->dir, path, mode));
}

static int posix_mkfifo(struct load_target *target, const char *path, mode_t mode)
{
	return result(mkfifoat(to_posix(target)->dir, path, mode));
}

static int posix_symlink(struct load_target *target, const char *to, const char *path)
{
	return result(symlinkat(to, to_posix(target)->dir, path));
}

static int posix_link(struct load_target *target, const char *from, const char *path)
{
	int dir = to_posix(target)->dir;

	return result(linkat(dir, from, dir, path, 0));
}

static int posix_unlink(struct load_target *target, const char *path)
{
	return result(unlinkat(to_posix(target)->dir, path, 0));
}

static int posix_rmdir(struct load_target *target, const char *path)
{
	return result(unlinkat(to_posix(target)->dir, path, AT_REMOVEDIR));
}

static int posix_rename(struct load_target *target, const char *from, const char *to,
			unsigned flags)
{
	int dir = to_posix(target)->dir;

	return result(syscall(SYS_renameat2, dir, from, dir, to, flags));
}

/* What is no file or directory has other ways to it than chmod() and open(). */
static bool is_plain(struct load_target *target, const char *path, int *error)
{
	struct load_stat st;

	*error = posix_stat(target, path, &st);
	if (!*error && S_ISLNK(st.mode))
		*error = -ELOOP;
	else if (!*error && !S_ISREG(st.mode) && !S_ISDIR(st.mode))
		*error = -ENXIO;
	return !*error;
}

static int posix_chmod(struct load_target *target, const char *path, mode_t mode)
{
	int error;

	return is_plain(target, path, &error)
		       ? result(fchmodat(to_posix(target)->dir, path, mode, 0))
		       : error;
}

static int posix_truncate(struct load_target *target, const char *path, u64 size)
{
	char link[64];
	int error, fd, ret;

	if (!is_plain(target, path, &error))
		return error;
	fd = openat(to_posix(target)->dir, path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ret = result(truncate(link, size));
	close(fd);
	return ret;
}

static int posix_utimes(struct load_target *target, const char *path, s64 sec, u32 nsec)
{
	const struct timespec times[2] = { { sec, nsec }, { sec, nsec } };

	return result(utimensat(to_posix(target)->dir, path, times, AT_SYMLINK_NOFOLLOW));
}

static int posix_readlink(struct load_target *target, const char *path, char *to, size_t size)
{
	return result(readlinkat(to_posix(target)->dir, path, to, size));
}

static int posix_list(struct load_target *target, const char *path, struct load_names *names)
{
	int fd = openat(to_posix(target)->dir, *path ? path : ".",
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct dirent *entry;
	DIR *dir;

	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	names->count = 0;
	while ((entry = readdir(dir)) && names->count < LOAD_NAMES) {
		snprintf(names->entries[names->count].name, 256, "%s", entry->d_name);
		names->entries[names->count++].type = entry->d_type;
	}
	closedir(dir);
	return 0;
}

static const char *full_path(struct load_target *target, const char *path, char *buffer,
			     size_t size)
{
	snprintf(buffer, size, "/proc/self/fd/%d/%s", to_posix(target)->dir, path);
	return buffer;
}

static int posix_setxattr(struct load_target *target, const char *path, const char *name,
			  const void *value, size_t size, int flags)
{
	char full[1200];

	return result(
		lsetxattr(full_path(target, path, full, sizeof(full)), name, value, size, flags));
}

static int posix_getxattr(struct load_target *target, const char *path, const char *name,
			  void *value, size_t size)
{
	char full[1200];

	return result(lgetxattr(full_path(target, path, full, sizeof(full)), name, value, size));
}

static int posix_removexattr(struct load_target *target, const char *path, const char *name)
{
	char full[1200];

	return result(lremovexattr(full_path(target, path, full, sizeof(full)), name));
}

/* ---- handles ---- */

static int posix_open(struct load_target *target, unsigned n, const char *path, int flags,
		      mode_t mode)
{
	struct load_posix *posix = to_posix(target);
	int error, fd;

	if (!is_plain(target, path, &error) && error != -ENOENT && !(flags & O_EXCL))
		return error;
	fd = openat(posix->dir, path, flags | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0)
		return -errno;
	posix->handles[n] = fd;
	return 0;
}

static void posix_close(struct load_target *target, unsigned n)
{
	close(to_posix(target)->handles[n]);
}

static int posix_fstat(struct load_target *target, unsigned n, struct load_stat *out)
{
	struct stat st;

	if (fstat(to_posix(target)->handles[n], &st))
		return -errno;
	fill_stat(out, &st);
	return 0;
}

static int posix_ftruncate(struct load_target *target, unsigned n, u64 size)
{
	return result(ftruncate(to_posix(target)->handles[n], size));
}

static int posix_fsync(struct load_target *target, unsigned n)
{
	return result(fsync(to_posix(target)->handles[n]));
}

static s64 posix_read(struct load_target *target, unsigned n, void *data, size_t size, u64 offset)
{
	return result(pread(to_posix(target)->handles[n], data, size, offset));
}

static s64 posix_write(struct load_target *target, unsigned n, const void *data, size_t size,
		       u64 offset)
{
	return result(pwrite(to_posix(target)->handles[n], data, size, offset));
}

static s64 map_and_copy(int fd, int protection, void *to, const void *from, s64 size, u64 offset)
{
	u64 page = offset & ~(u64)65535, len = size + (offset - page);
	char *at = mmap(NULL, len, protection, MAP_SHARED, fd, page);

	if (at == MAP_FAILED)
		return -errno;
	if (to)
		memcpy(to, at + (offset - page), size);
	else
		memcpy(at + (offset - page), from, size);
	/* Linux's FUSE looks for holes in what was written back alone. */
	if (from && msync(at, len, MS_SYNC))
		size = -errno;
	munmap(at, len);
	return size;
}

static s64 posix_map_read(struct load_target *target, unsigned n, void *data, size_t size,
			  u64 offset)
{
	return map_and_copy(to_posix(target)->handles[n], PROT_READ, data, NULL, size, offset);
}

static s64 posix_map_write(struct load_target *target, unsigned n, const void *data, size_t size,
			   u64 offset)
{
	return map_and_copy(to_posix(target)->handles[n], PROT_READ | PROT_WRITE, NULL, data, size,
			    offset);
}

static int posix_fallocate_(struct load_target *target, unsigned n, int mode, u64 offset, u64 len)
{
	return result(fallocate(to_posix(target)->handles[n], mode, offset, len));
}

static s64 posix_copy(struct load_target *target, unsigned from, u64 from_offset, unsigned to,
		      u64 to_offset, size_t len)
{
	struct load_posix *posix = to_posix(target);
	loff_t in = from_offset, out = to_offset;

	return result(copy_file_range(posix->handles[from], &in, posix->handles[to], &out, len, 0));
}

static s64 posix_seek(struct load_target *target, unsigned n, u64 offset, int whence)
{
	return result(lseek(to_posix(target)->handles[n], offset, whence));
}

static const struct load_ops posix_ops = {
	.stat = posix_stat,
	.mkdir = posix_mkdir,
	.mkfifo = posix_mkfifo,
	.symlink = posix_symlink,
	.link = posix_link,
	.unlink = posix_unlink,
	.rmdir = posix_rmdir,
	.rename = posix_rename,
	.chmod = posix_chmod,
	.truncate = posix_truncate,
	.utimes = posix_utimes,
	.readlink = posix_readlink,
	.list = posix_list,
	.setxattr = posix_setxattr,
	.getxattr = posix_getxattr,
	.removexattr = posix_removexattr,
	.open = posix_open,
	.close = posix_close,
	.fstat = posix_fstat,
	.ftruncate = posix_ftruncate,
	.fsync = posix_fsync,
	.read = posix_read,
	.write = posix_write,
	.map_read = posix_map_read,
	.map_write = posix_map_write,
	.fallocate = posix_fallocate_,
	.copy = posix_copy,
	.seek = posix_seek,
};

int load_posix_open(struct load_posix *posix, const char *path)
{
	*posix = (struct load_posix){
		.target = { path,
			    LOAD_FALLOCATE | LOAD_COPY | LOAD_SEEK | LOAD_RENAME_FLAGS |
				    LOAD_XATTR | LOAD_MAP | LOAD_APPEND,
			    &posix_ops },
		.dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
	};
	return posix->dir < 0 ? -errno : 0;
}

void load_posix_close(struct load_posix *posix)
{
	close(posix->dir);
}
