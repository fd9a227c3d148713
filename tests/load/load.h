/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A load of file operations on two folders at once: one is under test, the other, its twin, is a
 * local one. After each operation both must have given the same: errno, data, attributes.
 *
 * A target is a folder by whatever way: system calls (posix.c), which a guest and a host have, or
 * FUSE and 9p messages (fuse_client.c, p9_client.c). Paths are relative, without "." and "..".
 * Calls give 0 or more, or -errno. No link is followed.
 */
#ifndef TESTS_LOAD_H
#define TESTS_LOAD_H

#include <sys/types.h>

#include "util/types.h"

#define LOAD_HANDLES  16
#define LOAD_MAX_IO   65536
#define LOAD_MAX_FILE (512 * 1024)
#define LOAD_NAMES    256

struct load_stat {
	u32 mode, nlink, uid, gid;
	u64 size; /* of files and links */
	s64 mtime;
	u32 mtime_nsec;
};

struct load_names {
	unsigned count;
	struct {
		char name[256];
		u32 type; /* DT_*; DT_UNKNOWN is right for all */
	} entries[LOAD_NAMES];
};

enum load_ability {
	LOAD_FALLOCATE = 1,
	LOAD_COPY = 2,
	LOAD_SEEK = 4,
	LOAD_RENAME_FLAGS = 8,
	LOAD_XATTR = 16,
	LOAD_MAP = 32,	  /* mmap() */
	LOAD_APPEND = 64, /* O_APPEND */
};

struct load_target {
	const char *name;
	unsigned can; /* enum load_ability */
	const struct load_ops *ops;
};

struct load_ops {
	int (*stat)(struct load_target *target, const char *path, struct load_stat *st);
	int (*mkdir)(struct load_target *target, const char *path, mode_t mode);
	int (*mkfifo)(struct load_target *target, const char *path, mode_t mode);
	int (*symlink)(struct load_target *target, const char *to, const char *path);
	int (*link)(struct load_target *target, const char *from, const char *path);
	int (*unlink)(struct load_target *target, const char *path);
	int (*rmdir)(struct load_target *target, const char *path);
	int (*rename)(struct load_target *target, const char *from, const char *to, unsigned flags);
	int (*chmod)(struct load_target *target, const char *path, mode_t mode);
	int (*truncate)(struct load_target *target, const char *path, u64 size);
	int (*utimes)(struct load_target *target, const char *path, s64 sec, u32 nsec);
	int (*readlink)(struct load_target *target, const char *path, char *to, size_t size);
	int (*list)(struct load_target *target, const char *path, struct load_names *names);
	int (*setxattr)(struct load_target *target, const char *path, const char *name,
			const void *value, size_t size, int flags);
	int (*getxattr)(struct load_target *target, const char *path, const char *name, void *value,
			size_t size);
	int (*removexattr)(struct load_target *target, const char *path, const char *name);
	/* @n: the handle's number, below LOAD_HANDLES; it is closed. */
	int (*open)(struct load_target *target, unsigned n, const char *path, int flags,
		    mode_t mode);
	void (*close)(struct load_target *target, unsigned n);
	int (*fstat)(struct load_target *target, unsigned n, struct load_stat *st);
	int (*ftruncate)(struct load_target *target, unsigned n, u64 size);
	int (*fsync)(struct load_target *target, unsigned n);
	s64 (*read)(struct load_target *target, unsigned n, void *data, size_t size, u64 offset);
	s64 (*write)(struct load_target *target, unsigned n, const void *data, size_t size,
		     u64 offset);
	/* The same through a mapping; inside the file. */
	s64 (*map_read)(struct load_target *target, unsigned n, void *data, size_t size,
			u64 offset);
	s64 (*map_write)(struct load_target *target, unsigned n, const void *data, size_t size,
			 u64 offset);
	int (*fallocate)(struct load_target *target, unsigned n, int mode, u64 offset, u64 len);
	s64 (*copy)(struct load_target *target, unsigned from, u64 from_offset, unsigned to,
		    u64 to_offset, size_t len);
	s64 (*seek)(struct load_target *target, unsigned n, u64 offset, int whence);
};

/* ---- posix.c ---- */

struct load_posix {
	struct load_target target;
	int dir; /* owned */
	int handles[LOAD_HANDLES];
};

/* 0 or -errno. */
int load_posix_open(struct load_posix *posix, const char *path);
void load_posix_close(struct load_posix *posix);

/* ---- load.c, and judge.c, which compares ---- */

struct load {
	struct load_target *target, *twin;
	u64 random;	    /* the seed, not 0 */
	mode_t least, most; /* bits that all modes have, and that modes have at most */
	u64 count;	    /* operations so far */
	u64 failed;	    /* of them, by both alike */
	bool open[LOAD_HANDLES];
	char what[1200]; /* the operation under way */
	char why[300];	 /* what differs; "": nothing */
	u8 data[LOAD_MAX_IO], got[LOAD_MAX_IO], twins[LOAD_MAX_IO];
	struct load_names names, twins_names;
};

/* One operation more; false: load->what and load->why say what differs. */
bool load_step(struct load *load);
/* Close the handles and compare everything that is in both. */
bool load_compare(struct load *load);

/* ---- rights.c ---- */

/*
 * Who may do what: @count cases out of all that there are, by @seed, in two folders by system
 * calls. Needs root. Prints what differs; returns how many cases did, and in *@denied how many
 * operations were refused by both.
 */
unsigned load_rights(const char *dir, const char *twin, unsigned count, u64 seed, unsigned *denied);

#endif
