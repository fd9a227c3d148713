/* SPDX-License-Identifier: BSD-2-Clause */
/* 9P2000.L, as Linux's v9fs speaks it: a fid is walked to for each call. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "client.h"

enum {
	LOPEN = 12,
	LCREATE = 14,
	SYMLINK = 16,
	MKNOD = 18,
	READLINK = 22,
	GETATTR = 24,
	SETATTR = 26,
	XATTRWALK = 30,
	XATTRCREATE = 32,
	READDIR = 40,
	FSYNC = 50,
	LINK = 70,
	MKDIR = 72,
	RENAMEAT = 74,
	UNLINKAT = 76,
	VERSION = 100,
	ATTACH = 104,
	WALK = 110,
	READ = 116,
	WRITE = 118,
	CLUNK = 120,
};

/* Fids: of a call, of its second path, of an attribute, and of handles from here on. */
enum { ROOT, FID, FID2, FID_XATTR, FID_HANDLES };

#define HEADER	 7
#define MSIZE	 (LOAD_MAX_IO + 1024)
#define MODE	 0x001
#define SIZE	 0x008
#define ATIME	 0x010
#define MTIME	 0x020
#define TIME_SET 0x180

static struct load_p9 *to_p9(struct load_target *target)
{
	return container_of(target, struct load_p9, target);
}

/* ---- messages ---- */

static void put(struct load_p9 *p9, const void *data, size_t len)
{
	memcpy(p9->message + p9->len, data, len);
	p9->len += len;
}

static void put_string(struct load_p9 *p9, const char *text)
{
	u16 len = strlen(text);

	put(p9, &len, 2);
	put(p9, text, len);
}

/* "b", "w", "d", "q": numbers of 1, 2, 4, 8 bytes; "s": a string. Little-endian machines alone. */
static void build(struct load_p9 *p9, u8 type, const char *format, va_list args)
{
	static const u8 widths[128] = { ['b'] = 1, ['w'] = 2, ['d'] = 4, ['q'] = 8 };

	p9->len = HEADER;
	p9->message[4] = type;
	p9->message[5] = 1;
	p9->message[6] = 0;
	for (; *format; format++) {
		u64 value;

		if (*format == 's') {
			put_string(p9, va_arg(args, const char *));
			continue;
		}
		value = *format == 'q' ? va_arg(args, u64) : va_arg(args, u32);
		put(p9, &value, widths[(u8)*format]);
	}
}

static const u8 *take(struct load_p9 *p9, size_t len)
{
	const u8 *at = p9->answer + p9->len;

	p9->len += len;
	return at;
}

static u64 number(struct load_p9 *p9, size_t len)
{
	u64 value = 0;

	memcpy(&value, take(p9, len), len);
	return value;
}

/* Send what was built; what follows the header is then to be taken. */
static int send_it(struct load_p9 *p9, u32 room)
{
	u8 type = p9->message[4];
	u32 got;

	memcpy(p9->message, &p9->len, 4);
	got = p9->ask(p9->arg, p9->message, p9->len, p9->answer, room);
	p9->len = 0;
	if (got < HEADER || number(p9, 4) != got)
		return -EPROTO;
	p9->len = HEADER;
	if (p9->answer[4] == 7)
		return -(int)number(p9, 4);
	return p9->answer[4] == type + 1 ? 0 : -EPROTO;
}

static int ask(struct load_p9 *p9, u8 type, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	build(p9, type, format, args);
	va_end(args);
	return send_it(p9, 8192);
}

/* ---- fids ---- */

static void clunk(struct load_p9 *p9, u32 fid)
{
	ask(p9, CLUNK, "d", fid);
}

/* Step by step, as the kernel does. *@type: the qid's of what was found. */
static int walk(struct load_p9 *p9, const char *path, u32 fid, u8 *type)
{
	int ret = ask(p9, WALK, "ddw", ROOT, fid, 0);

	*type = 0x80;
	while (!ret && *path) {
		size_t len = strcspn(path, "/");
		char name[512];

		memcpy(name, path, len);
		name[len] = '\0';
		path += len + (path[len] == '/');
		/* All links lead nowhere. */
		ret = *type & 0x02 ? -ENOENT : ask(p9, WALK, "ddws", fid, fid, 1, name);
		if (ret) {
			clunk(p9, fid);
			return ret;
		}
		number(p9, 2);
		*type = number(p9, 1);
	}
	return ret;
}

