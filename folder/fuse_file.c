/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations on open files. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "fuse_private.h"
#include "util/iov.h"

/*
 * With the writeback cache the guest reads a page before it writes part of it, and gives offsets
 * of its own for O_APPEND: fuse.rst, "writeback_cache".
 */
static int flags_to_open(const struct fuse *fuse, u32 flags)
{
	if (fuse->options.writeback && (flags & O_ACCMODE) == O_WRONLY)
		flags = (flags & ~O_ACCMODE) | O_RDWR;
	/* Pages that were mapped are written through any handle: each WRITE says what it is. */
	return flags & ~O_APPEND;
}

/*
 * The flags of a second try; false: there is none. Who may only write a file opens it so, as on a
 * local file system: without the cache then, as no page can be read for it.
 */
static bool flags_without_read(const struct fuse *fuse, u32 flags, int error, int *again)
{
	*again = flags & ~O_APPEND;
	return error == -EACCES && *again != flags_to_open(fuse, flags);
}

/*
 * Whether it is to go to the end of the file, wherever that is by now. With the writeback cache the
 * guest alone knows the end; of a large direct write it sends the parts all at once.
 */
static bool is_append(const struct fuse *fuse, const struct fuse_write_in *in)
{
	return in->flags & O_APPEND && !(in->flags & O_DIRECT) &&
	       !(in->write_flags & FUSE_WRITE_CACHE) && !fuse->options.writeback;
}

static int kill_privilege(struct fuse_call *call, u64 node)
{
	static const struct folder_attr nothing;
	struct folder_attr now;

	return folder_setattr(call->folder, node, 0, FOLDER_SET_KILL_PRIV, &nothing, &now);
}

static int give_open(struct fuse_call *call, u64 file, u32 flags)
{
	struct fuse_open_out *out = fuse_give(call, sizeof(*out));

	if (!out) {
		folder_close_file(call->folder, file);
		return -EIO;
	}
	out->fh = file;
	out->open_flags = flags;
	return 0;
}

int fuse_op_open(struct fuse_call *call)
{
	const struct fuse_open_in *in = fuse_take(call, sizeof(*in));
	u32 open_flags = fuse_open_flags(call->fuse, false);
	int ret, again;
	u64 file;

	if (!in)
		return -EINVAL;
	ret = folder_open_file(call->folder, call->head.nodeid,
			       flags_to_open(call->fuse, in->flags), &file);
	if (flags_without_read(call->fuse, in->flags, ret, &again)) {
		open_flags = FOPEN_DIRECT_IO;
		ret = folder_open_file(call->folder, call->head.nodeid, again, &file);
	}
	if (!ret && in->open_flags & FUSE_OPEN_KILL_SUIDGID)
		kill_privilege(call, call->head.nodeid);
	return ret ? ret : give_open(call, file, open_flags);
}

int fuse_op_opendir(struct fuse_call *call)
{
	const struct fuse_open_in *in = fuse_take(call, sizeof(*in));
	u64 file;
	int ret;

	if (!in)
		return -EINVAL;
	ret = folder_open_file(call->folder, call->head.nodeid, O_RDONLY | O_DIRECTORY, &file);
	return ret ? ret : give_open(call, file, fuse_open_flags(call->fuse, true));
}

int fuse_op_create(struct fuse_call *call)
{
	const struct fuse_create_in *in = fuse_take(call, sizeof(*in));
	const char *name = in ? fuse_take_name(call) : NULL;
	u32 open_flags = fuse_open_flags(call->fuse, false);
	struct folder_entry entry;
	int ret, again;
	u64 file;

	if (!name)
		return -EINVAL;
	ret = folder_create(call->folder, &call->cred, call->head.nodeid, name,
			    flags_to_open(call->fuse, in->flags), in->mode, &entry, &file);
	if (flags_without_read(call->fuse, in->flags, ret, &again)) {
		open_flags = FOPEN_DIRECT_IO;
		ret = folder_create(call->folder, &call->cred, call->head.nodeid, name, again,
				    in->mode, &entry, &file);
	}
	if (ret)
		return ret;
	ret = fuse_give_entry(call, &entry);
	if (ret) {
		folder_close_file(call->folder, file);
		return ret;
	}
	ret = give_open(call, file, open_flags);
	if (ret)
		folder_forget(call->folder, entry.node, 1);
	return ret;
}

int fuse_op_read(struct fuse_call *call)
{
	const struct fuse_read_in *in = fuse_take(call, sizeof(*in));
	unsigned count;
	s64 len;

	if (!in)
		return -EINVAL;
	if (in->size > call->room || call->out_count > call->slice_max)
		return -EINVAL;
	count = iov_slice(call->out, call->out_count, sizeof(struct fuse_out_header), in->size,
			  call->slice);
	len = folder_read(call->folder, in->fh, call->slice, count, in->offset);
	if (len < 0)
		return len;
	call->direct = len;
	return 0;
}

