/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The filler reads bytes from a pipe, and does what they say. The pipe's end before the first means
 * that no guest ran: there is nothing to be learned from it.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "boot_cache_private.h"
#include "util/fds.h"
#include "vmm/boot_cache.h"

#define CPU_SECONDS  120
#define WALL_SECONDS 600
/* Linux's, which no header of the C library has: ioprio_set(2). */
#define WHO_PROCESS   1
#define PRIORITY_IDLE (3 << 13)

enum word { WORD_BEGIN = 'g', WORD_RAN = 'r', WORD_DIED = 'd' };

/* ---- the filler's side ---- */

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Nothing of lkvm's is ours but what the entry is made of: a pipe's reader waits for its end. */
static void part_from_parent(const struct boot_cache *cache, int words)
{
	int kept[] = { cache->kernel_fd, cache->folder, words };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	unsigned next = STDERR_FILENO + 1;
	sigset_t none;

	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
	qsort(kept, ARRAY_SIZE(kept), sizeof(kept[0]), by_number);
	for (unsigned i = 0; i < ARRAY_SIZE(kept); i++) {
		if (kept[i] < (int)next)
			continue;
		fds_close(next, kept[i] - 1);
		next = kept[i] + 1;
	}
	fds_close(next, INT32_MAX);
	/* A Ctrl-C at the terminal is lkvm's to deal with, and no mount is to be kept busy. */
	setsid();
	if (chdir("/"))
		return;
	for (int number = 1; number < NSIG; number++) {
		if (number != SIGPIPE && number != SIGXFSZ)
			signal(number, SIG_DFL);
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Whatever there is little of, somebody else has it first. Each of these may fail. */
static void step_back(void)
{
	const struct sched_param none = { 0 };
	const struct rlimit seconds = { CPU_SECONDS, CPU_SECONDS };
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	prctl(PR_SET_NAME, "lkvm-cache");
	if (fd >= 0) {
		if (write(fd, "1000", 4) < 0)
			errno = 0;
		close(fd);
	}
	setpriority(PRIO_PROCESS, 0, 19);
	sched_setscheduler(0, SCHED_IDLE, &none);
	syscall(SYS_ioprio_set, WHO_PROCESS, 0, PRIORITY_IDLE);
	setrlimit(RLIMIT_CPU, &seconds);
}

static void keep(struct boot_cache *cache, const struct boot_cache_source *source, int words)
{
	char word = 0;

	while (read(words, &word, 1) < 0 && errno == EINTR)
		;
	close(words);
	/* Where others want the processor for longer than that, it is not worth it. */
	alarm(WALL_SECONDS);
	if (word == WORD_BEGIN)
		boot_cache_fill(cache, source);
	else if (word == WORD_RAN || word == WORD_DIED)
		boot_cache_mark(cache, word == WORD_RAN);
}

/* The one in the middle ends at once, so that nobody has to wait for the filler. */
static void fork_filler(struct boot_cache *cache, const struct boot_cache_source *source, int words)
{
	pid_t pid = fork();

	if (pid) {
		while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		return;
	}
	if (!fork()) {
		part_from_parent(cache, words);
		step_back();
		keep(cache, source, words);
	}
	syscall(SYS_exit_group, 0);
}

/* ---- our side ---- */

void boot_cache_start_filler(struct boot_cache *cache, const struct boot_cache_source *source)
{
	int ends[2];

	if ((cache->state != BOOT_CACHE_MISSING && cache->state != BOOT_CACHE_TRIED) ||
	    pipe2(ends, O_CLOEXEC | O_NONBLOCK))
		return;
	fcntl(ends[0], F_SETFL, 0);
	fork_filler(cache, source, ends[0]);
	close(ends[0]);
	cache->filler_fd = ends[1];
}

/* Its last word: the pipe is the filler's only reason to wait. */
static void tell(struct boot_cache *cache, char word)
{
	if (cache->filler_fd < 0)
		return;
	if (write(cache->filler_fd, &word, 1) < 0)
		errno = 0;
	close(cache->filler_fd);
	cache->filler_fd = -1;
}

void boot_cache_begin(struct boot_cache *cache)
{
	if (cache->state == BOOT_CACHE_MISSING)
		tell(cache, WORD_BEGIN);
}

void boot_cache_judge(struct boot_cache *cache, bool ran)
{
	if (cache->state == BOOT_CACHE_TRIED)
		tell(cache, ran ? WORD_RAN : WORD_DIED);
}
