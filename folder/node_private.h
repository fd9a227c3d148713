/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the guest knows, in three files: node.c is the calls, and all that changes a node's
 * references and place; node_table.c and node_fd.c are its table and its cache of descriptors.
 */
#ifndef FOLDER_NODE_PRIVATE_H
#define FOLDER_NODE_PRIVATE_H

#include "private.h"

/* ---- node_table.c: identity; no lock, but folder->lock for the key of a node ---- */

/* @name of @parent is what @stx is about; NULL: it does not matter of which. */
void node_key_of(const struct folder *folder, const struct statx *stx,
		 const struct folder_node *parent, const char *name, struct node_key *key);
bool node_same_key(const struct node_key *a, const struct node_key *b);
/* As of struct folder_attr, of a node that is new. */
u32 node_version_of(const struct statx *stx);

/* ---- node_table.c: the table of inodes; folder->lock held ---- */

/* NULL: the guest does not know that inode. */
struct folder_node *node_find(const struct folder *folder, const struct node_key *key);
/* The node's key stays the same from here to node_hash_remove(). */
void node_hash_add(struct folder *folder, struct folder_node *node);
void node_hash_remove(struct folder *folder, struct folder_node *node);
/* Before a node is added. 0 or -ENOMEM. */
int node_hash_grow(struct folder *folder);

/* ---- node_fd.c; folder->lock held ---- */

/* In place of pthread_mutex_unlock(), after anything that closes. */
void node_fd_unlock(struct folder *folder);
/* Whether its name was taken away, so that its descriptor should stay open. */
void node_fd_set_nameless(struct folder *folder, struct folder_node *node, bool nameless);
/* @node has no pin, and may have no descriptor. */
void node_fd_close(struct folder *folder, struct folder_node *node);
/* @node has a descriptor, which stays open until node_fd_unpin(). Pins are counted. */
void node_fd_pin(struct folder_node *node);
void node_fd_unpin(struct folder *folder, struct folder_node *node);
/*
 * @fd (O_PATH, taken) was found by name to be the node's inode. It is the node's descriptor from
 * now on, for which others may be closed; or is closed itself where the node has one.
 */
void node_fd_adopt(struct folder *folder, struct folder_node *node, int fd);

#endif
