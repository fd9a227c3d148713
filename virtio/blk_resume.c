/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests that have waited go on, or are forgotten. */
#include "blk_request.h"
#include "util/log.h"

static struct blk_request *take_first(struct list_node *list)
{
	struct blk_request *request = list_entry(list->next, struct blk_request, waiting);

	list_del(&request->waiting);
	return request;
}

static void forget_of(struct list_node *list, unsigned queue)
{
	struct list_node *pos, *tmp;

	list_for_each_safe(pos, tmp, list) {
		struct blk_request *request = list_entry(pos, struct blk_request, waiting);

		if (request->queue != queue)
			continue;
		list_del(pos);
		blk_free_request(request);
	}
}

/* Serve the queues, soon. */
static void kick_all(struct blk *blk)
{
	for (unsigned i = 0; i < blk->device.queue_count; i++) {
		if (blk->virtqs[i].ready)
			virtio_device_kick_again(&blk->device, i);
	}
}

/* ---- limits ---- */

/*
 * Served anew, a request may turn out to be of the other kind, as the guest can change it. It
 * then waits on the other list, and only if that is not served.
 */
static void serve_limited(struct blk_wait *wait, bool is_write)
{
	while (!list_empty(&wait->limited[is_write]) && blk_may_begin(wait, is_write))
		blk_serve_request(take_first(&wait->limited[is_write]));
}

static void on_time(struct loop_timer *timer)
{
	struct blk *blk = container_of(timer, struct blk, wait.timer);

	blk_go_on(blk);
	kick_all(blk);
}

/* ---- what the host failed ---- */

static void try_again(struct blk *blk, struct blk_request *request)
{
	request->again = true;
	blk->wait.trying++;
	blk_serve_request(request);
}

static void end_wait(struct blk *blk)
{
	struct blk_wait *wait = &blk->wait;

	if (!wait->pause.node.next || !list_empty(&wait->stopped) || wait->trying)
		return;
	wait->works = false;
	loop_timer_disarm(&wait->retry);
	vm_host_wait_end(wait->vm, &wait->pause);
	if (blk->device.ending)
		return;
	log_limited(&blk->device.complaints, LOG_WARNING, "%s: goes on", blk->name);
	kick_all(blk);
}

/*
 * One that came through has shown that the others may. What fails again is behind the last one, and
 * waits for the next try.
 */
static void try_others(struct blk *blk)
{
	struct blk_wait *wait = &blk->wait;

	while (wait->works && !vm_is_held(wait->vm)) {
		const struct list_node *last = wait->stopped.prev, *tried = &wait->stopped;

		wait->works = false;
		while (tried != last) {
			struct blk_request *request = take_first(&wait->stopped);

			tried = &request->waiting;
			try_again(blk, request);
		}
	}
}

/* The first one alone shows whether the host is still as it was. */
static void try_first(struct blk *blk)
{
	struct blk_wait *wait = &blk->wait;

	/* The user's resume tries. */
	if (wait->trying || list_empty(&wait->stopped) || vm_is_held(wait->vm))
		return;
	try_again(blk, take_first(&wait->stopped));
	blk_go_on(blk);
	disk_flush_queue(blk->disk);
}

static void on_retry(struct loop_timer *timer)
{
	try_first(container_of(timer, struct blk, wait.retry));
}

static void on_resume(struct vm_host_wait *pause)
{
	struct blk *blk = container_of(pause, struct blk, wait.pause);

	try_first(blk);
}

/* ---- both ---- */

void blk_go_on(struct blk *blk)
{
	struct blk_wait *wait = &blk->wait;

	if (wait->limiter.any && !blk->device.paused && !wait->pause.node.next) {
		serve_limited(wait, false);
		serve_limited(wait, true);
		if (!list_empty(&wait->limited[false]) || !list_empty(&wait->limited[true]))
			blk_wait_arm(wait);
		disk_flush_queue(blk->disk);
	}
	if (wait->pause.node.next) {
		try_others(blk);
		end_wait(blk);
	}
	blk_interrupt(blk);
}

void blk_forget(struct blk *blk, unsigned queue)
{
	forget_of(&blk->wait.limited[false], queue);
	forget_of(&blk->wait.limited[true], queue);
	forget_of(&blk->wait.stopped, queue);
	end_wait(blk);
}

int blk_wait_create(struct blk *blk, const struct virtio_blk_rate *limits)
{
	struct blk_wait *wait = &blk->wait;
	int ret = 0;

	list_init(&wait->limited[false]);
	list_init(&wait->limited[true]);
	list_init(&wait->stopped);
	blk_limiter_init(&wait->limiter, limits);
	wait->pause.retry = on_resume;
	if (wait->limiter.any)
		ret = loop_timer_create(&wait->timer, wait->loop, on_time);
	if (!ret && (wait->policy[false] || wait->policy[true]))
		ret = loop_timer_create(&wait->retry, wait->loop, on_retry);
	return ret;
}

void blk_wait_destroy(struct blk *blk)
{
	loop_timer_destroy(&blk->wait.timer);
	loop_timer_destroy(&blk->wait.retry);
}