/* Bytes of the message that come before those that it writes. */
#define WRITE_HEAD (sizeof(struct fuse_in_header) + sizeof(struct fuse_write_in))

/* From byte @done of the data on. */
static s64 write_data(struct fuse_call *call, const struct fuse_write_in *in, u32 done)
{
	unsigned count = iov_slice(call->in, call->in_count, WRITE_HEAD + done, in->size - done,
				   call->slice);

	return is_append(call->fuse, in)
		       ? folder_append(call->folder, in->fh, call->slice, count)
		       : folder_write(call->folder, in->fh, call->slice, count, in->offset + done);
}

/*
 * Whoever wrote a page of the guest's cache was told long ago that it is written. Linux does not
 * look at how much of it has come to the file, but for an error alone, which its fsync() then has.
 */
static s64 write_whole(struct fuse_call *call, const struct fuse_write_in *in)
{
	s64 done = write_data(call, in, 0);

	while (done >= 0 && done < in->size && in->write_flags & FUSE_WRITE_CACHE) {
		s64 more = write_data(call, in, done);

		if (more <= 0)
			return more ? more : -EIO;
		done += more;
	}
	return done;
}

int fuse_op_write(struct fuse_call *call)
{
	const struct fuse_write_in *in = fuse_take(call, sizeof(*in));
	struct fuse_write_out *out;
	s64 len;

	if (!in || in->size != call->head.len - WRITE_HEAD || call->in_count > call->slice_max)
		return -EINVAL;
	if (in->write_flags & FUSE_WRITE_KILL_SUIDGID)
		kill_privilege(call, call->head.nodeid);
	out = fuse_give(call, sizeof(*out));
	if (!out)
		return -EIO;
	len = write_whole(call, in);
	if (len < 0)
		return len;
	out->size = len;
	/* A single write may be so (RWF_DSYNC), or the file system (mount -o sync). */
	return folder_fsync_written(call->folder, in->fh, in->flags);
}

int fuse_op_release(struct fuse_call *call)
{
	const struct fuse_release_in *in = fuse_take(call, sizeof(*in));

	return in ? folder_close_file(call->folder, in->fh) : -EINVAL;
}

/* Locks are the guest's own: what is left to do is to hear of errors. */
int fuse_op_flush(struct fuse_call *call)
{
	const struct fuse_flush_in *in = fuse_take(call, sizeof(*in));

	return in ? folder_flush(call->folder, in->fh) : -EINVAL;
}

int fuse_op_syncfs(struct fuse_call *call)
{
	return folder_sync(call->folder);
}

int fuse_op_fsync(struct fuse_call *call)
{
	const struct fuse_fsync_in *in = fuse_take(call, sizeof(*in));

	if (!in)
		return -EINVAL;
	return folder_fsync(call->folder, in->fh, in->fsync_flags & FUSE_FSYNC_FDATASYNC);
}

int fuse_op_fallocate(struct fuse_call *call)
{
	const struct fuse_fallocate_in *in = fuse_take(call, sizeof(*in));

	if (!in)
		return -EINVAL;
	return folder_fallocate(call->folder, in->fh, in->mode, in->offset, in->length);
}

int fuse_op_copy_file_range(struct fuse_call *call)
{
	const struct fuse_copy_file_range_in *in = fuse_take(call, sizeof(*in));
	struct fuse_write_out *out;
	s64 len;

	if (!in || in->flags)
		return -EINVAL;
	out = fuse_give(call, sizeof(*out));
	if (!out)
		return -EIO;
	/* The answer's count has 32 bits. */
	len = folder_copy_range(call->folder, in->fh_in, in->off_in, in->fh_out, in->off_out,
				MIN(in->len, (u64)1 << 30));
	if (len < 0)
		return len;
	out->size = len;
	return 0;
}

int fuse_op_lseek(struct fuse_call *call)
{
	const struct fuse_lseek_in *in = fuse_take(call, sizeof(*in));
	struct fuse_lseek_out *out;
	s64 offset;

	/* What the guest has collected is not here, so a hole may be none: Linux asks all the same.
	 * After ENOSYS it takes all of a file for data. */
	if (call->fuse->options.writeback)
		return -ENOSYS;
	if (!in)
		return -EINVAL;
	out = fuse_give(call, sizeof(*out));
	if (!out)
		return -EIO;
	offset = folder_lseek(call->folder, in->fh, in->offset, in->whence);
	if (offset < 0)
		return offset;
	out->offset = offset;
	return 0;
}
