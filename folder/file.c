/* SPDX-License-Identifier: BSD-2-Clause */
/* Open files and what is done through them. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "private.h"
#include "util/iov.h"

/* What a guest may say; the rest of O_* is ours to decide. Without a cache Linux's FUSE leaves
 * O_SYNC to us. */
#define GUEST_FLAGS (O_ACCMODE | O_TRUNC | O_DIRECTORY | O_SYNC)
/* A file that is a FIFO to somebody on the host never blocks us; O_NONBLOCK is nothing to a file.
 */
#define OUR_FLAGS (O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW)

/* ---- opening ---- */

static int check_open(const struct folder *folder, const struct folder_node *node, int flags)
{
	bool writes = (flags & O_ACCMODE) != O_RDONLY || flags & O_TRUNC;

	if ((flags & O_ACCMODE) == O_ACCMODE)
		return -EINVAL;
	if (writes && folder->options.read_only)
		return -EROFS;
	if (S_ISDIR(node->key.type))
		return writes ? -EISDIR : 0;
	if (flags & O_DIRECTORY)
		return -ENOTDIR;
	/* The guest's kernel opens its own FIFOs, sockets and devices. */
	return S_ISREG(node->key.type) ? 0 : S_ISLNK(node->key.type) ? -ELOOP : -ENXIO;
}

/* Where nothing may change, times of access do not either: the host lets an owner say so. */
static int open_again(const struct folder *folder, const char *path, int flags)
{
	int fd = -1;

	if (folder->options.read_only)
		fd = open(path, flags | O_NOATIME);
	return fd < 0 ? open(path, flags) : fd;
}

static int open_node(struct folder *folder, u64 id, int flags, u64 *file)
{
	struct folder_node *node;
	struct folder_file *made;
	struct fd_name name;
	int path_fd = node_open(folder, id, &node);
	int ret;

	if (path_fd < 0)
		return path_fd;
	ret = check_open(folder, node, flags);
	if (ret) {
		node_close(folder, node);
		return ret;
	}
	/* First: an open that fails for want of a handle must not have truncated the file. */
	ret = file_new(folder, node, flags, &made);
	if (ret)
		return ret;
	/* The link in /proc leads to the inode that was checked. */
	made->fd = open_again(folder, fd_name(&name, path_fd),
			      (flags & GUEST_FLAGS) | (OUR_FLAGS & ~O_NOFOLLOW));
	ret = made->fd < 0 ? -errno : 0;
	*file = made->id;
	if (ret)
		folder_close_file(folder, made->id);
	else if ((flags & O_ACCMODE) != O_RDONLY || flags & O_TRUNC)
		node_written(folder, node, made->fd);
	file_put(folder, made);
	return ret;
}

int folder_open_file(struct folder *folder, u64 id, int flags, u64 *file)
{
	return open_node(folder, id, flags, file);
}

static int make_file(struct folder *folder, const struct folder_cred *cred, int dir_fd,
		     const char *name, int flags, u32 mode)
{
	int fd;

	cred_enter(folder, cred);
	fd = openat(dir_fd, name, (flags & GUEST_FLAGS) | O_CREAT | O_EXCL | OUR_FLAGS,
		    attr_host_mode(folder, S_IFREG | (mode & 07777)));
	fd = fd < 0 ? -errno : fd;
	cred_leave(folder, cred);
	return fd;
}

static int enter_file(struct folder *folder, const struct folder_cred *cred,
		      struct folder_node *dir, const char *name, u32 mode, int fd,
		      struct folder_entry *entry)
{
	struct fd_name link;
	int path_fd = open(fd_name(&link, fd), O_PATH | O_CLOEXEC);
	int ret;

	if (path_fd < 0)
		return -errno;
	ret = attr_keep(folder, fd, cred, S_IFREG | (mode & 07777), 0, 0);
	if (!ret)
		ret = node_enter(folder, dir, name, path_fd, entry);
	if (ret)
		close(path_fd);
	return ret;
}

/* The descriptor that made the file is the guest's, as its mode may forbid to open it again. */
static int adopt_new(struct folder *folder, const struct folder_cred *cred, struct folder_node *dir,
		     const char *name, int flags, u32 mode, int fd, struct folder_entry *entry,
		     u64 *file)
{
	struct folder_node *node;
	struct folder_file *made;
	int ret = enter_file(folder, cred, dir, name, mode, fd, entry);
	int path_fd;

	if (!ret) {
		path_fd = node_open(folder, entry->node, &node);
		ret = path_fd < 0 ? path_fd : file_new(folder, node, flags, &made);
		if (!ret) {
			made->fd = fd;
			*file = made->id;
			file_put(folder, made);
			return 0;
		}
		folder_forget(folder, entry->node, 1);
	}
	entry_take_back(dir->fd, name, fd);
	close(fd);
	return ret;
}

