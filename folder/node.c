/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the guest knows: nodes by ID and by inode, their references and places, and the calls.
 *
 * node_table.c knows which inode is which node, node_fd.c which nodes are open. Both do what they
 * are told. What changes together, under one lock, changes here.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node_private.h"

/* In one call: no path of the host's is deeper. */
#define MAX_DEPTH (PATH_MAX / 2)
/* A tree that is deeper is refused. */
#define MAX_LEVELS 65536u
/* For a path of about 20 times PATH_MAX. */
#define MAX_LEGS 256

/* ---- references; folder->lock held ---- */

static bool is_idle(const struct folder_node *node)
{
	return !node->users && !node->lookups && node->parent;
}

static void drop_idle(struct folder *folder, struct folder_node *node)
{
	while (node && is_idle(node)) {
		struct folder_node *parent = node->parent;

		node_fd_close(folder, node);
		node_hash_remove(folder, node);
		table_remove(&folder->nodes, node->id);
		free(node->name);
		free(node);
		parent->users--;
		node = parent;
	}
}

/* A host that renames can make an ancestor of a node its child. */
static bool is_above(const struct folder_node *node, const struct folder_node *below)
{
	unsigned depth = 0;

	for (; below && depth < MAX_LEVELS; below = below->parent, depth++) {
		if (below == node)
			return true;
	}
	return below != NULL;
}

/* @node was seen as @name of @parent. Without memory it keeps its old place. */
static void set_place(struct folder *folder, struct folder_node *node, struct folder_node *parent,
		      const char *name)
{
	struct folder_node *old = node->parent;
	char *copy;

	node_fd_set_nameless(folder, node, false);
	if (node == folder->root || (old == parent && !strcmp(node->name, name)) ||
	    is_above(node, parent))
		return;
	copy = strdup(name);
	if (!copy)
		return;
	free(node->name);
	node->name = copy;
	node->parent = parent;
	parent->users++;
	if (old) {
		old->users--;
		drop_idle(folder, old);
	}
}

static int node_new(struct folder *folder, const struct node_key *key, struct folder_node **out)
{
	struct folder_node *node = calloc(1, sizeof(*node));
	int ret = node ? node_hash_grow(folder) : -ENOMEM;

	if (!ret)
		ret = table_add(&folder->nodes, node, &node->id);
	if (ret) {
		free(node);
		return ret;
	}
	node->key = *key;
	node->fd = -1;
	list_init(&node->lru);
	node_hash_add(folder, node);
	*out = node;
	return 0;
}

/* ---- finding an inode ---- */

/*
 * The path of @node from its nearest ancestor that has a descriptor, which is returned with a pin
 * and a reference. NULL: it is longer than a path can be, and *@far, with a reference, is an
 * ancestor up to which it is not; or NULL as well. folder->lock held.
 */
static struct folder_node *path_from_above(struct folder_node *node, char path[PATH_MAX],
					   struct folder_node **far)
{
	char *at = path + PATH_MAX - 1;
	unsigned depth = 0;

	*at = '\0';
	*far = NULL;
	for (; node && node->fd < 0; node = node->parent) {
		size_t len = node->name ? strlen(node->name) : 0;

		if (!len || ++depth > MAX_DEPTH)
			return NULL;
		if (len + 1 > (size_t)(at - path)) {
			node->users++;
			*far = node;
			return NULL;
		}
		if (*at)
			*--at = '/';
		at -= len;
		memcpy(at, node->name, len);
	}
	if (!node)
		return NULL;
	memmove(path, at, path + PATH_MAX - at);
	node_fd_pin(node);
	node->users++;
	return node;
}

static int find_again(struct folder *folder, struct folder_node *node, int dir_fd, const char *path)
{
	int fd = step_path(folder, dir_fd, path);
	struct node_key key;
	struct statx stx;
	int ret;

	if (fd < 0)
		return fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP ? -ESTALE : fd;
	ret = attr_stat(fd, &stx);
	if (!ret) {
		node_key_of(folder, &stx, NULL, "", &key);
		pthread_mutex_lock(&folder->lock);
		key.place = node->key.place; /* it was looked for there */
		ret = node_same_key(&key, &node->key) ? 0 : -ESTALE;
		pthread_mutex_unlock(&folder->lock);
	}
	if (ret) {
		close(fd);
		return ret;
	}
	return fd;
}

void node_put(struct folder *folder, struct folder_node *node)
{
	pthread_mutex_lock(&folder->lock);
	node->users--;
	drop_idle(folder, node);
	node_fd_unlock(folder);
}

/* @above: pinned, with a reference, which goes. If it is @node, another thread was quicker. */
static int reopen_below(struct folder *folder, struct folder_node *node, struct folder_node *above,
			const char *path)
{
	int fd = above == node ? 0 : find_again(folder, node, above->fd, path);

	pthread_mutex_lock(&folder->lock);
	if (fd >= 0 && above != node)
		node_fd_adopt(folder, node, fd);
	node_fd_unpin(folder, above);
	/* A rename elsewhere may have left it without children. */
	above->users--;
	drop_idle(folder, above);
	node_fd_unlock(folder);
	return MIN(fd, 0);
}

