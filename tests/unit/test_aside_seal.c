/* SPDX-License-Identifier: BSD-2-Clause */
/* A process aside that began before the seal confines itself from what it had then. */
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "test.h"
#include "util/aside.h"
#include "vmm/loop.h"
#include "vmm/worker.h"

#define PATIENCE 20000 /* ms */

static atomic_int confined_as, confined_sealed; /* -1: not yet */

static void confine(enum thread_kind kind, bool sealed)
{
	atomic_store(&confined_sealed, sealed);
	atomic_store(&confined_as, kind);
}

static void nothing(void)
{
}

static atomic_uint given_up;

static void give_up(enum thread_kind kind)
{
	atomic_fetch_add(&given_up, 1);
}

static atomic_uint caught_up;

static void catch_up(void)
{
	atomic_fetch_add(&caught_up, 1);
}

static const struct thread_ops ops = { confine, catch_up, give_up, nothing };

static bool no_process;

/* Takes the C library's place in this program. */
int clone(int (*main)(void *arg), void *stack, int flags, void *arg, ...)
{
	int (*real)(int (*)(void *), void *, int, void *, ...);

	*(void **)&real = dlsym(RTLD_NEXT, "clone");
	if (!no_process)
		return real(main, stack, flags, arg);
	errno = EAGAIN;
	return -1;
}

static int begin(void **state)
{
	atomic_store(&confined_as, -1);
	atomic_store(&confined_sealed, -1);
	atomic_store(&given_up, 0);
	no_process = false;
	thread_set_ops(&ops);
	return 0;
}

static void wait_for_go(void *arg)
{
	struct pollfd go = { .fd = *(int *)arg, .events = POLLIN };

	poll(&go, 1, PATIENCE);
}

static void run(struct worker_job *job)
{
	(void)job;
}

/* Its files are open before the machine is sealed, and so may its first job be. */
TEST_WITH(a_worker_that_is_a_process_is_confined_whenever_it_begins, begin, NULL)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct worker_job job = { .run = run, .done = run };
	int ended = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	const struct worker_options options = { .name = "files",
						.kind = THREAD_WORKER,
						.threads = 1,
						.files[0] = STDIN_FILENO,
						.file_count = 1,
						.event_fd = ended };
	struct pollfd wait = { .fd = ended, .events = POLLIN };
	struct worker *worker;
	struct loop *loop;

	assert_int_equal(loop_create(&loop, &lock), 0);
	assert_int_equal(worker_create(&worker, loop, &options), 0);
	assert_int_equal(worker_submit(worker, &job), 0);
	assert_int_equal(poll(&wait, 1, PATIENCE), 1);
	worker_reap(worker);
	assert_int_equal(atomic_load(&confined_as), THREAD_WORKER);
	worker_destroy(worker);
	loop_destroy(loop);
	close(ended);
}

/* The seal takes its rights no more than other threads': each gives up its own. */
TEST_WITH(one_that_is_a_thread_as_there_is_no_process_gives_its_rights_up, begin, NULL)
{
	int go = eventfd(0, EFD_NONBLOCK);
	const struct aside_config config = {
		.name = "thread", .kind = THREAD_RELAY, .main = wait_for_go, .arg = &go
	};
	struct aside *aside;

	no_process = true;
	assert_int_equal(aside_start(&aside, &config), 0);
	assert_false(aside_has_own_files(aside));
	assert_int_equal(atomic_load(&given_up), 1);
	assert_int_equal(eventfd_write(go, 1), 0);
	assert_true(aside_wait(aside, PATIENCE));
	aside_destroy(aside);
	close(go);
}

/* From here on it is sealed, for good. */
TEST_WITH(one_that_comes_to_that_after_the_seal_has_to_give_up_all_the_same, begin, NULL)
{
	int go = eventfd(0, EFD_NONBLOCK);
	const struct aside_config config = { .name = "early",
					     .kind = THREAD_RELAY,
					     .main = wait_for_go,
					     .arg = &go,
					     .keep = { go },
					     .keep_count = 1 };
	struct aside *aside;

	assert_int_equal(aside_start(&aside, &config), 0);
	thread_seal();
	assert_int_equal(eventfd_write(go, 1), 0);
	assert_true(aside_wait(aside, PATIENCE));
	aside_destroy(aside);
	assert_int_equal(atomic_load(&confined_as), THREAD_RELAY);
	assert_int_equal(atomic_load(&confined_sealed), false);
	close(go);
}

static sem_t wanted;

static void wake(void *arg)
{
	sem_post(&wanted);
}

/* As the thread of signals is: there before the seal, and confined to no kind. */
static void *make_threads(void *arg)
{
	while (sem_wait(&wanted))
		;
	thread_make_maker();
	return NULL;
}

static void *note(void *arg)
{
	*(unsigned *)arg = atomic_load(&caught_up);
	return NULL;
}

static void *confined(void *arg)
{
	pthread_t thread;

	thread_confine(THREAD_LOOP);
	if (!thread_start(&thread, NULL, note, arg))
		pthread_join(thread, NULL);
	return NULL;
}

TEST_WITH(whoever_makes_the_maker_has_caught_up_before, begin, NULL)
{
	unsigned seen = 0;
	pthread_t early, late;

	sem_init(&wanted, 0, 0);
	atomic_store(&caught_up, 0);
	thread_set_maker(wake, NULL);
	thread_seal();
	assert_int_equal(pthread_create(&early, NULL, make_threads, NULL), 0);
	assert_int_equal(pthread_create(&late, NULL, confined, &seen), 0);
	pthread_join(late, NULL);
	pthread_join(early, NULL);
	assert_int_equal(seen, 1);
}
