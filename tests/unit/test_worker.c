/* SPDX-License-Identifier: BSD-2-Clause */
/* A worker: jobs that block, with completions in the loop. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "test.h"
#include "vmm/loop.h"
#include "vmm/worker.h"

#define THREADS 3

struct fixture {
	pthread_mutex_t lock;
	struct loop *loop;
	struct worker *worker;
	unsigned batches, done;
	unsigned running, most_running; /* atomic */
	bool in_submit;
};

struct test_job {
	struct worker_job job;
	struct fixture *fixture;
	sem_t *wait; /* NULL: do not */
	pthread_t ran_on, done_on;
	unsigned runs, done, again;
};

static void job_run(struct worker_job *worker_job)
{
	struct test_job *job = container_of(worker_job, struct test_job, job);
	unsigned running = __atomic_add_fetch(&job->fixture->running, 1, __ATOMIC_SEQ_CST);
	unsigned most = __atomic_load_n(&job->fixture->most_running, __ATOMIC_SEQ_CST);

	while (running > most &&
	       !__atomic_compare_exchange_n(&job->fixture->most_running, &most, running, false,
					    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		;
	job->ran_on = pthread_self();
	__atomic_add_fetch(&job->runs, 1, __ATOMIC_SEQ_CST);
	if (job->wait)
		sem_wait(job->wait);
	__atomic_sub_fetch(&job->fixture->running, 1, __ATOMIC_SEQ_CST);
}

static void job_done(struct worker_job *worker_job)
{
	struct test_job *job = container_of(worker_job, struct test_job, job);

	assert_false(job->fixture->in_submit);
	job->done_on = pthread_self();
	job->done++;
	job->fixture->done++;
	if (job->again) {
		job->again--;
		assert_int_equal(worker_submit(job->fixture->worker, worker_job), 0);
	}
}

static void settled(void *context)
{
	((struct fixture *)context)->batches++;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const struct worker_options options = {
		.name = "test", .threads = THREADS, .settled = settled, .context = f
	};

	pthread_mutex_init(&f->lock, NULL);
	*state = f;
	return loop_create(&f->loop, &f->lock) || worker_create(&f->worker, f->loop, &options);
}

static int setup_with_urgent(void **state)
{
	const struct worker_options options = { .name = "test",
						.threads = THREADS,
						.keeps_one = true };
	struct fixture *f = calloc(1, sizeof(*f));

	pthread_mutex_init(&f->lock, NULL);
	*state = f;
	return loop_create(&f->loop, &f->lock) || worker_create(&f->worker, f->loop, &options);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	worker_destroy(f->worker);
	loop_destroy(f->loop);
	free(f);
	return 0;
}

static void submit(struct fixture *f, struct test_job *job, sem_t *wait)
{
	job->job.run = job_run;
	job->job.done = job_done;
	job->fixture = f;
	job->wait = wait;
	f->in_submit = true;
	assert_int_equal(worker_submit(f->worker, &job->job), 0);
	f->in_submit = false;
}

static void poll_until(struct fixture *f, unsigned done)
{
	while (f->done < done)
		loop_poll(f->loop, 1000);
}

TEST_WITH(a_job_runs_elsewhere_and_completes_in_the_loop, setup, teardown)
{
	struct fixture *f = *state;
	struct test_job job = { 0 };

	submit(f, &job, NULL);
	poll_until(f, 1);
	assert_int_equal(job.runs, 1);
	assert_int_equal(job.done, 1);
	assert_false(pthread_equal(job.ran_on, pthread_self()));
	assert_true(pthread_equal(job.done_on, pthread_self()));
}

TEST_WITH(a_job_that_hangs_holds_up_no_other, setup, teardown)
{
	struct fixture *f = *state;
	struct test_job stuck[THREADS - 1] = { 0 }, other = { .again = 9 };
	sem_t wait;

	sem_init(&wait, 0, 0);
	for (unsigned i = 0; i < THREADS - 1; i++)
		submit(f, &stuck[i], &wait);
	submit(f, &other, NULL);
	poll_until(f, 10);
	assert_int_equal(other.done, 10);
	for (unsigned i = 0; i < THREADS - 1; i++)
		assert_int_equal(stuck[i].done, 0);
	for (unsigned i = 0; i < THREADS - 1; i++)
		sem_post(&wait);
	poll_until(f, 10 + THREADS - 1);
	sem_destroy(&wait);
}

TEST_WITH(an_urgent_job_waits_for_no_other, setup_with_urgent, teardown)
{
	struct fixture *f = *state;
	struct test_job stuck[2 * THREADS] = { 0 }, urgent = { .again = 9 };
	sem_t wait;

	sem_init(&wait, 0, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(stuck); i++)
		submit(f, &stuck[i], &wait);
	urgent.job.urgent = true;
	submit(f, &urgent, NULL);
	poll_until(f, 10);
	assert_int_equal(urgent.done, 10);
	for (unsigned i = 0; i < ARRAY_SIZE(stuck); i++)
		sem_post(&wait);
	poll_until(f, 10 + ARRAY_SIZE(stuck));
	assert_true(f->most_running <= THREADS);
	sem_destroy(&wait);
}

TEST_WITH(there_are_never_more_threads_than_asked_for, setup, teardown)
{
	struct fixture *f = *state;
	struct test_job jobs[50] = { 0 };
	sem_t wait;

	sem_init(&wait, 0, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(jobs); i++)
		submit(f, &jobs[i], &wait);
	for (unsigned i = 0; i < ARRAY_SIZE(jobs); i++)
		sem_post(&wait);
	poll_until(f, ARRAY_SIZE(jobs));
	assert_true(f->most_running <= THREADS);
	for (unsigned i = 0; i < ARRAY_SIZE(jobs); i++)
		assert_int_equal(jobs[i].runs, 1);
	sem_destroy(&wait);
}

/* With one thread a job has ended for certain when the next one runs. */
TEST_WITH(jobs_that_end_together_are_settled_once, setup, teardown)
{
	struct fixture *f = *state;
	const struct worker_options options = {
		.name = "test", .threads = 1, .settled = settled, .context = f
	};
	struct test_job jobs[3] = { 0 }, last = { 0 };
	sem_t wait;

	worker_destroy(f->worker);
	assert_int_equal(worker_create(&f->worker, f->loop, &options), 0);
	sem_init(&wait, 0, 0);
	for (unsigned i = 0; i < 3; i++)
		submit(f, &jobs[i], NULL);
	submit(f, &last, &wait);
	while (!__atomic_load_n(&last.runs, __ATOMIC_SEQ_CST))
		poll(NULL, 0, 1);
	poll_until(f, 3);
	assert_int_equal(f->batches, 1);
	sem_post(&wait);
	poll_until(f, 4);
	assert_int_equal(f->batches, 2);
	sem_destroy(&wait);
}

TEST_WITH(a_caller_may_wait_on_an_eventfd_of_its_own, setup, teardown)
{
	struct fixture *f = *state;
	struct pollfd ready = { .fd = eventfd(0, EFD_NONBLOCK), .events = POLLIN };
	const struct worker_options options = { .name = "test",
						.threads = 1,
						.event_fd = ready.fd,
						.files = { ready.fd },
						.file_count = 1,
						.settled = settled,
						.context = f };
	struct test_job job = { .again = 3 };
	eventfd_t count;

	worker_destroy(f->worker);
	assert_int_equal(worker_create(&f->worker, f->loop, &options), 0);
	submit(f, &job, NULL);
	while (f->done < 4) {
		assert_int_equal(poll(&ready, 1, 10000), 1);
		eventfd_read(ready.fd, &count);
		worker_reap(f->worker);
	}
	assert_int_equal(f->batches, 4);
	worker_destroy(f->worker);
	f->worker = NULL;
	close(ready.fd);
}

/* A file that was not named is not there: whoever waits for its last copy does not wait for us. */
TEST_WITH(a_thread_has_the_files_that_were_named_and_no_others, setup, teardown)
{
	struct fixture *f = *state;
	int named[2], other[2];
	struct worker_options options = { .name = "test", .threads = 1, .file_count = 1 };
	struct test_job stuck = { 0 };
	struct pollfd end;
	sem_t wait;

	assert_int_equal(pipe(named), 0);
	assert_int_equal(pipe(other), 0);
	options.files[0] = named[1];
	worker_destroy(f->worker);
	assert_int_equal(worker_create(&f->worker, f->loop, &options), 0);
	sem_init(&wait, 0, 0);
	submit(f, &stuck, &wait);
	close(named[1]);
	close(other[1]);
	end = (struct pollfd){ .fd = other[0], .events = POLLIN };
	assert_int_equal(poll(&end, 1, 10000), 1);
	end.fd = named[0];
	assert_int_equal(poll(&end, 1, 0), 0);
	sem_post(&wait);
	poll_until(f, 1);
	close(named[0]);
	close(other[0]);
	sem_destroy(&wait);
}

struct opener {
	struct worker_job job;
	struct fixture *fixture;
	int fd; /* one that it opened */
	bool found;
	void *state;
	pid_t process;
};

static void open_one(struct worker_job *job)
{
	struct opener *opener = container_of(job, struct opener, job);

	opener->fd = fcntl(opener->fd, F_DUPFD_CLOEXEC, 500); /* nobody else has that number */
	opener->state = job->thread_state;
	opener->process = getpid();
}

static void find_it(struct worker_job *job)
{
	struct opener *opener = container_of(job, struct opener, job);

	opener->found = !fcntl(opener->fd, F_SETFD, 0);
	close(opener->fd);
}

static void opener_done(struct worker_job *job)
{
	container_of(job, struct opener, job)->fixture->done++;
}

static int states; /* begun and not ended */

static void *begin_state(void *context)
{
	__atomic_add_fetch(&states, 1, __ATOMIC_SEQ_CST);
	return &states;
}

static void end_state(void *state)
{
	assert_ptr_equal(state, &states);
	__atomic_sub_fetch(&states, 1, __ATOMIC_SEQ_CST);
}

/* Many times, so that the second job is now on the thread of the first and now on another. */
TEST_WITH(threads_that_share_files_share_what_they_open, setup, teardown)
{
	struct fixture *f = *state;
	struct worker_options options = { .name = "test",
					  .threads = THREADS,
					  .file_count = 1,
					  .shared_files = true,
					  .begin = begin_state,
					  .end = end_state };
	struct opener opener = { .job = { .run = open_one, .done = opener_done }, .fixture = f };
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	options.files[0] = ends[0];
	worker_destroy(f->worker);
	assert_int_equal(worker_create(&f->worker, f->loop, &options), 0);
	for (unsigned i = 0; i < 20; i++) {
		opener.fd = ends[0];
		opener.found = false;
		opener.job.run = open_one;
		assert_int_equal(worker_submit(f->worker, &opener.job), 0);
		assert_true(worker_await(f->worker));
		assert_int_not_equal(opener.process, getpid());
		assert_ptr_equal(opener.state, &states);
		assert_int_equal(fcntl(opener.fd, F_GETFD), -1);
		opener.job.run = find_it;
		assert_int_equal(worker_submit(f->worker, &opener.job), 0);
		assert_true(worker_await(f->worker));
		assert_true(opener.found);
	}
	worker_destroy(f->worker);
	f->worker = NULL;
	assert_int_equal(states, 0);
	close(ends[0]);
	close(ends[1]);
}

/* In a wait that only somebody else ends. */
static bool is_asleep(pid_t pid)
{
	char path[64], state = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "r");
	if (file && fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
		state = 0;
	if (file)
		fclose(file);
	return state == 'S';
}

static void note_process(struct worker_job *job)
{
	*(pid_t *)job->thread_state = getpid();
}

static void *begin_note(void *context)
{
	return context;
}

static void note_done(struct worker_job *job)
{
}

/* Somebody may take it for a program of its own. */
TEST(a_worker_whose_process_was_killed_does_not_hold_up_its_end)
{
	static pid_t process;
	struct worker_job job = { .run = note_process, .done = note_done };
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct worker_options options = {
		.name = "test",
		.threads = 1,
		.begin = begin_note,
		.context = &process,
	};
	struct worker *worker;
	struct loop *loop;

	assert_int_equal(loop_create(&loop, &lock), 0);
	options.files[options.file_count++] = STDERR_FILENO;
	assert_int_equal(worker_create(&worker, loop, &options), 0);
	assert_int_equal(worker_submit(worker, &job), 0);
	assert_true(worker_await(worker));
	assert_int_not_equal(process, getpid());
	/* It waits for its next job. */
	for (unsigned i = 0; i < 6000 && !is_asleep(process); i++)
		usleep(10000);
	assert_int_equal(kill(process, SIGKILL), 0);
	alarm(120);
	worker_destroy(worker);
	alarm(0);
	loop_destroy(loop);
}