static int create_in(struct folder *folder, const struct folder_cred *cred, struct folder_node *dir,
		     const char *name, int flags, u32 mode, struct folder_entry *entry, u64 *file)
{
	int fd = make_file(folder, cred, dir->fd, name, flags, mode);

	if (fd >= 0)
		return adopt_new(folder, cred, dir, name, flags, mode, fd, entry, file);
	if (fd != -EEXIST || flags & O_EXCL)
		return fd;
	fd = folder_lookup(folder, dir->id, name, entry);
	if (fd)
		return fd;
	fd = open_node(folder, entry->node, flags, file);
	if (fd)
		folder_forget(folder, entry->node, 1);
	return fd;
}

int folder_create(struct folder *folder, const struct folder_cred *cred, u64 dir_id,
		  const char *name, int flags, u32 mode, struct folder_entry *entry, u64 *file)
{
	struct folder_node *dir;
	int ret = name_check(name);

	if (!ret && (flags & O_ACCMODE) == O_ACCMODE)
		ret = -EINVAL;
	if (ret)
		return ret;
	if (folder->options.read_only)
		return -EROFS;
	ret = node_open(folder, dir_id, &dir);
	if (ret < 0)
		return ret;
	ret = create_in(folder, cred, dir, name, flags, mode, entry, file);
	node_close(folder, dir);
	return ret;
}

/* ---- contents ---- */

static bool offset_fits(u64 offset, u64 len)
{
	return offset <= INT64_MAX && len <= INT64_MAX - offset;
}

/* Pieces of memory in a call that goes on with what another has left. */
#define REST_PIECES 64

typedef ssize_t move_call(int fd, const struct iovec *iov, int count, off_t offset);

static ssize_t move_once(move_call *move, int fd, const struct iovec *iov, unsigned count,
			 u64 offset)
{
	ssize_t moved;

	do
		moved = move(fd, iov, count, offset);
	while (moved < 0 && errno == EINTR);
	return moved;
}

/* The first pieces of what is behind @skip bytes. */
static unsigned rest_of(const struct iovec *iov, unsigned count, size_t skip,
			struct iovec rest[REST_PIECES])
{
	unsigned used = 0;

	for (; count && used < REST_PIECES; iov++, count--) {
		size_t passed = MIN(skip, iov->iov_len);

		skip -= passed;
		if (passed < iov->iov_len)
			rest[used++] = (struct iovec){ (char *)iov->iov_base + passed,
						       iov->iov_len - passed };
	}
	return used;
}

/*
 * A call is short at the end of the file, and where the host fails in the midst of it: which of
 * both it was the next one says. The guest's kernel takes short for the end. What was moved before
 * the failure is in *@done.
 */
static int transfer(move_call *move, int fd, const struct iovec *iov, unsigned count, u64 offset,
		    size_t *done)
{
	size_t len = iov_length(iov, count);
	ssize_t moved = move_once(move, fd, iov, count, offset);

	for (*done = MAX(moved, 0); moved > 0 && *done < len; *done += MAX(moved, 0)) {
		struct iovec rest[REST_PIECES];
		unsigned pieces = rest_of(iov, count, *done, rest);

		moved = move_once(move, fd, rest, pieces, offset + *done);
	}
	return moved < 0 ? -errno : 0;
}

s64 folder_read(struct folder *folder, u64 id, const struct iovec *iov, unsigned count, u64 offset)
{
	struct folder_file *file = file_get(folder, id);
	size_t done;
	int ret = -EINVAL;

	if (!file)
		return -EBADF;
	if (offset_fits(offset, 0))
		ret = transfer(preadv, file->fd, iov, count, offset, &done);
	file_put(folder, file);
	return ret ? ret : (s64)done;
}

/*
 * The guest's idea of where the file ends is as old as its cache, and others append to it. The
 * offset is for overlayfs, which before Linux 6.7 does not pass the flag on.
 */
static ssize_t append_there(int fd, const struct iovec *iov, int count, off_t offset)
{
	struct stat st;

	if (fstat(fd, &st))
		return -1;
	return pwritev2(fd, iov, count, st.st_size, RWF_APPEND);
}

s64 folder_write(struct folder *folder, u64 id, const struct iovec *iov, unsigned count, u64 offset)
{
	struct folder_file *file = file_get(folder, id);
	size_t done = 0;
	int ret = -EINVAL;

	if (!file)
		return -EBADF;
	if (offset_fits(offset, 0))
		ret = transfer(file->flags & O_APPEND ? append_there : pwritev, file->fd, iov,
			       count, offset, &done);
	file_put(folder, file);
	return done ? (s64)done : ret;
}

s64 folder_append(struct folder *folder, u64 id, const struct iovec *iov, unsigned count)
{
	struct folder_file *file = file_get(folder, id);
	size_t done;
	int ret;

	if (!file)
		return -EBADF;
	ret = transfer(append_there, file->fd, iov, count, 0, &done);
	file_put(folder, file);
	return done ? (s64)done : ret;
}

