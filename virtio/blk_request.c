/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio 1.4, "Block Device", "Device Operation". */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_blk.h>

#include "blk_request.h"
#include "virtio/endian.h"

/*
 * Larger transfers go to the disk in pieces of this size, one after the other. A
 * mapping is a page or more, so a piece is never in more than PIECE_IOVS places:
 * one per descriptor and one per page (the kernel takes 1024 in a call).
 */
#define PIECE	   (2 * MIB)
#define PIECE_IOVS (BLK_QUEUE_SIZE + PIECE / 4096 + 1)

struct blk_request {
	struct disk_request disk;
	struct blk *blk;
	struct dma_hold hold; /* of the whole chain, until it is answered */
	u8 *status;	      /* host address of the last writable byte, under the hold */
	u32 type;
	u64 moved; /* data bytes behind us */
	u64 total;
	struct iovec *iov;	   /* owned: the piece under way */
	struct virtq_chain *chain; /* owned: a copy as long as it needs to be */
};

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
	virtio_device_push(&blk->device, 0, request->chain,
			   written_len(request->chain, data, status));
}

static void free_request(struct blk_request *request)
{
	free(request->iov);
	free(request->chain);
	free(request);
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
	u64 len = MIN(request->total - request->moved, PIECE);
	u64 header = in ? 0 : sizeof(struct virtio_blk_outhdr);
	struct iovec scratch[PIECE_IOVS];
	int pieces;

	pieces = virtq_chain_iov(request->chain, in ? DMA_WRITE : DMA_READ, header + request->moved,
				 len, scratch, ARRAY_SIZE(scratch));
	if (pieces < 0)
		return pieces;
	free(request->iov);
	request->iov = malloc(MAX(pieces, 1) * sizeof(scratch[0]));
	if (!request->iov)
		return -ENOMEM;
	memcpy(request->iov, scratch, pieces * sizeof(scratch[0]));
	request->disk.iov = request->iov;
	request->disk.iov_count = pieces;
	request->disk.len = len;
	return 0;
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
			disk_submit(blk->disk, &request->disk);
			return 1;
		}
	}
	/* A driver without FLUSH takes the disk for write-through: make it so. */
	if ((op == DISK_WRITE || op == DISK_WRITE_ZEROES) &&
	    !virtio_has_feature(&blk->device, VIRTIO_BLK_F_FLUSH)) {
		request->disk.op = DISK_FLUSH;
		disk_submit(blk->disk, &request->disk);
		return 1;
	}
	return 0;
}

static void disk_done(struct disk_request *disk, int result)
{
	struct blk_request *request = container_of(disk, struct blk_request, disk);
	struct blk *blk = request->blk;

	if (!blk->draining && !virtio_device_is_inert(&blk->device)) {
		if (!result)
			result = go_on(request);
		if (result > 0)
			return;
		/* The interrupt comes when the disk has settled. */
		answer(request, result ? status_of(result) : VIRTIO_BLK_S_OK);
	}
	if (!--blk->in_flight)
		blk->draining = false;
	/* Last: it may let a parked UNMAP of the IOMMU go on. */
	dma_drop(blk->device.space, &request->hold);
	free_request(request);
}

static void submit(struct blk_request *request, enum disk_op op)
{
	request->disk.op = op;
	request->disk.done = disk_done;
	request->hold.segments = request->chain->segments;
	request->hold.count = virtq_chain_segments(request->chain);
	dma_hold(request->blk->device.space, &request->hold);
	request->blk->in_flight++;
	disk_submit(request->blk->disk, &request->disk);
}

/* ---- what the driver asks for: a status to answer now, or SUBMITTED ---- */

#define SUBMITTED (-1)

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
	request->total = len;
	request->disk.offset = sector * DISK_SECTOR;
	if (map_piece(request))
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
	if (request->chain->readable_len != sizeof(struct virtio_blk_outhdr) + sizeof(range) ||
	    virtq_chain_read(request->chain, sizeof(struct virtio_blk_outhdr), &range,
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
	request->disk.offset = sector * DISK_SECTOR;
	request->disk.len = sectors * DISK_SECTOR;
	request->disk.may_unmap = le32_to_cpu(range.flags) & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
	submit(request, op);
	return SUBMITTED;
}

static int get_id(struct blk_request *request)
{
	char id[VIRTIO_BLK_ID_BYTES] = "";

	if (request->chain->writable_len - 1 < sizeof(id))
		return VIRTIO_BLK_S_IOERR;
	disk_get_id(request->blk->disk, id);
	if (virtq_chain_write(request->chain, 0, id, sizeof(id)) < 0)
		return VIRTIO_BLK_S_IOERR;
	request->moved = sizeof(id);
	return VIRTIO_BLK_S_OK;
}

static int begin(struct blk_request *request)
{
	const struct virtq_chain *chain = request->chain;
	struct virtio_blk_outhdr header;
	u64 sector;

	if (virtq_chain_read(chain, 0, &header, sizeof(header)) != sizeof(header)) {
		request->type = UINT32_MAX;
		return VIRTIO_BLK_S_IOERR;
	}
	request->type = virtio32_to_cpu(header.type);
	sector = virtio64_to_cpu(header.sector);
	switch (request->type) {
	case VIRTIO_BLK_T_IN:
		return transfer(request, sector, chain->writable_len - 1, DISK_READ);
	case VIRTIO_BLK_T_OUT:
		return transfer(request, sector, chain->readable_len - sizeof(header), DISK_WRITE);
	case VIRTIO_BLK_T_FLUSH:
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

static struct virtq_chain *copy_chain(const struct virtq_chain *chain)
{
	size_t size = offsetof(struct virtq_chain, segments[virtq_chain_segments(chain)]);
	struct virtq_chain *copy = malloc(size);

	return copy ? memcpy(copy, chain, size) : NULL;
}

void blk_serve(struct blk *blk, const struct virtq_chain *chain)
{
	u8 *status = find_status(chain);
	struct blk_request *request;
	int ret;

	if (!status) {
		virtio_device_broken(&blk->device, "a request without a place for its status");
		return;
	}
	request = calloc(1, sizeof(*request));
	if (!request || !(request->chain = copy_chain(chain))) {
		free(request);
		*status = VIRTIO_BLK_S_IOERR;
		blk->counters.errors++;
		virtio_device_push(&blk->device, 0, chain, 0);
		return;
	}
	request->blk = blk;
	request->status = status;
	ret = begin(request);
	if (ret == SUBMITTED)
		return;
	answer(request, ret);
	free_request(request);
}
