/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations on open fids, and on attributes that are read and written like files. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "p9_private.h"
#include "util/iov.h"

/* "lopen": its flags have numbers of their own. */
#define DOTL_ACCMODE   00000003u
#define DOTL_CREATE    00000100u
#define DOTL_EXCL      00000200u
#define DOTL_TRUNC     00001000u
#define DOTL_APPEND    00002000u
#define DOTL_DSYNC     00010000u
#define DOTL_DIRECTORY 00200000u
#define DOTL_SYNC      04000000u
/* "lock" */
#define LOCK_SUCCESS 0
#define LOCK_BLOCKED 1
#define LOCK_ERROR   2

static int flags_of(u32 flags)
{
	return (flags & DOTL_ACCMODE) | (flags & DOTL_EXCL ? O_EXCL : 0) |
	       (flags & DOTL_TRUNC ? O_TRUNC : 0) | (flags & DOTL_APPEND ? O_APPEND : 0) |
	       (flags & DOTL_DIRECTORY ? O_DIRECTORY : 0) | (flags & DOTL_DSYNC ? O_DSYNC : 0) |
	       (flags & DOTL_SYNC ? O_SYNC : 0);
}

/* The bytes of data that one message of the agreed size carries. */
static u32 io_unit(const struct p9_call *call)
{
	return call->p9->msize - 24;
}

static int open_fid(struct p9_call *call, struct p9_fid *fid, u32 flags)
{
	struct folder_attr attr;
	u64 none = 0, file;
	int ret;

	if (fid->file || fid->xattr)
		return -EBADF;
	ret = folder_open_file(call->folder, fid->node, flags_of(flags), &file);
	if (ret)
		return ret;
	ret = folder_getattr(call->folder, fid->node, file, &attr);
	if (!ret && !atomic_compare_exchange_strong(&fid->file, &none, file))
		ret = -EBADF; /* another message opened it meanwhile */
	if (ret) {
		folder_close_file(call->folder, file);
		return ret;
	}
	p9_give_qid(call, &attr);
	p9_give_u32(call, io_unit(call));
	return 0;
}

int p9_op_lopen(struct p9_call *call)
{
	struct p9_fid *fid = fid_get(call->p9, p9_take_u32(call));
	u32 flags = p9_take_u32(call);
	int ret;

	if (!fid)
		return -EBADF;
	ret = call->short_args ? -EINVAL : open_fid(call, fid, flags);
	fid_put(call->p9, fid);
	return ret;
}

/* "lcreate": the fid of the directory becomes that of the new file, open. */
static int create_fid(struct p9_call *call, struct p9_fid *dir)
{
	const char *name = p9_take_string(call);
	u32 flags = p9_take_u32(call), mode = p9_take_u32(call);
	struct folder_cred cred = { dir->uid, p9_take_u32(call) };
	struct folder_entry entry;
	struct p9_fid *made;
	u64 file;
	int ret;

	if (call->short_args)
		return -EINVAL;
	if (dir->file || dir->xattr)
		return -EBADF;
	ret = folder_create(call->folder, &cred, dir->node, name, flags_of(flags), mode & 07777,
			    &entry, &file);
	if (ret)
		return ret;
	ret = folder_hold(call->folder, dir->node);
	if (ret || !fid_remove(call->p9, dir->number)) {
		folder_forget(call->folder, entry.node, 1);
		if (!ret)
			folder_forget(call->folder, dir->node, 1);
		folder_close_file(call->folder, file);
		return ret ? ret : -EBADF;
	}
	ret = fid_add(call->p9, dir->number, dir->uid, entry.node, dir->node, name);
	made = ret ? NULL : fid_get(call->p9, dir->number);
	if (!made) {
		folder_close_file(call->folder, file);
		return ret ? ret : -EBADF;
	}
	/* It may have been replaced already by a guest that does not wait: then it is closed with
	 * that. */
	file = atomic_exchange(&made->file, file);
	if (file)
		folder_close_file(call->folder, file);
	fid_put(call->p9, made);
	p9_give_qid(call, &entry.attr);
	p9_give_u32(call, io_unit(call));
	return 0;
}

int p9_op_lcreate(struct p9_call *call)
{
	struct p9_fid *dir = fid_get(call->p9, p9_take_u32(call));
	int ret;

	if (!dir)
		return -EBADF;
	ret = create_fid(call, dir);
	fid_put(call->p9, dir);
	return ret;
}

/* ---- data ---- */

