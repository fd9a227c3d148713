/* SPDX-License-Identifier: BSD-2-Clause */
/* FUSE, as Linux's kernel speaks it, but that it remembers nothing: each path is looked up anew. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "fuse_message.h"

static struct load_fuse *fuse_of(struct load_target *target)
{
	return container_of(target, struct load_fuse, target);
}

static void fill_stat(struct load_stat *st, const struct fuse_attr *attr)
{
	*st = (struct load_stat){
		.mode = attr->mode,
		.nlink = attr->nlink,
		.uid = attr->uid,
		.gid = attr->gid,
		.size = S_ISREG(attr->mode) || S_ISLNK(attr->mode) ? attr->size : 0,
		.mtime = attr->mtime,
		.mtime_nsec = attr->mtimensec,
	};
}

/* ---- names ---- */

static int fuse_stat(struct load_target *target, const char *path, struct load_stat *st)
{
	struct load_fuse *fuse = fuse_of(target);
	struct fuse_entry_out entry;
	int ret = fuse_find(fuse, path, &entry);

	if (ret)
		return ret;
	fill_stat(st, &entry.attr);
	fuse_forget(fuse, entry.nodeid);
	return 0;
}

/*
 * Make @path: with @args of @opcode, its name, and then @after unless that is NULL. What is made is
 * forgotten, as its folder is.
 */
static int make(struct load_fuse *fuse, const char *path, u32 opcode, const void *args,
		size_t args_len, const char *after)
{
	struct fuse_entry_out entry;
	const char *name;
	u64 dir;
	int ret = fuse_find_dir(fuse, path, &dir, &name);

	if (ret)
		return ret;
	fuse_begin(fuse, opcode, dir);
	fuse_put(fuse, args, args_len);
	fuse_put_name(fuse, name);
	if (after)
		fuse_put_name(fuse, after);
	ret = fuse_send_for(fuse, sizeof(entry));
	if (!ret) {
		memcpy(&entry, fuse_body(fuse), sizeof(entry));
		fuse_forget(fuse, entry.nodeid);
	}
	fuse_forget(fuse, dir);
	return ret;
}

static int fuse_mkdir(struct load_target *target, const char *path, mode_t mode)
{
	const struct fuse_mkdir_in in = { .mode = mode };

	return make(fuse_of(target), path, FUSE_MKDIR, &in, sizeof(in), NULL);
}

static int fuse_mkfifo(struct load_target *target, const char *path, mode_t mode)
{
	const struct fuse_mknod_in in = { .mode = S_IFIFO | mode };

	return make(fuse_of(target), path, FUSE_MKNOD, &in, sizeof(in), NULL);
}

static int fuse_symlink(struct load_target *target, const char *to, const char *path)
{
	return make(fuse_of(target), path, FUSE_SYMLINK, "", 0, to);
}

static int fuse_link(struct load_target *target, const char *from, const char *path)
{
	struct load_fuse *fuse = fuse_of(target);
	struct fuse_entry_out entry;
	struct fuse_link_in in;
	int ret = fuse_find(fuse, from, &entry);

	if (ret)
		return ret;
	in = (struct fuse_link_in){ .oldnodeid = entry.nodeid };
	ret = make(fuse, path, FUSE_LINK, &in, sizeof(in), NULL);
	fuse_forget(fuse, entry.nodeid);
	return ret;
}

static int remove_name(struct load_target *target, const char *path, u32 opcode)
{
	struct load_fuse *fuse = fuse_of(target);
	const char *name;
	u64 dir;
	int ret = fuse_find_dir(fuse, path, &dir, &name);

	if (ret)
		return ret;
	fuse_begin(fuse, opcode, dir);
	fuse_put_name(fuse, name);
	ret = fuse_send_for(fuse, 0);
	fuse_forget(fuse, dir);
	return ret;
}

static int fuse_unlink(struct load_target *target, const char *path)
{
	return remove_name(target, path, FUSE_UNLINK);
}

static int fuse_rmdir(struct load_target *target, const char *path)
{
	return remove_name(target, path, FUSE_RMDIR);
}

