/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>

#include "util/thread.h"

#define MAKER_STACK (64 * KIB)

struct request {
	pthread_t *thread;
	const pthread_attr_t *attr;
	void *(*body)(void *arg);
	void *arg;
	sigset_t mask;
	int ret;
	sem_t done;
};

/* As the threads are, all of this is the process's. */
static struct {
	const struct thread_ops *ops; /* NULL: nothing is confined */
	atomic_bool sealed;
	pthread_mutex_t lock; /* for one request at a time */
	struct request *request;
	sem_t wanted;
	bool has_maker; /* under the lock, as is what follows */
	atomic_bool wants_maker;
	void (*wake)(void *arg);
	void *wake_arg;
} process = { .lock = PTHREAD_MUTEX_INITIALIZER };

static __thread enum thread_kind own_kind;
static __thread bool has_caught_up;

static const char *const names[THREAD_KINDS] = {
	[THREAD_ANY] = "a thread",
	[THREAD_LOOP] = "the loop's thread",
	[THREAD_VCPU] = "a vCPU's thread",
	[THREAD_WORKER] = "a worker's thread",
	[THREAD_FOLDER] = "a folder's thread",
	[THREAD_DIAL] = "the thread that connects",
	[THREAD_LISTEN] = "the process that makes sockets",
	[THREAD_UNDO] = "the thread that removes sockets",
	[THREAD_RELAY] = "a relay",
	[THREAD_WAITER] = "the thread that waits for a child",
};

void thread_block_signals(sigset_t *old)
{
	sigset_t all;

	sigfillset(&all);
	sigdelset(&all, SIGSYS);
	pthread_sigmask(SIG_SETMASK, &all, old);
}

/* ---- making threads ---- */

static void *begin(void *arg)
{
	struct request *request = arg;
	void *(*body)(void *) = request->body;
	sigset_t mask = request->mask;

	arg = request->arg;
	/* The request may be gone after this. */
	sem_post(&request->done);
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
	return body(arg);
}

static void wait_for(sem_t *sem)
{
	while (sem_wait(sem))
		;
}

static void *make(void *arg)
{
	prctl(PR_SET_NAME, "maker");
	for (;;) {
		struct request *request;

		wait_for(&process.wanted);
		request = process.request;
		request->ret = -pthread_create(request->thread, request->attr, begin, request);
		/* The thread that does not begin has nothing to say. */
		if (request->ret)
			sem_post(&request->done);
		sem_post(&request->done);
	}
	return NULL;
}

/* With the request that is there. */
static void call_maker(void)
{
	if (process.has_maker) {
		sem_post(&process.wanted);
		return;
	}
	atomic_store(&process.wants_maker, true);
	process.wake(process.wake_arg);
}

static int ask_maker(struct request *request)
{
	sem_init(&request->done, 0, 0);
	pthread_sigmask(SIG_SETMASK, NULL, &request->mask);
	pthread_mutex_lock(&process.lock);
	process.request = request;
	call_maker();
	/* For the maker, which still uses what we have, and for the thread. */
	wait_for(&request->done);
	wait_for(&request->done);
	pthread_mutex_unlock(&process.lock);
	sem_destroy(&request->done);
	return request->ret;
}

int thread_start(pthread_t *thread, const pthread_attr_t *attr, void *(*body)(void *arg), void *arg)
{
	struct request request = { .thread = thread, .attr = attr, .body = body, .arg = arg };

	if (own_kind == THREAD_ANY)
		return -pthread_create(thread, attr, body, arg);
	return ask_maker(&request);
}

static int start_maker(void)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t old;
	int ret;

	sem_init(&process.wanted, 0, 1);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, MAKER_STACK);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	thread_block_signals(&old);
	ret = -pthread_create(&thread, &attr, make, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return ret;
}

void thread_set_maker(void (*wake)(void *arg), void *arg)
{
	process.wake = wake;
	process.wake_arg = arg;
}

/* Whoever asked for it has the lock, and waits. */
void thread_make_maker(void)
{
	struct request *request;
	int ret;

	if (!atomic_exchange(&process.wants_maker, false))
		return;
	request = process.request;
	/* What the maker has, all later threads have. */
	thread_catch_up();
	/* Once it has begun the next request may come. */
	process.has_maker = true;
	ret = start_maker();
	if (!ret)
		return;
	process.has_maker = false;
	request->ret = ret;
	sem_post(&request->done);
	sem_post(&request->done);
}

/* ---- confining them ---- */

void thread_set_ops(const struct thread_ops *ops)
{
	process.ops = ops;
}

void thread_seal(void)
{
	atomic_store(&process.sealed, true);
}

void thread_confine_aside(enum thread_kind kind, bool sealed)
{
	/* The aside of a thread that was confined to the same runs on that one's storage. */
	if (!process.ops || kind == THREAD_ANY || own_kind != THREAD_ANY)
		return;
	own_kind = kind;
	process.ops->confine(kind, sealed);
}

void thread_give_up(enum thread_kind kind)
{
	if (process.ops && own_kind == THREAD_ANY)
		process.ops->give_up(kind);
}

bool thread_gives_up(void)
{
	return process.ops;
}

void thread_violated(void)
{
	if (process.ops)
		process.ops->violated();
}

bool thread_is_sealed(void)
{
	return atomic_load(&process.sealed);
}

void thread_catch_up(void)
{
	if (has_caught_up || !atomic_load(&process.sealed))
		return;
	has_caught_up = true;
	process.ops->catch_up();
}

void thread_confine(enum thread_kind kind)
{
	if (atomic_load(&process.sealed))
		thread_confine_aside(kind, true);
}

const char *thread_kind_name(enum thread_kind kind)
{
	return names[kind];
}

enum thread_kind thread_kind(void)
{
	return own_kind;
}
