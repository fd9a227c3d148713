/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations on names, attributes and extended attributes. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "fuse_private.h"

/* As the kernel's new_decode_dev(). */
static u32 dev_major(u32 dev)
{
	return dev >> 8 & 0xfff;
}

static u32 dev_minor(u32 dev)
{
	return (dev & 0xff) | (dev >> 12 & 0xfff00);
}

/* The node of a call that made or found one: its entry is the answer. */
static int give_if(struct fuse_call *call, int ret, const struct folder_entry *entry)
{
	return ret ? ret : fuse_give_entry(call, entry);
}

static int give_attr(struct fuse_call *call, const struct folder_attr *attr)
{
	struct fuse_attr_out *out = fuse_give(call, sizeof(*out));

	if (!out)
		return -EIO;
	out->attr_valid = fuse_valid(call->fuse);
	fuse_fill_attr(&out->attr, attr);
	return 0;
}

int fuse_op_lookup(struct fuse_call *call)
{
	const char *name = fuse_take_name(call);
	struct folder_entry entry;

	if (!name)
		return -EINVAL;
	return give_if(call, folder_lookup(call->folder, call->head.nodeid, name, &entry), &entry);
}

int fuse_op_getattr(struct fuse_call *call)
{
	const struct fuse_getattr_in *in = fuse_take(call, sizeof(*in));
	struct folder_attr attr;
	int ret;

	if (!in)
		return -EINVAL;
	ret = folder_getattr(call->folder, call->head.nodeid,
			     in->getattr_flags & FUSE_GETATTR_FH ? in->fh : 0, &attr);
	return ret ? ret : give_attr(call, &attr);
}

static u32 what_to_set(u32 valid)
{
	static const struct {
		u32 fuse, folder;
	} bits[] = {
		{ FATTR_MODE, FOLDER_SET_MODE },
		{ FATTR_UID, FOLDER_SET_UID },
		{ FATTR_GID, FOLDER_SET_GID },
		{ FATTR_SIZE, FOLDER_SET_SIZE },
		{ FATTR_ATIME, FOLDER_SET_ATIME },
		{ FATTR_MTIME, FOLDER_SET_MTIME },
		{ FATTR_ATIME_NOW, FOLDER_SET_ATIME_NOW },
		{ FATTR_MTIME_NOW, FOLDER_SET_MTIME_NOW },
		{ FATTR_KILL_SUIDGID, FOLDER_SET_KILL_PRIV },
	};
	u32 what = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(bits); i++)
		what |= valid & bits[i].fuse ? bits[i].folder : 0;
	return what;
}

int fuse_op_setattr(struct fuse_call *call)
{
	const struct fuse_setattr_in *in = fuse_take(call, sizeof(*in));
	struct folder_attr set, now;
	int ret;

	if (!in)
		return -EINVAL;
	set = (struct folder_attr){
		.mode = in->mode,
		.uid = in->uid,
		.gid = in->gid,
		.size = in->size,
		.atime = { in->atime, MIN(in->atimensec, 999999999u) },
		.mtime = { in->mtime, MIN(in->mtimensec, 999999999u) },
	};
	ret = folder_setattr(call->folder, call->head.nodeid, in->valid & FATTR_FH ? in->fh : 0,
			     what_to_set(in->valid), &set, &now);
	return ret ? ret : give_attr(call, &now);
}

int fuse_op_readlink(struct fuse_call *call)
{
	char target[PATH_MAX];
	s64 len = folder_readlink(call->folder, call->head.nodeid, target, sizeof(target));
	void *out;

	if (len < 0)
		return len;
	out = fuse_give(call, len);
	if (!out)
		return -EIO;
	memcpy(out, target, len);
	return 0;
}

int fuse_op_symlink(struct fuse_call *call)
{
	const char *name = fuse_take_name(call);
	const char *target = name ? fuse_take_name(call) : NULL;
	struct folder_entry entry;

	if (!target)
		return -EINVAL;
	return give_if(
		call,
		folder_symlink(call->folder, &call->cred, call->head.nodeid, name, target, &entry),
		&entry);
}

int fuse_op_mknod(struct fuse_call *call)
{
	const struct fuse_mknod_in *in = fuse_take(call, sizeof(*in));
	const char *name = in ? fuse_take_name(call) : NULL;
	struct folder_entry entry;

	if (!name)
		return -EINVAL;
	return give_if(call,
		       folder_mknod(call->folder, &call->cred, call->head.nodeid, name, in->mode,
				    dev_major(in->rdev), dev_minor(in->rdev), &entry),
		       &entry);
}

