/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of open files. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "private.h"

struct folder_file *file_get(struct folder *folder, u64 id)
{
	struct folder_file *file;

	pthread_mutex_lock(&folder->lock);
	file = table_find(&folder->files, id);
	if (file)
		file->users++;
	pthread_mutex_unlock(&folder->lock);
	return file;
}

void file_drop_left(struct folder *folder, struct folder_file *file)
{
	if (!file->left)
		return;
	free(file->left);
	file->left = NULL;
	folder->lefts--;
}

static void file_free(struct folder *folder, struct folder_file *file)
{
	lock_leave(folder, file);
	if (file->fd >= 0)
		close(file->fd);
	file_drop_left(folder, file);
	node_close(folder, file->node);
	pthread_mutex_destroy(&file->lock);
	free(file);
}

void file_put(struct folder *folder, struct folder_file *file)
{
	bool last;

	pthread_mutex_lock(&folder->lock);
	last = !--file->users && file->gone;
	pthread_mutex_unlock(&folder->lock);
	if (last)
		file_free(folder, file);
}

int folder_close_file(struct folder *folder, u64 id)
{
	struct folder_file *file;
	bool last = false;

	pthread_mutex_lock(&folder->lock);
	file = table_find(&folder->files, id);
	if (file) {
		table_remove(&folder->files, id);
		file->gone = true;
		last = !file->users;
	}
	pthread_mutex_unlock(&folder->lock);
	if (last)
		file_free(folder, file);
	return file ? 0 : -EBADF;
}

/* The handle at place @n of the table; 0: there is none. False: the table ends before it. */
static bool handle_at(struct folder *folder, u32 n, u64 *id)
{
	struct folder_file *file = NULL;
	bool inside;

	pthread_mutex_lock(&folder->lock);
	inside = n < folder->files.size;
	if (inside)
		file = table_at(&folder->files, n);
	*id = file ? file->id : 0;
	pthread_mutex_unlock(&folder->lock);
	return inside;
}

void file_close_all(struct folder *folder)
{
	u64 id;

	for (u32 i = 0; handle_at(folder, i, &id); i++) {
		if (id)
			folder_close_file(folder, id);
	}
}

int file_new(struct folder *folder, struct folder_node *node, int flags, struct folder_file **out)
{
	struct folder_file *file = calloc(1, sizeof(*file));
	int ret = -ENOMEM;
	u64 id;

	if (file) {
		pthread_mutex_lock(&folder->lock);
		ret = table_add(&folder->files, file, &id);
		if (!ret) {
			*file = (struct folder_file){
				.id = id, .node = node, .fd = -1, .flags = flags, .users = 1
			};
			pthread_mutex_init(&file->lock, NULL);
			*out = file;
		}
		pthread_mutex_unlock(&folder->lock);
	}
	if (ret) {
		free(file);
		node_close(folder, node);
	}
	return ret;
}
