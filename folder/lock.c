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
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "private.h"

/* Known by their numbers. Of more, each may unlock what all have locked. */
#define OWNERS 16

struct lock_holder {
	struct lock_holder *next; /* in its bucket */
	const struct folder_node *node;
	u64 owners[OWNERS];
	unsigned owner_count;
	bool more_owners;
	int fd;		/* owned */
	int mode;	/* O_ACCMODE, of fd */
	unsigned files; /* whose locks it has */
};

/* ---- holders; folder->locking held ---- */

static struct lock_holder **bucket_of(struct folder *folder, const struct folder_node *node)
{
	return &folder->locks[node->id % FOLDER_LOCK_BUCKETS];
}

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

static struct lock_holder *find(struct folder *folder, const struct folder_file *file, u64 owner)
{
	struct lock_holder *lock = file->lock_holder;

	if (lock)
		return lock;
	lock = *bucket_of(folder, file->node);
	while (lock && (lock->node != file->node || !find_owner(lock, owner)))
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

static int make(struct folder *folder, const struct folder_file *file, short type,
		struct lock_holder **out)
{
	struct lock_holder **bucket = bucket_of(folder, file->node);
	struct lock_holder *lock = calloc(1, sizeof(*lock));
	int ret = lock ? open_for(folder, lock, file, type) : -ENOMEM;

	if (ret) {
		free(lock);
		return ret;
	}
	lock->node = file->node;
	lock->next = *bucket;
	*bucket = lock;
	*out = lock;
	return 0;
}

static void take_out(struct folder *folder, struct lock_holder *lock)
{
	struct lock_holder **at = bucket_of(folder, lock->node);

	while (*at != lock)
		at = &(*at)->next;
	*at = lock->next;
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
	struct lock_holder *lock = find(folder, file, owner);
	int ret = 0;

	if (!lock)
		ret = make(folder, file, flock->l_type, &lock);
	if (ret)
		return ret;
	if (!file->lock_holder)
		lock->files++;
	file->lock_holder = lock;
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
static int unset_own(struct folder *folder, const struct folder_file *file, u64 owner,
		     struct flock *flock)
{
	int ret = 0;

	for (struct lock_holder *lock = *bucket_of(folder, file->node); lock && !ret;
	     lock = lock->next) {
		bool perhaps = lock->more_owners && lock == file->lock_holder;

		if (lock->node == file->node && (perhaps || find_owner(lock, owner)))
			ret = unset(lock, owner, flock);
	}
	return ret;
}

/* ---- calls ---- */

int lock_set(struct folder *folder, struct folder_file *file, u64 owner, struct flock *flock)
{
	int ret = 0;

	pthread_mutex_lock(&folder->locking);
	if (flock->l_type != F_UNLCK)
		ret = set(folder, file, owner, flock);
	else if (file->lock_holder)
		ret = unset(file->lock_holder, owner, flock);
	pthread_mutex_unlock(&folder->locking);
	return ret;
}

int lock_unset(struct folder *folder, struct folder_file *file, u64 owner, struct flock *flock)
{
	int ret;

	pthread_mutex_lock(&folder->locking);
	ret = unset_own(folder, file, owner, flock);
	pthread_mutex_unlock(&folder->locking);
	return ret;
}

int lock_test(struct folder *folder, struct folder_file *file, u64 owner, struct flock *flock)
{
	struct lock_holder *lock;
	int ret;

	pthread_mutex_lock(&folder->locking);
	lock = find(folder, file, owner);
	ret = fcntl(lock ? lock->fd : file->fd, F_OFD_GETLK, flock) ? -errno : 0;
	pthread_mutex_unlock(&folder->locking);
	return ret;
}

void lock_leave(struct folder *folder, struct folder_file *file)
{
	struct lock_holder *lock = file->lock_holder;
	bool last;

	if (!lock)
		return;
	pthread_mutex_lock(&folder->locking);
	last = !--lock->files;
	if (last)
		take_out(folder, lock);
	pthread_mutex_unlock(&folder->locking);
	if (!last)
		return;
	close(lock->fd);
	free(lock);
}