static int walk_to(struct load_p9 *p9, const char *path, u32 fid)
{
	u8 type;

	return walk(p9, path, fid, &type);
}

/* The folder of @path, and the name in it. */
static int walk_dir(struct load_p9 *p9, const char *path, u32 fid, const char **name)
{
	char dir[1024];
	u8 type;
	int ret;

	*name = client_split(path, dir);
	ret = walk(p9, dir, fid, &type);
	if (!ret && !(type & 0x80)) {
		clunk(p9, fid);
		ret = type & 0x02 ? -ENOENT : -ENOTDIR;
	}
	return ret;
}

static int getattr(struct load_p9 *p9, u32 fid, struct load_stat *st)
{
	int ret = ask(p9, GETATTR, "dq", fid, (u64)0x7ff);

	if (ret)
		return ret;
	take(p9, 8 + 13);
	st->mode = number(p9, 4);
	st->uid = number(p9, 4);
	st->gid = number(p9, 4);
	st->nlink = number(p9, 8);
	take(p9, 8);
	st->size = number(p9, 8);
	if (!S_ISREG(st->mode) && !S_ISLNK(st->mode))
		st->size = 0;
	take(p9, 16 + 16);
	st->mtime = number(p9, 8);
	st->mtime_nsec = number(p9, 8);
	return 0;
}

static int setattr(struct load_p9 *p9, u32 fid, u32 valid, u32 mode, u64 size, s64 sec, u64 nsec)
{
	return ask(p9, SETATTR, "dddddqqqqq", fid, valid, mode, 0, 0, size, (u64)sec, nsec,
		   (u64)sec, nsec);
}

/* ---- calls ---- */

static int p9_stat(struct load_target *target, const char *path, struct load_stat *st)
{
	struct load_p9 *p9 = to_p9(target);
	int ret = walk_to(p9, path, FID);

	if (ret)
		return ret;
	ret = getattr(p9, FID, st);
	clunk(p9, FID);
	return ret;
}

static int p9_mkdir(struct load_target *target, const char *path, mode_t mode)
{
	struct load_p9 *p9 = to_p9(target);
	const char *name;
	int ret = walk_dir(p9, path, FID, &name);

	if (ret)
		return ret;
	ret = ask(p9, MKDIR, "dsdd", FID, name, mode, 0);
	clunk(p9, FID);
	return ret;
}

static int p9_mkfifo(struct load_target *target, const char *path, mode_t mode)
{
	struct load_p9 *p9 = to_p9(target);
	const char *name;
	int ret = walk_dir(p9, path, FID, &name);

	if (ret)
		return ret;
	ret = ask(p9, MKNOD, "dsdddd", FID, name, S_IFIFO | mode, 0, 0, 0);
	clunk(p9, FID);
	return ret;
}

static int p9_symlink(struct load_target *target, const char *to, const char *path)
{
	struct load_p9 *p9 = to_p9(target);
	const char *name;
	int ret = walk_dir(p9, path, FID, &name);

	if (ret)
		return ret;
	ret = ask(p9, SYMLINK, "dssd", FID, name, to, 0);
	clunk(p9, FID);
	return ret;
}

static int p9_link(struct load_target *target, const char *from, const char *path)
{
	struct load_p9 *p9 = to_p9(target);
	const char *name;
	int ret = walk_to(p9, from, FID);

	if (ret)
		return ret;
	ret = walk_dir(p9, path, FID2, &name);
	if (!ret) {
		ret = ask(p9, LINK, "dds", FID2, FID, name);
		clunk(p9, FID2);
	}
	clunk(p9, FID);
	return ret;
}

static int remove_name(struct load_target *target, const char *path, u32 flags)
{
	struct load_p9 *p9 = to_p9(target);
	const char *name;
	int ret = walk_dir(p9, path, FID, &name);

	if (ret)
		return ret;
	ret = ask(p9, UNLINKAT, "dsd", FID, name, flags);
	clunk(p9, FID);
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
	struct load_p9 *p9 = to_p9(target);
	const char *name, *new_name;
	int ret = walk_dir(p9, from, FID, &name);

	if (ret)
		return ret;
	ret = walk_dir(p9, to, FID2, &new_name);
	if (!ret) {
		ret = ask(p9, RENAMEAT, "dsds", FID, name, FID2, new_name);
		clunk(p9, FID2);
	}
	clunk(p9, FID);
	return ret;
}