/* Copied under the lock into the answer, as the attribute is replaced by nobody but its fid. */
static s64 read_xattr(struct p9_call *call, struct p9_fid *fid, u64 offset, u32 count)
{
	const struct p9_message *message = call->message;
	const struct p9_xattr *xattr = fid->xattr;
	u32 len;

	if (xattr->name)
		return -EBADF;
	if (offset >= xattr->size)
		return 0;
	len = MIN(count, xattr->size - (u32)offset);
	return iov_write(message->out, message->out_count, P9_READ_HEADER, xattr->value + offset,
			 len);
}

static s64 read_fid(struct p9_call *call, struct p9_fid *fid, u64 offset, u32 count)
{
	const struct p9_message *message = call->message;
	struct iovec *slice = call->scratch->slice;
	unsigned pieces;
	s64 len;

	if (count > call->room - P9_READ_HEADER)
		count = call->room - P9_READ_HEADER;
	if (fid->xattr) {
		pthread_mutex_lock(&fid->lock);
		len = read_xattr(call, fid, offset, count);
		pthread_mutex_unlock(&fid->lock);
		return len;
	}
	if (message->out_count > ARRAY_SIZE(call->scratch->slice))
		return -EINVAL;
	pieces = iov_slice(message->out, message->out_count, P9_READ_HEADER, count, slice);
	return fid->file ? folder_read(call->folder, fid->file, slice, pieces, offset) : -EBADF;
}

int p9_op_read(struct p9_call *call)
{
	struct p9_fid *fid = fid_get(call->p9, p9_take_u32(call));
	u64 offset = p9_take_u64(call);
	u32 count = p9_take_u32(call);
	s64 len = -EINVAL;

	if (!fid)
		return -EBADF;
	if (!call->short_args && call->room >= P9_READ_HEADER)
		len = read_fid(call, fid, offset, count);
	fid_put(call->p9, fid);
	if (len < 0)
		return len;
	p9_give_u32(call, len);
	call->direct = len;
	return 0;
}

static s64 write_xattr(struct p9_call *call, struct p9_fid *fid, u64 offset, u32 count)
{
	struct p9_xattr *xattr = fid->xattr;
	size_t len;

	if (!xattr->name || offset != xattr->filled || count > xattr->size - xattr->filled)
		return -EINVAL;
	len = iov_read(call->message->in, call->message->in_count, P9_WRITE_HEADER,
		       xattr->value + offset, count);
	xattr->filled += len;
	return len;
}

static s64 write_fid(struct p9_call *call, struct p9_fid *fid, u64 offset, u32 count)
{
	const struct p9_message *message = call->message;
	struct iovec *slice = call->scratch->slice;
	unsigned pieces;
	s64 len;

	if (fid->xattr) {
		pthread_mutex_lock(&fid->lock);
		len = write_xattr(call, fid, offset, count);
		pthread_mutex_unlock(&fid->lock);
		return len;
	}
	if (message->in_count > ARRAY_SIZE(call->scratch->slice))
		return -EINVAL;
	pieces = iov_slice(message->in, message->in_count, P9_WRITE_HEADER, count, slice);
	return fid->file ? folder_write(call->folder, fid->file, slice, pieces, offset) : -EBADF;
}

int p9_op_write(struct p9_call *call)
{
	struct p9_fid *fid = fid_get(call->p9, p9_take_u32(call));
	u64 offset = p9_take_u64(call);
	u32 count = p9_take_u32(call);
	s64 len = -EINVAL;

	if (!fid)
		return -EBADF;
	if (!call->short_args && count <= call->size - P9_WRITE_HEADER)
		len = write_fid(call, fid, offset, count);
	fid_put(call->p9, fid);
	if (len < 0)
		return len;
	p9_give_u32(call, len);
	return 0;
}

/* ---- directories ---- */

struct listing {
	struct p9_call *call;
	u32 size, used;
};

static u32 mode_of(u32 type)
{
	return type == DT_DIR ? S_IFDIR : type == DT_LNK ? S_IFLNK : S_IFREG;
}

static bool take_entry(void *arg, const struct folder_dirent *entry)
{
	struct listing *listing = arg;
	struct p9_call *call = listing->call;
	size_t len = strlen(entry->name);

	if (P9_DIRENT_HEADER + len > listing->size - listing->used)
		return false;
	listing->used += P9_DIRENT_HEADER + len;
	p9_give_qid_listed(call, mode_of(entry->type), entry->ino);
	p9_give_u64(call, entry->next);
	p9_give_u8(call, entry->type);
	p9_give_string(call, entry->name, len);
	return true;
}