/*
 * A guest can make paths of any length, one step at a time: what is too far from any descriptor is
 * reached in legs, the highest first. @target, with a reference, is where this one leads; its
 * successor is returned, *@ret is 1 until @node is open.
 */
static struct folder_node *reopen_leg(struct folder *folder, struct folder_node *node,
				      struct folder_node *target, int *ret)
{
	struct folder_node *above, *far;
	char path[PATH_MAX];

	pthread_mutex_lock(&folder->lock);
	above = path_from_above(target, path, &far);
	if (!far) {
		far = node;
		far->users++;
		*ret = above ? 1 : -ESTALE;
	}
	pthread_mutex_unlock(&folder->lock);
	if (above)
		*ret = reopen_below(folder, target, above, path);
	if (!*ret && target != node)
		*ret = 1;
	node_put(folder, target);
	return far;
}

static int reopen(struct folder *folder, struct folder_node *node)
{
	struct folder_node *target = node;
	int ret = 1;

	pthread_mutex_lock(&folder->lock);
	target->users++;
	pthread_mutex_unlock(&folder->lock);
	for (unsigned legs = 0; ret > 0 && legs < MAX_LEGS; legs++)
		target = reopen_leg(folder, node, target, &ret);
	node_put(folder, target);
	return ret > 0 ? -ENAMETOOLONG : ret;
}

void node_written(struct folder *folder, struct folder_node *node, int fd)
{
	struct node_key key;
	struct statx stx;

	if (folder->has_births || attr_stat(fd, &stx))
		return;
	node_key_of(folder, &stx, NULL, "", &key);
	if (key.place)
		return; /* not yet */
	pthread_mutex_lock(&folder->lock);
	if (!node_same_key(&key, &node->key) && !node_find(folder, &key)) {
		node_hash_remove(folder, node);
		node->key.dev = key.dev;
		node->key.ino = key.ino;
		node->key.place = key.place;
		node_hash_add(folder, node);
	}
	pthread_mutex_unlock(&folder->lock);
}

/* ---- calls ---- */

/* -ESTALE, or 0 with a reference that node_put() drops. */
static int node_get(struct folder *folder, u64 id, struct folder_node **out)
{
	struct folder_node *node;

	pthread_mutex_lock(&folder->lock);
	node = table_find(&folder->nodes, id);
	if (node)
		node->users++;
	pthread_mutex_unlock(&folder->lock);
	*out = node;
	return node ? 0 : -ESTALE;
}

static int node_pin(struct folder *folder, struct folder_node *node)
{
	/* Between our opening it and our pinning it, it may be closed again to save descriptors. */
	for (int tries = 0; tries < 16; tries++) {
		int fd = -1, ret;

		pthread_mutex_lock(&folder->lock);
		if (node->fd >= 0) {
			node_fd_pin(node);
			fd = node->fd;
		}
		pthread_mutex_unlock(&folder->lock);
		if (fd >= 0)
			return fd;
		ret = reopen(folder, node);
		if (ret)
			return ret;
	}
	return -EMFILE;
}

static void node_unpin(struct folder *folder, struct folder_node *node)
{
	pthread_mutex_lock(&folder->lock);
	node_fd_unpin(folder, node);
	pthread_mutex_unlock(&folder->lock);
}

int node_open(struct folder *folder, u64 id, struct folder_node **node)
{
	int ret = node_get(folder, id, node);
	int fd;

	if (ret)
		return ret;
	fd = node_pin(folder, *node);
	if (fd < 0)
		node_put(folder, *node);
	return fd;
}

void node_close(struct folder *folder, struct folder_node *node)
{
	node_unpin(folder, node);
	node_put(folder, node);
}

static int enter_locked(struct folder *folder, struct folder_node *parent, const char *name, int fd,
			const struct statx *stx, struct folder_entry *entry)
{
	struct folder_node *node;
	struct node_key key;
	int ret;

	node_key_of(folder, stx, parent, name, &key);
	node = node_find(folder, &key);
	parent->likely_known = node && node->fd >= 0;
	if (!node) {
		ret = node_new(folder, &key, &node);
		if (ret)
			return ret;
		node->version = node_version_of(stx);
	}
	set_place(folder, node, parent, name);
	if (node != folder->root && !node->parent) {
		/* No memory for its name. */
		node_hash_remove(folder, node);
		table_remove(&folder->nodes, node->id);
		free(node);
		return -ENOMEM;
	}
	sync_note(folder, &key, fd);
	node_fd_adopt(folder, node, fd);
	node->lookups++;
	entry->node = node->id;
	entry->attr.version = node->version;
	return 0;
}

int node_enter(struct folder *folder, struct folder_node *parent, const char *name, int fd,
	       struct folder_entry *entry)
{
	struct statx stx;
	int ret = attr_stat(fd, &stx);

