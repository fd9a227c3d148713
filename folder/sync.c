/* SPDX-License-Identifier: BSD-2-Clause */
/* All that the guest has written is to be on the disk, whichever of the host's file systems has it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "private.h"

void sync_note(struct folder *folder, const struct node_key *key, int fd)
{
	struct folder_mount *mount = folder->mounts;

	/* Nothing else can be written, or be opened without harm. One that is kept is busy to the
	 * host. */
	if (folder->options.read_only || !folder->options.syncs ||
	    key->dev == folder->root->key.dev || !folder->options.cross_mounts ||
	    (!S_ISDIR(key->type) && !S_ISREG(key->type)))
		return;
	for (; mount < folder->mounts + folder->mount_count; mount++) {
		if (mount->dev == key->dev)
			return;
	}
	if (folder->mount_count < FOLDER_MOUNTS)
		*mount = (struct folder_mount){ key->dev, fcntl(fd, F_DUPFD_CLOEXEC, 0) };
	if (folder->mount_count < FOLDER_MOUNTS && mount->fd >= 0)
		folder->mount_count++;
	else
		folder->more_mounts = true;
}

void sync_forget_all(struct folder *folder)
{
	struct folder_mount mounts[FOLDER_MOUNTS];
	unsigned count;

	pthread_mutex_lock(&folder->lock);
	count = folder->mount_count;
	memcpy(mounts, folder->mounts, sizeof(mounts));
	folder->mount_count = 0;
	folder->more_mounts = false;
	pthread_mutex_unlock(&folder->lock);
	while (count)
		close(mounts[--count].fd);
}

/* Copies, as a reset may close them meanwhile. */
static unsigned get_mounts(struct folder *folder, int fds[FOLDER_MOUNTS], bool *more)
{
	unsigned count = 0;

	pthread_mutex_lock(&folder->lock);
	*more = folder->more_mounts;
	for (unsigned i = 0; i < folder->mount_count; i++) {
		fds[count] = fcntl(folder->mounts[i].fd, F_DUPFD_CLOEXEC, 0);
		if (fds[count] >= 0)
			count++;
		else
			*more = true;
	}
	pthread_mutex_unlock(&folder->lock);
	return count;
}

/* @path_fd: O_PATH, of a directory or a regular file. *@more: we may not open it, but others of it.
 */
static int sync_around(int path_fd, bool *more)
{
	struct fd_name name;
	int fd = open(fd_name(&name, path_fd), O_RDONLY | O_NONBLOCK | O_CLOEXEC), ret;

	if (fd < 0) {
		*more = true;
		return 0;
	}
	ret = syncfs(fd) ? -errno : 0;
	close(fd);
	return ret;
}

int folder_sync(struct folder *folder)
{
	int fds[FOLDER_MOUNTS], ret;
	unsigned count;
	bool more;

	if (folder->options.read_only)
		return 0;
	count = get_mounts(folder, fds, &more);
	ret = sync_around(folder->root->fd, &more);
	for (unsigned i = 0; i < count; i++) {
		int error = sync_around(fds[i], &more);

		ret = ret ? ret : error;
		close(fds[i]);
	}
	if (more)
		sync();
	return ret;
}
