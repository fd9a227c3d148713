/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio 1.4, "Setting Up Receive Buffers" and "Processing of Incoming Packets": from the back
 * end into the guest's pages.
 *
 * How long a frame is turns out when it has been read, and it is read once. So buffers are taken
 * off the ring until the longest frame would fit: the window. Where the ring has too few for
 * that, the frame is read into memory of our own and copied when there are enough: nothing is
 * lost, and copying is left to the case that is slow anyway.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net_private.h"
#include "virtio/endian.h"

/* Without segmentation frames are as long as the MTU; the host's may be that of jumbo frames. */
#define ROOM_UNSEGMENTED (16 * KIB)
/* Pieces that one buffer may be in: segments, each of which may lie across a page's edge. */
#define BUFFER_PIECES (2 * VIRTQ_MAX_SEGMENTS < NET_IOV / 2 ? 2 * VIRTQ_MAX_SEGMENTS : NET_IOV / 2)
/* The filter looks at addresses and VLAN tag. */
#define FILTER_BYTES 18

static struct virtq *queue_of(struct net_pair *pair)
{
	return &pair->net->queues[net_rx_queue(pair)];
}

static unsigned slot(const struct net_window *window, unsigned n)
{
	return (window->first + n) % NET_WINDOW;
}

/* Where the last piece would be, which catches what does not fit: one byte. */
static struct iovec *spare(struct net_window *window)
{
	return &window->iov[window->iov_first + window->iov_count];
}

/* ---- the window ---- */

/* The room that a frame could need. */
static u64 wanted_room(const struct net *net)
{
	u64 frame = net->backend->mtu + 14 + 4;

	if (!net->mergeable)
		return 1;
	if (net->offloads_in & ~NET_CSUM)
		return NET_HEADER + NET_MAX_FRAME;
	return NET_HEADER + MAX(frame, ROOM_UNSEGMENTED);
}

/* Room at the end of the array for @pieces, and the spare one. */
static bool make_room(struct net_window *window, unsigned pieces)
{
	if (window->iov_first + window->iov_count + pieces < NET_IOV)
		return true;
	memmove(window->iov, window->iov + window->iov_first,
		window->iov_count * sizeof(window->iov[0]));
	window->iov_first = 0;
	return window->iov_count + pieces < NET_IOV;
}

/* Find the pieces of the window's buffer @n, which come behind those of the others. */
static int locate(struct net_pair *pair, unsigned n)
{
	struct net_window *window = &pair->window;
	unsigned at = slot(window, n);
	struct virtq_chain *chain = &window->chains[at];
	u64 room = MIN(chain->writable_len, (u64)NET_HEADER + NET_MAX_FRAME);
	int pieces;

	if (room < NET_HEADER + (pair->net->mergeable ? 0 : NET_MIN_FRAME))
		return -EINVAL;
	pieces = virtq_chain_iov(chain, DMA_WRITE, 0, room, spare(window),
				 NET_IOV - 1 - window->iov_first - window->iov_count);
	if (pieces < 0)
		return pieces;
	window->rooms[at] = room;
	window->pieces[at] = pieces;
	window->iov_count += pieces;
	window->room += room;
	return 0;
}

/* A buffer that nothing can be put into. */
static void refuse(struct net_pair *pair, const struct virtq_chain *chain)
{
	pair->received.drops++;
	virtio_device_push(&pair->net->device, net_rx_queue(pair), chain, 0);
}

/* What moved in the device's space has other pieces now, or none. */
static void locate_again(struct net_pair *pair)
{
	struct net_window *window = &pair->window;
	unsigned count = window->count;

	window->generation = pair->net->device.space->generation;
	window->iov_first = window->iov_count = 0;
	window->room = 0;
	window->count = 0;
	for (unsigned n = 0; n < count; n++) {
		unsigned at = slot(window, n), to = slot(window, window->count);

		if (at != to)
			window->chains[to] = window->chains[at];
		if (locate(pair, window->count))
			refuse(pair, &window->chains[to]);
		else
			window->count++;
	}
}

/* One more buffer. False: the ring has none. */
static bool take(struct net_pair *pair)
{
	struct net_window *window = &pair->window;
	struct virtq_chain *chain = &window->chains[slot(window, window->count)];

	if (!virtio_device_pop(&pair->net->device, net_rx_queue(pair), chain))
		return false;
	if (locate(pair, window->count))
		refuse(pair, chain);
	else
		window->count++;
	return true;
}

/*
 * Take buffers until there is room for any frame. False: there is none at all, and the driver
 * will kick when it has added some.
 */
static bool fill(struct net_pair *pair, unsigned *budget)
{
	struct net_window *window = &pair->window;
	u64 wanted = MAX(wanted_room(pair->net), pair->kept_len);

	if (window->generation != pair->net->device.space->generation)
		locate_again(pair);
	while (window->room < wanted && window->count < NET_WINDOW && *budget &&
	       make_room(window, BUFFER_PIECES) && take(pair))
		--*budget;
	return window->count;
}