/* As posix.c: what chmod() and truncate() would follow or touch is left alone. */
static int walk_plain(struct load_p9 *p9, const char *path)
{
	struct load_stat st;
	int ret = walk_to(p9, path, FID);

	if (ret)
		return ret;
	ret = getattr(p9, FID, &st);
	if (!ret && S_ISLNK(st.mode))
		ret = -ELOOP;
	else if (!ret && !S_ISREG(st.mode) && !S_ISDIR(st.mode))
		ret = -ENXIO;
	if (ret)
		clunk(p9, FID);
	return ret;
}

static int p9_chmod(struct load_target *target, const char *path, mode_t mode)
{
	struct load_p9 *p9 = to_p9(target);
	int ret = walk_plain(p9, path);

	if (ret)
		return ret;
	ret = setattr(p9, FID, MODE, mode, 0, 0, 0);
	clunk(p9, FID);
	return ret;
}

static int p9_truncate(struct load_target *target, const char *path, u64 size)
{
	struct load_p9 *p9 = to_p9(target);
	int ret = walk_plain(p9, path);

	if (ret)
		return ret;
	ret = setattr(p9, FID, SIZE, 0, size, 0, 0);
	clunk(p9, FID);
	return ret;
}

static int p9_utimes(struct load_target *target, const char *path, s64 sec, u32 nsec)
{
	struct load_p9 *p9 = to_p9(target);
	int ret = walk_to(p9, path, FID);

	if (ret)
		return ret;
	ret = setattr(p9, FID, ATIME | MTIME | TIME_SET, 0, 0, sec, nsec);
	clunk(p9, FID);
	return ret;
}

static int p9_readlink(struct load_target *target, const char *path, char *to, size_t size)
{
	struct load_p9 *p9 = to_p9(target);
	int ret = walk_to(p9, path, FID);

	if (ret)
		return ret;
	ret = ask(p9, READLINK, "d", FID);
	if (!ret) {
		ret = number(p9, 2);
		ret = MIN(ret, (int)size);
		memcpy(to, take(p9, ret), ret);
	}
	clunk(p9, FID);
	return ret;
}

static int take_names(struct load_p9 *p9, struct load_names *names, u64 *offset)
{
	u32 count, end;
	int ret = ask(p9, READDIR, "dqd", FID, *offset, 4096);

	if (ret)
		return ret;
	count = number(p9, 4);
	end = p9->len + count;
	while (p9->len < end && names->count < LOAD_NAMES) {
		u16 len;

		take(p9, 13);
		*offset = number(p9, 8);
		names->entries[names->count].type = number(p9, 1);
		len = number(p9, 2);
		memcpy(names->entries[names->count].name, take(p9, len), len);
		names->entries[names->count++].name[len] = '\0';
	}
	return count;
}

static int p9_list(struct load_target *target, const char *path, struct load_names *names)
{
	struct load_p9 *p9 = to_p9(target);
	int ret = walk_to(p9, path, FID);
	u64 offset = 0;

	if (ret)
		return ret;
	names->count = 0;
	ret = ask(p9, LOPEN, "dd", FID, O_RDONLY | 00200000);
	if (!ret) {
		do
			ret = take_names(p9, names, &offset);
		while (ret > 0);
	}
	clunk(p9, FID);
	return ret;
}

/* ---- extended attributes ---- */

static int p9_setxattr(struct load_target *target, const char *path, const char *name,
		       const void *value, size_t size, int flags)
{
	struct load_p9 *p9 = to_p9(target);
	int ret = walk_to(p9, path, FID), end;

	if (ret)
		return ret;
	ret = ask(p9, XATTRCREATE, "dsqd", FID, name, (u64)size, flags);
	if (!ret && size) {
		p9->len = HEADER;
		p9->message[4] = WRITE;
		put(p9, &(u32){ FID }, 4);
		put(p9, &(u64){ 0 }, 8);
		put(p9, &(u32){ size }, 4);
		put(p9, value, size);
		ret = send_it(p9, 100);
	}
	/* The attribute is set when the fid goes. */
	end = ask(p9, CLUNK, "d", FID);
	return ret ? ret : end;
}

