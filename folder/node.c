/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the guest knows: nodes by ID and by inode, and the cache of their descriptors.
 *
 * One file, though long: identity, table, references and descriptors of a node change together
 * under one lock, and no other file can get at one of them alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "private.h"

#define FIRST_BUCKETS 256u
/* In one call: no path of the host's is deeper. */
#define MAX_DEPTH (PATH_MAX / 2)
/* A tree that is deeper is refused. */
#define MAX_LEVELS 65536u
/* For a path of about 20 times PATH_MAX. */
#define MAX_LEGS 256

/* ---- identity ---- */

/*
 * A hard link of overlayfs's lower layer, where it has no index: a write makes the name a file of
 * its own, and so it is one to the guest from the start. Between two file systems such inodes have
 * the lower one's number in their upper bits: overlayfs.rst, "Inode properties".
 */
static bool is_split_link(const struct folder *folder, const struct statx *stx)
{
	return folder->splits_links && S_ISREG(stx->stx_mode) && stx->stx_nlink > 1 &&
	       (folder->options.scratch || stx->stx_ino >> 62);
}

/* FNV-1a */
static u64 hash_place(const struct folder_node *parent, const char *name)
{
	u64 h = 0xcbf29ce484222325ull ^ (parent ? parent->id : 0);

	for (; *name; name++)
		h = (h ^ (u8)*name) * 0x100000001b3ull;
	return h;
}

/* @name of @parent is what @stx is about; NULL: it does not matter of which. */
static void key_of(const struct folder *folder, const struct statx *stx,
		   const struct folder_node *parent, const char *name, struct node_key *key)
{
	bool born = folder->has_births && stx->stx_mask & STATX_BTIME;

	*key = (struct node_key){
		.dev = (u64)stx->stx_dev_major << 32 | stx->stx_dev_minor,
		.ino = stx->stx_ino,
		.type = stx->stx_mode & S_IFMT,
		.btime_sec = born ? stx->stx_btime.tv_sec : 0,
		.btime_nsec = born ? stx->stx_btime.tv_nsec : 0,
		.place = is_split_link(folder, stx) ? hash_place(parent, name) : 0,
	};
}

/* 0: Linux before 5.8 does not tell. */
static u64 mount_of(const struct statx *stx)
{
	return stx->stx_mask & STATX_MNT_ID ? stx->stx_mnt_id : 0;
}

static bool same_key(const struct node_key *a, const struct node_key *b)
{
	return a->ino == b->ino && a->dev == b->dev && a->type == b->type && a->place == b->place &&
	       a->btime_sec == b->btime_sec && a->btime_nsec == b->btime_nsec;
}

static u32 hash_of(const struct folder *folder, const struct node_key *key)
{
	u64 h = (key->ino ^ key->dev << 17) * 0x9e3779b97f4a7c15ull;

	return (h >> 32) & (folder->bucket_count - 1);
}

/*
 * To the cache of Linux's 9p a file of another version is another file, and since 6.4 it caches
 * none of version 0: fs/9p/vfs_inode_dotl.c and fid.h. So a file that the guest knows must keep its
 * version, or two names of it could have two caches; and one that it has forgotten gets a new one,
 * with what others have written meanwhile. Other types have no contents that it would cache.
 */
static u32 version_of(const struct statx *stx)
{
	u64 h = stx->stx_mtime.tv_sec * 1000000000ull + stx->stx_mtime.tv_nsec;

	if (!S_ISREG(stx->stx_mode))
		return 0;
	h = (h ^ stx->stx_size * 0xc2b2ae3d27d4eb4full) * 0x9e3779b97f4a7c15ull;
	return h >> 32 ? h >> 32 : 1;
}

/* ---- the table of inodes; folder->lock held ---- */

static struct folder_node *find(const struct folder *folder, const struct node_key *key)
{
	struct folder_node *node;

	if (!folder->bucket_count)
		return NULL;
	for (node = folder->buckets[hash_of(folder, key)]; node; node = node->hash_next) {
		if (same_key(&node->key, key))
			return node;
	}
	return NULL;
}

static void hash_add(struct folder *folder, struct folder_node *node)
{
	struct folder_node **bucket = &folder->buckets[hash_of(folder, &node->key)];

	node->hash_next = *bucket;
	*bucket = node;
}

static void hash_remove(struct folder *folder, struct folder_node *node)
{
	struct folder_node **at = &folder->buckets[hash_of(folder, &node->key)];

	while (*at && *at != node)
		at = &(*at)->hash_next;
	if (*at)
		*at = node->hash_next;
}

/* Before a node is added. More nodes than buckets still work if there is no memory. */
static int hash_grow(struct folder *folder)
{
	u32 old_count = folder->bucket_count;
	u32 count = old_count ? 2 * old_count : FIRST_BUCKETS;
	struct folder_node **old = folder->buckets, **buckets;

	if (folder->nodes.used < old_count || count < old_count)
		return 0;
	buckets = calloc(count, sizeof(buckets[0]));
	if (!buckets)
		return old ? 0 : -ENOMEM;
	folder->buckets = buckets;
	folder->bucket_count = count;
	for (u32 i = 0; i < old_count; i++) {
		for (struct folder_node *node = old[i], *next; node; node = next) {
			next = node->hash_next;
			hash_add(folder, node);
		}
	}
	free(old);
	return 0;
}