/* Give back what the frame of @len bytes, header included, is in. The driver sees all at once. */
static void deliver(struct net_pair *pair, u64 len)
{
	struct virtio_device *device = &pair->net->device;
	struct net_window *window = &pair->window;
	u16 buffers = 0;

	for (u64 left = len; left; buffers++) {
		unsigned at = slot(window, buffers);
		u32 used = MIN(left, window->rooms[at]);

		virtio_device_fill(device, net_rx_queue(pair), &window->chains[at], used);
		window->iov_first += window->pieces[at];
		window->iov_count -= window->pieces[at];
		window->room -= window->rooms[at];
		left -= used;
	}
	window->first = slot(window, buffers);
	window->count -= buffers;
	virtio_device_flush(device, net_rx_queue(pair));
	pair->received.packets++;
	pair->received.bytes += len - NET_HEADER;
}

/* How many buffers a frame of @len bytes will be in. */
static u16 buffers_for(const struct net_window *window, u64 len)
{
	u64 room = 0;
	u16 buffers = 0;

	while (room < len)
		room += window->rooms[slot(window, buffers++)];
	return buffers;
}

/* The header: the whole of it, or the one field that is the device's. */
static void write_header(struct net_pair *pair, u64 len)
{
	struct net_window *window = &pair->window;
	struct virtio_net_hdr_v1 header = {
		.num_buffers = cpu_to_virtio16(buffers_for(window, len)),
	};
	u64 from = pair->net->backend->header ? offsetof(struct virtio_net_hdr_v1, num_buffers) : 0;

	/* It was translated a moment ago. */
	virtq_chain_write(&window->chains[window->first], from, (const char *)&header + from,
			  NET_HEADER - from);
	/* The host may have verified a checksum that the driver has no word for. */
	if (from && !(pair->net->offloads_in & NET_CSUM))
		virtq_chain_write(&window->chains[window->first], 0, &header.flags,
				  sizeof(header.flags));
}

/* ---- frames ---- */

/* The pieces behind the first @skip bytes, with the spare one; *restore is what was changed. */
static struct iovec *skip_pieces(struct net_window *window, u64 skip, unsigned *count,
				 struct iovec *changed)
{
	struct iovec *iov = &window->iov[window->iov_first];

	*count = window->iov_count + 1;
	while (skip && skip >= iov->iov_len) {
		skip -= iov->iov_len;
		iov++;
		--*count;
	}
	*changed = *iov;
	iov->iov_base = (char *)iov->iov_base + skip;
	iov->iov_len -= skip;
	return iov;
}

/* Copy the first bytes of what was read to @iov. */
static size_t peek(const struct iovec *iov, unsigned count, u64 skip, void *data, size_t len)
{
	size_t done = 0;

	for (unsigned i = 0; i < count && done < len; i++) {
		size_t piece;

		if (skip >= iov[i].iov_len) {
			skip -= iov[i].iov_len;
			continue;
		}
		piece = MIN(iov[i].iov_len - skip, len - done);
		memcpy((char *)data + done, (char *)iov[i].iov_base + skip, piece);
		done += piece;
		skip = 0;
	}
	return done;
}

/* 0; -EMSGSIZE: what was read is no frame; -ENOMSG: the guest does not want it. */
static int check_frame(struct net_pair *pair, const struct iovec *iov, unsigned count, u64 len)
{
	u64 skip = pair->net->backend->header ? NET_HEADER : 0;
	u8 start[FILTER_BYTES];

	if (len < skip + NET_MIN_FRAME)
		return -EMSGSIZE;
	/* Nothing of the frame is looked at where it does not matter. */
	if (pair->net->filter.promiscuous ||
	    net_filter_wants(&pair->net->filter, start,
			     peek(iov, count, skip, start, MIN(sizeof(start), len - skip))))
		return 0;
	pair->filtered++;
	return -ENOMSG;
}

/* Into the guest's buffers. As net_ops.receive, but the length has the header in it, always. */
static ssize_t receive_in_place(struct net_pair *pair)
{
	struct net_backend *backend = pair->net->backend;
	struct net_window *window = &pair->window;
	u64 skip = backend->header ? 0 : NET_HEADER;
	struct iovec *iov, changed;
	unsigned count;
	u8 overflow;
	ssize_t len;
	int ret;

	*spare(window) = (struct iovec){ .iov_base = &overflow, .iov_len = 1 };
	iov = skip_pieces(window, skip, &count, &changed);
	len = backend->ops->receive(backend, pair->index, iov, count);
	if (len >= 0)
		ret = len + skip > window->room ? -EMSGSIZE
						: check_frame(pair, iov, count - 1, len);
	else
		ret = len;
	*iov = changed;
	return ret ? ret : (ssize_t)(len + skip);
}

