/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One folder of the host's, served to a guest. The front ends (virtio-fs, 9p) parse a protocol and
 * call this; what a guest can reach through it is the folder and nothing else.
 *
 * Confinement. Every step of a path is one component, opened by openat2() relative to an O_PATH
 * descriptor of its directory, with RESOLVE_BENEATH, RESOLVE_NO_MAGICLINKS and
 * RESOLVE_NO_SYMLINKS; where the host has no openat2(), one component after the other with
 * O_NOFOLLOW and a look at the mount that it is on. The server never follows a symbolic link: the
 * guest reads it and walks by itself. Other mounts are not entered unless that is allowed. Only
 * regular files and directories are ever opened for more than O_PATH, so that no FIFO, socket or
 * device node of the host's is touched. The guest names objects by node IDs and file handles, which
 * are looked up in tables.
 *
 * Bounds. A node costs about 200 bytes, and there are at most folder_options.max_nodes. Descriptors
 * are a cache: at most max_fds are open for nodes, and the one that was used longest ago is closed
 * first. It is opened again by its parent and name, and must then be the same inode, else the
 * operation gives -ESTALE. At most max_files files are open.
 *
 * Threads. All calls but folder_open() and folder_close() may block, so they are made on threads
 * that called folder_thread_start(), never with the VM lock held. Any number of threads may
 * call at once. They are all of one process: this one, or one aside (util/aside.h).
 *
 * Results: 0 or -errno as the host gave it; -ESTALE for a node that is gone, -EBADF for a
 * handle that is not open, -ENFILE at a bound.
 */
#ifndef FOLDER_FOLDER_H
#define FOLDER_FOLDER_H

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>

#include "util/error.h"
#include "util/types.h"

struct folder;

/* How the guest's user and group IDs relate to the host's. */
enum folder_map {
	FOLDER_MAP_HOST,   /* they are the same: needs root */
	FOLDER_MAP_SQUASH, /* the guest's root is the caller, and every new file is the caller's */
	FOLDER_MAP_XATTR,  /* as SQUASH, and what the guest believes is kept in user.lkvm.stat */
};

struct folder_options {
	bool read_only;
	bool cross_mounts; /* enter file systems that are mounted below the folder */
	/* folder_sync() will be called: those that the guest has entered are kept open for it. */
	bool syncs;
	enum folder_map map;
	/* The folder stays unchanged: changes go to a layer over it, by the host's overlayfs. */
	bool overlay;
	const char *scratch; /* the folder that has the layer; NULL: RAM of the host's */
	u64 scratch_size;    /* bytes, at most, in RAM */
	unsigned max_nodes;  /* 0: a default of 4,194,304 */
	unsigned max_fds;    /* 0: a quarter of RLIMIT_NOFILE */
	unsigned max_files;  /* 0: a quarter of RLIMIT_NOFILE */
};

/* The guest's process that asks. */
struct folder_cred {
	u32 uid, gid;
};

/* What FUSE and 9p tell of a node. IDs are as the guest sees them. */
struct folder_attr {
	u64 ino;
	u64 size, blocks; /* bytes; units of 512 bytes */
	struct timespec atime, mtime, ctime, btime;
	u32 mode, nlink, uid, gid;
	u32 rdev_major, rdev_minor;
	u32 block_size;
	/*
	 * Of a regular file: another one for other contents, never 0. It is that of when the guest
	 * came to know the node, and stays while the guest does.
	 */
	u32 version;
};

struct folder_entry {
	u64 node;
	struct folder_attr attr;
};

/* 0 with the root as node FOLDER_ROOT; -errno with a line in @err. */
int folder_open(struct folder **folder, const char *path, const struct folder_options *options,
		struct error *err);
/*
 * No call is under way. NULL is fine. Closes all that the guest left open; if calls were made in a
 * process aside, folder_reset() must have been the last of them there.
 */
