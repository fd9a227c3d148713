/* SPDX-License-Identifier: BSD-2-Clause */
/* 9P2000.L, as Linux's v9fs speaks it: a fid is walked to for each call. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "p9_message.h"

#define MSIZE	 (LOAD_MAX_IO + 1024)
#define MODE	 0x001
#define SIZE	 0x008
#define ATIME	 0x010
#define MTIME	 0x020
#define TIME_SET 0x180

static struct load_p9 *p9_of(struct load_target *target)
{
	return container_of(target, struct load_p9, target);
}

static int getattr(struct load_p9 *p9, u32 fid, struct load_stat *st)
{
	int ret = load_p9_ask(p9, GETATTR, "dq", fid, (u64)0x7ff);

	if (ret)
		return ret;
	load_p9_take(p9, 8 + 13);
	st->mode = load_p9_number(p9, 4);
	st->uid = load_p9_number(p9, 4);
	st->gid = load_p9_number(p9, 4);
	st->nlink = load_p9_number(p9, 8);
	load_p9_take(p9, 8);
	st->size = load_p9_number(p9, 8);
	if (!S_ISREG(st->mode) && !S_ISLNK(st->mode))
		st->size = 0;
	load_p9_take(p9, 16 + 16);
	st->mtime = load_p9_number(p9, 8);
	st->mtime_nsec = load_p9_number(p9, 8);
	return 0;
}

static int setattr(struct load_p9 *p9, u32 fid, u32 valid, u32 mode, u64 size, s64 sec, u64 nsec)
{
	return load_p9_ask(p9, SETATTR, "dddddqqqqq", fid, valid, mode, 0, 0, size, (u64)sec, nsec,
			   (u64)sec, nsec);
}

/* ---- calls ---- */

static int p9_stat(struct load_target *target, const char *path, struct load_stat *st)
{
	struct load_p9 *p9 = p9_of(target);
	int ret = load_p9_walk(p9, path, FID);

	if (ret)
		return ret;
	ret = getattr(p9, FID, st);
	load_p9_clunk(p9, FID);
	return ret;
}

static int p9_mkdir(struct load_target *target, const char *path, mode_t mode)
{
	struct load_p9 *p9 = p9_of(target);
	const char *name;
	int ret = load_p9_walk_dir(p9, path, FID, &name);

	if (ret)
		return ret;
	ret = load_p9_ask(p9, MKDIR, "dsdd", FID, name, mode, 0);
	load_p9_clunk(p9, FID);
	return ret;
}

static int p9_mkfifo(struct load_target *target, const char *path, mode_t mode)
{
	struct load_p9 *p9 = p9_of(target);
	const char *name;
	int ret = load_p9_walk_dir(p9, path, FID, &name);

	if (ret)
		return ret;
	ret = load_p9_ask(p9, MKNOD, "dsdddd", FID, name, S_IFIFO | mode, 0, 0, 0);
	load_p9_clunk(p9, FID);
	return ret;
}

static int p9_symlink(struct load_target *target, const char *to, const char *path)
{
	struct load_p9 *p9 = p9_of(target);
	const char *name;
	int ret = load_p9_walk_dir(p9, path, FID, &name);

	if (ret)
		return ret;
	ret = load_p9_ask(p9, SYMLINK, "dssd", FID, name, to, 0);
	load_p9_clunk(p9, FID);
	return ret;
}

static int p9_link(struct load_target *target, const char *from, const char *path)
{
	struct load_p9 *p9 = p9_of(target);
	const char *name;
	int ret = load_p9_walk(p9, from, FID);

	if (ret)
		return ret;
	ret = load_p9_walk_dir(p9, path, FID2, &name);
	if (!ret) {
		ret = load_p9_ask(p9, LINK, "dds", FID2, FID, name);
		load_p9_clunk(p9, FID2);
	}
	load_p9_clunk(p9, FID);
	return ret;
}

