/* SPDX-License-Identifier: BSD-2-Clause */
/* Which inode is which node: an inode's identity, and the table of nodes by it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "node_private.h"

#define FIRST_BUCKETS 256u

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

void node_key_of(const struct folder *folder, const struct statx *stx,
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

bool node_same_key(const struct node_key *a, const struct node_key *b)
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
u32 node_version_of(const struct statx *stx)
{
	u64 h = stx->stx_mtime.tv_sec * 1000000000ull + stx->stx_mtime.tv_nsec;

	if (!S_ISREG(stx->stx_mode))
		return 0;
	h = (h ^ stx->stx_size * 0xc2b2ae3d27d4eb4full) * 0x9e3779b97f4a7c15ull;
	return h >> 32 ? h >> 32 : 1;
}

/* ---- the table of inodes; folder->lock held ---- */

struct folder_node *node_find(const struct folder *folder, const struct node_key *key)
{
	struct folder_node *node;

	if (!folder->bucket_count)
		return NULL;
	for (node = folder->buckets[hash_of(folder, key)]; node; node = node->hash_next) {
		if (node_same_key(&node->key, key))
			return node;
	}
	return NULL;
}

void node_hash_add(struct folder *folder, struct folder_node *node)
{
	struct folder_node **bucket = &folder->buckets[hash_of(folder, &node->key)];

	node->hash_next = *bucket;
	*bucket = node;
}

void node_hash_remove(struct folder *folder, struct folder_node *node)
{
	struct folder_node **at = &folder->buckets[hash_of(folder, &node->key)];

	while (*at && *at != node)
		at = &(*at)->hash_next;
	if (*at)
		*at = node->hash_next;
}

/* More nodes than buckets still work if there is no memory. */
int node_hash_grow(struct folder *folder)
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
			node_hash_add(folder, node);
		}
	}
	free(old);
	return 0;
}
