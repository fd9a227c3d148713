/* SPDX-License-Identifier: BSD-2-Clause */
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "util/aside.h"
#include "vmm/loop.h"
#include "vmm/worker.h"

struct job_list {
	struct worker_job *first, *last;
};

/* One or the other: worker_options.files. */
struct worker_thread {
	struct aside *aside; /* owned */
	pthread_t thread;
};

struct worker {
	struct worker_options options;
	struct loop *loop;	   /* borrowed */
	struct loop_source source; /* its fd is an eventfd, owned; -1: the caller has one */
	int event_fd;		   /* that one: jobs have ended */
	struct worker_thread threads[WORKER_MAX_THREADS];
	unsigned started;      /* of @threads */
	unsigned thread_count; /* threads in them */
	pthread_mutex_t lock;  /* protects what follows; held for list work only */
	pthread_cond_t wake;
	struct job_list urgent, waiting;
	struct job_list finished;
	unsigned waiting_count; /* in both */
	unsigned ordinary;	/* jobs under way that are not urgent */
	unsigned idle; /* threads without a job, or that are about to take one that waits */
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

/* The next job that may begin now; worker->lock held. */
static struct worker_job *worker_take(struct worker *worker)
{
	const struct worker_options *options = &worker->options;
	struct worker_job *job = job_pop(&worker->urgent);
	bool keeps_one = options->keeps_one && options->threads > 1;

	if (!job && worker->ordinary < options->threads - keeps_one)
		job = job_pop(&worker->waiting);
	if (!job)
		return NULL;
	worker->ordinary += !job->urgent;
	worker->waiting_count--;
	worker->idle--;
	return job;
}

static struct worker_job *worker_next(struct worker *worker)
{
	struct worker_job *job;