static int fuse_rename(struct load_target *target, const char *from, const char *to, unsigned flags)
{
	struct load_fuse *fuse = fuse_of(target);
	const char *name, *new_name;
	u64 dir, new_dir;
	int ret = fuse_find_dir(fuse, from, &dir, &name);

	if (ret)
		return ret;
	ret = fuse_find_dir(fuse, to, &new_dir, &new_name);
	if (!ret) {
		fuse_begin(fuse, FUSE_RENAME2, dir);
		FUSE_PUT(fuse, (struct fuse_rename2_in){ .newdir = new_dir, .flags = flags });
		fuse_put_name(fuse, name);
		fuse_put_name(fuse, new_name);
		ret = fuse_send_for(fuse, 0);
		fuse_forget(fuse, new_dir);
	}
	fuse_forget(fuse, dir);
	return ret;
}

static int set(struct load_fuse *fuse, u64 node, const struct fuse_setattr_in *in)
{
	fuse_begin(fuse, FUSE_SETATTR, node);
	FUSE_PUT(fuse, *in);
	return fuse_send_for(fuse, sizeof(struct fuse_attr_out));
}

static int set_path(struct load_target *target, const char *path, bool plain,
		    const struct fuse_setattr_in *in)
{
	struct load_fuse *fuse = fuse_of(target);
	struct fuse_entry_out entry;
	int ret = fuse_find(fuse, path, &entry);

	if (ret)
		return ret;
	/* As posix.c: what chmod() and truncate() would follow or touch is left alone. */
	if (plain && S_ISLNK(entry.attr.mode))
		ret = -ELOOP;
	else if (plain && !S_ISREG(entry.attr.mode) && !S_ISDIR(entry.attr.mode))
		ret = -ENXIO;
	else
		ret = set(fuse, entry.nodeid, in);
	fuse_forget(fuse, entry.nodeid);
	return ret;
}

static int fuse_chmod(struct load_target *target, const char *path, mode_t mode)
{
	return set_path(target, path, true,
			&(struct fuse_setattr_in){ .valid = FATTR_MODE, .mode = mode });
}

static int fuse_truncate(struct load_target *target, const char *path, u64 size)
{
	return set_path(target, path, true,
			&(struct fuse_setattr_in){ .valid = FATTR_SIZE, .size = size });
}

static int fuse_utimes(struct load_target *target, const char *path, s64 sec, u32 nsec)
{
	const struct fuse_setattr_in in = { .valid = FATTR_ATIME | FATTR_MTIME,
					    .atime = sec,
					    .mtime = sec,
					    .atimensec = nsec,
					    .mtimensec = nsec };

	return set_path(target, path, false, &in);
}

/*
 * Begin a call of @opcode about the node of @path; the caller sends it, and forgets @node. Or
 * -errno.
 */
static int begin_at(struct load_fuse *fuse, u32 opcode, const char *path, u64 *node)
{
	struct fuse_entry_out entry;
	int ret = fuse_find(fuse, path, &entry);

	if (!ret)
		fuse_begin(fuse, opcode, entry.nodeid);
	*node = entry.nodeid;
	return ret;
}

static int fuse_readlink(struct load_target *target, const char *path, char *to, size_t size)
{
	struct load_fuse *fuse = fuse_of(target);
	u64 node;
	int ret = begin_at(fuse, FUSE_READLINK, path, &node);

	if (ret)
		return ret;
	ret = fuse_send(fuse, 4096);
	ret = MIN(ret, (int)size);
	if (ret > 0)
		memcpy(to, fuse_body(fuse), ret);
	fuse_forget(fuse, node);
	return ret;
}

/* With READDIRPLUS, whose entries are looked up, and so forgotten. */
static void take_names(struct load_fuse *fuse, struct load_names *names, u32 len, u64 *offset,
		       u64 nodes[LOAD_NAMES])
{
	const u8 *at = fuse_body(fuse), *end = at + len;

	while (at < end && names->count < LOAD_NAMES) {
		struct fuse_direntplus entry;

		memcpy(&entry, at, sizeof(entry));
		memcpy(names->entries[names->count].name, at + FUSE_NAME_OFFSET_DIRENTPLUS,
		       entry.dirent.namelen);
		names->entries[names->count].name[entry.dirent.namelen] = '\0';
		names->entries[names->count].type = entry.dirent.type;
		nodes[names->count++] = entry.entry_out.nodeid;
		*offset = entry.dirent.off;
		at += FUSE_DIRENTPLUS_SIZE(&entry);
	}
}

