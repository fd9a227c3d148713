/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A format of images: where in a file the bytes of a disk are. The engine (disk.c,
 * submit.c) is the same for all: it takes requests, moves their bytes by AIO or
 * on the worker's threads, and answers.
 *
 * The loop must not wait, and metadata has to be read. So a driver is asked twice.
 * map() runs in the loop and knows what is in memory: where the request's
 * bytes are, and the engine moves them; or that it takes more than that. Then work() does
 * the whole request on a thread, and may read, allocate and wait.
 */
#ifndef DISK_DRIVER_H
#define DISK_DRIVER_H

#include "file.h"

struct disk_driver;

/* Lives inside its disk. */
struct disk_image {
	const struct disk_driver *driver;
	struct disk_file file; /* what the format lies in: open, locked and measured */
	struct disk_info info; /* what the guest sees */
	void *state;	       /* the driver's */
};

enum disk_way {
	/*
	 * READ, WRITE: the bytes follow each other in the file, from request->place on. FLUSH: what
	 * is written to the file is all there is.
	 */
	DISK_WAY_FILE,
	DISK_WAY_ZERO, /* READ: nothing is there, which reads as zeroes */
	DISK_WAY_WORK, /* for work() */
};

struct disk_driver {
	const char *name; /* as in format= */
	/*
	 * Look at image->file, whose file->path begins each line of @err, and fill image->info.
	 * Before there is a VM; may block. -errno with a line.
	 */
	int (*open)(struct disk_image *image, const struct disk_options *options,
		    struct error *err);
	/* No request is under way. May be NULL. */
	void (*close)(struct disk_image *image);
	/*
	 * How to carry out @request, which is inside the disk and allowed. In the loop: never
	 * blocks, not even for a lock that work() holds while it waits. The answer
	 * holds until unmap(): the driver gives the room at request->place to no other request.
	 */
	enum disk_way (*map)(struct disk_image *image, struct disk_request *request);
	/* A request that went DISK_WAY_FILE has left the file. In the loop. May be NULL. */
	void (*unmap)(struct disk_image *image, struct disk_request *request);
	/*
	 * Carry out @request, any of them whatever map() says now, from byte request->moved on.
	 * On any of several threads at once; may block. 0 or -errno.
	 */
	int (*work)(struct disk_image *image, struct disk_request *request);
};

extern const struct disk_driver raw_driver;

#endif