static int list_fid(struct p9_call *call, struct p9_fid *fid, u64 offset, u32 count)
{
	struct listing listing = { .call = call };
	le32 used;
	int ret;

	if (!fid->file)
		return -EBADF;
	if (call->room < P9_READ_HEADER)
		return -EINVAL;
	listing.size = MIN(count, MIN(call->room, P9_REPLY_SIZE) - P9_READ_HEADER);
	p9_give_u32(call, 0);
	ret = folder_readdir(call->folder, fid->file, offset, take_entry, &listing);
	used = cpu_to_le32(listing.used);
	memcpy(call->scratch->reply, &used, sizeof(used));
	return listing.used ? 0 : ret;
}

int p9_op_readdir(struct p9_call *call)
{
	struct p9_fid *fid = fid_get(call->p9, p9_take_u32(call));
	u64 offset = p9_take_u64(call);
	u32 count = p9_take_u32(call);
	int ret;

	if (!fid)
		return -EBADF;
	ret = call->short_args ? -EINVAL : list_fid(call, fid, offset, count);
	fid_put(call->p9, fid);
	return ret;
}

int p9_op_fsync(struct p9_call *call)
{
	struct p9_fid *fid = fid_get(call->p9, p9_take_u32(call));
	u32 data_only = call->args_len >= 4 ? p9_take_u32(call) : 0;
	int ret;

	if (!fid)
		return -EBADF;
	ret = call->short_args || !fid->file ? -EBADF
					     : folder_fsync(call->folder, fid->file, data_only);
	fid_put(call->p9, fid);
	return ret;
}

/* ---- locks ---- */

static bool lock_type(u8 wire, short *type)
{
	static const short types[] = { F_RDLCK, F_WRLCK, F_UNLCK };

	if (wire >= ARRAY_SIZE(types))
		return false;
	*type = types[wire];
	return true;
}

/* The process is the owner, and each client has its own. FNV-1a. */
static u64 lock_owner(u32 process, const char *client)
{
	u32 hash = 0x811c9dc5;

	for (; *client; client++)
		hash = (hash ^ (u8)*client) * 0x01000193;
	return (u64)hash << 32 | process;
}

/* Linux, include/net/9p/9p.h */
#define LOCK_FLAG_BLOCK 1

/*
 * Linux unlocks what fcntl() has locked without waiting, and so it does when a process closes the
 * file; and what flock() has locked as though it might wait: fs/locks.c, locks_remove_posix() and
 * locks_remove_flock(). Nothing else tells them apart.
 */
static int change_lock(struct p9_call *call, u64 file, u64 owner, u32 flags, short type, u64 start,
		       u64 len)
{
	if (type == F_UNLCK && !(flags & LOCK_FLAG_BLOCK))
		return folder_unlock(call->folder, file, owner, start, len);
	return folder_lock(call->folder, file, owner, type, start, len);
}

/* The guest asks again by itself where it may wait: nothing here waits for another's lock. */
int p9_op_lock(struct p9_call *call)
{
	struct p9_fid *fid = fid_get(call->p9, p9_take_u32(call));
	u8 wire = p9_take_u8(call);
	u64 start, len, owner;
	u32 flags, process;
	short type;
	int ret;

	if (!fid)
		return -EBADF;
	flags = p9_take_u32(call);
	start = p9_take_u64(call);
	len = p9_take_u64(call);
	process = p9_take_u32(call);
	owner = lock_owner(process, p9_take_string(call));
	if (call->short_args || !lock_type(wire, &type))
		ret = -EINVAL;
	else
		ret = fid->file ? change_lock(call, fid->file, owner, flags, type, start, len)
				: -EBADF;
	fid_put(call->p9, fid);
	if (ret == -EINVAL || ret == -EBADF)
		return ret;
	p9_give_u8(call, !ret ? LOCK_SUCCESS : ret == -EAGAIN ? LOCK_BLOCKED : LOCK_ERROR);
	return 0;
}

