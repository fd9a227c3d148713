/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations on names and attributes. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "p9_private.h"

/* "getattr" and "setattr": the bits of their masks. */
#define GETATTR_BASIC	  0x000007ffull
#define SETATTR_MODE	  0x001u
#define SETATTR_UID	  0x002u
#define SETATTR_GID	  0x004u
#define SETATTR_SIZE	  0x008u
#define SETATTR_ATIME	  0x010u
#define SETATTR_MTIME	  0x020u
#define SETATTR_ATIME_SET 0x080u
#define SETATTR_MTIME_SET 0x100u

/* An operation on one fid: it is looked up, used and let go. */
static int with_fid(struct p9_call *call, u32 number,
		    int (*act)(struct p9_call *call, struct p9_fid *fid))
{
	struct p9_fid *fid;
	int ret;

	if (call->short_args)
		return -EINVAL;
	fid = fid_get(call->p9, number);
	if (!fid)
		return -EBADF;
	ret = act(call, fid);
	fid_put(call->p9, fid);
	return ret;
}

/* ---- fids ---- */

int p9_op_attach(struct p9_call *call)
{
	u32 number = p9_take_u32(call), afid = p9_take_u32(call), uid;
	struct folder_entry root;
	int ret;

	p9_take_string(call); /* uname: with .L the number counts */
	p9_take_string(call); /* aname: there is one tree */
	uid = p9_take_u32(call);
	if (call->short_args)
		return -EINVAL;
	if (afid != P9_NOFID)
		return -EOPNOTSUPP;
	ret = folder_lookup(call->folder, FOLDER_ROOT, ".", &root);
	if (!ret)
		ret = fid_add(call->p9, number, uid, root.node, 0, NULL);
	if (!ret)
		p9_give_qid(call, &root.attr);
	return ret;
}

/* Where a walk has come to; it holds one of the guest's references to each node. */
struct walk {
	u64 node, parent; /* parent 0: as the fid's own */
	const char *name;
	unsigned steps;
};

static int step(struct p9_call *call, struct walk *walk, const char *name)
{
	struct folder_entry entry;
	int ret = folder_lookup(call->folder, walk->node, name, &entry);

	if (ret)
		return ret;
	if (walk->parent)
		folder_forget(call->folder, walk->parent, 1);
	walk->parent = walk->node;
	walk->node = entry.node;
	walk->name = name;
	walk->steps++;
	p9_give_qid(call, &entry.attr);
	return 0;
}

static void walk_drop(struct p9_call *call, struct walk *walk)
{
	folder_forget(call->folder, walk->node, 1);
	if (walk->parent)
		folder_forget(call->folder, walk->parent, 1);
}

static int take_names(struct p9_call *call, const char *names[P9_MAX_NAMES], u16 count)
{
	if (count > P9_MAX_NAMES)
		return -EINVAL;
	for (u16 i = 0; i < count; i++)
		names[i] = p9_take_string(call);
	return call->short_args ? -EINVAL : 0;
}

/*
 * "walk": the first name that fails makes it an error, a later one an answer that is short, and
 * then there is no new fid. One that walks nowhere copies the fid.
 */
static int walk_from(struct p9_call *call, struct p9_fid *fid, u32 new_number, u16 count)
{
	const char *names[P9_MAX_NAMES];
	struct walk walk = { 0 };
	int ret = take_names(call, names, count);

	if (!ret)
		ret = folder_hold(call->folder, fid->node);
	if (ret)
		return ret;
	walk.node = fid->node;
	p9_give_u16(call, 0);
	/* A copy onto itself: an open one stays open. */
	if (!count && new_number == fid->number) {
		folder_forget(call->folder, fid->node, 1);
		return 0;
	}
	for (u16 i = 0; i < count && !ret; i++)
		ret = step(call, &walk, names[i]);
	call->scratch->reply[0] = walk.steps;
	if (walk.steps < count) {
		walk_drop(call, &walk);
		return walk.steps ? 0 : ret;
	}
	if (new_number == fid->number && !fid_remove(call->p9, new_number)) {
		walk_drop(call, &walk);
		return -EBADF;
	}
	return fid_add(call->p9, new_number, fid->uid, walk.node, walk.parent,
		       walk.parent ? walk.name : NULL);
}