static int remove_name(struct load_target *target, const char *path, u32 flags)
{
	struct load_p9 *p9 = p9_of(target);
	const char *name;
	int ret = load_p9_walk_dir(p9, path, FID, &name);

	if (ret)
		return ret;
	ret = load_p9_ask(p9, UNLINKAT, "dsd", FID, name, flags);
	load_p9_clunk(p9, FID);
	return ret;
}

static int p9_unlink(struct load_target *target, const char *path)
{
	return remove_name(target, path, 0);
}

static int p9_rmdir(struct load_target *target, const char *path)
{
	return remove_name(target, path, AT_REMOVEDIR);
}

static int p9_rename(struct load_target *target, const char *from, const char *to, unsigned flags)
{
	struct load_p9 *p9 = p9_of(target);
	const char *name, *new_name;
	int ret = load_p9_walk_dir(p9, from, FID, &name);

	if (ret)
		return ret;
	ret = load_p9_walk_dir(p9, to, FID2, &new_name);
	if (!ret) {
		ret = load_p9_ask(p9, RENAMEAT, "dsds", FID, name, FID2, new_name);
		load_p9_clunk(p9, FID2);
	}
	load_p9_clunk(p9, FID);
	return ret;
}

/* As posix.c: what chmod() and truncate() would follow or touch is left alone. */
static int walk_plain(struct load_p9 *p9, const char *path)
{
	struct load_stat st;
	int ret = load_p9_walk(p9, path, FID);

	if (ret)
		return ret;
	ret = getattr(p9, FID, &st);
	if (!ret && S_ISLNK(st.mode))
		ret = -ELOOP;
	else if (!ret && !S_ISREG(st.mode) && !S_ISDIR(st.mode))
		ret = -ENXIO;
	if (ret)
		load_p9_clunk(p9, FID);
	return ret;
}

static int p9_chmod(struct load_target *target, const char *path, mode_t mode)
{
	struct load_p9 *p9 = p9_of(target);
	int ret = walk_plain(p9, path);

	if (ret)
		return ret;
	ret = setattr(p9, FID, MODE, mode, 0, 0, 0);
	load_p9_clunk(p9, FID);
	return ret;
}

static int p9_truncate(struct load_target *target, const char *path, u64 size)
{
	struct load_p9 *p9 = p9_of(target);
	int ret = walk_plain(p9, path);

	if (ret)
		return ret;
	ret = setattr(p9, FID, SIZE, 0, size, 0, 0);
	load_p9_clunk(p9, FID);
	return ret;
}

static int p9_utimes(struct load_target *target, const char *path, s64 sec, u32 nsec)
{
	struct load_p9 *p9 = p9_of(target);
	int ret = load_p9_walk(p9, path, FID);

	if (ret)
		return ret;
	ret = setattr(p9, FID, ATIME | MTIME | TIME_SET, 0, 0, sec, nsec);
	load_p9_clunk(p9, FID);
	return ret;
}

static int p9_readlink(struct load_target *target, const char *path, char *to, size_t size)
{
	struct load_p9 *p9 = p9_of(target);
	int ret = load_p9_walk(p9, path, FID);

	if (ret)
		return ret;
	ret = load_p9_ask(p9, READLINK, "d", FID);
	if (!ret) {
		ret = load_p9_number(p9, 2);
		ret = MIN(ret, (int)size);
		memcpy(to, load_p9_take(p9, ret), ret);
	}
	load_p9_clunk(p9, FID);
	return ret;
}

static int take_names(struct load_p9 *p9, struct load_names *names, u64 *offset)
{
	u32 count, end;
	int ret = load_p9_ask(p9, READDIR, "dqd", FID, *offset, 4096);

	if (ret)
		return ret;
	count = load_p9_number(p9, 4);
	end = p9->len + count;
	while (p9->len < end && names->count < LOAD_NAMES) {
		u16 len;

		load_p9_take(p9, 13);
		*offset = load_p9_number(p9, 8);
		names->entries[names->count].type = load_p9_number(p9, 1);
		len = load_p9_number(p9, 2);
		memcpy(names->entries[names->count].name, load_p9_take(p9, len), len);
		names->entries[names->count++].name[len] = '\0';
	}
	return count;
}