static int list_open(struct load_fuse *fuse, u64 node, u64 file, struct load_names *names)
{
	u64 offset = 0, nodes[LOAD_NAMES];
	int ret;

	names->count = 0;
	do {
		fuse_begin(fuse, FUSE_READDIRPLUS, node);
		FUSE_PUT(fuse, (struct fuse_read_in){ .fh = file, .offset = offset, .size = 4096 });
		ret = fuse_send(fuse, 4096);
		take_names(fuse, names, MAX(ret, 0), &offset, nodes);
	} while (ret > 0);
	for (unsigned i = 0; i < names->count; i++) {
		if (nodes[i])
			fuse_forget(fuse, nodes[i]);
	}
	return ret;
}

static int open_node(struct load_fuse *fuse, u32 opcode, u64 node, int flags, u64 *file)
{
	int ret;

	fuse_begin(fuse, opcode, node);
	FUSE_PUT(fuse, (struct fuse_open_in){ .flags = flags });
	ret = fuse_send_for(fuse, sizeof(struct fuse_open_out));
	memcpy(file, fuse_body(fuse), sizeof(*file));
	return ret;
}

static void release(struct load_fuse *fuse, u32 opcode, u64 node, u64 file)
{
	fuse_begin(fuse, opcode, node);
	FUSE_PUT(fuse, (struct fuse_release_in){ .fh = file });
	fuse_send_for(fuse, 0);
}

static int fuse_list(struct load_target *target, const char *path, struct load_names *names)
{
	struct load_fuse *fuse = fuse_of(target);
	struct fuse_entry_out entry;
	int ret = fuse_find(fuse, path, &entry);
	u64 file;

	if (ret)
		return ret;
	if (!S_ISDIR(entry.attr.mode))
		ret = -ENOTDIR;
	else
		ret = open_node(fuse, FUSE_OPENDIR, entry.nodeid, O_RDONLY, &file);
	if (!ret) {
		ret = list_open(fuse, entry.nodeid, file, names);
		release(fuse, FUSE_RELEASEDIR, entry.nodeid, file);
	}
	fuse_forget(fuse, entry.nodeid);
	return ret;
}

/* ---- extended attributes ---- */

static int fuse_setxattr(struct load_target *target, const char *path, const char *name,
			 const void *value, size_t size, int flags)
{
	struct load_fuse *fuse = fuse_of(target);
	const struct fuse_setxattr_in in = { .size = size, .flags = flags };
	u64 node;
	int ret = begin_at(fuse, FUSE_SETXATTR, path, &node);

	if (ret)
		return ret;
	fuse_put(fuse, &in, FUSE_COMPAT_SETXATTR_IN_SIZE);
	fuse_put_name(fuse, name);
	fuse_put(fuse, value, size);
	ret = fuse_send_for(fuse, 0);
	fuse_forget(fuse, node);
	return ret;
}

static int fuse_getxattr(struct load_target *target, const char *path, const char *name,
			 void *value, size_t size)
{
	struct load_fuse *fuse = fuse_of(target);
	u64 node;
	int ret = begin_at(fuse, FUSE_GETXATTR, path, &node);

	if (ret)
		return ret;
	FUSE_PUT(fuse, (struct fuse_getxattr_in){ .size = size });
	fuse_put_name(fuse, name);
	ret = fuse_send(fuse, size ? size : sizeof(struct fuse_getxattr_out));
	if (ret >= 0 && size)
		memcpy(value, fuse_body(fuse), ret);
	else if (ret >= 0)
		ret = *(const u32 *)fuse_body(fuse);
	fuse_forget(fuse, node);
	return ret;
}

static int fuse_removexattr(struct load_target *target, const char *path, const char *name)
{
	struct load_fuse *fuse = fuse_of(target);
	u64 node;
	int ret = begin_at(fuse, FUSE_REMOVEXATTR, path, &node);

	if (ret)
		return ret;
	fuse_put_name(fuse, name);
	ret = fuse_send_for(fuse, 0);
	fuse_forget(fuse, node);
	return ret;
}

/* ---- handles ---- */

