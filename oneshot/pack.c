/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "oneshot/cpio.h"
#include "oneshot/pack.h"

/* Where init has its root. */
#define TOP	"root"
#define PIECE	(64 * KIB)
#define SET_IDS (S_ISUID | S_ISGID)
/* What a file of the guest's takes: whole pages, and about so much for itself. */
#define GUEST_PAGE (4 * KIB)
#define GUEST_NODE KIB
/* While it unpacks, Linux remembers each that has several names, with room for the longest. */
#define GUEST_LINK (8 * KIB)

/* A file with more than one name. */
struct linked {
	dev_t device;
	ino_t inode;
	u32 packed; /* its inode in the archive */
};

struct pack {
	struct cpio cpio;
	bool is_root;
	void *linked;		 /* of tsearch() */
	u64 memory, most, files; /* memory: without the archive */
	u64 unread;
	char *piece;	    /* owned, of PIECE */
	struct error *err;  /* the caller's */
	const char *folder; /* the same */
};

static int fail(struct pack *pack, int error, const char *path)
{
	return error_set(pack->err, error, "%s: %s", path, strerror(-error));
}

/* With @more bytes of the archive's that are to come. */
static int check_room(struct pack *pack, u64 more)
{
	if (!pack->most || pack->memory + pack->cpio.at + more <= pack->most)
		return 0;
	return error_set(pack->err, -E2BIG, "%s: has grown since it was measured", pack->folder);
}

/* ---- files of several names ---- */

static int compare(const void *a, const void *b)
{
	const struct linked *one = a, *two = b;

	if (one->device != two->device)
		return one->device < two->device ? -1 : 1;
	return one->inode < two->inode ? -1 : one->inode > two->inode;
}

/* NULL: no memory. Its .packed is 0 when it is met for the first time. */
static struct linked *find_linked(struct pack *pack, const struct stat *st)
{
	struct linked *key = malloc(sizeof(*key)), **found;

	if (!key)
		return NULL;
	*key = (struct linked){ st->st_dev, st->st_ino, 0 };
	found = tsearch(key, &pack->linked, compare);
	if (!found || *found != key)
		free(key);
	return found ? *found : NULL;
}

/* ---- one of each kind ---- */

static struct cpio_entry entry_of(const struct pack *pack, const char *name, const struct stat *st)
{
	return (struct cpio_entry){
		.name = name,
		.mode = pack->is_root || !S_ISREG(st->st_mode) ? st->st_mode
							       : st->st_mode & ~SET_IDS,
		.uid = pack->is_root ? st->st_uid : 0,
		.gid = pack->is_root ? st->st_gid : 0,
		.mtime = st->st_mtime,
		.links = S_ISDIR(st->st_mode) ? 2 : 1,
		.major = major(st->st_rdev),
		.minor = minor(st->st_rdev),
	};
}

static void put_empty(struct pack *pack, const char *name, const struct stat *st)
{
	struct cpio_entry entry = entry_of(pack, name, st);

	cpio_begin_entry(&pack->cpio, &entry);
}

static int put_link(struct pack *pack, const char *path, const char *name, const struct stat *st)
{
	struct cpio_entry entry = entry_of(pack, name, st);
	char target[PATH_MAX];
	ssize_t len = readlink(path, target, sizeof(target));

	if (len < 0)
		return fail(pack, -errno, path);
	entry.len = len;
	cpio_begin_entry(&pack->cpio, &entry);
	cpio_write(&pack->cpio, target, len);
	cpio_end_entry(&pack->cpio);
	return 0;
}

static int copy(struct pack *pack, int fd, u64 len, const char *path)
{
	while (len) {
		ssize_t got = read(fd, pack->piece, MIN(len, PIECE));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fail(pack, -errno, path);
		if (!got)
			return error_set(pack->err, -EAGAIN, "%s: became shorter as it was packed",
					 path);
		cpio_write(&pack->cpio, pack->piece, got);
		len -= got;
	}
	return 0;
}

/* The size in the header is that of the file that is open. */
static int open_file(const char *path, struct stat *st)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	int ret = fd < 0 ? -errno : 0;

	if (!ret && fstat(fd, st))
		ret = -errno;
	if (!ret && !S_ISREG(st->st_mode))
		ret = -EAGAIN;
	if (ret && fd >= 0)
		close(fd);
	return ret ? ret : fd;
}

static int put_contents(struct pack *pack, const char *path, struct cpio_entry *entry,
			struct linked *linked, const struct stat *st)
{
	struct stat now = *st;
	bool counts = pack->cpio.fd < 0;
	int fd = counts ? -1 : open_file(path, &now), ret = 0;
	u32 inode;