static int p9_list(struct load_target *target, const char *path, struct load_names *names)
{
	struct load_p9 *p9 = p9_of(target);
	int ret = load_p9_walk(p9, path, FID);
	u64 offset = 0;

	if (ret)
		return ret;
	names->count = 0;
	ret = load_p9_ask(p9, LOPEN, "dd", FID, O_RDONLY | 00200000);
	if (!ret) {
		do
			ret = take_names(p9, names, &offset);
		while (ret > 0);
	}
	load_p9_clunk(p9, FID);
	return ret;
}

/* ---- extended attributes ---- */

static int p9_setxattr(struct load_target *target, const char *path, const char *name,
		       const void *value, size_t size, int flags)
{
	struct load_p9 *p9 = p9_of(target);
	int ret = load_p9_walk(p9, path, FID), end;

	if (ret)
		return ret;
	ret = load_p9_ask(p9, XATTRCREATE, "dsqd", FID, name, (u64)size, flags);
	if (!ret && size) {
		load_p9_begin(p9, WRITE);
		load_p9_put(p9, &(u32){ FID }, 4);
		load_p9_put(p9, &(u64){ 0 }, 8);
		load_p9_put(p9, &(u32){ size }, 4);
		load_p9_put(p9, value, size);
		ret = load_p9_send(p9, 100);
	}
	/* The attribute is set when the fid goes. */
	end = load_p9_ask(p9, CLUNK, "d", FID);
	return ret ? ret : end;
}

static int p9_removexattr(struct load_target *target, const char *path, const char *name)
{
	return p9_setxattr(target, path, name, NULL, 0, XATTR_REPLACE);
}

static int read_xattr(struct load_p9 *p9, void *value, size_t size)
{
	u64 len = load_p9_number(p9, 8);
	int ret;

	if (!size)
		return len;
	if (len > size)
		return -ERANGE;
	ret = load_p9_ask(p9, READ, "dqd", FID_XATTR, (u64)0, (u32)len);
	if (ret)
		return ret;
	ret = load_p9_number(p9, 4);
	memcpy(value, load_p9_take(p9, ret), ret);
	return ret;
}

static int p9_getxattr(struct load_target *target, const char *path, const char *name, void *value,
		       size_t size)
{
	struct load_p9 *p9 = p9_of(target);
	int ret = load_p9_walk(p9, path, FID);

	if (ret)
		return ret;
	ret = load_p9_ask(p9, XATTRWALK, "dds", FID, FID_XATTR, name);
	if (!ret) {
		ret = read_xattr(p9, value, size);
		load_p9_clunk(p9, FID_XATTR);
	}
	load_p9_clunk(p9, FID);
	return ret;
}

/* ---- handles ---- */

/* Of these the protocol has the numbers of Linux on x86 and arm64. */
static u32 dotl_flags(int flags)
{
	return flags & (O_ACCMODE | O_TRUNC | O_APPEND | O_SYNC);
}

static int create(struct load_p9 *p9, u32 fid, const char *path, int flags, mode_t mode)
{
	const char *name;
	int ret = load_p9_walk_dir(p9, path, fid, &name);

	if (ret)
		return ret;
	ret = load_p9_ask(p9, LCREATE, "dsddd", fid, name, dotl_flags(flags), mode, 0);
	if (ret)
		load_p9_clunk(p9, fid);
	return ret;
}

