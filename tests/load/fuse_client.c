/* SPDX-License-Identifier: BSD-2-Clause */
/* FUSE, as Linux's kernel speaks it, but that it remembers nothing: each path is looked up anew. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <string.h>
#include <sys/stat.h>

#include "client.h"

static struct load_fuse *to_fuse(struct load_target *target)
{
	return container_of(target, struct load_fuse, target);
}

/* ---- messages ---- */

static void begin(struct load_fuse *fuse, u32 opcode, u64 node)
{
	struct fuse_in_header head = { .opcode = opcode, .unique = 2, .nodeid = node };

	memcpy(fuse->message, &head, sizeof(head));
	fuse->len = sizeof(head);
}

static void put(struct load_fuse *fuse, const void *data, size_t len)
{
	memcpy(fuse->message + fuse->len, data, len);
	fuse->len += len;
}

#define PUT(fuse, ...) put(fuse, &(__VA_ARGS__), sizeof(__VA_ARGS__))

static void put_name(struct load_fuse *fuse, const char *name)
{
	put(fuse, name, strlen(name) + 1);
}

static const void *body(struct load_fuse *fuse)
{
	return fuse->answer + sizeof(struct fuse_out_header);
}

/* The bytes of the answer's body, of at most @room; or -errno. */
static int send_it(struct load_fuse *fuse, u32 room)
{
	struct fuse_out_header head;
	u32 got;

	memcpy(fuse->message, &fuse->len, 4);
	got = fuse->ask(fuse->arg, fuse->message, fuse->len, fuse->answer, sizeof(head) + room);
	memcpy(&head, fuse->answer, sizeof(head));
	if (got < sizeof(head) || head.len != got || head.unique != 2)
		return -EPROTO;
	return head.error ? head.error : (int)(got - sizeof(head));
}

/* 0: the body is @len bytes; or -errno. */
static int send_for(struct load_fuse *fuse, u32 len)
{
	int ret = send_it(fuse, len);

	return ret < 0 ? ret : (u32)ret == len ? 0 : -EPROTO;
}

/* ---- nodes ---- */

static void forget(struct load_fuse *fuse, u64 node)
{
	if (node == FUSE_ROOT_ID)
		return;
	begin(fuse, FUSE_FORGET, node);
	PUT(fuse, (struct fuse_forget_in){ .nlookup = 1 });
	memcpy(fuse->message, &fuse->len, 4);
	fuse->ask(fuse->arg, fuse->message, fuse->len, fuse->answer, 0);
}

static int lookup(struct load_fuse *fuse, u64 dir, const char *name, struct fuse_entry_out *entry)
{
	int ret;

	begin(fuse, FUSE_LOOKUP, dir);
	put_name(fuse, name);
	ret = send_for(fuse, sizeof(*entry));
	memcpy(entry, body(fuse), sizeof(*entry));
	return ret;
}

/* The node of @path, to be forgotten. */
static int find(struct load_fuse *fuse, const char *path, struct fuse_entry_out *entry)
{
	int ret = 0;

	*entry = (struct fuse_entry_out){ .nodeid = FUSE_ROOT_ID, .attr.mode = S_IFDIR };
	while (!ret && *path) {
		size_t len = strcspn(path, "/");
		u64 dir = entry->nodeid;
		char name[512];

		memcpy(name, path, len);
		name[len] = '\0';
		path += len + (path[len] == '/');
		/* All links lead nowhere. */
		if (S_ISLNK(entry->attr.mode))
			ret = -ENOENT;
		else if (!S_ISDIR(entry->attr.mode))
			ret = -ENOTDIR;
		else
			ret = lookup(fuse, dir, name, entry);
		forget(fuse, dir);
	}
	return ret;
}