void folder_close(struct folder *folder);

/*
 * Once on each thread that calls what follows: the thread gets a working directory and a
 * umask of its own. -errno.
 */
int folder_thread_start(struct folder *folder);

/* The one file that folder_open() leaves open: what a process aside has to keep. */
int folder_file(const struct folder *folder);

/*
 * The guest unmounted, or was reset: it has no references and no open files any more. Other calls
 * may be under way, and what they use goes when they end.
 */
void folder_reset(struct folder *folder);

/*
 * What the host's file system is short of, or broken by, since this was asked last: a positive
 * errno (ENOSPC, EDQUOT, EIO, ENFILE, ...), each told once until folder_reset(); ENOENT: the folder
 * itself was removed. 0: nothing new. Never blocks; any thread.
 */
int folder_trouble(struct folder *folder);
/* A front end gives @error, a -errno that a call returned, to the guest. Any thread. */
void folder_note_error(struct folder *folder, int error);

#define FOLDER_ROOT 1ull

/* ---- nodes: each entry that is given counts one reference of the guest's ---- */

/* "." and ".." are understood; ".." of the root is the root. */
int folder_lookup(struct folder *folder, u64 dir, const char *name, struct folder_entry *entry);
/* One more reference to a node that is known, whatever it is. */
int folder_hold(struct folder *folder, u64 node);
/* Drop @count of the guest's references; more than there are drop all. The root stays. */
void folder_forget(struct folder *folder, u64 node, u64 count);

/* @file: an open handle of @node, or 0. */
int folder_getattr(struct folder *folder, u64 node, u64 file, struct folder_attr *attr);

#define FOLDER_SET_MODE	     (1u << 0)
#define FOLDER_SET_UID	     (1u << 1)
#define FOLDER_SET_GID	     (1u << 2)
#define FOLDER_SET_SIZE	     (1u << 3)
#define FOLDER_SET_ATIME     (1u << 4)
#define FOLDER_SET_MTIME     (1u << 5)
#define FOLDER_SET_ATIME_NOW (1u << 6)
#define FOLDER_SET_MTIME_NOW (1u << 7)
#define FOLDER_SET_KILL_PRIV (1u << 8) /* the change takes setuid and setgid bits away */

/* In this order: owner, mode, size, times. The first that fails ends it. */
int folder_setattr(struct folder *folder, u64 node, u64 file, u32 what,
		   const struct folder_attr *set, struct folder_attr *now);
/* At most @size bytes, no terminator; returns the length, or -errno. */
s64 folder_readlink(struct folder *folder, u64 node, char *target, size_t size);
int folder_statfs(struct folder *folder, u64 node, struct statvfs *st);

/* @mode: type and permission bits, the umask already applied. FOLDER_MAP_HOST makes device nodes as
 * well, SQUASH refuses them, XATTR makes a plain file that the guest sees as one. */
int folder_mknod(struct folder *folder, const struct folder_cred *cred, u64 dir, const char *name,
		 u32 mode, u32 major, u32 minor, struct folder_entry *entry);
int folder_mkdir(struct folder *folder, const struct folder_cred *cred, u64 dir, const char *name,
		 u32 mode, struct folder_entry *entry);
int folder_symlink(struct folder *folder, const struct folder_cred *cred, u64 dir, const char *name,
		   const char *target, struct folder_entry *entry);
int folder_link(struct folder *folder, u64 node, u64 dir, const char *name,
		struct folder_entry *entry);
/* @flags: AT_REMOVEDIR or 0. */
int folder_unlink(struct folder *folder, u64 dir, const char *name, int flags);
/* @flags: RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT (FOLDER_MAP_HOST alone). */
int folder_rename(struct folder *folder, u64 dir, const char *name, u64 new_dir,
		  const char *new_name, u32 flags);

/*
 * Names with "user.lkvm." are hidden and refused; but for FOLDER_MAP_HOST those of other classes
 * than "user." as well. Length or -errno; @size 0 asks for the length.
 */
