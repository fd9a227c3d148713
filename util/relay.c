/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "util/aside.h"
#include "util/relay.h"

#define RELAY_PIECE (16 * KIB)

struct relay {
	struct aside *aside;
	int ours;     /* owned; -1 after relay_end() */
	int from, to; /* in the aside; one of them is its copy of the pipe's other end */
	int theirs;   /* that one; it is open in whatever has our files until copy() is over */
	_Atomic int error;
	_Atomic bool over; /* it came to its end by itself */
	_Atomic u64 written;
	char piece[RELAY_PIECE];
};

/* Others may have made the open file a non-blocking one: it is theirs, too. */
static bool waited(int fd, short events, int error)
{
	struct pollfd ready = { .fd = fd, .events = events };

	if (error == EAGAIN)
		poll(&ready, 1, -1);
	return error == EAGAIN || error == EINTR;
}

static ssize_t read_piece(struct relay *relay)
{
	ssize_t count;

	do
		count = read(relay->from, relay->piece, sizeof(relay->piece));
	while (count < 0 && waited(relay->from, POLLIN, errno));
	return count;
}

/* 0, or the -errno for which some of it did not go out. */
static int write_piece(struct relay *relay, size_t count)
{
	const char *data = relay->piece;
	ssize_t done;

	for (; count; count -= done, data += done) {
		done = write(relay->to, data, count);
		if (done >= 0) {
			relay->written += done;
			continue;
		}
		if (!waited(relay->to, POLLOUT, errno))
			return -errno;
		done = 0;
	}
	return 0;
}

/*
 * What could not be written is lost, but a full disk may have room for the next piece; a reader
 * that went away does not come back.
 */
static void copy(void *arg)
{
	struct relay *relay = arg;
	ssize_t count = 0;
	int ret = 0;

	while (ret != -EPIPE && (count = read_piece(relay)) > 0) {
		ret = write_piece(relay, count);
		if (ret && !relay->error)
			relay->error = ret;
	}
	/* What it was given and has not read is lost, too. */
	if (count < 0 && !relay->error)
		relay->error = -errno;
	relay->over = true;
	close(relay->theirs);
}

static int start(struct relay *relay)
{
	struct aside_config config = {
		.name = "lkvm-relay",
		.kind = THREAD_RELAY,
		.main = copy,
		.arg = relay,
		.keep = { relay->from, relay->to },
		.keep_count = 2,
	};
	int ret = fcntl(relay->ours, F_SETFL, O_NONBLOCK) ? -errno : 0;

	if (!ret)
		ret = aside_start(&relay->aside, &config);
	if (ret || aside_has_own_files(relay->aside))
		close(relay->theirs);
	if (ret) {
		close(relay->ours);
		free(relay);
	}
	return ret;
}

static int create(struct relay **out, int fd, bool writes)
{
	struct relay *relay = calloc(1, sizeof(*relay));
	int ends[2], ret;

	if (!relay)
		return -ENOMEM;
	if (pipe2(ends, O_CLOEXEC)) {
		ret = -errno;
		free(relay);
		return ret;
	}
	relay->ours = ends[writes];
	relay->theirs = ends[!writes];
	relay->from = writes ? ends[0] : fd;
	relay->to = writes ? fd : ends[1];
	ret = start(relay);
	if (!ret)
		*out = relay;
	return ret;
}

int relay_to(struct relay **relay, int fd)
{
	return create(relay, fd, true);
}

int relay_from(struct relay **relay, int fd)
{
	return create(relay, fd, false);
}

int relay_fd(const struct relay *relay)
{
	return relay->ours;
}

void relay_end(struct relay *relay)
{
	if (relay->ours >= 0)
		close(relay->ours);
	relay->ours = -1;
}

bool relay_done(const struct relay *relay)
{
	return aside_wait(relay->aside, 0);
}

int relay_done_fd(const struct relay *relay)
{
	return aside_done_fd(relay->aside);
}

int relay_error(const struct relay *relay)
{
	if (relay->error)
		return relay->error;
	/* Somebody killed it: what it had taken may be lost. */
	return relay_done(relay) && !relay->over ? -EIO : 0;
}

u64 relay_written(const struct relay *relay)
{
	return relay->written;
}

void relay_destroy(struct relay *relay)
{
	if (!relay)
		return;
	relay_end(relay);
	/* It uses what we would free. */
	if (!aside_wait(relay->aside, 0))
		return;
	aside_destroy(relay->aside);
	free(relay);
}
