/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio 1.4, "Block Device", "Device Operation". */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <linux/virtio_blk.h>

#include "blk_request.h"
#include "virtio/endian.h"

/* ---- answering ---- */

static bool moves_in(u32 type)
{
	return type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;
}

static void count(struct blk_counters *counters, const struct blk_request *request, u8 status)
{
	if (status != VIRTIO_BLK_S_OK) {
		counters->errors++;
		return;
	}
	switch (request->type) {
	case VIRTIO_BLK_T_IN:
		counters->reads++;
		counters->bytes_read += request->total;
		break;
	case VIRTIO_BLK_T_OUT:
		counters->writes++;
		counters->bytes_written += request->total;
		break;
	case VIRTIO_BLK_T_FLUSH:
		counters->flushes++;
		break;
	case VIRTIO_BLK_T_DISCARD:
		counters->discards++;
		break;
	case VIRTIO_BLK_T_WRITE_ZEROES:
		counters->zeroes++;
		break;
	}
}

/*
 * "The Virtqueue Used Ring": len is how much has surely been written, from the
 * first writable byte on. The status is the last byte, so a gap before it ends the count.
 */
static u32 written_len(const struct virtq_chain *chain, u64 data, u8 status)
{
	if (chain->writable_len - 1 == data)
		return data + 1;
	return status == VIRTIO_BLK_S_OK ? data : 0;
}

static void answer(struct blk_request *request, u8 status)
{
	struct blk *blk = request->blk;
	u64 data = moves_in(request->type) && status == VIRTIO_BLK_S_OK ? request->moved : 0;

	*request->status = status;
	count(&blk->counters, request, status);
	virtio_device_push(&blk->device, request->queue, &request->chain,
			   written_len(&request->chain, data, status));
	blk->queues[request->queue].answered = true;
}

void blk_interrupt(struct blk *blk)
{
	for (unsigned i = 0; i < blk->device.queue_count; i++) {
		if (!blk->queues[i].answered)
			continue;
		blk->queues[i].answered = false;
		virtio_device_interrupt(&blk->device, i);
	}
}

void blk_free_request(struct blk_request *request)
{
	struct blk *blk = request->blk;

	if (request->again)
		blk_tried(blk);
	request->again = false;
	request->next = blk->free;
	blk->free = request;
}

/* ---- on the disk ---- */

static u8 status_of(int error)
{
	return error == -EOPNOTSUPP ? VIRTIO_BLK_S_UNSUPP : VIRTIO_BLK_S_IOERR;
}

/* Point disk.iov at the next piece of data. */
static int map_piece(struct blk_request *request)
{
	bool in = request->type == VIRTIO_BLK_T_IN;
	u64 len = MIN(request->total - request->moved, BLK_PIECE);
	u64 header = in ? 0 : sizeof(struct virtio_blk_outhdr);
	int pieces;

	pieces = virtq_chain_iov(&request->chain, in ? DMA_WRITE : DMA_READ,
				 header + request->moved, len, request->iov, BLK_PIECE_IOVS);
	if (pieces < 0)
		return pieces;
	request->disk.iov = request->iov;
	request->disk.iov_count = pieces;
	request->disk.len = len;
	return 0;
}

/*
 * "Device Operation": without FLUSH a driver takes the disk for write-through, and with CONFIG_WCE
 * it decides.
 */
static bool is_write_through(const struct blk *blk)
{
	return blk->write_through || !virtio_has_feature(&blk->device, VIRTIO_BLK_F_FLUSH);
}

/* What is lost since the first part is the request's. */
static void submit_more(struct blk_request *request)
{
	unsigned losses = request->disk.losses;

	disk_submit(request->blk->disk, &request->disk);
	request->disk.losses = losses;
}

