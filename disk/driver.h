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

#include <stdatomic.h>

#include "file.h"

struct disk_driver;

/*
 * What a thread of the worker has to tell the user: it has no standard error. The loop says it when
 * a request has failed.
 */
struct disk_trouble {
	_Atomic(const char *) text; /* a constant; NULL: nothing */
	_Atomic u64 value;	    /* belongs to it; 0: none */
};

/* Lives inside its disk. */
struct disk_image {
	const struct disk_driver *driver;
	struct disk_file file; /* what the format lies in: open, locked and measured */
	struct disk_info info; /* what the guest sees */
	void *state;	       /* the driver's */
	/* What driver->open() has found of a backing file, the driver's; NULL: there is none. */
	const char *backing_name, *backing_format;
	/* What has the bytes that this one has not, read-only; NULL: nothing. Owned. */
	struct disk_image *backing;
	struct disk_trouble trouble;
	const struct disk_image *over; /* the one that this is the backing of; borrowed */
};

/* Files of one disk: an image, those below, and one above with what a snapshot takes. */
#define DISK_MAX_FILES 9

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
	/* No request is under way. May be NULL. What needs I/O was done by an earlier FLUSH. */
	void (*close)(struct disk_image *image);
	/* Whether close() would lose something that work() of a FLUSH keeps. May be NULL: no. */
	bool (*is_dirty)(struct disk_image *image);
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
	/*
	 * After map() of a WRITE, in the loop: whether work() of a PREPARE is to be done now, so
	 * that map() finds in memory what it needs. There is one at a time; whether it succeeds
	 * matters to nobody else. May be NULL: no.
	 */
	bool (*wants)(struct disk_image *image);
	/*
	 * work() of a FLUSH is the file's and nothing else; what it means if that fails is not the
	 * driver's to know.
	 */
	bool flushes_file_alone;
};

extern const struct disk_driver raw_driver;
extern const struct disk_driver qcow2_driver;

/* Any thread. What came first stands until it is said. */
void disk_trouble_set(struct disk_trouble *trouble, const char *text, u64 value);
/* NULL: there is none, or no more. */
const char *disk_trouble_take(struct disk_trouble *trouble, u64 *value);

/*
 * Open a file and find its driver, which is @driver or, if that is NULL, what options->format
 * says. image->over is set. -errno with a line.
 */
int disk_image_open(struct disk_image *image, const struct disk_driver *driver, const char *path,
		    const struct disk_options *options, struct error *err);
void disk_image_close(struct disk_image *image);

/*
 * Open @name, what the header of @image says of its backing file, into image->backing.
 * @format: as there, "" if it says nothing. -errno with a line that begins with @image's path.
 */
int disk_backing_open(struct disk_image *image, const char *name, const char *format,
		      const struct disk_options *options, struct error *err);

/*
 * Where the backing file of @image is, and how to open it: into @path and @options. As above.
 * @path: PATH_MAX bytes.
 */
int disk_backing_find(const struct disk_image *image, const char *name, const char *format,
		      const struct disk_options *top, char *path, struct disk_options *options,
		      struct error *err);
/* The file of @image is open: whether it may be the backing of image->over. */
int disk_backing_check(const struct disk_image *image, const struct disk_options *options,
		       struct error *err);

/*
 * Open @path read-only, as the backing of a new qcow2 image in @image, in a file that has no name
 * and goes with the process.
 */
int disk_snapshot_open(struct disk_image *image, const char *path,
		       const struct disk_options *options, struct error *err);

#endif