int p9_op_walk(struct p9_call *call)
{
	u32 number = p9_take_u32(call), new_number = p9_take_u32(call);
	u16 count = p9_take_u16(call);
	struct p9_fid *fid;
	int ret;

	if (call->short_args)
		return -EINVAL;
	fid = fid_get(call->p9, number);
	if (!fid)
		return -EBADF;
	/* "The fid must not have been opened." An open one may be copied, which Linux does. */
	ret = fid->xattr || (fid->file && count) ? -EBADF : walk_from(call, fid, new_number, count);
	fid_put(call->p9, fid);
	return ret;
}

int p9_op_clunk(struct p9_call *call)
{
	u32 number = p9_take_u32(call);
	struct p9_fid *fid;
	int ret;

	if (call->short_args)
		return -EINVAL;
	fid = fid_get(call->p9, number);
	if (!fid)
		return -EBADF;
	ret = p9_xattr_finish(call->p9, fid);
	fid_remove(call->p9, number);
	fid_put(call->p9, fid);
	return ret;
}

/* ---- attributes ---- */

static int statfs_fid(struct p9_call *call, struct p9_fid *fid)
{
	struct statvfs st;
	int ret = folder_statfs(call->folder, fid->node, &st);

	if (ret)
		return ret;
	p9_give_u32(call, 0x01021997);	/* V9FS_MAGIC */
	p9_give_u32(call, st.f_frsize); /* of the blocks that follow */
	p9_give_u64(call, st.f_blocks);
	p9_give_u64(call, st.f_bfree);
	p9_give_u64(call, st.f_bavail);
	p9_give_u64(call, st.f_files);
	p9_give_u64(call, st.f_ffree);
	p9_give_u64(call, st.f_fsid);
	p9_give_u32(call, st.f_namemax);
	return 0;
}

int p9_op_statfs(struct p9_call *call)
{
	return with_fid(call, p9_take_u32(call), statfs_fid);
}

static void give_time(struct p9_call *call, const struct timespec *time)
{
	p9_give_u64(call, time->tv_sec);
	p9_give_u64(call, time->tv_nsec);
}

/* As the kernel's new_encode_dev(). */
static u64 encode_dev(u32 major, u32 minor)
{
	return (minor & 0xff) | (major & 0xfff) << 8 | (minor & ~0xffu) << 12;
}

static int getattr_fid(struct p9_call *call, struct p9_fid *fid)
{
	static const struct timespec none;
	struct folder_attr attr;
	int ret = folder_getattr(call->folder, fid->node, fid->file, &attr);

	if (ret)
		return ret;
	p9_give_u64(call, GETATTR_BASIC);
	p9_give_qid(call, &attr);
	p9_give_u32(call, attr.mode);
	p9_give_u32(call, attr.uid);
	p9_give_u32(call, attr.gid);
	p9_give_u64(call, attr.nlink);
	p9_give_u64(call, encode_dev(attr.rdev_major, attr.rdev_minor));
	p9_give_u64(call, attr.size);
	p9_give_u64(call, attr.block_size);
	p9_give_u64(call, attr.blocks);
	give_time(call, &attr.atime);
	give_time(call, &attr.mtime);
	give_time(call, &attr.ctime);
	give_time(call, &none); /* btime: not in the basic mask */
	p9_give_u64(call, 0);	/* gen */
	p9_give_u64(call, 0);	/* data version */
	return 0;
}

int p9_op_getattr(struct p9_call *call)
{
	u32 number = p9_take_u32(call);

	p9_take_u64(call); /* the mask: all that is basic is always given */
	return with_fid(call, number, getattr_fid);
}

