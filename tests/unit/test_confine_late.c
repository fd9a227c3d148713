/* SPDX-License-Identifier: BSD-2-Clause */
/* A thread that was there before the seal is the run's user, without rights, whenever it comes to
 * that. */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../confine/private.h"
#include "confine/confine.h"
#include "test.h"

#define OTHER 65534 /* nobody */

/* System calls stay as they are: a sanitizer makes others. These take the place of lkvm's. */
int seccomp_enter(enum thread_kind kind)
{
	return -ENOSYS;
}

int seccomp_enter_all(unsigned with)
{
	return -ENOSYS;
}

void violation_catch(void (*restore)(void))
{
}

void violation_end(void)
{
}

enum when { BEFORE_THE_SEAL, AT_THE_SEAL, AFTER_THE_SEAL };

/* Of the child's thread; what it found is the parent's to judge. */
struct late {
	enum when when;
	sem_t begin, waits, sealed;
	pthread_t thread;
	struct {
		unsigned real, effective, saved, group;
		bool has_rights, ended;
	} found; /* of the thread, at its end */
};

/* As what waits for a program that stands by (net/user_child.c). */
static void *wait_for_program(void *arg)
{
	struct late *late = arg;

	sem_wait(&late->begin);
	thread_give_up(THREAD_WAITER);
	sem_post(&late->waits);
	sem_wait(&late->sealed);
	thread_catch_up();
	thread_confine(THREAD_WAITER);
	syscall(SYS_getresuid, &late->found.real, &late->found.effective, &late->found.saved);
	late->found.group = syscall(SYS_getegid);
	late->found.has_rights = capabilities_any();
	late->found.ended = true;
	return NULL;
}

static void let_begin(struct late *late)
{
	sem_post(&late->begin);
	sem_wait(&late->waits);
}

/* The calling thread has no rights any more, and the process is not sealed yet. */
static int stay(void *arg)
{
	struct late *late = arg;

	if (late->when == AT_THE_SEAL)
		let_begin(late);
	return 0;
}

static void nothing(void)
{
}

/* The child. It has the exit status 1 of confine/ where a thread cannot be confined. */
static void __attribute__((noreturn)) run(struct late *late)
{
	const struct confine_user user = { .uid = OTHER, .gid = OTHER, .wanted = true };
	const struct confine_options options = { .stay = stay, .arg = late };
	struct error err = { "" };

	confine_begin(nothing, &user);
	if (pthread_create(&late->thread, NULL, wait_for_program, late))
		_exit(2);
	if (late->when == BEFORE_THE_SEAL)
		let_begin(late);
	if (confine_seal(&options, &err))
		_exit(3);
	if (late->when == AFTER_THE_SEAL)
		let_begin(late);
	sem_post(&late->sealed);
	pthread_join(late->thread, NULL);
	_exit(0);
}

static void becomes_the_user(enum when when)
{
	struct late *late;
	int status;
	pid_t pid;

	if (geteuid())
		skip();
	late = mmap(NULL, sizeof(*late), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(late, MAP_FAILED);
	late->when = when;
	sem_init(&late->begin, 0, 0);
	sem_init(&late->waits, 0, 0);
	sem_init(&late->sealed, 0, 0);
	pid = fork();
	if (!pid)
		run(late);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(late->found.ended);
	assert_int_equal(late->found.real, OTHER);
	assert_int_equal(late->found.effective, OTHER);
	assert_int_equal(late->found.saved, OTHER);
	assert_int_equal(late->found.group, OTHER);
	assert_false(late->found.has_rights);
	munmap(late, sizeof(*late));
}

TEST(a_thread_that_gives_up_before_the_seal_is_the_user_after_it)
{
	becomes_the_user(BEFORE_THE_SEAL);
}

TEST(so_is_one_that_does_it_while_the_process_is_sealed)
{
	becomes_the_user(AT_THE_SEAL);
}

TEST(so_is_one_that_is_scheduled_so_late_that_the_process_is_sealed)
{
	becomes_the_user(AFTER_THE_SEAL);
}
