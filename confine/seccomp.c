/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "private.h"
#include "util/types.h"

/* Made by generate.c: of what is above. */
#include <filters.h>

/* Made without knowing which process we are. */
static void put_pid(struct sock_filter *steps, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (BPF_CLASS(steps[i].code) == BPF_JMP && steps[i].k == CONFINE_OWN_PID)
			steps[i].k = getpid();
	}
}

/* Filters are no reason to work around the processor's speculation: nobody else is here. */
static int load(const struct filter *filter, unsigned flags)
{
	struct sock_filter steps[MOST_STEPS]; /* a thread's stack may be small */
	struct sock_fprog program = { filter->count, steps };
	long ret;

	memcpy(steps, filter->steps, filter->count * sizeof(steps[0]));
	put_pid(steps, filter->count);
	ret = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags | SECCOMP_FILTER_FLAG_SPEC_ALLOW,
		      &program);
	if (ret < 0)
		return -errno;
	/* A thread that has another filter than ours. */
	return ret ? -ESRCH : 0;
}

/* Which of them the process has. Written before it is sealed. */
static unsigned process_with = CONFINE_WITH_ALL;

int seccomp_enter(enum thread_kind kind)
{
	return load(&filters[process_with][kind], 0);
}

int seccomp_enter_all(unsigned with)
{
	process_with = with;
	return load(&filters[with][THREAD_ANY], SECCOMP_FILTER_FLAG_TSYNC);
}

const char *seccomp_call_name(int number)
{
	return number >= 0 && number < (int)ARRAY_SIZE(call_names) ? call_names[number] : NULL;
}

unsigned long seccomp_call_argument(void *context, unsigned n)
{
	const ucontext_t *user = context;

	return CALL_ARGUMENT(user, n);
}