/* Into memory of our own: kept_len is set when there is a frame. */
static int receive_aside(struct net_pair *pair)
{
	struct net_backend *backend = pair->net->backend;
	u64 skip = backend->header ? 0 : NET_HEADER;
	struct iovec iov;
	ssize_t len;
	int ret;

	if (!pair->kept)
		pair->kept = calloc(1, NET_HEADER + NET_MAX_FRAME);
	if (!pair->kept)
		return -ENOMEM;
	iov = (struct iovec){ pair->kept + skip, NET_HEADER + NET_MAX_FRAME - skip };
	len = backend->ops->receive(backend, pair->index, &iov, 1);
	if (len < 0)
		return len;
	ret = check_frame(pair, &iov, 1, len);
	if (!ret)
		pair->kept_len = len + skip;
	return ret;
}

/* Copy what was kept into the buffers, which have room. */
static void deliver_kept(struct net_pair *pair)
{
	const struct iovec *iov = &pair->window.iov[pair->window.iov_first];
	u64 len = pair->kept_len, done = 0;

	for (; done < len; iov++) {
		size_t piece = MIN(iov->iov_len, len - done);

		memcpy(iov->iov_base, pair->kept + done, piece);
		done += piece;
	}
	write_header(pair, len);
	deliver(pair, len);
	pair->kept_len = 0;
}

/* Whether the buffers in the window leave no room in the ring for another one like the last. */
static bool fills_ring(struct net_pair *pair)
{
	const struct net_window *window = &pair->window;
	unsigned descriptors = 0, last = 0;

	for (unsigned n = 0; n < window->count; n++) {
		last = virtq_chain_descriptors(&window->chains[slot(window, n)]);
		descriptors += last;
	}
	return descriptors + last > queue_of(pair)->size;
}

/* Whether no more buffers can come before some go back. */
static bool has_all_buffers(struct net_pair *pair)
{
	struct net_window *window = &pair->window;

	return window->count == NET_WINDOW || !make_room(window, BUFFER_PIECES) || fills_ring(pair);
}

/*
 * The frame that is kept goes first, once it fits. 1: it is gone, 0: there is none, -EAGAIN: it
 * waits for more buffers.
 */
static int serve_kept(struct net_pair *pair)
{
	if (!pair->kept_len)
		return 0;
	if (pair->kept_len <= pair->window.room && pair->window.count) {
		deliver_kept(pair);
		return 1;
	}
	if (pair->window.count && (!pair->net->mergeable || has_all_buffers(pair))) {
		pair->kept_len = 0;
		pair->received.drops++;
		return 1;
	}
	return -EAGAIN;
}

/* The next frame, read to where there is room. 1: one was served or lost; or -errno. */
static int receive_next(struct net_pair *pair)
{
	ssize_t len;

	if (pair->window.room < wanted_room(pair->net) && !has_all_buffers(pair)) {
		len = receive_aside(pair);
		return len ? len : 1;
	}
	len = receive_in_place(pair);
	if (len < 0)
		return len;
	write_header(pair, len);
	deliver(pair, len);
	return 1;
}

/* One frame of the network's. False: there is none, or no buffer for it. */
static bool receive_one(struct net_pair *pair, unsigned *budget)
{
	int ret;

	if (!fill(pair, budget)) {
		pair->hungry = *budget == 0;
		return false;
	}
	ret = serve_kept(pair);
	if (!ret)
		ret = receive_next(pair);
	else if (ret == -EAGAIN)
		pair->hungry = *budget == 0;
	if (ret == -EPIPE)
		net_link_lost(pair->net);
	else if (ret < 0 && ret != -EAGAIN && ret != -ENOMSG)
		pair->received.drops++;
	/* What is wrong with the host and not with a frame may be so again: others first. */
	return ret >= 0 || ret == -ENOMSG || ret == -EMSGSIZE;
}

void net_receive(struct net_pair *pair)
{
	struct net *net = pair->net;
	u64 before = pair->received.bytes;
	unsigned frames = 0, budget = 4 * NET_TURN_FRAMES;

	if (virtio_device_is_inert(&net->device) || net->device.paused || !net->link ||
	    pair->index >= net->pairs)
		return;
	pair->hungry = true;
	while (frames < NET_TURN_FRAMES && pair->received.bytes - before < NET_TURN_BYTES &&
	       budget && receive_one(pair, &budget))
		frames++;
	virtio_device_interrupt(&net->device, net_rx_queue(pair));
	/* The fd is still readable, and the loop comes back for that; but for what is buffered. */
	if (pair->hungry && (!budget || net->backend->buffers) &&
	    (frames == NET_TURN_FRAMES || pair->received.bytes - before >= NET_TURN_BYTES ||
	     !budget))
		virtio_device_kick_again(&net->device, net_rx_queue(pair));
	net_watch(pair);
}

void net_receive_reset(struct net_pair *pair)
{
	struct net_window *window = &pair->window;

	window->first = window->count = 0;
	window->iov_first = window->iov_count = 0;
	window->room = 0;
	pair->hungry = false;
	pair->kept_len = 0;
}
