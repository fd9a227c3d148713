/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "judge.h"

/* ---- chance ---- */

static u64 chance(struct load *load, u64 below)
{
	/* xorshift64 */
	load->random ^= load->random << 13;
	load->random ^= load->random >> 7;
	load->random ^= load->random << 17;
	return (load->random >> 11) % below;
}

static void some_name(struct load *load, char *name)
{
	unsigned which = chance(load, 100);

	/* The longest that there is, and one that is too long. */
	if (which < 2) {
		memset(name, 'x', 255 + which);
		name[255 + which] = '\0';
	} else {
		snprintf(name, 16, "n%u", (unsigned)chance(load, 5));
	}
}

static const char *some_path(struct load *load, char path[LOAD_PATH])
{
	unsigned depth = 1 + chance(load, 3);

	path[0] = '\0';
	for (unsigned i = 0; i < depth; i++) {
		char name[300];

		some_name(load, name);
		if (i)
			strcat(path, "/");
		strcat(path, name);
	}
	return path;
}

static mode_t some_mode(struct load *load)
{
	return (chance(load, 010000) | load->least) & load->most;
}

static u64 some_offset(struct load *load)
{
	u64 offset = chance(load, LOAD_MAX_FILE);

	/* Often where pages begin and end. */
	return chance(load, 2) ? offset & ~4095ull : offset;
}

static size_t some_len(struct load *load)
{
	size_t len = 1 + chance(load, chance(load, 4) ? 5000 : LOAD_MAX_IO);

	return chance(load, 3) ? len : (len + 4095) & ~4095ull;
}

static void some_data(struct load *load, size_t len)
{
	u64 seed = chance(load, ~0ull);

	for (size_t i = 0; i < len; i++)
		load->data[i] = seed >> (i % 8 * 8) ^ i;
}

