/* SPDX-License-Identifier: BSD-2-Clause */
/* A disk of the engine's on a real file, in a folder of its own, with a loop that the test turns.
 */
#ifndef TESTS_UNIT_DISK_RIG_H
#define TESTS_UNIT_DISK_RIG_H

#include <pthread.h>

#include "disk/disk.h"
#include "vmm/loop.h"

struct disk_rig {
	char folder[64]; /* the working directory */
	pthread_mutex_t lock;
	struct loop *loop;
	struct disk *disk; /* NULL: none is open */
	u8 *data,
		*model; /* @size bytes each: for requests, aligned; and what the disk should hold */
	bool may_unmap; /* of each request */
};

struct disk_rig_op {
	struct disk_request request;
	struct iovec iov;
	bool done;
	int result;
};

void disk_rig_create(struct disk_rig *rig, u64 size);
/* With its disk and its folder. */
void disk_rig_destroy(struct disk_rig *rig);

/* Open and start a disk. 0; or -errno, and none is open. */
int disk_rig_try_open(struct disk_rig *rig, const char *path, struct disk_options options,
		      struct error *err);
void disk_rig_open(struct disk_rig *rig, const char *path, struct disk_options options);
void disk_rig_close(struct disk_rig *rig);

/* A request with @iov, which stays the caller's. */
void disk_rig_begin(struct disk_rig *rig, struct disk_rig_op *op, enum disk_op what, u64 offset,
		    u64 len, struct iovec *iov, unsigned iov_count);
/* A request for what is at @offset, with the same place of rig->data; and its result. */
void disk_rig_submit(struct disk_rig *rig, struct disk_rig_op *op, enum disk_op what, u64 offset,
		     u64 len);
int disk_rig_wait(struct disk_rig *rig, struct disk_rig_op *op);
/* Both. */
int disk_rig_run(struct disk_rig *rig, enum disk_op what, u64 offset, u64 len);

/*
 * Whether the kernel reads the file at @path without a thread of ours: O_DIRECT and RWF_NOWAIT. A
 * tmpfs takes the one since Linux 6.6, and not the other.
 */
bool disk_rig_needs_no_thread(const char *path);
/* Bytes of the file at @path, behind everybody's back. */
void disk_rig_patch(const char *path, off_t at, const void *data, size_t len);
/* The image has neither errors nor leaks. */
void disk_rig_assert_sound(const char *path);

#endif
