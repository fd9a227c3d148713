/* SPDX-License-Identifier: BSD-2-Clause */
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vmm/loop.h"
#include "vmm/worker.h"

struct job_list {
	struct worker_job *first, *last;
};

struct worker {
	struct worker_options options;
	struct loop *loop;	   /* borrowed */
	struct loop_source source; /* its fd is an eventfd, owned: jobs have ended */
	pthread_t threads[WORKER_MAX_THREADS];
	unsigned thread_count;
	pthread_mutex_t lock; /* protects what follows; held for list work only */
	pthread_cond_t wake;
	struct job_list waiting;
	struct job_list finished;
	unsigned waiting_count, idle;
	bool stop;
};

static void job_push(struct job_list *list, struct worker_job *job)
{
	job->next = NULL;
	if (list->first)
		list->last->next = job;
	else
		list->first = job;
	list->last = job;
}

static struct worker_job *job_pop(struct job_list *list)
{
	struct worker_job *job = list->first;

	if (job)
		list->first = job->next;
	return job;
}

/* ---- on the threads ---- */

static struct worker_job *worker_next(struct worker *worker)
{
	struct worker_job *job;

	pthread_mutex_lock(&worker->lock);
	worker->idle++;
	while (!(job = job_pop(&worker->waiting)) && !worker->stop)
		pthread_cond_wait(&worker->wake, &worker->lock);
	worker->idle--;
	if (job)
		worker->waiting_count--;
	pthread_mutex_unlock(&worker->lock);
	return job;
}

static void *worker_main(void *arg)
{
	struct worker *worker = arg;
	struct worker_job *job;

	while ((job = worker_next(worker))) {
		job->run(job);
		pthread_mutex_lock(&worker->lock);
		job_push(&worker->finished, job);
		pthread_mutex_unlock(&worker->lock);
		/* Cannot fail but by overflow, and then it is readable already. */
		eventfd_write(worker->source.fd, 1);
	}
	return NULL;
}

/* ---- in the loop ---- */

void worker_reap(struct worker *worker)
{
	struct job_list finished;
	struct worker_job *job;
	eventfd_t count;

	eventfd_read(worker->source.fd, &count);
	pthread_mutex_lock(&worker->lock);
	finished = worker->finished;
	worker->finished.first = NULL;
	pthread_mutex_unlock(&worker->lock);
	if (!finished.first)
		return;
	while ((job = job_pop(&finished)))
		job->done(job);
	if (worker->options.settled)
		worker->options.settled(worker->options.context);
}

static void worker_handle_event(struct loop_source *source, u32 events)
{
	worker_reap(container_of(source, struct worker, source));
}

int worker_fd(const struct worker *worker)
{
	return worker->source.fd;
}

/* With every signal blocked: they are the main thread's, and SIGXFSZ must not kill us. */
static int worker_add_thread(struct worker *worker)
{
	pthread_t *thread = &worker->threads[worker->thread_count];
	sigset_t all, old;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = -pthread_create(thread, NULL, worker_main, worker);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (ret)
		return ret;
	worker->thread_count++;
	pthread_setname_np(*thread, worker->options.name);
	return 0;
}

int worker_submit(struct worker *worker, struct worker_job *job)
{
	bool wanted;
	int ret = 0;

	pthread_mutex_lock(&worker->lock);
	wanted = worker->waiting_count >= worker->idle;
	pthread_mutex_unlock(&worker->lock);
	if (wanted && worker->thread_count < worker->options.threads)
		ret = worker_add_thread(worker);
	/* Fewer threads than wanted will do; none will not. */
	if (!worker->thread_count)
		return ret;
	pthread_mutex_lock(&worker->lock);
	job_push(&worker->waiting, job);
	worker->waiting_count++;
	pthread_cond_signal(&worker->wake);
	pthread_mutex_unlock(&worker->lock);
	return 0;
}

int worker_create(struct worker **out, struct loop *loop, const struct worker_options *options)
{
	struct worker *worker = calloc(1, sizeof(*worker));
	int ret;

	if (!worker)
		return -ENOMEM;
	assert(options->threads && options->threads <= WORKER_MAX_THREADS);
	worker->options = *options;
	worker->loop = loop;
	worker->source = (struct loop_source){ .fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
					       .events = EPOLLIN,
					       .handle = worker_handle_event };
	ret = worker->source.fd < 0 ? -errno : loop_add(loop, &worker->source);
	if (ret) {
		if (worker->source.fd >= 0)
			close(worker->source.fd);
		free(worker);
		return ret;
	}
	pthread_mutex_init(&worker->lock, NULL);
	pthread_cond_init(&worker->wake, NULL);
	*out = worker;
	return 0;
}

void worker_destroy(struct worker *worker)
{
	if (!worker)
		return;
	pthread_mutex_lock(&worker->lock);
	worker->stop = true;
	pthread_cond_broadcast(&worker->wake);
	pthread_mutex_unlock(&worker->lock);
	for (unsigned i = 0; i < worker->thread_count; i++)
		pthread_join(worker->threads[i], NULL);
	loop_remove(worker->loop, &worker->source);
	close(worker->source.fd);
	pthread_cond_destroy(&worker->wake);
	pthread_mutex_destroy(&worker->lock);
	free(worker);
}