int folder_fsync(struct folder *folder, u64 id, bool data_only)
{
	struct folder_file *file = file_get(folder, id);
	int ret;

	if (!file)
		return -EBADF;
	ret = (data_only ? fdatasync(file->fd) : fsync(file->fd)) ? -errno : 0;
	file_put(folder, file);
	return ret;
}

int folder_fsync_written(struct folder *folder, u64 id, int flags)
{
	struct folder_file *file = file_get(folder, id);
	int ret = 0;

	if (!file)
		return -EBADF;
	/* O_SYNC is O_DSYNC and one bit more. */
	if (flags & ~file->flags & (O_SYNC & ~O_DSYNC))
		ret = fsync(file->fd) ? -errno : 0;
	else if (flags & ~file->flags & O_DSYNC)
		ret = fdatasync(file->fd) ? -errno : 0;
	file_put(folder, file);
	return ret;
}

int folder_flush(struct folder *folder, u64 id)
{
	struct folder_file *file = file_get(folder, id);
	int copy, ret = 0;

	if (!file)
		return -EBADF;
	if ((file->flags & O_ACCMODE) != O_RDONLY) {
		copy = fcntl(file->fd, F_DUPFD_CLOEXEC, 0);
		if (copy >= 0 && close(copy))
			ret = -errno;
	}
	file_put(folder, file);
	return ret;
}

int folder_fallocate(struct folder *folder, u64 id, int mode, u64 offset, u64 len)
{
	struct folder_file *file = file_get(folder, id);
	int ret = -EINVAL;

	if (!file)
		return -EBADF;
	if (offset_fits(offset, len))
		ret = fallocate(file->fd, mode, offset, len) ? -errno : 0;
	file_put(folder, file);
	return ret;
}

static s64 copy_between(int from, u64 from_offset, int to, u64 to_offset, u64 len)
{
	loff_t in = from_offset, out = to_offset;
	ssize_t moved;

	if (!offset_fits(from_offset, len) || !offset_fits(to_offset, len))
		return -EINVAL;
	moved = copy_file_range(from, &in, to, &out, len, 0);
	return moved < 0 ? -errno : moved;
}

s64 folder_copy_range(struct folder *folder, u64 from, u64 from_offset, u64 to, u64 to_offset,
		      u64 len)
{
	struct folder_file *in = file_get(folder, from), *out = file_get(folder, to);
	s64 ret = -EBADF;

	if (in && out)
		ret = copy_between(in->fd, from_offset, out->fd, to_offset, len);
	if (in)
		file_put(folder, in);
	if (out)
		file_put(folder, out);
	return ret;
}

s64 folder_lseek(struct folder *folder, u64 id, u64 offset, int whence)
{
	struct folder_file *file = file_get(folder, id);
	s64 ret = -EINVAL;

	if (!file)
		return -EBADF;
	/* A directory's position is folder_readdir()'s. */
	if (offset_fits(offset, 0) && S_ISREG(file->node->key.type) &&
	    (whence == SEEK_DATA || whence == SEEK_HOLE)) {
		ret = lseek(file->fd, offset, whence);
		ret = ret < 0 ? -errno : ret;
	}
	file_put(folder, file);
	return ret;
}

typedef int lock_call(struct folder *folder, struct folder_file *file, u64 owner,
		      struct flock *flock);

static int change_lock(lock_call *change, struct folder *folder, u64 id, u64 owner, short type,
		       u64 start, u64 len)
{
	struct flock flock = {
		.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len
	};
	struct folder_file *file;
	int ret;

	if (!offset_fits(start, len))
		return -EINVAL;
	file = file_get(folder, id);
	if (!file)
		return -EBADF;
	ret = change(folder, file, owner, &flock);
	file_put(folder, file);
	return ret;
}

int folder_lock(struct folder *folder, u64 id, u64 owner, short type, u64 start, u64 len)
{
	return change_lock(lock_set, folder, id, owner, type, start, len);
}

int folder_unlock(struct folder *folder, u64 id, u64 owner, u64 start, u64 len)
{
	return change_lock(lock_unset, folder, id, owner, F_UNLCK, start, len);
}

int folder_test_lock(struct folder *folder, u64 id, u64 owner, short *type, u64 *start, u64 *len)
{
	struct flock flock = {
		.l_type = *type, .l_whence = SEEK_SET, .l_start = *start, .l_len = *len
	};
	struct folder_file *file;
	int ret;

	if (!offset_fits(*start, *len))
		return -EINVAL;
	file = file_get(folder, id);
	if (!file)
		return -EBADF;
	ret = lock_test(folder, file, owner, &flock);
	file_put(folder, file);
	if (ret)
		return ret;
	*type = flock.l_type;
	*start = flock.l_start;
	*len = flock.l_len;
	return 0;
}