	pthread_mutex_lock(&worker->lock);
	while (!(job = worker_take(worker)) && !worker->stop)
		pthread_cond_wait(&worker->wake, &worker->lock);
	pthread_mutex_unlock(&worker->lock);
	return job;
}

static void worker_serve(struct worker *worker, void *state)
{
	struct worker_job *job;
	bool first;

	while ((job = worker_next(worker))) {
		job->thread_state = state;
		job->run(job);
		pthread_mutex_lock(&worker->lock);
		worker->ordinary -= !job->urgent;
		first = !worker->finished.first;
		job_push(&worker->finished, job);
		/* At once, so that whoever hears of it finds the thread free for the next job. */
		worker->idle++;
		pthread_mutex_unlock(&worker->lock);
		/* Whoever put the first one there has told of all. Cannot fail but by overflow, and
		 * then it is readable already. */
		if (first)
			eventfd_write(worker->event_fd, 1);
	}
}

static void worker_main(void *arg)
{
	struct worker *worker = arg;
	void *state = worker->options.begin ? worker->options.begin(worker->options.context) : NULL;

	thread_confine(worker->options.kind);
	worker_serve(worker, state);
	if (worker->options.end)
		worker->options.end(state);
}

static void *thread_main(void *arg)
{
	struct worker *worker = arg;

	prctl(PR_SET_NAME, worker->options.name);
	worker_main(worker);
	return NULL;
}

/*
 * In the process aside of worker_options.shared_files: threads of that process, as deep stacks as
 * theirs are not an aside's. If there are none to be had, jobs end without a state.
 */
static void crew_main(void *arg)
{
	struct worker *worker = arg;
	pthread_t threads[WORKER_MAX_THREADS];
	unsigned count = 0;

	while (count < worker->options.threads &&
	       !pthread_create(&threads[count], NULL, thread_main, worker))
		count++;
	if (!count)
		worker_serve(worker, NULL);
	while (count)
		pthread_join(threads[--count], NULL);
}

/* ---- in the loop ---- */

void worker_reap(struct worker *worker)
{
	struct job_list finished;
	struct worker_job *job;

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

static void reap_told(struct worker *worker)
{
	eventfd_t count;

	eventfd_read(worker->event_fd, &count);
	worker_reap(worker);
}

bool worker_await(struct worker *worker)
{
	if (!loop_await(worker->loop, worker->event_fd))
		return false;
	reap_told(worker);
	return true;
}

bool worker_await_for(struct worker *worker, int longest_ms)
{
	if (!loop_await_for(worker->loop, worker->event_fd, longest_ms))
		return false;
	reap_told(worker);
	return true;
}

static void worker_handle_event(struct loop_source *source, u32 events)
{
	reap_told(container_of(source, struct worker, source));
}

static int worker_start_aside(struct worker *worker, struct worker_thread *thread)
{
	const struct worker_options *options = &worker->options;
	struct aside_config config = {
		.name = options->name,
		/* The seal is about threads: an aside that is there before has only this. */
		.kind = options->shared_files || options->begin ? THREAD_ANY : options->kind,
		.main = options->shared_files ? crew_main : worker_main,
		.arg = worker,
		.keep = { worker->event_fd },
		.keep_count = 1,
		.dies_with_us = true,
	};

	for (unsigned i = 0; i < options->file_count; i++)
		config.keep[config.keep_count++] = options->files[i];
	return aside_start(&thread->aside, &config);
}

/* With every signal blocked: they are the main thread's, and SIGXFSZ must not kill us. */
static int worker_start_thread(struct worker *worker, struct worker_thread *thread)
{
	sigset_t old;
	int ret;

	thread_block_signals(&old);
	ret = thread_start(&thread->thread, NULL, thread_main, worker);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return ret;
}

static int worker_add_thread(struct worker *worker)
{
	struct worker_thread *thread = &worker->threads[worker->started];
	bool aside = worker->options.file_count || worker->options.shared_files;
	int ret = aside ? worker_start_aside(worker, thread) : worker_start_thread(worker, thread);
	unsigned count = worker->options.shared_files ? worker->options.threads : 1;

	if (ret)
		return ret;
	worker->started++;
	worker->thread_count += count;
	pthread_mutex_lock(&worker->lock);
	worker->idle += count;
	pthread_mutex_unlock(&worker->lock);
	return 0;
}

static void worker_join(struct worker_thread *thread)
{
	if (thread->aside)
		aside_destroy(thread->aside);
	else
		pthread_join(thread->thread, NULL);
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
	job_push(job->urgent ? &worker->urgent : &worker->waiting, job);
	worker->waiting_count++;
	pthread_mutex_unlock(&worker->lock);
	/* Afterwards: who wakes up wants the lock. */
	pthread_cond_signal(&worker->wake);
	return 0;
}

static int worker_watch(struct worker *worker)
{
	int ret;

	worker->source.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (worker->source.fd < 0)
		return -errno;
	worker->source.events = EPOLLIN;
	worker->source.handle = worker_handle_event;
	worker->event_fd = worker->source.fd;
	ret = loop_add(worker->loop, &worker->source);
	if (ret)
		close(worker->source.fd);
	return ret;
}

int worker_create(struct worker **out, struct loop *loop, const struct worker_options *options)
{
	struct worker *worker = calloc(1, sizeof(*worker));
	int ret = 0;

	if (!worker)
		return -ENOMEM;
	assert(options->threads && options->threads <= WORKER_MAX_THREADS);
	assert(options->file_count <= WORKER_KEEP);
	worker->options = *options;
	worker->loop = loop;
	worker->source.fd = -1;
	worker->event_fd = options->event_fd;
	if (!worker->event_fd)
		ret = worker_watch(worker);
	if (ret) {
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
	for (unsigned i = 0; i < worker->started; i++)
		worker_join(&worker->threads[i]);
	if (worker->source.fd >= 0) {
		loop_remove(worker->loop, &worker->source);
		close(worker->source.fd);
	}
	/*
	 * Not pthread_cond_destroy(): it waits for whoever still waits there, and a process aside
	 * that somebody killed does so for ever. There is nothing to be given back.
	 */
	pthread_mutex_destroy(&worker->lock);
	free(worker);
}