static int p9_removexattr(struct load_target *target, const char *path, const char *name)
{
	return p9_setxattr(target, path, name, NULL, 0, XATTR_REPLACE);
}

static int read_xattr(struct load_p9 *p9, void *value, size_t size)
{
	u64 len = number(p9, 8);
	int ret;

	if (!size)
		return len;
	if (len > size)
		return -ERANGE;
	ret = ask(p9, READ, "dqd", FID_XATTR, (u64)0, (u32)len);
	if (ret)
		return ret;
	ret = number(p9, 4);
	memcpy(value, take(p9, ret), ret);
	return ret;
}

static int p9_getxattr(struct load_target *target, const char *path, const char *name, void *value,
		       size_t size)
{
	struct load_p9 *p9 = to_p9(target);
	int ret = walk_to(p9, path, FID);

	if (ret)
		return ret;
	ret = ask(p9, XATTRWALK, "dds", FID, FID_XATTR, name);
	if (!ret) {
		ret = read_xattr(p9, value, size);
		clunk(p9, FID_XATTR);
	}
	clunk(p9, FID);
	return ret;
}

/* ---- handles ---- */

/* Of these the protocol has the numbers of Linux on x86 and arm64. */
static u32 dotl_flags(int flags)
{
	return flags & (O_ACCMODE | O_TRUNC | O_SYNC);
}

static int create(struct load_p9 *p9, u32 fid, const char *path, int flags, mode_t mode)
{
	const char *name;
	int ret = walk_dir(p9, path, fid, &name);

	if (ret)
		return ret;
	ret = ask(p9, LCREATE, "dsddd", fid, name, dotl_flags(flags), mode, 0);
	if (ret)
		clunk(p9, fid);
	return ret;
}

static int p9_open(struct load_target *target, unsigned n, const char *path, int flags, mode_t mode)
{
	struct load_p9 *p9 = to_p9(target);
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
	ret = walk_to(p9, path, fid);
	if (ret)
		return ret;
	ret = ask(p9, LOPEN, "dd", fid, dotl_flags(flags));
	if (ret)
		clunk(p9, fid);
	return ret;
}

static void p9_close(struct load_target *target, unsigned n)
{
	clunk(to_p9(target), FID_HANDLES + n);
}

static int p9_fstat(struct load_target *target, unsigned n, struct load_stat *st)
{
	return getattr(to_p9(target), FID_HANDLES + n, st);
}

static int p9_ftruncate(struct load_target *target, unsigned n, u64 size)
{
	struct load_p9 *p9 = to_p9(target);

	if ((p9->flags[n] & O_ACCMODE) == O_RDONLY)
		return -EINVAL;
	return setattr(p9, FID_HANDLES + n, SIZE, 0, size, 0, 0);
}

static int p9_fsync(struct load_target *target, unsigned n)
{
	return ask(to_p9(target), FSYNC, "dd", FID_HANDLES + n, 0);
}

static s64 p9_read(struct load_target *target, unsigned n, void *data, size_t size, u64 offset)
{
	struct load_p9 *p9 = to_p9(target);
	int ret;

	p9->len = HEADER;
	p9->message[4] = READ;
	put(p9, &(u32){ FID_HANDLES + n }, 4);
	put(p9, &offset, 8);
	put(p9, &(u32){ size }, 4);
	ret = send_it(p9, HEADER + 4 + size);
	if (ret)
		return ret;
	ret = number(p9, 4);
	memcpy(data, take(p9, ret), ret);
	return ret;
}

static s64 p9_write(struct load_target *target, unsigned n, const void *data, size_t size,
		    u64 offset)
{
	struct load_p9 *p9 = to_p9(target);
	int ret;

	p9->len = HEADER;
	p9->message[4] = WRITE;
	put(p9, &(u32){ FID_HANDLES + n }, 4);
	put(p9, &offset, 8);
	put(p9, &(u32){ size }, 4);
	put(p9, data, size);
	ret = send_it(p9, 100);
	return ret ? ret : (s64)number(p9, 4);
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

	*p9 = (struct load_p9){ .target = { "9p", LOAD_XATTR, &p9_ops }, .ask = how, .arg = arg };
	ret = ask(p9, VERSION, "ds", MSIZE, "9P2000.L");
	return ret ? ret : ask(p9, ATTACH, "ddssd", ROOT, ~0u, "", "", 0);
}