static int p9_open(struct load_target *target, unsigned n, const char *path, int flags, mode_t mode)
{
	struct load_p9 *p9 = p9_of(target);
	u32 fid = FID_HANDLES + n;
	struct load_stat st;
	int ret = p9_stat(target, path, &st);

	p9->flags[n] = flags;
	if (ret == -ENOENT && flags & O_CREAT)
		return create(p9, fid, path, flags, mode);
	if (ret)
		return ret;
	if (flags & O_EXCL)
		return -EEXIST;
	if (S_ISLNK(st.mode))
		return -ELOOP;
	if (S_ISDIR(st.mode) && flags & O_CREAT)
		return -EISDIR;
	ret = load_p9_walk(p9, path, fid);
	if (ret)
		return ret;
	ret = load_p9_ask(p9, LOPEN, "dd", fid, dotl_flags(flags));
	if (ret)
		load_p9_clunk(p9, fid);
	return ret;
}

static void p9_close(struct load_target *target, unsigned n)
{
	load_p9_clunk(p9_of(target), FID_HANDLES + n);
}

static int p9_fstat(struct load_target *target, unsigned n, struct load_stat *st)
{
	return getattr(p9_of(target), FID_HANDLES + n, st);
}

static int p9_ftruncate(struct load_target *target, unsigned n, u64 size)
{
	struct load_p9 *p9 = p9_of(target);

	if ((p9->flags[n] & O_ACCMODE) == O_RDONLY)
		return -EINVAL;
	return setattr(p9, FID_HANDLES + n, SIZE, 0, size, 0, 0);
}

static int p9_fsync(struct load_target *target, unsigned n)
{
	return load_p9_ask(p9_of(target), FSYNC, "dd", FID_HANDLES + n, 0);
}

static s64 p9_read(struct load_target *target, unsigned n, void *data, size_t size, u64 offset)
{
	struct load_p9 *p9 = p9_of(target);
	int ret;

	load_p9_begin(p9, READ);
	load_p9_put(p9, &(u32){ FID_HANDLES + n }, 4);
	load_p9_put(p9, &offset, 8);
	load_p9_put(p9, &(u32){ size }, 4);
	ret = load_p9_send(p9, HEADER + 4 + size);
	if (ret)
		return ret;
	ret = load_p9_number(p9, 4);
	memcpy(data, load_p9_take(p9, ret), ret);
	return ret;
}

static s64 p9_write(struct load_target *target, unsigned n, const void *data, size_t size,
		    u64 offset)
{
	struct load_p9 *p9 = p9_of(target);
	int ret;

	load_p9_begin(p9, WRITE);
	load_p9_put(p9, &(u32){ FID_HANDLES + n }, 4);
	load_p9_put(p9, &offset, 8);
	load_p9_put(p9, &(u32){ size }, 4);
	load_p9_put(p9, data, size);
	ret = load_p9_send(p9, 100);
	return ret ? ret : (s64)load_p9_number(p9, 4);
}

static const struct load_ops p9_ops = {
	.stat = p9_stat,
	.mkdir = p9_mkdir,
	.mkfifo = p9_mkfifo,
	.symlink = p9_symlink,
	.link = p9_link,
	.unlink = p9_unlink,
	.rmdir = p9_rmdir,
	.rename = p9_rename,
	.chmod = p9_chmod,
	.truncate = p9_truncate,
	.utimes = p9_utimes,
	.readlink = p9_readlink,
	.list = p9_list,
	.setxattr = p9_setxattr,
	.getxattr = p9_getxattr,
	.removexattr = p9_removexattr,
	.open = p9_open,
	.close = p9_close,
	.fstat = p9_fstat,
	.ftruncate = p9_ftruncate,
	.fsync = p9_fsync,
	.read = p9_read,
	.write = p9_write,
};

int load_p9_open(struct load_p9 *p9, client_ask *how, void *arg)
{
	int ret;

	*p9 = (struct load_p9){ .target = { "9p", LOAD_XATTR | LOAD_APPEND, &p9_ops },
				.ask = how,
				.arg = arg };
	ret = load_p9_ask(p9, VERSION, "ds", MSIZE, "9P2000.L");
	return ret ? ret : load_p9_ask(p9, ATTACH, "ddssd", ROOT, ~0u, "", "", 0);
}
