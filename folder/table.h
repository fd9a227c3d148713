/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Items under 64-bit IDs that a guest may hold: an ID of an item that was removed is not found
 * again, even where its place has been given to another. IDs are never 0; the first is 1.
 * No lock of its own.
 */
#ifndef FOLDER_TABLE_H
#define FOLDER_TABLE_H

#include "util/types.h"

struct table_place {
	void *item; /* NULL: free */
	u32 generation;
	u32 next_free;
};

struct table {
	struct table_place *places;
	u32 size, max;
	u32 used;
	u32 first_free; /* places.size: none */
};

/* At most @max items, below 2^32. */
void table_init(struct table *table, u32 max);
/* The items are their owner's. */
void table_destroy(struct table *table);
/* 0 with *@id; -ENFILE: full; -ENOMEM. */
int table_add(struct table *table, void *item, u64 *id);
void *table_find(const struct table *table, u64 id);
void table_remove(struct table *table, u64 id);
/* The item at place @n < table->size, NULL if free. */
void *table_at(const struct table *table, u32 n);

#endif
