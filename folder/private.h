/* SPDX-License-Identifier: BSD-2-Clause */
/* The folder server's own. folder.c is its life, node*.c are what the guest knows, the others its
 * calls. */
#ifndef FOLDER_PRIVATE_H
#define FOLDER_PRIVATE_H

#include <linux/stat.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/types.h>

#include "folder/folder.h"
#include "table.h"
#include "util/list.h"

/* The same inode, and not another one that got its number later. */
struct node_key {
	u64 dev, ino;
	u32 type; /* S_IFMT bits: where no birth is recorded, a number comes back as anything */
	s64 btime_sec;
	u32 btime_nsec;
	u64 place; /* 0, but for names of one inode that are not one file */
};

struct folder_node {
	u64 id;
	struct node_key key;  /* under folder->lock, but for its type, which never changes */
	u64 lookups;	      /* the guest's references */
	u32 users;	      /* ours: calls under way, open files, children's parent pointers */
	u32 pins;	      /* the descriptor is in use; open files pin it */
	int fd;		      /* O_PATH; -1: closed to save descriptors */
	struct list_node lru; /* folder.lru or folder.nameless, while fd is open and pins is 0 */
	bool nameless;	      /* its name was taken away, so that fd cannot be opened again */
	u32 version;	      /* as of struct folder_attr; never changes */
	_Atomic bool likely_known; /* what was looked up in it last was known already */
	bool locks_busy;	   /* a call has @locks as its own; under folder->locking */
	struct lock_holder *locks; /* lock.c's; changed by who has them, and under that lock */
	struct folder_node *hash_next;
	struct folder_node *parent; /* where it was seen last; NULL: the root */
	char *name;		    /* its name there; owned */
};

struct folder_file {
	u64 id;
	struct folder_node *node;
	_Atomic int fd; /* -1: it is being opened, and a guest that guesses its ID gets -EBADF */
	int flags;	/* O_* that it was opened with */
	u32 users; /* calls under way; it is closed when it is out of the table and this is 0 */
	bool gone; /* out of the table */
	pthread_mutex_t lock;		 /* a directory's position: one call reads it at a time */
	struct lock_holder *lock_holder; /* lock.c's, one of the node's; NULL: none */
	struct folder_left *left;	 /* under @lock; NULL: nothing. readdir.c's, owned */
};

/* Descriptors of nodes that wait to be closed at once. */
#define FOLDER_CLOSING 64

/* File systems below the folder that are known one by one. Of more there is no list. */
#define FOLDER_MOUNTS 32

/* Where the guest came into one that is mounted below the folder. */
struct folder_mount {
	u64 dev;
	int fd; /* O_PATH, owned */
};

struct folder {
	struct folder_options options; /* defaults filled in */
	bool has_openat2;
	bool has_births;   /* an inode's time of birth stays */
	bool splits_links; /* hard links of overlayfs's lower layer are no longer so once written */
	int scratch;	   /* the scratch folder with its lock; -1: none; owned */
	pthread_mutex_t lock; /* protects what follows; held for table work only */
	int proc_fd;	      /* O_PATH of /proc/self/fd, owned: of the process that calls */
	pid_t process;	      /* that one; 0: no thread of it has started yet */
	uid_t uid;	      /* whose we are */
	gid_t gid;
	struct table nodes, files;
	struct folder_node *root;
	u64 mount; /* the root's, as statx() says; 0: it does not */
	struct folder_node **buckets;
	u32 bucket_count; /* a power of two */
	struct list_node lru;
	struct list_node nameless; /* the same of nodes without a name */
	unsigned nameless_fds;	   /* of those, in use or not */
	unsigned fds;		   /* open for nodes */
	/* node_fd.c's: no longer of a node, to be closed when @lock is given up. */
	int closing[FOLDER_CLOSING];
	unsigned closing_count;
	struct folder_mount mounts[FOLDER_MOUNTS];
	unsigned mount_count;
	bool more_mounts; /* than those */
	pthread_mutex_t
		locking; /* protects nodes' locks_busy and locks; over no call of the host */
	pthread_cond_t unlocked; /* some node's locks_busy is false again */
	_Atomic unsigned lefts;	 /* open directories with something left */
	/* Bits of host.c's list: what was noted, and what of it was told. */
	_Atomic u32 noted;
	_Atomic u32 told;
};

/* ---- node.c ---- */

/* Takes @fd, an O_PATH descriptor. */
int node_create_root(struct folder *folder, int fd);
/* The guest has no references any more. What nobody uses goes, but for the root. */
void node_forget_all(struct folder *folder);
/* Drop a reference of ours (folder_node.users). */
void node_put(struct folder *folder, struct folder_node *node);
/*
 * An O_PATH descriptor, good until node_close(), with a reference of ours. -ESTALE, -errno: nothing
 * was taken.
 */
int node_open(struct folder *folder, u64 id, struct folder_node **node);
void node_close(struct folder *folder, struct folder_node *node);
/*
 * @fd (O_PATH, taken unless this fails) is @name in @parent: the node of that inode, new or known,
 * with one more of the guest's references. *@attr is filled.
 */
int node_enter(struct folder *folder, struct folder_node *parent, const char *name, int fd,
	       struct folder_entry *entry);
