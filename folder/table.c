/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>

#include "table.h"

#define FIRST_SIZE 64u

void table_init(struct table *table, u32 max)
{
	*table = (struct table){ .max = max };
}

void table_destroy(struct table *table)
{
	free(table->places);
	table_init(table, table->max);
}

static int grow(struct table *table)
{
	u64 size = table->size ? 2 * (u64)table->size : FIRST_SIZE;
	struct table_place *places;

	size = MIN(size, table->max);
	if (size <= table->size)
		return -ENFILE;
	places = realloc(table->places, size * sizeof(places[0]));
	if (!places)
		return -ENOMEM;
	for (u32 i = table->size; i < size; i++)
		places[i] = (struct table_place){ .next_free = i + 1 };
	table->places = places;
	table->size = size;
	return 0;
}

int table_add(struct table *table, void *item, u64 *id)
{
	struct table_place *place;
	u32 n = table->first_free;

	if (n >= table->size) {
		int ret = grow(table);

		if (ret)
			return ret;
	}
	place = &table->places[n];
	table->first_free = place->next_free;
	place->item = item;
	table->used++;
	*id = (u64)place->generation << 32 | (n + 1);
	return 0;
}

static struct table_place *find_place(const struct table *table, u64 id)
{
	u32 n = (u32)id - 1;

	if (n >= table->size || !table->places[n].item || table->places[n].generation != id >> 32)
		return NULL;
	return &table->places[n];
}

void *table_find(const struct table *table, u64 id)
{
	struct table_place *place = find_place(table, id);

	return place ? place->item : NULL;
}

void table_remove(struct table *table, u64 id)
{
	struct table_place *place = find_place(table, id);

	if (!place)
		return;
	place->item = NULL;
	place->generation++;
	place->next_free = table->first_free;
	table->first_free = (u32)id - 1;
	table->used--;
}

void *table_at(const struct table *table, u32 n)
{
	return table->places[n].item;
}