/* ---- descriptors; folder->lock held ---- */

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

/* In place of pthread_mutex_unlock(), after anything that closes. */
static void unlock_and_close(struct folder *folder)
{
	int closing[FOLDER_CLOSING];
	unsigned count = folder->closing_count;

	memcpy(closing, folder->closing, count * sizeof(closing[0]));
	folder->closing_count = 0;
	pthread_mutex_unlock(&folder->lock);
	while (count)
		close(closing[--count]);
}

static void set_nameless(struct folder *folder, struct folder_node *node, bool nameless)
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

static void close_node_fd(struct folder *folder, struct folder_node *node)
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
		close_node_fd(folder, list_entry(oldest, struct folder_node, lru));
}

static void pin(struct folder_node *node)
{
	if (!node->pins++)
		list_del(&node->lru);
}

static void unpin(struct folder *folder, struct folder_node *node)
{
	if (!--node->pins)
		list_add_tail(node->nameless ? &folder->nameless : &folder->lru, &node->lru);
}

static void adopt_fd(struct folder *folder, struct folder_node *node, int fd)
{
	if (node->fd >= 0) {
		close_later(folder, fd);
		return;
	}
	evict(folder);
	set_nameless(folder, node, false); /* it was found */
	node->fd = fd;
	folder->fds++;
	if (!node->pins)
		list_add_tail(&folder->lru, &node->lru);
}

/* ---- references; folder->lock held ---- */

static bool is_idle(const struct folder_node *node)
{
	return !node->users && !node->lookups && node->parent;
}

static void drop_idle(struct folder *folder, struct folder_node *node)
{
	while (node && is_idle(node)) {
		struct folder_node *parent = node->parent;

		close_node_fd(folder, node);
		hash_remove(folder, node);
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

	set_nameless(folder, node, false);
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
	int ret = node ? hash_grow(folder) : -ENOMEM;

	if (!ret)
		ret = table_add(&folder->nodes, node, &node->id);
	if (ret) {
		free(node);
		return ret;
	}
	node->key = *key;
	node->fd = -1;
	list_init(&node->lru);
	hash_add(folder, node);
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
	pin(node);
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
		key_of(folder, &stx, NULL, "", &key);
		pthread_mutex_lock(&folder->lock);
		key.place = node->key.place; /* it was looked for there */
		ret = same_key(&key, &node->key) ? 0 : -ESTALE;
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
	unlock_and_close(folder);
}

/* @above: pinned, with a reference, which goes. If it is @node, another thread was quicker. */
static int reopen_below(struct folder *folder, struct folder_node *node, struct folder_node *above,
			const char *path)
{
	int fd = above == node ? 0 : find_again(folder, node, above->fd, path);

	pthread_mutex_lock(&folder->lock);
	if (fd >= 0 && above != node)
		adopt_fd(folder, node, fd);
	unpin(folder, above);
	/* A rename elsewhere may have left it without children. */
	above->users--;
	drop_idle(folder, above);
	unlock_and_close(folder);
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
	key_of(folder, &stx, NULL, "", &key);
	if (key.place)
		return; /* not yet */
	pthread_mutex_lock(&folder->lock);
	if (!same_key(&key, &node->key) && !find(folder, &key)) {
		hash_remove(folder, node);
		node->key.dev = key.dev;
		node->key.ino = key.ino;
		node->key.place = key.place;
		hash_add(folder, node);
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
			pin(node);
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
	unpin(folder, node);
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

	key_of(folder, stx, parent, name, &key);
	node = find(folder, &key);
	parent->likely_known = node && node->fd >= 0;
	if (!node) {
		ret = node_new(folder, &key, &node);
		if (ret)
			return ret;
		node->version = version_of(stx);
	}
	set_place(folder, node, parent, name);
	if (node != folder->root && !node->parent) {
		/* No memory for its name. */
		hash_remove(folder, node);
		table_remove(&folder->nodes, node->id);
		free(node);
		return -ENOMEM;
	}
	sync_note(folder, &key, fd);
	adopt_fd(folder, node, fd);
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
	unlock_and_close(folder);
	return ret;
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
	key_of(folder, &stx, parent, name, &key);
	pthread_mutex_lock(&folder->lock);
	node = find(folder, &key);
	if (node && node->fd >= 0) {
		set_place(folder, node, parent, name);
		node->lookups++;
		entry->node = node->id;
		version = node->version;
	} else {
		node = NULL;
	}
	parent->likely_known = node;
	unlock_and_close(folder);
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
	unlock_and_close(folder);
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
		key_of(folder, &stx, dir, name, &key);
		pthread_mutex_lock(&folder->lock);
		node = find(folder, &key);
		if (node)
			set_place(folder, node, dir, name);
		unlock_and_close(folder);
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
	key_of(folder, &stx, dir, name, &key);
	pthread_mutex_lock(&folder->lock);
	node = find(folder, &key);
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
		set_nameless(folder, node, true);
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
		key_of(folder, &stx, NULL, "", &key);
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
		unlock_and_close(folder);
		pthread_mutex_lock(&folder->lock);
	}
	unlock_and_close(folder);
}