/*
 * The same without opening anything, where @name is a node that has a descriptor; false: it is not,
 * or that is not likely. @dir_fd: of @parent.
 */
bool node_enter_known(struct folder *folder, struct folder_node *parent, int dir_fd,
		      const char *name, struct folder_entry *entry);
/*
 * The inode that is open as @fd may have been written for the first time. On overlayfs one of the
 * lower layer's can get another number by that, and so a hard link of it is another inode from then
 * on.
 */
void node_written(struct folder *folder, struct folder_node *node, int fd);
/*
 * @name of @dir, which is open as @dir_fd, is about to go. If it is where a node is to be found,
 * the node's descriptor is open from now on, until node_lost() ends that; NULL: it is not.
 */
struct folder_node *node_losing(struct folder *folder, struct folder_node *dir, int dir_fd,
				const char *name);
/* @lost: it went. The guest may still use the node, as it could on a file system of its own. */
void node_lost(struct folder *folder, struct folder_node *node, bool lost);
/* We renamed @name of @dir; both directories are pinned. */
void node_moved(struct folder *folder, struct folder_node *dir, const char *name,
		struct folder_node *new_dir, const char *new_name, bool exchange);

/* ---- sync.c ---- */

/*
 * folder->lock held: @fd is an inode of that key, into which the guest has come. What it writes
 * there is to be on the disk when it asks for that.
 */
void sync_note(struct folder *folder, const struct node_key *key, int fd);
void sync_forget_all(struct folder *folder);

/* ---- entry.c ---- */

/* @fd was made at @name of @dir_fd, but the guest cannot be told of it: it goes again. */
void entry_take_back(int dir_fd, const char *name, int fd);

/* ---- step.c ---- */

/*
 * The inode at @path below @dir_fd, O_PATH, no link followed, no ".." in it. A descriptor, or
 * -errno; -EXDEV: on another mount.
 */
int step_path(const struct folder *folder, int dir_fd, const char *path);
/* Whether the host lets us use openat2(). @dir_fd: any directory. */
bool step_has_openat2(int dir_fd);

/* ---- overlay.c ---- */

/*
 * The folder at @path under a scratch layer, as folder->options have it: O_PATH of a mount that
 * goes with the last descriptor of it. folder->scratch and splits_links are set. -errno with a
 * line.
 */
int overlay_mount(struct folder *folder, const char *path, struct error *err);

/* ---- attr.c ---- */

int attr_stat(int fd, struct statx *stx);
/* What the guest sees as its number: inodes of other file systems get numbers of their own. */
u64 attr_ino(const struct folder *folder, u64 dev, u64 ino);
/* As the guest sees it. @fd may be O_PATH. */
void attr_fill(struct folder *folder, int fd, const struct statx *stx, struct folder_attr *attr);
/* What the guest believes of a new inode, for FOLDER_MAP_XATTR. */
int attr_keep(struct folder *folder, int fd, const struct folder_cred *cred, u32 mode, u32 major,
	      u32 minor);
/* Whether an inode of that mode can have a belief, and what it is from now on. */
bool attr_can_believe(u32 mode);
int attr_believe(int fd, const struct folder_attr *attr);
/* The permission bits that an inode of @mode, type included, gets on the host. */
u32 attr_host_mode(const struct folder *folder, u32 mode);
#define FOLDER_XATTR_PREFIX "user.lkvm."
#define FOLDER_XATTR_STAT   FOLDER_XATTR_PREFIX "stat"

/* ---- host.c ---- */

/*
 * Own what is made as @cred where IDs are the host's. The guest's kernel has judged whether its
 * process may, by groups that are not told: nothing is denied again. NULL: as ourselves.
 */
void cred_enter(const struct folder *folder, const struct folder_cred *cred);
void cred_leave(const struct folder *folder, const struct folder_cred *cred);
/* One component, neither "." nor "..": 0 or -EINVAL. */
int name_check(const char *name);
/* The folder itself was removed from its file system. */
void trouble_root_gone(struct folder *folder);
/* @fd's name below the working directory of our threads, /proc/self/fd. */
struct fd_name {
	char text[16];
};
const char *fd_name(struct fd_name *name, int fd);

/* ---- lock.c ---- */

/* As folder_lock(), folder_unlock() and folder_test_lock(), of a range that fits. */
int lock_set(struct folder *folder, struct folder_file *file, u64 owner, struct flock *flock);
int lock_unset(struct folder *folder, struct folder_file *file, u64 owner, struct flock *flock);
int lock_test(struct folder *folder, struct folder_file *file, u64 owner, struct flock *flock);
/* @file, which nobody else uses, is about to be closed. */
void lock_leave(struct folder *folder, struct folder_file *file);

/* ---- handle.c ---- */

/* The open file @id with a reference, or NULL. */
struct folder_file *file_get(struct folder *folder, u64 id);
void file_put(struct folder *folder, struct folder_file *file);
void file_close_all(struct folder *folder);
/* Forget what was read of a directory and not taken. @file's lock held, or nobody else uses it. */
void file_drop_left(struct folder *folder, struct folder_file *file);
/*
 * A handle for the pinned @node, which is its own from now on, with a reference: the caller sets
 * its fd, or closes it. -ENFILE, -ENOMEM: @node is let go.
 */
int file_new(struct folder *folder, struct folder_node *node, int flags, struct folder_file **file);

#endif