s64 folder_getxattr(struct folder *folder, u64 node, const char *name, void *value, size_t size);
s64 folder_listxattr(struct folder *folder, u64 node, char *list, size_t size);
int folder_setxattr(struct folder *folder, u64 node, const char *name, const void *value,
		    size_t size, int flags);
int folder_removexattr(struct folder *folder, u64 node, const char *name);

/* ---- open files ---- */

/* @flags: O_ACCMODE, O_APPEND (all writes go to the end of the file, whatever their offsets),
 * O_TRUNC, O_DIRECTORY, O_SYNC and O_DSYNC. */
int folder_open_file(struct folder *folder, u64 node, int flags, u64 *file);
/* Makes it, or with @flags without O_EXCL opens it. */
int folder_create(struct folder *folder, const struct folder_cred *cred, u64 dir, const char *name,
		  int flags, u32 mode, struct folder_entry *entry, u64 *file);
int folder_close_file(struct folder *folder, u64 file);

/*
 * Bytes moved, or -errno. What is read is short at the end of the file alone. What is written is
 * short where the host has failed on the way: who goes on with the rest learns why.
 */
s64 folder_read(struct folder *folder, u64 file, const struct iovec *iov, unsigned count,
		u64 offset);
s64 folder_write(struct folder *folder, u64 file, const struct iovec *iov, unsigned count,
		 u64 offset);
/* To the end of the file as it is on the host, in one step, as others may append as well. */
s64 folder_append(struct folder *folder, u64 file, const struct iovec *iov, unsigned count);
int folder_fsync(struct folder *folder, u64 file, bool data_only);
/*
 * What was just written with O_SYNC or O_DSYNC in @flags is on the disk. Nothing to do where the
 * file was opened so.
 */
int folder_fsync_written(struct folder *folder, u64 file, int flags);
/* The guest closed one of its descriptors: errors that the host tells at close(), of NFS and
 * quotas. */
int folder_flush(struct folder *folder, u64 file);
/* The whole file system that the folder is on, and those below it that the guest has entered. */
int folder_sync(struct folder *folder);
int folder_fallocate(struct folder *folder, u64 file, int mode, u64 offset, u64 len);
s64 folder_copy_range(struct folder *folder, u64 from, u64 from_offset, u64 to, u64 to_offset,
		      u64 len);
/* SEEK_DATA and SEEK_HOLE alone. */
s64 folder_lseek(struct folder *folder, u64 file, u64 offset, int whence);

/*
 * Record locks, as others on the host see them. @owner: the guest's process. Locks of one process,
 * and those by one open file, are one owner's. @type: F_RDLCK, F_WRLCK, F_UNLCK; @len 0: to the
 * end. Never waits: -EAGAIN if another has it. F_UNLCK is flock()'s: what was locked through this
 * file goes, whoever did it. unlock: fcntl()'s, what @owner has locked in this file's node goes, if
 * it has locked anything. test: *@type becomes F_UNLCK if nobody is in the
 * way.
 */
int folder_lock(struct folder *folder, u64 file, u64 owner, short type, u64 start, u64 len);
int folder_unlock(struct folder *folder, u64 file, u64 owner, u64 start, u64 len);
int folder_test_lock(struct folder *folder, u64 file, u64 owner, short *type, u64 *start, u64 *len);

struct folder_dirent {
	const char *name; /* terminated */
	u64 ino;
	u64 next; /* the offset at which the next entry is */
	u32 type; /* DT_* */
};

/*
 * Entries of an open directory from @offset (0: the first; else a "next") on, until @take says
 * false: that entry is given again later. "." and ".." are among them.
 */
int folder_readdir(struct folder *folder, u64 file, u64 offset,
		   bool (*take)(void *arg, const struct folder_dirent *entry), void *arg);

#endif