/* CALL(target, ...) of both; the results in is and twins. */
#define BOTH(call, ...)                                                                            \
	s64 is = load->target->ops->call(load->target, ##__VA_ARGS__);                             \
	s64 twins = load->twin->ops->call(load->twin, ##__VA_ARGS__)

/* The same, and then both have the same at @path, or in handle @n. */
#define BOTH_AT(path, call, ...)                                                                   \
	do {                                                                                       \
		BOTH(call, __VA_ARGS__);                                                           \
		if (load_both_did(load, is, twins))                                                \
			load_compare_stat(load, path, false);                                      \
	} while (0)
#define BOTH_IN(n, call, ...)                                                                      \
	do {                                                                                       \
		BOTH(call, n, __VA_ARGS__);                                                        \
		if (load_both_did(load, is, twins))                                                \
			load_compare_handle(load, n);                                              \
	} while (0)

/* ---- operations on names ---- */

static void do_stat(struct load *load)
{
	char path[LOAD_PATH];

	load_begin(load, "stat %s", some_path(load, path));
	load_compare_stat(load, path, false);
}

static void do_mkdir(struct load *load)
{
	char path[LOAD_PATH];
	mode_t mode = some_mode(load);

	load_begin(load, "mkdir %s %o", some_path(load, path), mode);
	BOTH_AT(path, mkdir, path, mode);
}

static void do_mkfifo(struct load *load)
{
	char path[LOAD_PATH];
	mode_t mode = some_mode(load);

	load_begin(load, "mkfifo %s %o", some_path(load, path), mode);
	BOTH_AT(path, mkfifo, path, mode);
}

static void do_symlink(struct load *load)
{
	char path[LOAD_PATH], to[64];

	/* To nowhere: targets need not follow links. */
	snprintf(to, sizeof(to), "/nowhere/%u", (unsigned)chance(load, 1000));
	load_begin(load, "symlink %s %s", to, some_path(load, path));
	BOTH_AT(path, symlink, to, path);
}

static void do_readlink(struct load *load)
{
	char path[LOAD_PATH];
	s64 is, twins;

	load_begin(load, "readlink %s", some_path(load, path));
	is = load->target->ops->readlink(load->target, path, (char *)load->got, 100);
	twins = load->twin->ops->readlink(load->twin, path, (char *)load->twins, 100);
	if (load_both_did(load, is, twins))
		load_compare_data(load, is);
}

static void do_link(struct load *load)
{
	char path[LOAD_PATH], to[LOAD_PATH];

	some_path(load, path);
	load_begin(load, "link %s %s", path, some_path(load, to));
	BOTH_AT(to, link, path, to);
}

static void do_unlink(struct load *load)
{
	char path[LOAD_PATH];

	load_begin(load, "unlink %s", some_path(load, path));
	BOTH(unlink, path);
	load_both_did(load, is, twins);
}

static void do_rmdir(struct load *load)
{
	char path[LOAD_PATH];

	load_begin(load, "rmdir %s", some_path(load, path));
	BOTH(rmdir, path);
	load_both_did(load, is, twins);
}

static void do_rename(struct load *load)
{
	static const unsigned flags[] = { 0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE };
	unsigned flag = flags[chance(load, ARRAY_SIZE(flags))];
	char path[LOAD_PATH], to[LOAD_PATH];

	if (!(load->target->can & LOAD_RENAME_FLAGS))
		flag = 0;
	some_path(load, path);
	load_begin(load, "rename %s %s %u", path, some_path(load, to), flag);
	BOTH_AT(to, rename, path, to, flag);
}

static void do_chmod(struct load *load)
{
	char path[LOAD_PATH];
	mode_t mode = some_mode(load);

	load_begin(load, "chmod %s %o", some_path(load, path), mode);
	BOTH_AT(path, chmod, path, mode);
}

static void do_truncate(struct load *load)
{
	char path[LOAD_PATH];
	u64 size = some_offset(load);

	load_begin(load, "truncate %s %llu", some_path(load, path), (unsigned long long)size);
	BOTH_AT(path, truncate, path, size);
}

static void do_utimes(struct load *load)
{
	char path[LOAD_PATH];
	s64 sec = chance(load, 1u << 31);
	u32 nsec = chance(load, 1000000000);

	load_begin(load, "utimes %s %lld.%u", some_path(load, path), (long long)sec, nsec);
	BOTH(utimes, path, sec, nsec);
	if (load_both_did(load, is, twins))
		load_compare_stat(load, path, true);
}

static void do_list(struct load *load)
{
	char path[LOAD_PATH] = "";

	if (chance(load, 4))
		some_path(load, path);
	load_begin(load, "list %s", path);
	load_list_both(load, path);
}

/* ---- extended attributes ---- */

static void do_setxattr(struct load *load)
{
	static const int flags[] = { 0, 0, XATTR_CREATE, XATTR_REPLACE };
	int flag = flags[chance(load, ARRAY_SIZE(flags))];
	size_t size = chance(load, 100);
	char path[LOAD_PATH], name[16];

	/* Over 9p an empty one would be removed. */
	size += flag == XATTR_REPLACE;
	snprintf(name, sizeof(name), "user.x%u", (unsigned)chance(load, 4));
	some_data(load, size);
	load_begin(load, "setxattr %s %s of %zu, %d", some_path(load, path), name, size, flag);
	BOTH(setxattr, path, name, load->data, size, flag);
	load_both_did(load, is, twins);
}

static void do_getxattr(struct load *load)
{
	size_t size = chance(load, 3) ? 100 : chance(load, 40);
	char path[LOAD_PATH], name[16];
	s64 is, twins;

	snprintf(name, sizeof(name), "user.x%u", (unsigned)chance(load, 4));
	load_begin(load, "getxattr %s %s of %zu", some_path(load, path), name, size);
	is = load->target->ops->getxattr(load->target, path, name, load->got, size);
	twins = load->twin->ops->getxattr(load->twin, path, name, load->twins, size);
	if (load_both_did(load, is, twins) && size)
		load_compare_data(load, is);
}

static void do_removexattr(struct load *load)
{
	char path[LOAD_PATH], name[16];

	snprintf(name, sizeof(name), "user.x%u", (unsigned)chance(load, 4));
	load_begin(load, "removexattr %s %s", some_path(load, path), name);
	BOTH(removexattr, path, name);
	load_both_did(load, is, twins);
}

/* ---- handles ---- */

static void do_open(struct load *load)
{
	static const int accesses[] = { O_RDONLY, O_WRONLY, O_RDWR, O_RDWR };
	unsigned n = chance(load, LOAD_HANDLES);
	int flags = accesses[chance(load, ARRAY_SIZE(accesses))];
	mode_t mode = some_mode(load);
	char path[LOAD_PATH];

	flags |= chance(load, 4) ? O_CREAT : 0;
	flags |= flags & O_CREAT && !chance(load, 4) ? O_EXCL : 0;
	flags |= chance(load, 8) ? 0 : O_TRUNC;
	if (load->target->can & LOAD_APPEND && !chance(load, 8))
		flags |= O_APPEND;
	load_close_both(load, n);
	load_begin(load, "open %u: %s %#o %o", n, some_path(load, path), flags, mode);
	BOTH(open, n, path, flags, mode);
	load->open[n] = load_both_did(load, is, twins);
	if (load->open[n])
		load_compare_stat(load, path, false);
}

static bool some_handle(struct load *load, unsigned *n)
{
	*n = chance(load, LOAD_HANDLES);
	for (unsigned i = 0; i < LOAD_HANDLES; i++) {
		if (load->open[*n])
			return true;
		*n = (*n + 1) % LOAD_HANDLES;
	}
	return false;
}

static void do_close(struct load *load, unsigned n)
{
	load_begin(load, "close %u", n);
	load_close_both(load, n);
}

static void do_read(struct load *load, unsigned n)
{
	u64 offset = some_offset(load);
	size_t len = some_len(load);
	s64 is, twins;

	load_begin(load, "read %u: %zu at %llu", n, len, (unsigned long long)offset);
	is = load->target->ops->read(load->target, n, load->got, len, offset);
	twins = load->twin->ops->read(load->twin, n, load->twins, len, offset);
	if (load_both_did(load, is, twins))
		load_compare_data(load, is);
}

static void do_write(struct load *load, unsigned n)
{
	u64 offset = some_offset(load);
	size_t len = some_len(load);

	some_data(load, len);
	load_begin(load, "write %u: %zu at %llu", n, len, (unsigned long long)offset);
	BOTH_IN(n, write, load->data, len, offset);
}

/* Somewhere within the file, or false. */
static bool inside(struct load *load, unsigned n, u64 *offset, size_t *len)
{
	struct load_stat st;

	if (!(load->target->can & LOAD_MAP) || load->twin->ops->fstat(load->twin, n, &st) ||
	    !S_ISREG(st.mode) || !st.size)
		return false;
	*offset = chance(load, st.size);
	*len = some_len(load);
	*len = MIN(*len, st.size - *offset);
	return true;
}

static void do_map_read(struct load *load, unsigned n)
{
	s64 is, twins;
	u64 offset;
	size_t len;

	if (!inside(load, n, &offset, &len))
		return;
	load_begin(load, "read mapped %u: %zu at %llu", n, len, (unsigned long long)offset);
	is = load->target->ops->map_read(load->target, n, load->got, len, offset);
	twins = load->twin->ops->map_read(load->twin, n, load->twins, len, offset);
	if (load_both_did(load, is, twins))
		load_compare_data(load, is);
}

static void do_map_write(struct load *load, unsigned n)
{
	u64 offset;
	size_t len;

	if (!inside(load, n, &offset, &len))
		return;
	some_data(load, len);
	load_begin(load, "write mapped %u: %zu at %llu", n, len, (unsigned long long)offset);
	BOTH(map_write, n, load->data, len, offset);
	load_both_did(load, is, twins);
}

static void do_ftruncate(struct load *load, unsigned n)
{
	u64 size = some_offset(load);

	load_begin(load, "ftruncate %u: %llu", n, (unsigned long long)size);
	BOTH_IN(n, ftruncate, size);
}

static void do_fsync(struct load *load, unsigned n)
{
	load_begin(load, "fsync %u", n);
	BOTH(fsync, n);
	load_both_did(load, is, twins);
}

static void do_fallocate(struct load *load, unsigned n)
{
	static const int modes[] = { 0, FALLOC_FL_KEEP_SIZE,
				     FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE };
	int mode = modes[chance(load, ARRAY_SIZE(modes))];
	u64 offset = some_offset(load);
	size_t len = some_len(load);

	if (!(load->target->can & LOAD_FALLOCATE))
		return;
	load_begin(load, "fallocate %u: %#x, %zu at %llu", n, mode, len,
		   (unsigned long long)offset);
	BOTH_IN(n, fallocate, mode, offset, len);
}

/* All of it, as it may come in parts. */
static s64 copy_all(struct load_target *target, unsigned from, u64 from_offset, unsigned to,
		    u64 to_offset, size_t len)
{
	size_t done = 0;
	s64 part = 1;

	while (done < len && part > 0) {
		part = target->ops->copy(target, from, from_offset + done, to, to_offset + done,
					 len - done);
		done += MAX(part, 0);
	}
	return part < 0 && !done ? part : (s64)done;
}

static void do_copy(struct load *load, unsigned from)
{
	u64 offset = some_offset(load), to_offset = some_offset(load);
	size_t len = some_len(load);
	unsigned to;
	s64 is, twins;

	if (!(load->target->can & LOAD_COPY) || !some_handle(load, &to))
		return;
	load_begin(load, "copy %u %llu to %u %llu: %zu", from, (unsigned long long)offset, to,
		   (unsigned long long)to_offset, len);
	is = copy_all(load->target, from, offset, to, to_offset, len);
	twins = copy_all(load->twin, from, offset, to, to_offset, len);
	if (load_both_did(load, is, twins))
		load_compare_handle(load, to);
}

/* Where data begins is the file system's affair: what is skipped must be zeros. */
static void do_seek(struct load *load, unsigned n)
{
	u64 offset = some_offset(load);
	struct load_stat st;
	s64 at, len;

	if (!(load->target->can & LOAD_SEEK) || load->twin->ops->fstat(load->twin, n, &st) ||
	    !S_ISREG(st.mode))
		return;
	load_begin(load, "seek %u: data from %llu", n, (unsigned long long)offset);
	at = load->target->ops->seek(load->target, n, offset, SEEK_DATA);
	if (offset >= st.size) {
		load_differs(load, "the result", at, -ENXIO);
		return;
	}
	if (at < 0 && load_differs(load, "the result", at, -ENXIO))
		return;
	len = (at < 0 ? (s64)st.size : at) - (s64)offset;
	load_differs(load, "whether it goes back", len < 0, false);
	len = load->twin->ops->read(load->twin, n, load->twins, MIN(len, LOAD_MAX_IO), offset);
	memset(load->got, 0, MAX(len, 0));
	load_compare_data(load, len);
}

/* ---- the load ---- */

static void (*const names_operations[])(struct load *load) = {
	do_stat,  do_mkdir,  do_mkdir,	  do_mkfifo,   do_symlink,  do_readlink,    do_link,
	do_link,  do_unlink, do_unlink,	  do_rmdir,    do_rename,   do_rename,	    do_chmod,
	do_chmod, do_utimes, do_truncate, do_list,     do_setxattr, do_setxattr,    do_getxattr,
	do_open,  do_open,   do_open,	  do_getxattr, do_open,	    do_removexattr,
};

static void (*const handle_operations[])(struct load *load, unsigned n) = {
	do_close,    do_read,	   do_read,  do_read,	   do_write, do_write, do_write,
	do_map_read, do_map_write, do_fsync, do_ftruncate, do_copy,  do_seek,  do_fallocate,
};

bool load_step(struct load *load)
{
	unsigned n;

	load->why[0] = '\0';
	load->count++;
	/* Half are fsx's, half fsstress's. */
	if (chance(load, 2) && some_handle(load, &n)) {
		handle_operations[chance(load, ARRAY_SIZE(handle_operations))](load, n);
	} else {
		unsigned which = chance(load, ARRAY_SIZE(names_operations));
		bool xattr = names_operations[which] == do_setxattr ||
			     names_operations[which] == do_getxattr ||
			     names_operations[which] == do_removexattr;

		if (!xattr || load->target->can & LOAD_XATTR)
			names_operations[which](load);
	}
	return !load->why[0];
}
