/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Record locks, so that the guest and others on the host keep out of each other's way. Within the
 * guest its kernel has judged already, by owners that it does not tell: a process for fcntl(), an
 * open file for flock(), and both look alike. What is one owner's to it must not be two to the
 * host, which would refuse it for ever: so files of a node share their locks once one process has
 * locked through them, and so do processes that lock through one file.
 *
 * fcntl()'s locks are one process's: its child has the file, too, and the guest's kernel unlocks
 * all of it for whoever closes it. That must not take its parent's locks. So it is known who has
 * locked. flock()'s are the file's: whoever has it may unlock it, and a close of another file does
 * not.
 *
 * Such a holder is an open file description of the host's ("open file description locks",
 * fcntl(2)). It ends with the last of its files.
 *
 * The host's calls may hang, on a network's file system. So one call at a time has a node's holders
 * as its own, and no lock: who wants those of another node goes on. A close waits for nobody, and
 * leaves a holder that has no files any more to the call that is under way.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "private.h"

/* Known by their numbers. Of more, each may unlock what all have locked. */
#define OWNERS 16

struct lock_holder {
	struct lock_holder *next; /* of its node */
	u64 owners[OWNERS];
	unsigned owner_count;
	bool more_owners;
	int fd;		/* owned */
	int mode;	/* O_ACCMODE, of fd */
	unsigned files; /* whose locks it has; under folder->locking */
};

/* ---- whose call has a node's holders ---- */

static void begin(struct folder *folder, struct folder_node *node)
{
	pthread_mutex_lock(&folder->locking);
	while (node->locks_busy)
		pthread_cond_wait(&folder->unlocked, &folder->locking);
	node->locks_busy = true;
	pthread_mutex_unlock(&folder->locking);
}

static void destroy(struct lock_holder *lock)
{
	if (!lock)
		return;
	close(lock->fd);
	free(lock);
}

/* folder->locking held: one that has lost its last file, out of the node's. */
static struct lock_holder *take_unused(struct folder_node *node)
{
	struct lock_holder **at = &node->locks, *lock;

	while (*at && (*at)->files)
		at = &(*at)->next;
	lock = *at;
	if (lock)
		*at = lock->next;
	return lock;
}

static void end(struct folder *folder, struct folder_node *node)
{
	struct lock_holder *lock;

	pthread_mutex_lock(&folder->locking);
	while ((lock = take_unused(node))) {
		pthread_mutex_unlock(&folder->locking);
		destroy(lock);
		pthread_mutex_lock(&folder->locking);
	}
	node->locks_busy = false;
	pthread_cond_broadcast(&folder->unlocked);
	pthread_mutex_unlock(&folder->locking);
}

/* ---- holders, between begin() and end() ---- */

static u64 *find_owner(struct lock_holder *lock, u64 owner)
{
	for (unsigned i = 0; i < lock->owner_count; i++) {
		if (lock->owners[i] == owner)
			return &lock->owners[i];
	}
	return NULL;
}

static void add_owner(struct lock_holder *lock, u64 owner)
{
	if (find_owner(lock, owner))
		return;
	if (lock->owner_count < OWNERS)
		lock->owners[lock->owner_count++] = owner;
	else
		lock->more_owners = true;
}

static void remove_owner(struct lock_holder *lock, u64 owner)
{
	u64 *at = find_owner(lock, owner);

	if (at)
		*at = lock->owners[--lock->owner_count];
}

static struct lock_holder *find(const struct folder_file *file, u64 owner)
{
	struct lock_holder *lock = file->lock_holder;

	if (lock)
		return lock;
	lock = file->node->locks;
	while (lock && !find_owner(lock, owner))
		lock = lock->next;
	return lock;
}