static u32 what_to_set(u32 valid)
{
	u32 what = 0;

	what |= valid & SETATTR_MODE ? FOLDER_SET_MODE : 0;
	what |= valid & SETATTR_UID ? FOLDER_SET_UID : 0;
	what |= valid & SETATTR_GID ? FOLDER_SET_GID : 0;
	what |= valid & SETATTR_SIZE ? FOLDER_SET_SIZE : 0;
	if (valid & SETATTR_ATIME)
		what |= valid & SETATTR_ATIME_SET ? FOLDER_SET_ATIME : FOLDER_SET_ATIME_NOW;
	if (valid & SETATTR_MTIME)
		what |= valid & SETATTR_MTIME_SET ? FOLDER_SET_MTIME : FOLDER_SET_MTIME_NOW;
	return what;
}

static struct timespec take_time(struct p9_call *call)
{
	u64 seconds = p9_take_u64(call), nanoseconds = p9_take_u64(call);

	return (struct timespec){ seconds, MIN(nanoseconds, 999999999u) };
}

static int setattr_fid(struct p9_call *call, struct p9_fid *fid)
{
	struct folder_attr set = { 0 }, now;
	u32 valid = p9_take_u32(call);

	set.mode = p9_take_u32(call);
	set.uid = p9_take_u32(call);
	set.gid = p9_take_u32(call);
	set.size = p9_take_u64(call);
	set.atime = take_time(call);
	set.mtime = take_time(call);
	if (call->short_args)
		return -EINVAL;
	return folder_setattr(call->folder, fid->node, fid->file, what_to_set(valid), &set, &now);
}

int p9_op_setattr(struct p9_call *call)
{
	return with_fid(call, p9_take_u32(call), setattr_fid);
}

static int readlink_fid(struct p9_call *call, struct p9_fid *fid)
{
	char target[PATH_MAX];
	s64 len = folder_readlink(call->folder, fid->node, target, sizeof(target));

	if (len < 0)
		return len;
	p9_give_string(call, target, len);
	return 0;
}

int p9_op_readlink(struct p9_call *call)
{
	return with_fid(call, p9_take_u32(call), readlink_fid);
}

/* ---- names ---- */

/* What was made is told by its qid; the guest walks to it if it wants a fid. */
static int give_made(struct p9_call *call, int ret, const struct folder_entry *entry)
{
	if (ret)
		return ret;
	folder_forget(call->folder, entry->node, 1);
	p9_give_qid(call, &entry->attr);
	return 0;
}

static int symlink_fid(struct p9_call *call, struct p9_fid *dir)
{
	const char *name = p9_take_string(call), *target = p9_take_string(call);
	struct folder_cred cred = { dir->uid, p9_take_u32(call) };
	struct folder_entry entry;

	if (call->short_args)
		return -EINVAL;
	return give_made(call, folder_symlink(call->folder, &cred, dir->node, name, target, &entry),
			 &entry);
}

int p9_op_symlink(struct p9_call *call)
{
	return with_fid(call, p9_take_u32(call), symlink_fid);
}

static int mknod_fid(struct p9_call *call, struct p9_fid *dir)
{
	const char *name = p9_take_string(call);
	u32 mode = p9_take_u32(call), major = p9_take_u32(call), minor = p9_take_u32(call);
	struct folder_cred cred = { dir->uid, p9_take_u32(call) };
	struct folder_entry entry;

	if (call->short_args)
		return -EINVAL;
	return give_made(
		call,
		folder_mknod(call->folder, &cred, dir->node, name, mode, major, minor, &entry),
		&entry);
}

int p9_op_mknod(struct p9_call *call)
{
	return with_fid(call, p9_take_u32(call), mknod_fid);
}

static int mkdir_fid(struct p9_call *call, struct p9_fid *dir)
{
	const char *name = p9_take_string(call);
	u32 mode = p9_take_u32(call);
	struct folder_cred cred = { dir->uid, p9_take_u32(call) };
	struct folder_entry entry;

	if (call->short_args)
		return -EINVAL;
	return give_made(call, folder_mkdir(call->folder, &cred, dir->node, name, mode, &entry),
			 &entry);
}

