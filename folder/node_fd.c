/* SPDX-License-Identifier: BSD-2-Clause */
/* The cache of nodes' descriptors: which are open, in use, and closed first to save some. */
#include <string.h>
#include <unistd.h>

#include "node_private.h"

/*
 * Ours can be the last use of an inode without a name, whose blocks the host then gives back: that
 * may take seconds, or wait for a frozen file system. So it is done without the lock.
 */
static void close_later(struct folder *folder, int fd)
{
	if (folder->closing_count == FOLDER_CLOSING)
		close(fd); /* of a row of parents: directories, which are small */
	else
		folder->closing[folder->closing_count++] = fd;
}

void node_fd_unlock(struct folder *folder)
{
	int closing[FOLDER_CLOSING];
	unsigned count = folder->closing_count;

	memcpy(closing, folder->closing, count * sizeof(closing[0]));
	folder->closing_count = 0;
	pthread_mutex_unlock(&folder->lock);
	while (count)
		close(closing[--count]);
}

void node_fd_set_nameless(struct folder *folder, struct folder_node *node, bool nameless)
{
	if (node->nameless == nameless)
		return;
	node->nameless = nameless;
	if (node->fd < 0)
		return;
	folder->nameless_fds += nameless ? 1 : -1;
	if (node->pins)
		return;
	list_del(&node->lru);
	list_add_tail(nameless ? &folder->nameless : &folder->lru, &node->lru);
}

void node_fd_close(struct folder *folder, struct folder_node *node)
{
	if (node->fd < 0)
		return;
	list_del(&node->lru);
	close_later(folder, node->fd);
	node->fd = -1;
	folder->fds--;
	folder->nameless_fds -= node->nameless;
}

/* Nodes without a name, which would be lost, stay open; but a guest can have any number of them. */
static struct list_node *to_evict(struct folder *folder)
{
	bool many = folder->nameless_fds > folder->options.max_fds / 2;

	if (!list_empty(&folder->nameless) && (many || list_empty(&folder->lru)))
		return folder->nameless.next;
	return list_empty(&folder->lru) ? NULL : folder->lru.next;
}

/* Make room for one more descriptor. The root is always pinned. */
static void evict(struct folder *folder)
{
	struct list_node *oldest;

	while (folder->fds >= folder->options.max_fds && (oldest = to_evict(folder)))
		node_fd_close(folder, list_entry(oldest, struct folder_node, lru));
}

void node_fd_pin(struct folder_node *node)
{
	if (!node->pins++)
		list_del(&node->lru);
}

void node_fd_unpin(struct folder *folder, struct folder_node *node)
{
	if (!--node->pins)
		list_add_tail(node->nameless ? &folder->nameless : &folder->lru, &node->lru);
}

void node_fd_adopt(struct folder *folder, struct folder_node *node, int fd)
{
	if (node->fd >= 0) {
		close_later(folder, fd);
		return;
	}
	evict(folder);
	node_fd_set_nameless(folder, node, false); /* it was found */
	node->fd = fd;
	folder->fds++;
	if (!node->pins)
		list_add_tail(&folder->lru, &node->lru);
}