	if (ret)
		return ret;
	attr_fill(folder, fd, &stx, &entry->attr);
	pthread_mutex_lock(&folder->lock);
	ret = enter_locked(folder, parent, name, fd, &stx, entry);
	node_fd_unlock(folder);
	return ret;
}

/* 0: Linux before 5.8 does not tell. */
static u64 mount_of(const struct statx *stx)
{
	return stx->stx_mask & STATX_MNT_ID ? stx->stx_mnt_id : 0;
}

/*
 * One component that is no link is as confined for statx() as for openat2(), but for mounts. What
 * was found is the node, as the descriptor keeps its inode from being another's.
 */
bool node_enter_known(struct folder *folder, struct folder_node *parent, int dir_fd,
		      const char *name, struct folder_entry *entry)
{
	struct folder_node *node;
	struct node_key key;
	struct statx stx;
	u32 version = 0;

	if (!parent->likely_known || !folder->mount || folder->options.map == FOLDER_MAP_XATTR)
		return false;
	if (statx(dir_fd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT,
		  STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID, &stx) ||
	    mount_of(&stx) != folder->mount)
		return false;
	node_key_of(folder, &stx, parent, name, &key);
	pthread_mutex_lock(&folder->lock);
	node = node_find(folder, &key);
	if (node && node->fd >= 0) {
		set_place(folder, node, parent, name);
		node->lookups++;
		entry->node = node->id;
		version = node->version;
	} else {
		node = NULL;
	}
	parent->likely_known = node;
	node_fd_unlock(folder);
	if (!node)
		return false;
	attr_fill(folder, -1, &stx, &entry->attr);
	entry->attr.version = version;
	return true;
}

void folder_forget(struct folder *folder, u64 id, u64 count)
{
	struct folder_node *node;

	pthread_mutex_lock(&folder->lock);
	node = table_find(&folder->nodes, id);
	if (node) {
		node->lookups -= MIN(count, node->lookups);
		drop_idle(folder, node);
	}
	node_fd_unlock(folder);
}

/* What stands at @name of @dir now, if the guest knows it, is to be found there. */
static void note_place(struct folder *folder, struct folder_node *dir, const char *name)
{
	int fd = step_path(folder, dir->fd, name);
	struct folder_node *node;
	struct node_key key;
	struct statx stx;

	if (fd < 0)
		return;
	if (!attr_stat(fd, &stx)) {
		node_key_of(folder, &stx, dir, name, &key);
		pthread_mutex_lock(&folder->lock);
		node = node_find(folder, &key);
		if (node)
			set_place(folder, node, dir, name);
		node_fd_unlock(folder);
	}
	close(fd);
}

void node_moved(struct folder *folder, struct folder_node *dir, const char *name,
		struct folder_node *new_dir, const char *new_name, bool exchange)
{
	note_place(folder, new_dir, new_name);
	if (exchange)
		note_place(folder, dir, name);
}

struct folder_node *node_losing(struct folder *folder, struct folder_node *dir, int dir_fd,
				const char *name)
{
	struct folder_node *node;
	struct node_key key;
	struct statx stx;

	if (statx(dir_fd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT,
		  STATX_BASIC_STATS | STATX_BTIME, &stx))
		return NULL;
	node_key_of(folder, &stx, dir, name, &key);
	pthread_mutex_lock(&folder->lock);
	node = node_find(folder, &key);
	if (node && (node->parent != dir || strcmp(node->name, name)))
		node = NULL;
	if (node)
		node->users++;
	pthread_mutex_unlock(&folder->lock);
	if (node && node_pin(folder, node) < 0) {
		node_put(folder, node);
		node = NULL;
	}
	return node;
}

void node_lost(struct folder *folder, struct folder_node *node, bool lost)
{
	if (!node)
		return;
	pthread_mutex_lock(&folder->lock);
	if (lost)
		node_fd_set_nameless(folder, node, true);
	pthread_mutex_unlock(&folder->lock);
	node_close(folder, node);
}

int node_create_root(struct folder *folder, int fd)
{
	struct folder_node *root;
	struct node_key key;
	struct statx stx;
	int ret = statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID, &stx)
			  ? -errno
			  : 0;

	if (!ret) {
		node_key_of(folder, &stx, NULL, "", &key);
		ret = node_new(folder, &key, &root);
	}
	if (ret) {
		close(fd);
		return ret;
	}
	root->users = root->pins = 1;
	root->fd = fd;
	folder->fds++;
	folder->root = root;
	folder->mount = mount_of(&stx);
	return 0;
}

void node_forget_all(struct folder *folder)
{
	pthread_mutex_lock(&folder->lock);
	for (u32 i = 0; i < folder->nodes.size; i++) {
		struct folder_node *node = table_at(&folder->nodes, i);

		if (!node)
			continue;
		node->lookups = 0;
		drop_idle(folder, node);
		if (folder->closing_count < FOLDER_CLOSING)
			continue;
		node_fd_unlock(folder);
		pthread_mutex_lock(&folder->lock);
	}
	node_fd_unlock(folder);
}