int p9_op_mkdir(struct p9_call *call)
{
	return with_fid(call, p9_take_u32(call), mkdir_fid);
}

static int link_fid(struct p9_call *call, struct p9_fid *dir)
{
	struct p9_fid *fid = fid_get(call->p9, p9_take_u32(call));
	const char *name = p9_take_string(call);
	struct folder_entry entry;
	int ret = -EBADF;

	if (!fid)
		return ret;
	ret = call->short_args ? -EINVAL
			       : folder_link(call->folder, fid->node, dir->node, name, &entry);
	if (!ret)
		folder_forget(call->folder, entry.node, 1);
	fid_put(call->p9, fid);
	return ret;
}

int p9_op_link(struct p9_call *call)
{
	return with_fid(call, p9_take_u32(call), link_fid);
}

/* By now the name that a fid was walked to may be another file's, which nobody means to lose. */
static int check_place(struct p9_call *call, const struct p9_fid *fid)
{
	struct folder_entry entry;
	int ret;

	if (!fid->parent)
		return -EINVAL;
	ret = folder_lookup(call->folder, fid->parent, fid->name, &entry);
	if (ret)
		return ret;
	folder_forget(call->folder, entry.node, 1);
	return entry.node == fid->node ? 0 : -ESTALE;
}

/* "rename": by the fid of what is renamed, whose place is where it was walked to. */
static int rename_fid(struct p9_call *call, struct p9_fid *fid)
{
	struct p9_fid *dir = fid_get(call->p9, p9_take_u32(call));
	const char *name = p9_take_string(call);
	int ret = -EBADF;

	if (!dir)
		return ret;
	ret = call->short_args ? -EINVAL : check_place(call, fid);
	if (!ret)
		ret = folder_rename(call->folder, fid->parent, fid->name, dir->node, name, 0);
	fid_put(call->p9, dir);
	return ret;
}

int p9_op_rename(struct p9_call *call)
{
	return with_fid(call, p9_take_u32(call), rename_fid);
}

static int renameat_fid(struct p9_call *call, struct p9_fid *dir)
{
	const char *name = p9_take_string(call);
	struct p9_fid *new_dir = fid_get(call->p9, p9_take_u32(call));
	const char *new_name = p9_take_string(call);
	int ret = -EBADF;

	if (!new_dir)
		return ret;
	ret = call->short_args
		      ? -EINVAL
		      : folder_rename(call->folder, dir->node, name, new_dir->node, new_name, 0);
	fid_put(call->p9, new_dir);
	return ret;
}

int p9_op_renameat(struct p9_call *call)
{
	return with_fid(call, p9_take_u32(call), renameat_fid);
}

static int unlinkat_fid(struct p9_call *call, struct p9_fid *dir)
{
	const char *name = p9_take_string(call);
	u32 flags = p9_take_u32(call);

	if (call->short_args)
		return -EINVAL;
	/* P9_DOTL_AT_REMOVEDIR is AT_REMOVEDIR. */
	return folder_unlink(call->folder, dir->node, name, flags);
}

int p9_op_unlinkat(struct p9_call *call)
{
	return with_fid(call, p9_take_u32(call), unlinkat_fid);
}

static int remove_fid(struct p9_call *call, struct p9_fid *fid)
{
	struct folder_attr attr;
	int ret = check_place(call, fid);

	if (!ret)
		ret = folder_getattr(call->folder, fid->node, fid->file, &attr);
	if (ret)
		return ret;
	return folder_unlink(call->folder, fid->parent, fid->name,
			     S_ISDIR(attr.mode) ? AT_REMOVEDIR : 0);
}

/* "remove": the fid is gone even if what it stands for is not. */
int p9_op_remove(struct p9_call *call)
{
	u32 number = p9_take_u32(call);
	int ret = with_fid(call, number, remove_fid);

	if (!call->short_args)
		fid_remove(call->p9, number);
	return ret;
}