static int create(struct load_fuse *fuse, unsigned n, const char *path, int flags, mode_t mode)
{
	const u32 room = sizeof(struct fuse_entry_out) + sizeof(struct fuse_open_out);
	const char *name;
	u64 dir;
	int ret = fuse_find_dir(fuse, path, &dir, &name);

	if (ret)
		return ret;
	fuse_begin(fuse, FUSE_CREATE, dir);
	FUSE_PUT(fuse, (struct fuse_create_in){ .flags = flags, .mode = S_IFREG | mode });
	fuse_put_name(fuse, name);
	ret = fuse_send_for(fuse, room);
	memcpy(&fuse->handles[n].node, fuse_body(fuse), 8);
	memcpy(&fuse->handles[n].file, (const u8 *)fuse_body(fuse) + sizeof(struct fuse_entry_out),
	       8);
	fuse_forget(fuse, dir);
	return ret;
}

static int may_open(const struct fuse_attr *attr, int flags)
{
	if (flags & O_EXCL)
		return -EEXIST;
	if (S_ISLNK(attr->mode))
		return -ELOOP;
	if (S_ISDIR(attr->mode) && (flags & (O_ACCMODE | O_CREAT | O_TRUNC)))
		return -EISDIR;
	return S_ISREG(attr->mode) || S_ISDIR(attr->mode) ? 0 : -ENXIO;
}

static int fuse_open(struct load_target *target, unsigned n, const char *path, int flags,
		     mode_t mode)
{
	struct load_fuse *fuse = fuse_of(target);
	struct fuse_entry_out entry;
	int ret = fuse_find(fuse, path, &entry);

	fuse->handles[n].flags = flags;
	if (ret == -ENOENT && flags & O_CREAT)
		return create(fuse, n, path, flags, mode);
	if (ret)
		return ret;
	fuse->handles[n].node = entry.nodeid;
	ret = may_open(&entry.attr, flags);
	if (!ret)
		ret = open_node(fuse, FUSE_OPEN, entry.nodeid, flags & ~O_CREAT,
				&fuse->handles[n].file);
	if (ret)
		fuse_forget(fuse, entry.nodeid);
	return ret;
}

static void fuse_close(struct load_target *target, unsigned n)
{
	struct load_fuse *fuse = fuse_of(target);

	release(fuse, FUSE_RELEASE, fuse->handles[n].node, fuse->handles[n].file);
	fuse_forget(fuse, fuse->handles[n].node);
}

static int fuse_fstat(struct load_target *target, unsigned n, struct load_stat *st)
{
	struct load_fuse *fuse = fuse_of(target);
	struct fuse_attr_out out;
	int ret;

	fuse_begin(fuse, FUSE_GETATTR, fuse->handles[n].node);
	FUSE_PUT(fuse, (struct fuse_getattr_in){ 0 });
	ret = fuse_send_for(fuse, sizeof(out));
	memcpy(&out, fuse_body(fuse), sizeof(out));
	fill_stat(st, &out.attr);
	return ret;
}

static int fuse_ftruncate(struct load_target *target, unsigned n, u64 size)
{
	struct load_fuse *fuse = fuse_of(target);
	const struct fuse_setattr_in in = { .valid = FATTR_SIZE | FATTR_FH,
					    .size = size,
					    .fh = fuse->handles[n].file };

	if ((fuse->handles[n].flags & O_ACCMODE) == O_RDONLY)
		return -EINVAL;
	return set(fuse, fuse->handles[n].node, &in);
}

static int fuse_fsync(struct load_target *target, unsigned n)
{
	struct load_fuse *fuse = fuse_of(target);

	fuse_begin(fuse, FUSE_FSYNC, fuse->handles[n].node);
	FUSE_PUT(fuse, (struct fuse_fsync_in){ .fh = fuse->handles[n].file });
	return fuse_send_for(fuse, 0);
}

static s64 fuse_read(struct load_target *target, unsigned n, void *data, size_t size, u64 offset)
{
	struct load_fuse *fuse = fuse_of(target);
	int ret;

	fuse_begin(fuse, FUSE_READ, fuse->handles[n].node);
	FUSE_PUT(fuse, (struct fuse_read_in){
			       .fh = fuse->handles[n].file, .offset = offset, .size = size });
	ret = fuse_send(fuse, size);
	if (ret > 0)
		memcpy(data, fuse_body(fuse), ret);
	return ret;
}