/* What comes after a part that went well: 1 if there is more and the disk has it. */
static int go_on(struct blk_request *request)
{
	struct blk *blk = request->blk;
	enum disk_op op = request->disk.op;

	if (op == DISK_READ || op == DISK_WRITE) {
		request->moved += request->disk.len;
		request->disk.offset += request->disk.len;
		if (request->moved < request->total) {
			int ret = map_piece(request);

			if (ret)
				return ret;
			submit_more(request);
			return 1;
		}
	}
	if ((op == DISK_WRITE || op == DISK_WRITE_ZEROES) && is_write_through(blk)) {
		request->disk.op = DISK_FLUSH;
		submit_more(request);
		return 1;
	}
	return 0;
}

static void disk_done(struct disk_request *disk, int result)
{
	struct blk_request *request = container_of(disk, struct blk_request, disk);
	struct blk *blk = request->blk;
	struct blk_queue *queue = &blk->queues[request->queue];
	int failed = result;
	bool stops = false;

	if (!queue->draining && !virtio_device_is_inert(&blk->device)) {
		stops = failed && blk_may_stop(request, failed);
		if (!result)
			result = go_on(request);
		if (result > 0)
			return;
		/* The interrupt comes when the disk has settled. */
		if (!stops)
			answer(request, result ? status_of(result) : VIRTIO_BLK_S_OK);
	}
	if (!--queue->in_flight)
		queue->draining = false;
	/* Last of what touches the guest: it may let a parked UNMAP of the IOMMU go on. */
	dma_drop(blk->device.space, &request->hold);
	if (stops)
		blk_stop(request, failed);
	else
		blk_free_request(request);
}

static void submit(struct blk_request *request, enum disk_op op)
{
	request->disk.op = op;
	request->disk.done = disk_done;
	/* The user knows. */
	request->disk.quiet = request->again;
	request->hold.segments = request->chain.segments;
	request->hold.count = virtq_chain_segments(&request->chain);
	dma_hold(request->blk->device.space, &request->hold);
	request->blk->queues[request->queue].in_flight++;
	disk_submit(request->blk->disk, &request->disk);
}

/* Whether it goes to the disk in several pieces. */
static bool is_large(const struct virtq_chain *chain)
{
	return chain->readable_len + chain->writable_len > BLK_PIECE;
}

/* ---- what the driver asks for: a status to answer now, or one of these ---- */

#define SUBMITTED (-1)
#define WAITING	  (-2) /* and on a list of those that do */

static bool inside(const struct blk *blk, u64 sector, u64 sectors)
{
	u64 capacity = blk->info.size / DISK_SECTOR;

	return sector <= capacity && sectors <= capacity - sector;
}

static int transfer(struct blk_request *request, u64 sector, u64 len, enum disk_op op)
{
	struct blk *blk = request->blk;

	if (len % DISK_SECTOR || !inside(blk, sector, len / DISK_SECTOR))
		return VIRTIO_BLK_S_IOERR;
	if (op == DISK_WRITE && blk->info.read_only)
		return VIRTIO_BLK_S_IOERR;
	if (!len)
		return VIRTIO_BLK_S_OK;
	if (blk_is_limited(request, op == DISK_WRITE, len))
		return WAITING;
	request->total = len;
	request->disk.offset = sector * DISK_SECTOR;
	if (is_large(&request->chain) && map_piece(request))
		return VIRTIO_BLK_S_IOERR;
	submit(request, op);
	return SUBMITTED;
}

static int clear_range(struct blk_request *request, enum disk_op op, unsigned feature, u32 flags)
{
	struct virtio_blk_discard_write_zeroes range;
	struct blk *blk = request->blk;
	u64 sector, sectors;

	if (!virtio_has_feature(&blk->device, feature))
		return VIRTIO_BLK_S_UNSUPP;
	if (request->chain.readable_len != sizeof(struct virtio_blk_outhdr) + sizeof(range) ||
	    virtq_chain_read(&request->chain, sizeof(struct virtio_blk_outhdr), &range,
			     sizeof(range)) != sizeof(range))
		return VIRTIO_BLK_S_IOERR;
	/* "The device MUST set the status byte to UNSUPP ... if any unknown flag is set". */
	if (le32_to_cpu(range.flags) & ~flags)
		return VIRTIO_BLK_S_UNSUPP;
	sector = le64_to_cpu(range.sector);
	sectors = le32_to_cpu(range.num_sectors);
	if (blk->info.read_only || sectors > BLK_RANGE_SECTORS || !inside(blk, sector, sectors))
		return VIRTIO_BLK_S_IOERR;
	if (!sectors)
		return VIRTIO_BLK_S_OK;
	/* Where the host has no holes, zeroes are written like any other bytes. */
	if (blk_is_limited(request, true, op == DISK_WRITE_ZEROES ? sectors * DISK_SECTOR : 0))
		return WAITING;
	request->disk.offset = sector * DISK_SECTOR;
	request->disk.len = sectors * DISK_SECTOR;
	request->disk.may_unmap = !blk->ignore_discard &&
				  le32_to_cpu(range.flags) & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
	submit(request, op);
	return SUBMITTED;
}

