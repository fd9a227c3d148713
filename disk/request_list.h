/* SPDX-License-Identifier: BSD-2-Clause */
/* A first-in, first-out list of requests, linked through their own next. */
#ifndef DISK_REQUEST_LIST_H
#define DISK_REQUEST_LIST_H

#include "disk/disk.h"

struct request_list {
	struct disk_request *first, *last;
};

static inline void request_push(struct request_list *list, struct disk_request *request)
{
	request->next = NULL;
	if (list->first)
		list->last->next = request;
	else
		list->first = request;
	list->last = request;
}

static inline void request_push_front(struct request_list *list, struct disk_request *request)
{
	request->next = list->first;
	if (!list->first)
		list->last = request;
	list->first = request;
}

static inline struct disk_request *request_pop(struct request_list *list)
{
	struct disk_request *request = list->first;

	if (request)
		list->first = request->next;
	return request;
}

#endif
