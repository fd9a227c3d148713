/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One thread for calls that block. It owns the request that it works on, and
 * nothing else; finished ones are left on a list and announced by an eventfd.
 */
#ifndef DISK_WORKER_H
#define DISK_WORKER_H

#include "raw.h"
#include "request_list.h"

struct worker;

/* @raw and @event_fd: borrowed. -errno of pthread_create(), -ENOMEM. */
int worker_create(struct worker **worker, const struct raw *raw, int event_fd);
/* Nothing is under way. NULL is fine. */
void worker_destroy(struct worker *worker);

void worker_submit(struct worker *worker, struct disk_request *request);
/* Append what is finished, results set, to @finished. */
void worker_reap(struct worker *worker, struct request_list *finished);

#endif