static int get_id(struct blk_request *request)
{
	const struct blk *blk = request->blk;

	if (request->chain.writable_len - 1 < sizeof(blk->serial))
		return VIRTIO_BLK_S_IOERR;
	if (virtq_chain_write(&request->chain, 0, blk->serial, sizeof(blk->serial)) < 0)
		return VIRTIO_BLK_S_IOERR;
	request->moved = sizeof(blk->serial);
	return VIRTIO_BLK_S_OK;
}

static int begin(struct blk_request *request, const struct virtio_blk_outhdr *header)
{
	const struct virtq_chain *chain = &request->chain;
	u64 sector = virtio64_to_cpu(header->sector);

	request->type = virtio32_to_cpu(header->type);
	switch (request->type) {
	case VIRTIO_BLK_T_IN:
		return transfer(request, sector, chain->writable_len - 1, DISK_READ);
	case VIRTIO_BLK_T_OUT:
		return transfer(request, sector, chain->readable_len - sizeof(*header), DISK_WRITE);
	case VIRTIO_BLK_T_FLUSH:
		request->disk.len = 0;
		submit(request, DISK_FLUSH);
		return SUBMITTED;
	case VIRTIO_BLK_T_GET_ID:
		return get_id(request);
	case VIRTIO_BLK_T_DISCARD:
		return clear_range(request, DISK_DISCARD, VIRTIO_BLK_F_DISCARD, 0);
	case VIRTIO_BLK_T_WRITE_ZEROES:
		return clear_range(request, DISK_WRITE_ZEROES, VIRTIO_BLK_F_WRITE_ZEROES,
				   VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP);
	default:
		return VIRTIO_BLK_S_UNSUPP;
	}
}

/* ---- taking ---- */

/* Where the answer will go; found before anything is done, for then it cannot fail. */
static u8 *find_status(const struct virtq_chain *chain)
{
	struct iovec iov;

	if (!chain->writable_len ||
	    virtq_chain_iov(chain, DMA_WRITE, chain->writable_len - 1, 1, &iov, 1) != 1)
		return NULL;
	return iov.iov_base;
}

/* Take @len bytes off the front of the @count pieces at *iov, which have them. */
static unsigned take_front(struct iovec **iov, unsigned count, void *data, u64 len)
{
	char *to = data;

	while (len) {
		u64 piece = MIN((*iov)->iov_len, len);

		memcpy(to, (*iov)->iov_base, piece);
		to += piece;
		len -= piece;
		(*iov)->iov_base = (char *)(*iov)->iov_base + piece;
		(*iov)->iov_len -= piece;
		if ((*iov)->iov_len)
			return count;
		++*iov;
		count--;
	}
	return count;
}

/* Take the last byte off the end of the pieces. */
static u8 *take_last(struct iovec *iov, unsigned *count)
{
	struct iovec *last = &iov[*count - 1];

	if (!--last->iov_len)
		--*count;
	return (u8 *)last->iov_base + last->iov_len;
}

/*
 * One walk of a chain that is no larger than a piece: header and status come off its ends, and
 * what is left is the data. -errno: something of it, but perhaps not the status, is not to be
 * reached, or there is no header.
 */
