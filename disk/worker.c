/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "worker.h"

struct worker {
	const struct raw *raw; /* borrowed, constant */
	int event_fd;	       /* borrowed */
	pthread_t thread;
	pthread_mutex_t lock; /* protects what follows; held for list work only */
	pthread_cond_t wake;
	struct request_list waiting;
	struct request_list finished;
	bool stop;
};

static struct disk_request *worker_next(struct worker *worker)
{
	struct disk_request *request;

	pthread_mutex_lock(&worker->lock);
	while (!(request = request_pop(&worker->waiting)) && !worker->stop)
		pthread_cond_wait(&worker->wake, &worker->lock);
	pthread_mutex_unlock(&worker->lock);
	return request;
}

static void *worker_main(void *arg)
{
	struct raw_buffer buffer = { 0 };
	struct worker *worker = arg;
	struct disk_request *request;

	while ((request = worker_next(worker))) {
		request->result = raw_perform(worker->raw, &buffer, request);
		pthread_mutex_lock(&worker->lock);
		request_push(&worker->finished, request);
		pthread_mutex_unlock(&worker->lock);
		eventfd_write(worker->event_fd, 1);
	}
	raw_buffer_free(&buffer);
	return NULL;
}

/* With every signal blocked: they are the main thread's, and SIGXFSZ must not kill us. */
static int worker_start_thread(struct worker *worker)
{
	sigset_t all, old;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = -pthread_create(&worker->thread, NULL, worker_main, worker);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!ret)
		pthread_setname_np(worker->thread, "lkvm-disk");
	return ret;
}

int worker_create(struct worker **out, const struct raw *raw, int event_fd)
{
	struct worker *worker = calloc(1, sizeof(*worker));
	int ret;

	if (!worker)
		return -ENOMEM;
	worker->raw = raw;
	worker->event_fd = event_fd;
	pthread_mutex_init(&worker->lock, NULL);
	pthread_cond_init(&worker->wake, NULL);
	ret = worker_start_thread(worker);
	if (ret) {
		free(worker);
		return ret;
	}
	*out = worker;
	return 0;
}

void worker_destroy(struct worker *worker)
{
	if (!worker)
		return;
	pthread_mutex_lock(&worker->lock);
	worker->stop = true;
	pthread_cond_signal(&worker->wake);
	pthread_mutex_unlock(&worker->lock);
	pthread_join(worker->thread, NULL);
	pthread_cond_destroy(&worker->wake);
	pthread_mutex_destroy(&worker->lock);
	free(worker);
}

void worker_submit(struct worker *worker, struct disk_request *request)
{
	pthread_mutex_lock(&worker->lock);
	request_push(&worker->waiting, request);
	pthread_cond_signal(&worker->wake);
	pthread_mutex_unlock(&worker->lock);
}

void worker_reap(struct worker *worker, struct request_list *finished)
{
	struct disk_request *request;

	pthread_mutex_lock(&worker->lock);
	while ((request = request_pop(&worker->finished)))
		request_push(finished, request);
	pthread_mutex_unlock(&worker->lock);
}
