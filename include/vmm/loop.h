/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one event loop. It runs on the main thread and owns every file
 * descriptor that can wake a device: kicks, AIO completions, the terminal,
 * timers, signals. Each handler is called on the main thread with the VM lock
 * held, the same lock that vCPU threads take for an exit that touches a
 * device: a handler never meets another one, nor an exit, in the middle.
 *
 * Handlers must not block. Events are level triggered: EPOLLET is not for this loop.
 */
#ifndef VMM_LOOP_H
#define VMM_LOOP_H

#include <pthread.h>

#include "util/list.h"

struct loop;
struct loop_source;

/* @events: EPOLLIN, EPOLLOUT, ... of those asked for, and EPOLLERR and EPOLLHUP. */
typedef void loop_handler(struct loop_source *source, u32 events);

/* Lives inside its owner, who keeps the fd open while the source is in a loop. */
struct loop_source {
	int fd; /* the owner's */
	u32 events;
	loop_handler *handle;
};

/* @lock: the VM lock, borrowed. -ENOMEM or what epoll_create1() said. */
int loop_create(struct loop **loop, pthread_mutex_t *lock);
/* The sources are their owners': they must be gone from the loop by now. */
void loop_destroy(struct loop *loop);

/*
 * Watch source->fd for source->events. With the VM lock held, or before
 * loop_run(). -EPERM: the fd cannot be waited for (a regular file, /dev/null).
 */
int loop_add(struct loop *loop, struct loop_source *source);
/* Wait for other events from now on; 0 pauses the source. */
int loop_modify(struct loop *loop, struct loop_source *source, u32 events);
/*
 * Once this returns the handler will not be called again, not even for an
 * event that is already at hand. Same locking. Legal from within any handler.
 */
void loop_remove(struct loop *loop, struct loop_source *source);

/*
 * Take the VM lock, on a thread that is not the loop's: between two handlers the loop sees that
 * somebody waits and lets it have its turn, which a mutex alone does not.
 */
void loop_lock(struct loop *loop);
/*
 * Lock not held, by a thread that is about to take it once more: let those who wait for it have it
 * first, the loop among them. Bounded.
 */
void loop_give_way(struct loop *loop);

/* Serve until loop_stop(). Main thread, lock not held. 0, or -errno of epoll_wait(). */
int loop_run(struct loop *loop);
/* Any thread, with or without the lock, async-signal-safe; also before loop_run(). */
void loop_stop(struct loop *loop);

/*
 * With the VM lock held: give it up until a handler has run, then return with it. For a thread
 * that waits for what a handler will find done; it looks for itself and comes again if need
 * be. On the loop's own thread, the one that made it, the loop is served meanwhile: not from
 * within a handler. False: the loop was stopped, and nothing more may come of it.
 */
bool loop_wait(struct loop *loop);

/*
 * At the end, when nobody serves the loop any more: how long to wait for the host. Until
 * @give_up, borrowed, is readable, or for @timeout_ms from now; -1 each for no such end.
 */
void loop_set_patience(struct loop *loop, int give_up, int timeout_ms);
/* Wait for @fd to be readable. Main thread. False: patience is over. */
bool loop_await(struct loop *loop, int fd);
/*
 * The same for at most @longest_ms, for what the end can do without: it does not count as given up.
 */
bool loop_await_for(struct loop *loop, int fd, int longest_ms);
/* Something was waited for in vain: what it uses must be left as it is. */
bool loop_gave_up(const struct loop *loop);

/*
 * Handle what is ready now, waiting at most @timeout_ms (-1: for ever). Takes
 * the lock for each handler. For tests. Returns the number of handlers called.
 */
int loop_poll(struct loop *loop, int timeout_ms);

/*
 * A one-shot timer on CLOCK_MONOTONIC. Lives inside its owner. All timers of a loop share one
 * file descriptor, which loop_timer_create() makes for the first one, so that arming a timer can
 * neither fail nor block. All calls have the locking of loop_add().
 */
struct loop_timer {
	struct list_node node; /* of the loop's timers */
	struct loop *loop;     /* borrowed; NULL: not created */
	u64 at;		       /* ns of CLOCK_MONOTONIC, where armed */
	bool armed;
	bool due; /* its time has come, and it is called next */
	/* Main thread, VM lock held; the timer is no longer armed and may be armed again. */
	void (*expired)(struct loop_timer *timer);
};

/* Not armed yet. -errno: nothing was made; loop_timer_destroy() is harmless all the same. */
int loop_timer_create(struct loop_timer *timer, struct loop *loop,
		      void (*expired)(struct loop_timer *timer));
/* Legal on a zeroed timer. Once it returns, expired() will not be called. */
void loop_timer_destroy(struct loop_timer *timer);
/* expired() in @nanoseconds, at once if 0; replaces an earlier time. */
void loop_timer_arm(struct loop_timer *timer, u64 nanoseconds);
/* Once it returns, expired() will not be called until the timer is armed again. */
void loop_timer_disarm(struct loop_timer *timer);
/* In ns; 0: it is due, or not armed. */
u64 loop_timer_left(const struct loop_timer *timer);

#endif