int p9_op_getlock(struct p9_call *call)
{
	struct p9_fid *fid = fid_get(call->p9, p9_take_u32(call));
	u8 wire = p9_take_u8(call);
	u64 start = p9_take_u64(call), len = p9_take_u64(call);
	u32 process = p9_take_u32(call);
	const char *client = p9_take_string(call);
	short type;
	int ret;

	if (!fid)
		return -EBADF;
	if (call->short_args || !lock_type(wire, &type))
		ret = -EINVAL;
	else
		ret = fid->file ? folder_test_lock(call->folder, fid->file,
						   lock_owner(process, client), &type, &start, &len)
				: -EBADF;
	fid_put(call->p9, fid);
	if (ret)
		return ret;
	p9_give_u8(call, type == F_RDLCK ? 0 : type == F_WRLCK ? 1 : 2);
	p9_give_u64(call, start);
	p9_give_u64(call, len);
	p9_give_u32(call, process);
	p9_give_string(call, client, strlen(client));
	return 0;
}

/* ---- extended attributes ---- */

static s64 get_xattr(struct p9_call *call, u64 node, const char *name, char *value, size_t size)
{
	return *name ? folder_getxattr(call->folder, node, name, value, size)
		     : folder_listxattr(call->folder, node, value, size);
}

static int walk_xattr(struct p9_call *call, struct p9_fid *fid, u32 new_number, const char *name)
{
	struct p9_xattr *xattr = p9_xattr_new(call->p9, P9_MAX_XATTR);
	int ret;
	s64 len;

	if (!xattr)
		return -ENOMEM;
	len = get_xattr(call, fid->node, name, xattr->value, P9_MAX_XATTR);
	ret = len < 0 ? len : folder_hold(call->folder, fid->node);
	if (ret) {
		p9_xattr_free(call->p9, xattr);
		return ret;
	}
	xattr->size = len;
	ret = fid_add_xattr(call->p9, new_number, fid->uid, fid->node, xattr);
	if (!ret)
		p9_give_u64(call, len);
	return ret;
}

/* "xattrwalk": the new fid reads the attribute, or with no name the list of all. */
int p9_op_xattrwalk(struct p9_call *call)
{
	struct p9_fid *fid = fid_get(call->p9, p9_take_u32(call));
	u32 new_number = p9_take_u32(call);
	const char *name = p9_take_string(call);
	int ret;

	if (!fid)
		return -EBADF;
	ret = call->short_args ? -EINVAL : walk_xattr(call, fid, new_number, name);
	fid_put(call->p9, fid);
	return ret;
}

static int make_xattr(struct p9_call *call, struct p9_fid *fid, const char *name, u64 size,
		      u32 flags)
{
	struct p9_xattr *xattr;
	int ret = -EBADF;

	if (size > P9_MAX_XATTR)
		return -E2BIG;
	xattr = p9_xattr_new(call->p9, size);
	if (!xattr)
		return -ENOMEM;
	xattr->name = strdup(name);
	xattr->size = size;
	xattr->flags = flags;
	if (!xattr->name) {
		p9_xattr_free(call->p9, xattr);
		return -ENOMEM;
	}
	pthread_mutex_lock(&fid->lock);
	if (!fid->file && !fid->xattr) {
		fid->xattr = xattr;
		ret = 0;
	}
	pthread_mutex_unlock(&fid->lock);
	if (ret)
		p9_xattr_free(call->p9, xattr);
	return ret;
}

/* "xattrcreate": what is written to the fid is the value, set when the fid is let go. */
int p9_op_xattrcreate(struct p9_call *call)
{
	struct p9_fid *fid = fid_get(call->p9, p9_take_u32(call));
	const char *name = p9_take_string(call);
	u64 size = p9_take_u64(call);
	u32 flags = p9_take_u32(call);
	int ret;

	if (!fid)
		return -EBADF;
	ret = call->short_args ? -EINVAL : make_xattr(call, fid, name, size, flags);
	fid_put(call->p9, fid);
	return ret;
}

int p9_xattr_finish(struct p9 *p9, struct p9_fid *fid)
{
	struct p9_xattr *xattr;
	int ret = 0;

	pthread_mutex_lock(&fid->lock);
	xattr = fid->xattr;
	if (xattr && xattr->name) {
		/* How Linux removes one. Without the flag it is one that is to be empty. */
		if (!xattr->size && xattr->flags & XATTR_REPLACE)
			ret = folder_removexattr(p9->folder, fid->node, xattr->name);
		else if (xattr->filled == xattr->size)
			ret = folder_setxattr(p9->folder, fid->node, xattr->name, xattr->value,
					      xattr->size, xattr->flags);
		else
			ret = -EINVAL; /* less was written than was said */
	}
	pthread_mutex_unlock(&fid->lock);
	return ret;
}
