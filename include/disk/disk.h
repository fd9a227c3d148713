/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A disk image or a block device, read and written without blocking anybody.
 *
 * Files are opened O_DIRECT where they allow it and served by libaio, which
 * completes into the loop. What may block even there goes to a few threads
 * of the disk's, made when first needed: io_submit() of writes to files, which waits for
 * allocations and frozen file systems, buffered files, and what has no asynchronous call
 * (fallocate). Requests that O_DIRECT cannot take as they are (buffers
 * not aligned in memory) are bounced through an aligned buffer.
 *
 * All calls with the VM lock held (disk_open() before there is a VM); requests
 * complete on the main thread, VM lock held.
 */
#ifndef DISK_DISK_H
#define DISK_DISK_H

#include <sys/uio.h>

#include "util/error.h"
#include "util/types.h"
#include "vmm/worker.h"

struct disk;
struct loop;

enum disk_op {
	DISK_READ,
	DISK_WRITE,
	DISK_FLUSH,	   /* done: everything acknowledged before is on stable storage */
	DISK_DISCARD,	   /* contents undefined or zero afterwards; may do nothing */
	DISK_WRITE_ZEROES, /* reads as zeroes afterwards */
	DISK_PREPARE,	   /* the disk's own: its driver gets ready for more */
};

/* Lives inside its owner until done() is called. */
struct disk_request {
	enum disk_op op;
	u64 offset;		 /* bytes, and below, multiples of DISK_SECTOR; inside the disk */
	u64 len;		 /* DISCARD, WRITE_ZEROES; for READ and WRITE the sum of @iov */
	const struct iovec *iov; /* stays as it is until done() */
	unsigned iov_count;
	bool may_unmap; /* WRITE_ZEROES: punching a hole is welcome */
	bool quiet;	/* the host's failure is known to the user, and not logged */
	/*
	 * Set by disk_submit(): how often a FLUSH had failed by then, so that the host's page cache
	 * may have lost something; for a FLUSH 0, as it is about all that was acknowledged. A FLUSH
	 * fails if there were more since, as the host says but once that it lost something. One
	 * that is submitted for the sake of an earlier request is given that one's number, after
	 * disk_submit().
	 */
	unsigned losses;
	/*
	 * @result: 0, or -errno; a short transfer is -EIO. The host's failures are logged. Never
	 * called from within disk_submit().
	 */
	void (*done)(struct disk_request *request, int result);
	struct disk_request *next; /* the disk's, while it has the request; so are the others */
	struct disk *disk;
	struct worker_job job;
	u64 place;    /* where in the file it begins */
	u32 tag;      /* its driver's, from map() to unmap() */
	bool last;    /* FLUSH: the disk's own, before it is closed */
	u64 moved;    /* bytes that an interrupted transfer has behind it */
	bool refused; /* by us: the host was not asked */
	bool suspect; /* a write that may be all zeroes */
	int result;
};

#define DISK_SECTOR 512u

enum disk_format {
	/*
	 * raw, unless its first bytes are those of another format; qcow2 for an image in a file
	 * that was never written as a raw disk. Anything else is refused.
	 */
	DISK_FORMAT_GUESS,
	DISK_FORMAT_RAW, /* whatever is in it */
	DISK_FORMAT_QCOW2,
};

/* Whether a write of zeroes alone becomes DISK_WRITE_ZEROES, and whether that may make a hole. */
enum disk_zeroes { DISK_ZEROES_WRITE, DISK_ZEROES_DETECT, DISK_ZEROES_UNMAP };

struct disk_options {
	bool read_only;
	bool share; /* others may have it open, and write it: the user sees to the consequences */
	enum disk_format format;
	bool direct;   /* O_DIRECT or fail; otherwise where it works */
	bool buffered; /* never O_DIRECT: share the host's page cache; not with direct */
	bool snapshot; /* the file stays as it is: what is written goes to a file without a name */
	bool backing_anywhere; /* backing files need not lie in the image's folder or below */
	enum disk_zeroes detect_zeroes;
};

struct disk_info {
	u64 size; /* bytes, whole blocks */
	bool read_only;
	bool direct;
	bool can_discard; /* discard and write-zeroes are worth offering */
	u32 block_size;	  /* logical: 512 or what a block device says */
};

/*
 * Open, lock and measure. A disk that is open for writing has one user, one that is
 * read-only may be shared with readers; otherwise -EBUSY with a line that
 * names the holder (an open file description lock, gone with the process; O_EXCL
 * for a block device, which the mounted ones refuse). -errno with a line.
 */
int disk_open(struct disk **disk, const char *path, const struct disk_options *options,
	      struct error *err);
/* No request may be under way: disk_drain() first. NULL is fine. */
void disk_close(struct disk *disk);

void disk_get_info(const struct disk *disk, struct disk_info *info);
/* A name that stays the same for the same file: at most 20 bytes, for VIRTIO_BLK_T_GET_ID. */
void disk_get_id(const struct disk *disk, char id[20]);

/*
 * Attach to the loop in which requests complete. Once, before the first request. @settled is
 * called there after the done() of each batch of requests that have ended, for what is done
 * once for all of them; may be NULL.
 */
int disk_start(struct disk *disk, struct loop *loop, void (*settled)(void *context), void *context);

/*
 * Queue a request; done() is called later, whatever happens. The kernel sees it
 * at the next disk_flush_queue(), or after a done() that submits. What exceeds the disk's own
 * depth waits inside.
 */
void disk_submit(struct disk *disk, struct disk_request *request);
/*
 * Hand what is queued to the kernel, many requests in one call. What it answers within the call is
 * done() before this returns, but for a call from within done() or settled().
 */
void disk_flush_queue(struct disk *disk);

/*
 * Wait until no request is under way, calling done() for each. Blocks: for the end alone. False:
 * the loop's patience (loop_set_patience()) was over before that. Then the disk, the requests and
 * the memory they name must be left as they are: no disk_close().
 */
bool disk_drain(struct disk *disk);

#endif
