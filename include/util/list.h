/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A doubly linked list whose nodes live inside its elements. A list_node that
 * is on no list points to itself, so list_del() of it is harmless.
 */
#ifndef UTIL_LIST_H
#define UTIL_LIST_H

#include "util/types.h"

struct list_node {
	struct list_node *next, *prev;
};

static inline void list_init(struct list_node *head)
{
	head->next = head->prev = head;
}

static inline bool list_empty(const struct list_node *head)
{
	return head->next == head;
}

/* Insert @node before @head: at the tail of the list. */
static inline void list_add_tail(struct list_node *head, struct list_node *node)
{
	node->prev = head->prev;
	node->next = head;
	head->prev->next = node;
	head->prev = node;
}

static inline void list_add(struct list_node *head, struct list_node *node)
{
	list_add_tail(head->next, node);
}

static inline void list_del(struct list_node *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

#define list_entry(node, type, member) container_of(node, type, member)

/* @pos is a struct list_node *; the list must not change in the body ... */
#define list_for_each(pos, head) for ((pos) = (head)->next; (pos) != (head); (pos) = (pos)->next)

/* ... except that @pos itself may be removed here. */
#define list_for_each_safe(pos, tmp, head)                                                         \
	for ((pos) = (head)->next, (tmp) = (pos)->next; (pos) != (head);                           \
	     (pos) = (tmp), (tmp) = (pos)->next)

#endif