static int lay_out(struct blk_request *request, struct virtio_blk_outhdr *header)
{
	const struct virtq_chain *chain = &request->chain;
	struct iovec *readable = request->iov, *writable;
	int in, out;

	out = virtq_chain_iov(chain, DMA_READ, 0, chain->readable_len, readable, BLK_PIECE_IOVS);
	if (out < 0)
		return out;
	writable = readable + out;
	in = virtq_chain_iov(chain, DMA_WRITE, 0, chain->writable_len, writable,
			     BLK_PIECE_IOVS - out);
	if (in < 0)
		return in;
	request->disk.iov_count = in;
	request->status = take_last(writable, &request->disk.iov_count);
	request->disk.iov = writable;
	if (chain->readable_len < sizeof(*header))
		return -EINVAL;
	out = take_front(&readable, out, header, sizeof(*header));
	dma_copied();
	/* A driver has data in one direction alone. */
	if (header->type == cpu_to_virtio32(VIRTIO_BLK_T_IN)) {
		request->disk.len = chain->writable_len - 1;
		return 0;
	}
	request->disk.iov = readable;
	request->disk.iov_count = out;
	request->disk.len = chain->readable_len - sizeof(*header);
	return 0;
}

/* What lay_out() finds, of one that goes to the disk in several pieces: they come later. */
static int lay_out_large(struct blk_request *request, struct virtio_blk_outhdr *header)
{
	request->status = find_status(&request->chain);
	if (!request->status ||
	    virtq_chain_read(&request->chain, 0, header, sizeof(*header)) != sizeof(*header))
		return -EFAULT;
	return 0;
}

void blk_serve_request(struct blk_request *request)
{
	struct virtio_blk_outhdr header;
	int ret = -EINVAL;

	/* It has waited, and the device broke meanwhile. */
	if (virtio_device_is_inert(&request->blk->device)) {
		blk_free_request(request);
		return;
	}
	request->status = NULL;
	request->type = UINT32_MAX;
	request->moved = request->total = 0;
	if (request->chain.writable_len)
		ret = is_large(&request->chain) ? lay_out_large(request, &header)
						: lay_out(request, &header);
	if (ret && !request->status)
		request->status = find_status(&request->chain);
	if (!request->status) {
		virtio_device_broken(&request->blk->device,
				     "a request without a place for its status");
		blk_free_request(request);
		return;
	}
	ret = ret ? VIRTIO_BLK_S_IOERR : begin(request, &header);
	if (ret == SUBMITTED || ret == WAITING)
		return;
	answer(request, ret);
	blk_free_request(request);
}

/* ---- the requests ---- */

/* One more than can be out: the ring says when a driver has more out than it may. */
static unsigned request_count(const struct blk *blk)
{
	return blk->device.queue_count * BLK_QUEUE_SIZE + 1;
}

static size_t requests_size(const struct blk *blk)
{
	return request_count(blk) * sizeof(struct blk_request);
}

int blk_requests_create(struct blk *blk)
{
	void *memory = mmap(NULL, requests_size(blk), PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return -ENOMEM;
	/* Most of it is never touched: no pages of 2 MiB for the little that is. */
	madvise(memory, requests_size(blk), MADV_NOHUGEPAGE);
	blk->requests = memory;
	return 0;
}

void blk_requests_destroy(struct blk *blk)
{
	munmap(blk->requests, requests_size(blk));
}

/* The one that was last in use, else one that never was: as little memory as can be. */
static struct blk_request *take_request(struct blk *blk)
{
	struct blk_request *request = blk->free;

	if (request) {
		blk->free = request->next;
		return request;
	}
	/* A reset waits for those under way. */
	assert(blk->used < request_count(blk));
	request = &blk->requests[blk->used++];
	request->blk = blk;
	return request;
}

bool blk_serve(struct blk *blk, unsigned queue)
{
	struct blk_request *request;

	if (!blk_may_take(blk))
		return false;
	request = take_request(blk);
	if (virtio_device_pop(&blk->device, queue, &request->chain)) {
		request->queue = queue;
		blk_serve_request(request);
		return true;
	}
	blk_free_request(request);
	return false;
}
