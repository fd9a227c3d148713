/* SPDX-License-Identifier: BSD-2-Clause */
/* What is undone without a keeper's process: by the caller, or by a thread that has its rights. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "keeper_private.h"
#include "util/aside.h"
#include "util/thread.h"

#define STACK (64 * KIB)

struct undoing {
	const struct keeper_kind *kind;
	void *data; /* owned */
	bool is_quick;
	int ret;
	struct error err;
};

struct keeper_thread {
	pthread_t thread;
	sem_t wanted;
	struct undoing *undoing; /* NULL: it ends */
	int done_fd;		 /* an eventfd, owned */
	bool stuck;		 /* it has not come to an end, and never may */
};

static void undo_aside(void *arg)
{
	struct undoing *undoing = arg;

	undoing->ret = undoing->kind->undo(undoing->data, NULL, &undoing->err);
}

static struct aside_config aside_for(struct undoing *undoing)
{
	return (struct aside_config){
		.name = "lkvm-undo", .kind = THREAD_UNDO, .main = undo_aside, .arg = undoing
	};
}

/* ---- by a thread that stays who we were ---- */

static void wait_for(sem_t *sem)
{
	while (sem_wait(sem))
		;
}

static void *thread_main(void *arg)
{
	struct keeper_thread *thread = arg;

	prctl(PR_SET_NAME, "lkvm-undo");
	thread_confine_aside(THREAD_UNDO, true);
	for (;;) {
		struct undoing *undoing;

		wait_for(&thread->wanted);
		undoing = thread->undoing;
		if (!undoing)
			return NULL;
		if (undoing->is_quick) {
			undo_aside(undoing);
		} else {
			const struct aside_config config = aside_for(undoing);

			aside_run(&config);
		}
		eventfd_write(thread->done_fd, 1);
	}
}

static int begin(struct keeper_thread *thread)
{
	pthread_attr_t attr;
	sigset_t old;
	int ret;

	thread->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (thread->done_fd < 0)
		return -errno;
	sem_init(&thread->wanted, 0, 0);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	thread_block_signals(&old);
	ret = -pthread_create(&thread->thread, &attr, thread_main, thread);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (ret)
		close(thread->done_fd);
	return ret;
}

int keeper_thread_start(struct keeper_thread **out)
{
	struct keeper_thread *thread = calloc(1, sizeof(*thread));
	int ret = thread ? begin(thread) : -ENOMEM;

	if (ret)
		free(thread);
	else
		*out = thread;
	return ret;
}

void keeper_thread_stop(struct keeper_thread *thread)
{
	/* One that is stuck has what is there, for as long as the process is. */
	if (!thread || thread->stuck)
		return;
	thread->undoing = NULL;
	sem_post(&thread->wanted);
	pthread_join(thread->thread, NULL);
	close(thread->done_fd);
	free(thread);
}

static bool is_done_in(const struct keeper_thread *thread, int timeout_ms)
{
	struct pollfd done = { .fd = thread->done_fd, .events = POLLIN };
	int ret;

	do
		ret = poll(&done, 1, timeout_ms);
	while (ret < 0 && errno == EINTR);
	return ret > 0;
}

/* False: it is left behind, and with it what it works with. */
static bool undo_by(struct keeper_thread *thread, struct undoing *undoing)
{
	eventfd_t count;

	thread->undoing = undoing;
	sem_post(&thread->wanted);
	thread->stuck = !is_done_in(thread, undoing->kind->undo_ms);
	return !thread->stuck && !eventfd_read(thread->done_fd, &count);
}

/* ---- by the caller ---- */

/* False: as above. */
static bool undo_within(struct undoing *undoing)
{
	const struct aside_config config = aside_for(undoing);
	struct aside *aside;

	/* Without a thread for it, it is worth the risk. */
	if (undoing->is_quick || aside_start(&aside, &config)) {
		undo_aside(undoing);
		return true;
	}
	if (!aside_wait(aside, undoing->kind->undo_ms))
		return false;
	aside_destroy(aside);
	return true;
}

int keeper_undo_here(struct keeper_thread *thread, const struct keeper_kind *kind, void *data,
		     bool is_quick, struct error *err)
{
	bool stuck = thread && thread->stuck;
	struct undoing *undoing = stuck ? NULL : calloc(1, sizeof(*undoing));
	int ret;

	if (!undoing) {
		free(data);
		return stuck ? error_set(err, -ETIMEDOUT, "what came before it does not end")
			     : error_set(err, -ENOMEM, "%s", strerror(ENOMEM));
	}
	*undoing = (struct undoing){ .kind = kind, .data = data, .is_quick = is_quick };
	if (!(thread ? undo_by(thread, undoing) : undo_within(undoing)))
		return error_set(err, -ETIMEDOUT, "it does not come to an end");
	ret = undoing->ret;
	if (ret)
		error_set(err, ret, "%s", undoing->err.text);
	free(undoing->data);
	free(undoing);
	return ret;
}