	if (!counts && (fd == -EACCES || fd == -EPERM)) {
		pack->unread++;
		now.st_size = 0;
	} else if (!counts && fd < 0) {
		return fail(pack, fd, path);
	}
	/* The format has 32 bits for it. */
	if (now.st_size > UINT32_MAX) {
		if (fd >= 0)
			close(fd);
		return fail(pack, -EFBIG, path);
	}
	entry->len = now.st_size;
	inode = cpio_begin_entry(&pack->cpio, entry);
	if (linked)
		linked->packed = inode;
	pack->memory += (now.st_size + GUEST_PAGE - 1) / GUEST_PAGE * GUEST_PAGE;
	if (counts)
		cpio_skip(&pack->cpio, now.st_size);
	else if (fd >= 0)
		ret = check_room(pack, now.st_size);
	if (!ret && fd >= 0)
		ret = copy(pack, fd, now.st_size, path);
	cpio_end_entry(&pack->cpio);
	if (fd >= 0)
		close(fd);
	return ret;
}

static int put_file(struct pack *pack, const char *path, const char *name, const struct stat *st)
{
	struct cpio_entry entry = entry_of(pack, name, st);
	struct linked *linked = NULL;

	if (st->st_nlink > 1) {
		linked = find_linked(pack, st);
		if (!linked)
			return fail(pack, -ENOMEM, path);
		entry.links = 2;
		entry.inode = linked->packed;
	}
	if (linked && !linked->packed)
		pack->memory += GUEST_LINK;
	if (!entry.inode)
		return put_contents(pack, path, &entry, linked, st);
	cpio_begin_entry(&pack->cpio, &entry);
	return 0;
}

static int put(struct pack *pack, const char *path, const char *name, const struct stat *st)
{
	switch (st->st_mode & S_IFMT) {
	case S_IFREG:
		return put_file(pack, path, name, st);
	case S_IFLNK:
		return put_link(pack, path, name, st);
	case S_IFDIR:
	case S_IFIFO:
		put_empty(pack, name, st);
		return 0;
	case S_IFCHR:
	case S_IFBLK:
		if (pack->is_root)
			put_empty(pack, name, st);
		return 0;
	default:
		return 0;
	}
}

/* ---- all of it ---- */

static int take(struct pack *pack, const FTSENT *found)
{
	char name[PATH_MAX];
	int ret;

	switch (found->fts_info) {
	case FTS_DP: /* has been taken when it was entered */
	case FTS_NS: /* has gone meanwhile */
		return 0;
	case FTS_DNR:
		pack->unread++;
		return 0;
	case FTS_DC:
	case FTS_ERR:
		return fail(pack, found->fts_errno ? -found->fts_errno : -ELOOP, found->fts_path);
	}
	if (snprintf(name, sizeof(name), TOP "%s", found->fts_path + strlen(pack->folder)) >=
	    (int)sizeof(name))
		return fail(pack, -ENAMETOOLONG, found->fts_path);
	pack->files++;
	pack->memory += GUEST_NODE;
	ret = put(pack, found->fts_accpath, name, found->fts_statp);
	if (!ret)
		ret = check_room(pack, 0);
	return ret ? ret : pack->cpio.error;
}

static int by_name(const FTSENT **one, const FTSENT **two)
{
	return strcmp((*one)->fts_name, (*two)->fts_name);
}

static int walk(struct pack *pack)
{
	char *const folders[] = { (char *)pack->folder, NULL };
	FTS *fts = fts_open(folders, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, by_name);
	const FTSENT *found;
	int ret = fts ? 0 : -errno;

	while (!ret && (errno = 0, found = fts_read(fts)))
		ret = take(pack, found);
	if (!ret)
		ret = -errno;
	if (fts)
		fts_close(fts);
	return ret;
}

/* With links followed, and no '/' at its end: what is behind it in a path is that in the guest. */
static int pack_at(struct pack *pack, const char *folder, struct error *err)
{
	char *real = realpath(folder, NULL);
	int ret;

	pack->is_root = !geteuid();
	pack->piece = malloc(PIECE);
	pack->folder = real;
	pack->err = err;
	ret = !real ? -errno : !pack->piece ? -ENOMEM : walk(pack);
	if (!ret)
		ret = cpio_end(&pack->cpio);
	tdestroy(pack->linked, free);
	free(pack->piece);
	free(real);
	return ret ? error_set(err, ret, "cannot pack %s: %s", folder, strerror(-ret)) : 0;
}

int pack_measure(const char *folder, struct pack_size *size, struct error *err)
{
	struct pack pack = { .cpio = { .fd = -1 } };
	int ret = pack_at(&pack, folder, err);

	*size = (struct pack_size){ pack.cpio.at, pack.cpio.at + pack.memory, pack.files };
	return ret;
}

int pack_folder(const char *folder, u64 most, int fd, u64 *unread, struct error *err)
{
	struct pack pack = { .cpio = { .fd = fd }, .most = most };
	int ret = pack_at(&pack, folder, err);

	*unread = pack.unread;
	return ret;
}
