/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests that begin to wait: for a limit that the user has set, or for a host that failed them
 * (werror=, rerror=). What waits for the host pauses the VM.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include <linux/virtio_blk.h>

#include "blk_request.h"
#include "util/clock.h"
#include "util/log.h"

/* However high the limit, the timer has the loop no more often. */
#define SHORTEST_WAIT_NS 1000000
/* Between two tries of a host that had no room. */
#define RETRY_NS 1000000000ull

/* ---- limits ---- */

void blk_wait_arm(struct blk_wait *wait)
{
	u64 at = now_ns(), until = UINT64_MAX;

	for (unsigned is_write = 0; is_write < 2; is_write++) {
		u64 left = blk_limiter_wait(&wait->limiter, is_write, at);

		if (left || !list_empty(&wait->limited[is_write]))
			until = MIN(until, left);
	}
	loop_timer_arm(&wait->timer, MAX(until, SHORTEST_WAIT_NS));
}

bool blk_is_limited(struct blk_request *request, bool is_write, u64 bytes)
{
	struct blk_wait *wait = &request->blk->wait;
	u64 at;

	/* One that is tried again has counted. */
	if (!wait->limiter.any || request->again)
		return false;
	at = now_ns();
	if (!blk_limiter_wait(&wait->limiter, is_write, at)) {
		blk_limiter_charge(&wait->limiter, is_write, bytes, at);
		return false;
	}
	wait->limits++;
	list_add_tail(&wait->limited[is_write], &request->waiting);
	blk_wait_arm(wait);
	return true;
}

bool blk_may_begin(const struct blk_wait *wait, bool is_write)
{
	return !blk_limiter_wait(&wait->limiter, is_write, now_ns());
}

/* While the guest can fill neither list, what it asks for stays in its rings. */
static bool is_exhausted(struct blk_wait *wait)
{
	if (blk_may_begin(wait, false) || blk_may_begin(wait, true))
		return false;
	blk_wait_arm(wait);
	return true;
}

/* ---- what the host failed ---- */

static bool lacks_room(int error)
{
	return error == -ENOSPC || error == -EDQUOT;
}

bool blk_may_stop(const struct blk_request *request, int error)
{
	const struct blk *blk = request->blk;
	enum virtio_blk_policy policy = blk->wait.policy[request->disk.op != DISK_READ];

	/* What we refuse, or the host cannot do at all, it will not do later. */
	if (error == -EPERM || error == -EOPNOTSUPP || error == -EINVAL || error == -EROFS ||
	    error == -ENOTRECOVERABLE)
		return false;
	/*
	 * The host's page cache forgets what it could not write. To flush once more would succeed
	 * without it, and the guest would rely on what is lost.
	 */
	if (request->type == VIRTIO_BLK_T_FLUSH && !blk->info.direct)
		return false;
	return policy == VIRTIO_BLK_STOP || (policy == VIRTIO_BLK_NOSPC && lacks_room(error));
}

static void say_stopped(struct blk *blk, int error)
{
	if (lacks_room(error))
		log_limited(&blk->device.complaints, LOG_WARNING,
			    "%s: the host has no room (%s): the guest is paused until there is "
			    "some; 'lkvm resume' tries at once",
			    blk->name, strerror(-error));
	else
		log_limited(&blk->device.complaints, LOG_WARNING,
			    "%s: the host failed (%s): the guest is paused; 'lkvm resume' tries "
			    "again",
			    blk->name, strerror(-error));
}

void blk_stop(struct blk_request *request, int error)
{
	struct blk *blk = request->blk;
	struct blk_wait *wait = &blk->wait;

	if (request->again)
		wait->trying--;
	request->again = false;
	if (!wait->pause.node.next) {
		wait->stops++;
		say_stopped(blk, error);
		vm_host_wait_begin(wait->vm, &wait->pause);
	}
	list_add_tail(&wait->stopped, &request->waiting);
	if (lacks_room(error) && !wait->retry.armed)
		loop_timer_arm(&wait->retry, RETRY_NS);
}

void blk_tried(struct blk *blk)
{
	blk->wait.trying--;
	blk->wait.works = true;
}

bool blk_may_take(struct blk *blk)
{
	struct blk_wait *wait = &blk->wait;

	return !wait->pause.node.next && !(wait->limiter.any && is_exhausted(wait));
}