int fuse_op_mkdir(struct fuse_call *call)
{
	const struct fuse_mkdir_in *in = fuse_take(call, sizeof(*in));
	const char *name = in ? fuse_take_name(call) : NULL;
	struct folder_entry entry;

	if (!name)
		return -EINVAL;
	return give_if(
		call,
		folder_mkdir(call->folder, &call->cred, call->head.nodeid, name, in->mode, &entry),
		&entry);
}

static int unlink_name(struct fuse_call *call, int flags)
{
	const char *name = fuse_take_name(call);

	return name ? folder_unlink(call->folder, call->head.nodeid, name, flags) : -EINVAL;
}

int fuse_op_unlink(struct fuse_call *call)
{
	return unlink_name(call, 0);
}

int fuse_op_rmdir(struct fuse_call *call)
{
	return unlink_name(call, AT_REMOVEDIR);
}

static int rename_names(struct fuse_call *call, u64 new_dir, u32 flags)
{
	const char *name = fuse_take_name(call);
	const char *new_name = name ? fuse_take_name(call) : NULL;

	if (!new_name)
		return -EINVAL;
	return folder_rename(call->folder, call->head.nodeid, name, new_dir, new_name, flags);
}

int fuse_op_rename(struct fuse_call *call)
{
	const struct fuse_rename_in *in = fuse_take(call, sizeof(*in));

	return in ? rename_names(call, in->newdir, 0) : -EINVAL;
}

int fuse_op_rename2(struct fuse_call *call)
{
	const struct fuse_rename2_in *in = fuse_take(call, sizeof(*in));

	return in ? rename_names(call, in->newdir, in->flags) : -EINVAL;
}

int fuse_op_link(struct fuse_call *call)
{
	const struct fuse_link_in *in = fuse_take(call, sizeof(*in));
	const char *name = in ? fuse_take_name(call) : NULL;
	struct folder_entry entry;

	if (!name)
		return -EINVAL;
	return give_if(call,
		       folder_link(call->folder, in->oldnodeid, call->head.nodeid, name, &entry),
		       &entry);
}

int fuse_op_statfs(struct fuse_call *call)
{
	struct fuse_statfs_out *out;
	struct statvfs st;
	int ret = folder_statfs(call->folder, call->head.nodeid, &st);

	if (ret)
		return ret;
	out = fuse_give(call, sizeof(*out));
	if (!out)
		return -EIO;
	out->st = (struct fuse_kstatfs){
		.blocks = st.f_blocks,
		.bfree = st.f_bfree,
		.bavail = st.f_bavail,
		.files = st.f_files,
		.ffree = st.f_ffree,
		.bsize = st.f_bsize,
		.namelen = st.f_namemax,
		.frsize = st.f_frsize,
	};
	return 0;
}

/* ---- extended attributes ---- */

int fuse_op_setxattr(struct fuse_call *call)
{
	/* Without FUSE_SETXATTR_EXT, which we do not take, the rest of the structure is not there.
	 */
	const struct fuse_setxattr_in *in = fuse_take(call, FUSE_COMPAT_SETXATTR_IN_SIZE);
	const char *name = in ? fuse_take_name(call) : NULL;
	const void *value = name ? fuse_take(call, in->size) : NULL;

	if (!value)
		return -EINVAL;
	return folder_setxattr(call->folder, call->head.nodeid, name, value, in->size, in->flags);
}

/* Of @len bytes that were read into the answer: with a size of 0 the length alone was asked. */
static int give_xattr(struct fuse_call *call, u32 size, s64 len)
{
	struct fuse_getxattr_out *out;

	if (len < 0)
		return len;
	if (size) {
		if ((size_t)len > call->room)
			return -ERANGE;
		call->reply_len = len;
		return 0;
	}
	out = fuse_give(call, sizeof(*out));
	if (!out)
		return -EIO;
	out->size = len;
	return 0;
}

int fuse_op_getxattr(struct fuse_call *call)
{
	const struct fuse_getxattr_in *in = fuse_take(call, sizeof(*in));
	const char *name = in ? fuse_take_name(call) : NULL;
	u32 size;

	if (!name)
		return -EINVAL;
	size = MIN(in->size, FUSE_REPLY_SIZE);
	return give_xattr(
		call, size,
		folder_getxattr(call->folder, call->head.nodeid, name, call->reply, size));
}

int fuse_op_listxattr(struct fuse_call *call)
{
	const struct fuse_getxattr_in *in = fuse_take(call, sizeof(*in));
	u32 size;

	if (!in)
		return -EINVAL;
	size = MIN(in->size, FUSE_REPLY_SIZE);
	return give_xattr(call, size,
			  folder_listxattr(call->folder, call->head.nodeid, call->reply, size));
}

int fuse_op_removexattr(struct fuse_call *call)
{
	const char *name = fuse_take_name(call);

	return name ? folder_removexattr(call->folder, call->head.nodeid, name) : -EINVAL;
}