/* The folder of @path, to be forgotten, and the name in it. */
static int find_dir(struct load_fuse *fuse, const char *path, u64 *node, const char **name)
{
	struct fuse_entry_out entry;
	char dir[1024];
	int ret;

	*name = client_split(path, dir);
	ret = find(fuse, dir, &entry);
	if (ret)
		return ret;
	*node = entry.nodeid;
	if (S_ISDIR(entry.attr.mode))
		return 0;
	forget(fuse, entry.nodeid);
	return S_ISLNK(entry.attr.mode) ? -ENOENT : -ENOTDIR;
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

/* ---- calls ---- */

static int fuse_stat(struct load_target *target, const char *path, struct load_stat *st)
{
	struct load_fuse *fuse = to_fuse(target);
	struct fuse_entry_out entry;
	int ret = find(fuse, path, &entry);

	if (ret)
		return ret;
	fill_stat(st, &entry.attr);
	forget(fuse, entry.nodeid);
	return 0;
}

/* Send what was built with the node of a folder, and forget what it gives and that. */
static int make(struct load_fuse *fuse, u64 dir)
{
	int ret = send_for(fuse, sizeof(struct fuse_entry_out));
	struct fuse_entry_out entry;

	if (!ret) {
		memcpy(&entry, body(fuse), sizeof(entry));
		forget(fuse, entry.nodeid);
	}
	forget(fuse, dir);
	return ret;
}

static int fuse_mkdir(struct load_target *target, const char *path, mode_t mode)
{
	struct load_fuse *fuse = to_fuse(target);
	const char *name;
	u64 dir;
	int ret = find_dir(fuse, path, &dir, &name);

	if (ret)
		return ret;
	begin(fuse, FUSE_MKDIR, dir);
	PUT(fuse, (struct fuse_mkdir_in){ .mode = mode });
	put_name(fuse, name);
	return make(fuse, dir);
}

static int fuse_mkfifo(struct load_target *target, const char *path, mode_t mode)
{
	struct load_fuse *fuse = to_fuse(target);
	const char *name;
	u64 dir;
	int ret = find_dir(fuse, path, &dir, &name);

	if (ret)
		return ret;
	begin(fuse, FUSE_MKNOD, dir);
	PUT(fuse, (struct fuse_mknod_in){ .mode = S_IFIFO | mode });
	put_name(fuse, name);
	return make(fuse, dir);
}

static int fuse_symlink(struct load_target *target, const char *to, const char *path)
{
	struct load_fuse *fuse = to_fuse(target);
	const char *name;
	u64 dir;
	int ret = find_dir(fuse, path, &dir, &name);

	if (ret)
		return ret;
	begin(fuse, FUSE_SYMLINK, dir);
	put_name(fuse, name);
	put_name(fuse, to);
	return make(fuse, dir);
}

static int fuse_link(struct load_target *target, const char *from, const char *path)
{
	struct load_fuse *fuse = to_fuse(target);
	struct fuse_entry_out entry;
	const char *name;
	int ret = find(fuse, from, &entry);
	u64 dir;

	if (ret)
		return ret;
	ret = find_dir(fuse, path, &dir, &name);
	if (!ret) {
		begin(fuse, FUSE_LINK, dir);
		PUT(fuse, (struct fuse_link_in){ .oldnodeid = entry.nodeid });
		put_name(fuse, name);
		ret = make(fuse, dir);
	}
	forget(fuse, entry.nodeid);
	return ret;
}

static int remove_name(struct load_target *target, const char *path, u32 opcode)
{
	struct load_fuse *fuse = to_fuse(target);
	const char *name;
	u64 dir;
	int ret = find_dir(fuse, path, &dir, &name);

	if (ret)
		return ret;
	begin(fuse, opcode, dir);
	put_name(fuse, name);
	ret = send_for(fuse, 0);
	forget(fuse, dir);
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
	struct load_fuse *fuse = to_fuse(target);
	const char *name, *new_name;
	u64 dir, new_dir;
	int ret = find_dir(fuse, from, &dir, &name);

	if (ret)
		return ret;
	ret = find_dir(fuse, to, &new_dir, &new_name);
	if (!ret) {
		begin(fuse, FUSE_RENAME2, dir);
		PUT(fuse, (struct fuse_rename2_in){ .newdir = new_dir, .flags = flags });
		put_name(fuse, name);
		put_name(fuse, new_name);
		ret = send_for(fuse, 0);
		forget(fuse, new_dir);
	}
	forget(fuse, dir);
	return ret;
}

static int set(struct load_fuse *fuse, u64 node, const struct fuse_setattr_in *in)
{
	begin(fuse, FUSE_SETATTR, node);
	PUT(fuse, *in);
	return send_for(fuse, sizeof(struct fuse_attr_out));
}

static int set_path(struct load_target *target, const char *path, bool plain,
		    const struct fuse_setattr_in *in)
{
	struct load_fuse *fuse = to_fuse(target);
	struct fuse_entry_out entry;
	int ret = find(fuse, path, &entry);

	if (ret)
		return ret;
	/* As posix.c: what chmod() and truncate() would follow or touch is left alone. */
	if (plain && S_ISLNK(entry.attr.mode))
		ret = -ELOOP;
	else if (plain && !S_ISREG(entry.attr.mode) && !S_ISDIR(entry.attr.mode))
		ret = -ENXIO;
	else
		ret = set(fuse, entry.nodeid, in);
	forget(fuse, entry.nodeid);
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

static int fuse_readlink(struct load_target *target, const char *path, char *to, size_t size)
{
	struct load_fuse *fuse = to_fuse(target);
	struct fuse_entry_out entry;
	int ret = find(fuse, path, &entry);

	if (ret)
		return ret;
	begin(fuse, FUSE_READLINK, entry.nodeid);
	ret = send_it(fuse, 4096);
	ret = MIN(ret, (int)size);
	if (ret > 0)
		memcpy(to, body(fuse), ret);
	forget(fuse, entry.nodeid);
	return ret;
}

/* With READDIRPLUS, whose entries are looked up, and so forgotten. */
static void take_names(struct load_fuse *fuse, struct load_names *names, u32 len, u64 *offset,
		       u64 nodes[LOAD_NAMES])
{
	const u8 *at = body(fuse), *end = at + len;

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
		begin(fuse, FUSE_READDIRPLUS, node);
		PUT(fuse, (struct fuse_read_in){ .fh = file, .offset = offset, .size = 4096 });
		ret = send_it(fuse, 4096);
		take_names(fuse, names, MAX(ret, 0), &offset, nodes);
	} while (ret > 0);
	for (unsigned i = 0; i < names->count; i++) {
		if (nodes[i])
			forget(fuse, nodes[i]);
	}
	return ret;
}

static int open_node(struct load_fuse *fuse, u32 opcode, u64 node, int flags, u64 *file)
{
	int ret;

	begin(fuse, opcode, node);
	PUT(fuse, (struct fuse_open_in){ .flags = flags });
	ret = send_for(fuse, sizeof(struct fuse_open_out));
	memcpy(file, body(fuse), sizeof(*file));
	return ret;
}

static void release(struct load_fuse *fuse, u32 opcode, u64 node, u64 file)
{
	begin(fuse, opcode, node);
	PUT(fuse, (struct fuse_release_in){ .fh = file });
	send_for(fuse, 0);
}

static int fuse_list(struct load_target *target, const char *path, struct load_names *names)
{
	struct load_fuse *fuse = to_fuse(target);
	struct fuse_entry_out entry;
	int ret = find(fuse, path, &entry);
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
	forget(fuse, entry.nodeid);
	return ret;
}

/* ---- extended attributes ---- */

static int fuse_setxattr(struct load_target *target, const char *path, const char *name,
			 const void *value, size_t size, int flags)
{
	struct load_fuse *fuse = to_fuse(target);
	const struct fuse_setxattr_in in = { .size = size, .flags = flags };
	struct fuse_entry_out entry;
	int ret = find(fuse, path, &entry);

	if (ret)
		return ret;
	begin(fuse, FUSE_SETXATTR, entry.nodeid);
	put(fuse, &in, FUSE_COMPAT_SETXATTR_IN_SIZE);
	put_name(fuse, name);
	put(fuse, value, size);
	ret = send_for(fuse, 0);
	forget(fuse, entry.nodeid);
	return ret;
}

static int fuse_getxattr(struct load_target *target, const char *path, const char *name,
			 void *value, size_t size)
{
	struct load_fuse *fuse = to_fuse(target);
	struct fuse_entry_out entry;
	int ret = find(fuse, path, &entry);

	if (ret)
		return ret;
	begin(fuse, FUSE_GETXATTR, entry.nodeid);
	PUT(fuse, (struct fuse_getxattr_in){ .size = size });
	put_name(fuse, name);
	ret = send_it(fuse, size ? size : sizeof(struct fuse_getxattr_out));
	if (ret >= 0 && size)
		memcpy(value, body(fuse), ret);
	else if (ret >= 0)
		ret = *(const u32 *)body(fuse);
	forget(fuse, entry.nodeid);
	return ret;
}

static int fuse_removexattr(struct load_target *target, const char *path, const char *name)
{
	struct load_fuse *fuse = to_fuse(target);
	struct fuse_entry_out entry;
	int ret = find(fuse, path, &entry);

	if (ret)
		return ret;
	begin(fuse, FUSE_REMOVEXATTR, entry.nodeid);
	put_name(fuse, name);
	ret = send_for(fuse, 0);
	forget(fuse, entry.nodeid);
	return ret;
}

/* ---- handles ---- */

static int create(struct load_fuse *fuse, unsigned n, const char *path, int flags, mode_t mode)
{
	const u32 room = sizeof(struct fuse_entry_out) + sizeof(struct fuse_open_out);
	const char *name;
	u64 dir;
	int ret = find_dir(fuse, path, &dir, &name);

	if (ret)
		return ret;
	begin(fuse, FUSE_CREATE, dir);
	PUT(fuse, (struct fuse_create_in){ .flags = flags, .mode = S_IFREG | mode });
	put_name(fuse, name);
	ret = send_for(fuse, room);
	memcpy(&fuse->handles[n].node, body(fuse), 8);
	memcpy(&fuse->handles[n].file, (const u8 *)body(fuse) + sizeof(struct fuse_entry_out), 8);
	forget(fuse, dir);
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
	struct load_fuse *fuse = to_fuse(target);
	struct fuse_entry_out entry;
	int ret = find(fuse, path, &entry);

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
		forget(fuse, entry.nodeid);
	return ret;
}

static void fuse_close(struct load_target *target, unsigned n)
{
	struct load_fuse *fuse = to_fuse(target);

	release(fuse, FUSE_RELEASE, fuse->handles[n].node, fuse->handles[n].file);
	forget(fuse, fuse->handles[n].node);
}

static int fuse_fstat(struct load_target *target, unsigned n, struct load_stat *st)
{
	struct load_fuse *fuse = to_fuse(target);
	struct fuse_attr_out out;
	int ret;

	begin(fuse, FUSE_GETATTR, fuse->handles[n].node);
	PUT(fuse, (struct fuse_getattr_in){ 0 });
	ret = send_for(fuse, sizeof(out));
	memcpy(&out, body(fuse), sizeof(out));
	fill_stat(st, &out.attr);
	return ret;
}

static int fuse_ftruncate(struct load_target *target, unsigned n, u64 size)
{
	struct load_fuse *fuse = to_fuse(target);
	const struct fuse_setattr_in in = { .valid = FATTR_SIZE | FATTR_FH,
					    .size = size,
					    .fh = fuse->handles[n].file };

	if ((fuse->handles[n].flags & O_ACCMODE) == O_RDONLY)
		return -EINVAL;
	return set(fuse, fuse->handles[n].node, &in);
}

static int fuse_fsync(struct load_target *target, unsigned n)
{
	struct load_fuse *fuse = to_fuse(target);

	begin(fuse, FUSE_FSYNC, fuse->handles[n].node);
	PUT(fuse, (struct fuse_fsync_in){ .fh = fuse->handles[n].file });
	return send_for(fuse, 0);
}

static s64 fuse_read(struct load_target *target, unsigned n, void *data, size_t size, u64 offset)
{
	struct load_fuse *fuse = to_fuse(target);
	int ret;

	begin(fuse, FUSE_READ, fuse->handles[n].node);
	PUT(fuse,
	    (struct fuse_read_in){ .fh = fuse->handles[n].file, .offset = offset, .size = size });
	ret = send_it(fuse, size);
	if (ret > 0)
		memcpy(data, body(fuse), ret);
	return ret;
}

static s64 fuse_write(struct load_target *target, unsigned n, const void *data, size_t size,
		      u64 offset)
{
	struct load_fuse *fuse = to_fuse(target);
	int ret;

	begin(fuse, FUSE_WRITE, fuse->handles[n].node);
	PUT(fuse,
	    (struct fuse_write_in){ .fh = fuse->handles[n].file, .offset = offset, .size = size });
	put(fuse, data, size);
	ret = send_for(fuse, sizeof(struct fuse_write_out));
	return ret ? ret : (s64) * (const u32 *)body(fuse);
}

static int fuse_fallocate(struct load_target *target, unsigned n, int mode, u64 offset, u64 len)
{
	struct load_fuse *fuse = to_fuse(target);

	begin(fuse, FUSE_FALLOCATE, fuse->handles[n].node);
	PUT(fuse,
	    (struct fuse_fallocate_in){
		    .fh = fuse->handles[n].file, .offset = offset, .length = len, .mode = mode });
	return send_for(fuse, 0);
}

static s64 fuse_copy(struct load_target *target, unsigned from, u64 from_offset, unsigned to,
		     u64 to_offset, size_t len)
{
	struct load_fuse *fuse = to_fuse(target);
	int ret;

	begin(fuse, FUSE_COPY_FILE_RANGE, fuse->handles[from].node);
	PUT(fuse, (struct fuse_copy_file_range_in){ .fh_in = fuse->handles[from].file,
						    .off_in = from_offset,
						    .nodeid_out = fuse->handles[to].node,
						    .fh_out = fuse->handles[to].file,
						    .off_out = to_offset,
						    .len = len });
	ret = send_for(fuse, sizeof(struct fuse_write_out));
	return ret ? ret : (s64) * (const u32 *)body(fuse);
}

static s64 fuse_seek(struct load_target *target, unsigned n, u64 offset, int whence)
{
	struct load_fuse *fuse = to_fuse(target);
	s64 at;
	int ret;

	begin(fuse, FUSE_LSEEK, fuse->handles[n].node);
	PUT(fuse, (struct fuse_lseek_in){
			  .fh = fuse->handles[n].file, .offset = offset, .whence = whence });
	ret = send_for(fuse, sizeof(struct fuse_lseek_out));
	memcpy(&at, body(fuse), sizeof(at));
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
							LOAD_RENAME_FLAGS | LOAD_XATTR,
						&fuse_ops },
				    .ask = how,
				    .arg = arg };
	begin(fuse, FUSE_INIT, 0);
	PUT(fuse, (struct fuse_init_in){ .major = 7, .minor = 38 });
	return send_for(fuse, sizeof(struct fuse_init_out));
}