static s64 fuse_write(struct load_target *target, unsigned n, const void *data, size_t size,
		      u64 offset)
{
	struct load_fuse *fuse = fuse_of(target);
	int ret;

	fuse_begin(fuse, FUSE_WRITE, fuse->handles[n].node);
	FUSE_PUT(fuse, (struct fuse_write_in){ .fh = fuse->handles[n].file,
					       .offset = offset,
					       .size = size,
					       .flags = fuse->handles[n].flags });
	fuse_put(fuse, data, size);
	ret = fuse_send_for(fuse, sizeof(struct fuse_write_out));
	return ret ? ret : (s64) * (const u32 *)fuse_body(fuse);
}

static int fuse_fallocate(struct load_target *target, unsigned n, int mode, u64 offset, u64 len)
{
	struct load_fuse *fuse = fuse_of(target);

	fuse_begin(fuse, FUSE_FALLOCATE, fuse->handles[n].node);
	FUSE_PUT(fuse, (struct fuse_fallocate_in){ .fh = fuse->handles[n].file,
						   .offset = offset,
						   .length = len,
						   .mode = mode });
	return fuse_send_for(fuse, 0);
}

static s64 fuse_copy(struct load_target *target, unsigned from, u64 from_offset, unsigned to,
		     u64 to_offset, size_t len)
{
	struct load_fuse *fuse = fuse_of(target);
	int ret;

	/* As the guest's kernel does. */
	if (fuse->handles[to].flags & O_APPEND)
		return -EBADF;
	fuse_begin(fuse, FUSE_COPY_FILE_RANGE, fuse->handles[from].node);
	FUSE_PUT(fuse, (struct fuse_copy_file_range_in){ .fh_in = fuse->handles[from].file,
							 .off_in = from_offset,
							 .nodeid_out = fuse->handles[to].node,
							 .fh_out = fuse->handles[to].file,
							 .off_out = to_offset,
							 .len = len });
	ret = fuse_send_for(fuse, sizeof(struct fuse_write_out));
	return ret ? ret : (s64) * (const u32 *)fuse_body(fuse);
}

static s64 fuse_seek(struct load_target *target, unsigned n, u64 offset, int whence)
{
	struct load_fuse *fuse = fuse_of(target);
	s64 at;
	int ret;

	fuse_begin(fuse, FUSE_LSEEK, fuse->handles[n].node);
	FUSE_PUT(fuse, (struct fuse_lseek_in){
			       .fh = fuse->handles[n].file, .offset = offset, .whence = whence });
	ret = fuse_send_for(fuse, sizeof(struct fuse_lseek_out));
	memcpy(&at, fuse_body(fuse), sizeof(at));
	return ret ? ret : at;
}

static const struct load_ops fuse_ops = {
	.stat = fuse_stat,
	.mkdir = fuse_mkdir,
	.mkfifo = fuse_mkfifo,
	.symlink = fuse_symlink,
	.link = fuse_link,
	.unlink = fuse_unlink,
	.rmdir = fuse_rmdir,
	.rename = fuse_rename,
	.chmod = fuse_chmod,
	.truncate = fuse_truncate,
	.utimes = fuse_utimes,
	.readlink = fuse_readlink,
	.list = fuse_list,
	.setxattr = fuse_setxattr,
	.getxattr = fuse_getxattr,
	.removexattr = fuse_removexattr,
	.open = fuse_open,
	.close = fuse_close,
	.fstat = fuse_fstat,
	.ftruncate = fuse_ftruncate,
	.fsync = fuse_fsync,
	.read = fuse_read,
	.write = fuse_write,
	.fallocate = fuse_fallocate,
	.copy = fuse_copy,
	.seek = fuse_seek,
};

int load_fuse_open(struct load_fuse *fuse, client_ask *how, void *arg)
{
	*fuse = (struct load_fuse){ .target = { "virtio-fs",
						LOAD_FALLOCATE | LOAD_COPY | LOAD_SEEK |
							LOAD_RENAME_FLAGS | LOAD_XATTR |
							LOAD_APPEND,
						&fuse_ops },
				    .ask = how,
				    .arg = arg };
	fuse_begin(fuse, FUSE_INIT, 0);
	FUSE_PUT(fuse, (struct fuse_init_in){ .major = 7, .minor = 38 });
	return fuse_send_for(fuse, sizeof(struct fuse_init_out));
}