/* Who locks to write needs a file that is open for it, though flock() does not. */
static int open_for(const struct folder *folder, struct lock_holder *lock,
		    const struct folder_file *file, short type)
{
	int mode = file->flags & O_ACCMODE;
	struct fd_name name;

	lock->fd = -1;
	lock->mode = O_RDWR;
	if (!folder->options.read_only && mode != O_RDWR && !(mode == O_RDONLY && type == F_RDLCK))
		lock->fd = open(fd_name(&name, file->fd),
				O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (lock->fd >= 0)
		return 0;
	lock->mode = mode;
	lock->fd = fcntl(file->fd, F_DUPFD_CLOEXEC, 0);
	return lock->fd < 0 ? -errno : 0;
}

static int make(const struct folder *folder, const struct folder_file *file, short type,
		struct lock_holder **out)
{
	struct lock_holder *lock = calloc(1, sizeof(*lock));
	int ret = lock ? open_for(folder, lock, file, type) : -ENOMEM;

	if (ret) {
		free(lock);
		return ret;
	}
	*out = lock;
	return 0;
}

/* @file has its locks by @lock, which is one of the node's, or @fresh. */
static void join(struct folder *folder, struct folder_file *file, struct lock_holder *lock,
		 bool fresh)
{
	pthread_mutex_lock(&folder->locking);
	if (fresh) {
		lock->next = file->node->locks;
		file->node->locks = lock;
	}
	lock->files++;
	pthread_mutex_unlock(&folder->locking);
	file->lock_holder = lock;
}

/* What the host can have of it, where the file is not open for all of it. */
static short type_for(const struct lock_holder *lock, short type)
{
	if (type == F_WRLCK && lock->mode == O_RDONLY)
		return F_RDLCK;
	return type == F_RDLCK && lock->mode == O_WRONLY ? F_WRLCK : type;
}

static int set(struct folder *folder, struct folder_file *file, u64 owner, struct flock *flock)
{
	struct lock_holder *lock = find(file, owner);
	bool fresh = !lock;
	int ret = 0;

	if (fresh)
		ret = make(folder, file, flock->l_type, &lock);
	if (ret)
		return ret;
	if (!file->lock_holder)
		join(folder, file, lock, fresh);
	flock->l_type = type_for(lock, flock->l_type);
	if (fcntl(lock->fd, F_OFD_SETLK, flock))
		return errno == EACCES ? -EAGAIN : -errno;
	add_owner(lock, owner);
	return 0;
}

static int unset(struct lock_holder *lock, u64 owner, struct flock *flock)
{
	if (fcntl(lock->fd, F_OFD_SETLK, flock))
		return -errno;
	if (!flock->l_start && !flock->l_len)
		remove_owner(lock, owner);
	return 0;
}

/* Through whichever files of the node @owner has locked: fcntl(2). */
static int unset_own(const struct folder_file *file, u64 owner, struct flock *flock)
{
	int ret = 0;

	for (struct lock_holder *lock = file->node->locks; lock && !ret; lock = lock->next) {
		bool perhaps = lock->more_owners && lock == file->lock_holder;

		if (perhaps || find_owner(lock, owner))
			ret = unset(lock, owner, flock);
	}
	return ret;
}

/* ---- calls ---- */

int lock_set(struct folder *folder, struct folder_file *file, u64 owner, struct flock *flock)
{
	int ret = 0;

	begin(folder, file->node);
	if (flock->l_type != F_UNLCK)
		ret = set(folder, file, owner, flock);
	else if (file->lock_holder)
		ret = unset(file->lock_holder, owner, flock);
	end(folder, file->node);
	return ret;
}

int lock_unset(struct folder *folder, struct folder_file *file, u64 owner, struct flock *flock)
{
	int ret;

	begin(folder, file->node);
	ret = unset_own(file, owner, flock);
	end(folder, file->node);
	return ret;
}

int lock_test(struct folder *folder, struct folder_file *file, u64 owner, struct flock *flock)
{
	struct lock_holder *lock;
	int ret;

	begin(folder, file->node);
	lock = find(file, owner);
	ret = fcntl(lock ? lock->fd : file->fd, F_OFD_GETLK, flock) ? -errno : 0;
	end(folder, file->node);
	return ret;
}

void lock_leave(struct folder *folder, struct folder_file *file)
{
	struct lock_holder *unused = NULL;

	if (!file->lock_holder)
		return;
	pthread_mutex_lock(&folder->locking);
	file->lock_holder->files--;
	if (!file->node->locks_busy)
		unused = take_unused(file->node);
	pthread_mutex_unlock(&folder->locking);
	destroy(unused);
}
