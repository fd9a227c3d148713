/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * generate ARCH >FILE: the filters of rules.h, made by libseccomp, as tables in C. It runs where
 * lkvm is built, for any architecture: to make them at each start would cost most of a millisecond,
 * and the library would be part of lkvm. Not part of lkvm itself.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "private.h"
#include "rules.h"

/* Made of numbers.c. */
#include <numbers.h>

#define MAX_CALL      1024
#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static bool failed;
static uint32_t token; /* of the architecture that the filters are for */

static const struct target {
	const char *name;
	uint32_t token;
	const char *argument; /* of the system call that a signal's context is about */
} targets[] = {
	{ "x86", SCMP_ARCH_X86_64, "gregs[(n) == 0 ? REG_RDI : REG_RSI]" },
	{ "arm64", SCMP_ARCH_AARCH64, "regs[n]" },
};

struct call {
	unsigned kinds;
	const char *name;
};

static const struct call calls[] = {
#define CALL(kinds, name) { kinds, #name },
#include "calls.def"
#undef CALL
};

/* What is answered as by a kernel that does not have it: the C library goes another way. */
static const char *const absent[] = { "clone3", "futex_waitv", "membarrier" };

/* One argument decides. */
enum how { EQUALS, HAS_BITS };

struct limited {
	unsigned kinds;
	const char *name;
	unsigned argument;
	enum how how;
	unsigned long mask, value; /* HAS_BITS: those of @mask are @value */
};

#define NAMESPACES                                                                                 \
	(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | \
	 CLONE_NEWCGROUP)

static const struct limited limited[] = {
	{ EACH, "mmap", 2, HAS_BITS, PROT_EXEC, 0 },
	{ EACH, "mprotect", 2, HAS_BITS, PROT_EXEC, 0 },
	{ EACH, "tgkill", 0, EQUALS, 0, CONFINE_OWN_PID },
	{ EACH, "prctl", 0, EQUALS, 0, PR_SET_NAME },
	/* newer C libraries name their mappings */
	{ EACH, "prctl", 0, EQUALS, 0, PR_SET_VMA },
	{ ALL, "fcntl", 1, EQUALS, 0, F_GETFD },
	{ ALL, "fcntl", 1, EQUALS, 0, F_SETFD },
	{ ALL, "fcntl", 1, EQUALS, 0, F_GETFL },
	{ ALL, "fcntl", 1, EQUALS, 0, F_SETFL },
	{ ALL, "fcntl", 1, EQUALS, 0, F_DUPFD_CLOEXEC },
	{ JOBS, "fcntl", 1, EQUALS, 0, F_OFD_GETLK },
	{ JOBS, "fcntl", 1, EQUALS, 0, F_OFD_SETLK },
	{ JOBS, "fcntl", 1, EQUALS, 0, F_OFD_SETLKW },
	/* fstat() of some C libraries */
	{ ALL & ~(LOOP | UNDO | LISTEN | FOLDER | PROCESS), "newfstatat", 3, HAS_BITS,
	  AT_EMPTY_PATH, AT_EMPTY_PATH },
	{ DIAL | LISTEN, "socket", 0, EQUALS, 0, AF_UNIX },
	/* threads, and processes in the same memory */
	{ PROCESS | UNDO, "clone", 0, HAS_BITS, CLONE_VM | NAMESPACES, CLONE_VM },
	{ FOLDER, "unshare", 0, EQUALS, 0, CLONE_FS },
	{ PROCESS, "prctl", 0, EQUALS, 0, PR_SET_PDEATHSIG },
	{ PROCESS, "prctl", 0, EQUALS, 0, PR_SET_NO_NEW_PRIVS },
	/* Threads that were there before the seal become another user, who has no other groups. */
	{ PROCESS, "prctl", 0, EQUALS, 0, PR_SET_DUMPABLE },
	{ PROCESS, "setgroups", 0, EQUALS, 0, 0 },
};

static const struct {
	unsigned kinds;
	unsigned long request;
} requests[] = {
#define IOCTL(kinds, name) { kinds, (unsigned)NUMBER_##name },
#include "ioctls.def"
#include IOCTLS_OF_ARCH
};

/* What is made: for which kind, and what the process has (CONFINE_WITH_...). */
struct subject {
	unsigned kind, with;
};

/* What the process has no such threads for is nobody's. */
static unsigned of_process(unsigned kinds, unsigned with)
{
	kinds &= ~LISTEN;
	if (!(with & CONFINE_WITH_FOLDERS))
		kinds &= ~FOLDER;
	if (!(with & CONFINE_WITH_NAMES))
		kinds &= ~(DIAL | NAMES);
	return kinds;
}

/* Of THREAD_ANY is what any of the process's threads may. */
static bool is_for(unsigned kinds, struct subject subject)
{
	if (kinds & HOST && !(subject.with & CONFINE_WITH_HOST))
		return false;
	kinds &= ~HOST;
	if (subject.kind == THREAD_ANY)
		return of_process(kinds, subject.with);
	return kinds & 1u << subject.kind;
}

/* Whether the process may and this kind may not. */
static bool is_against(unsigned kinds, struct subject subject)
{
	return is_for(kinds, (struct subject){ THREAD_ANY, subject.with }) &&
	       !is_for(kinds, subject);
}

static void check(int ret, const char *what)
{
	/* An architecture that does not have a call has no rule for it. */
	if (!ret || ret == -EEXIST)
		return;
	fprintf(stderr, "generate: %s: %s\n", what, strerror(-ret));
	failed = true;
}

static int number_of(const char *name)
{
	int number = seccomp_syscall_resolve_name(name);

	if (number != __NR_SCMP_ERROR)
		return number;
	fprintf(stderr, "generate: libseccomp does not know %s\n", name);
	failed = true;
	return -1;
}

static void add_calls(scmp_filter_ctx filter, struct subject subject)
{
	for (unsigned i = 0; i < LENGTH(calls); i++) {
		if (is_for(calls[i].kinds, subject))
			check(seccomp_rule_add(filter, SCMP_ACT_ALLOW, number_of(calls[i].name), 0),
			      calls[i].name);
	}
	for (unsigned i = 0; i < LENGTH(absent); i++)
		check(seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), number_of(absent[i]), 0),
		      absent[i]);
}

static void add_limited(scmp_filter_ctx filter, struct subject subject)
{
	for (unsigned i = 0; i < LENGTH(limited); i++) {
		const struct limited *rule = &limited[i];
		struct scmp_arg_cmp is = rule->how == EQUALS
						 ? SCMP_CMP64(rule->argument, SCMP_CMP_EQ,
							      rule->value)
						 : SCMP_CMP64(rule->argument, SCMP_CMP_MASKED_EQ,
							      rule->mask, rule->value);

		if (is_for(rule->kinds, subject))
			check(seccomp_rule_add(filter, SCMP_ACT_ALLOW, number_of(rule->name), 1,
					       is),
			      rule->name);
	}
	for (unsigned i = 0; i < LENGTH(requests); i++) {
		if (is_for(requests[i].kinds, subject))
			check(seccomp_rule_add(filter, SCMP_ACT_ALLOW, number_of("ioctl"), 1,
					       SCMP_A1_64(SCMP_CMP_EQ, requests[i].request)),
			      "ioctl");
	}
}

/* ---- what a kind of thread may less than its process ---- */

static bool has_call(const char *name, struct subject subject)
{
	for (unsigned i = 0; i < LENGTH(calls); i++) {
		if (!strcmp(calls[i].name, name) && is_for(calls[i].kinds, subject))
			return true;
	}
	return false;
}

/* Whether there is a rule for it that goes by an argument; @value: by this value of it. */
static bool has_limited(const char *name, const unsigned long *value, struct subject subject)
{
	for (unsigned i = 0; i < LENGTH(limited); i++) {
		if (!strcmp(limited[i].name, name) && is_for(limited[i].kinds, subject) &&
		    (!value || limited[i].value == *value))
			return true;
	}
	return false;
}

static void deny(scmp_filter_ctx filter, const char *name, const struct scmp_arg_cmp *when)
{
	check(seccomp_rule_add_array(filter, SCMP_ACT_TRAP, number_of(name), when ? 1 : 0, when),
	      name);
}

static void deny_calls(scmp_filter_ctx filter, struct subject subject)
{
	for (unsigned i = 0; i < LENGTH(calls); i++) {
		const char *name = calls[i].name;

		if (is_against(calls[i].kinds, subject) && !has_call(name, subject) &&
		    !has_limited(name, NULL, subject))
			deny(filter, name, NULL);
	}
}

static void deny_value(scmp_filter_ctx filter, const struct limited *rule, struct subject subject)
{
	const struct scmp_arg_cmp is = SCMP_CMP64(rule->argument, SCMP_CMP_EQ, rule->value);

	if (has_call(rule->name, subject) || has_limited(rule->name, &rule->value, subject))
		return;
	deny(filter, rule->name, has_limited(rule->name, NULL, subject) ? &is : NULL);
}

static void deny_limited(scmp_filter_ctx filter, struct subject subject)
{
	const struct scmp_arg_cmp by_path = SCMP_A3_64(SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, 0);

	for (unsigned i = 0; i < LENGTH(limited); i++) {
		if (is_against(limited[i].kinds, subject))
			deny_value(filter, &limited[i], subject);
	}
	if (!has_call("newfstatat", subject))
		deny(filter, "newfstatat", &by_path);
}

static void deny_requests(scmp_filter_ctx filter, struct subject subject)
{
	for (unsigned i = 0; i < LENGTH(requests); i++) {
		struct scmp_arg_cmp is = SCMP_A1_64(SCMP_CMP_EQ, requests[i].request);

		if (is_against(requests[i].kinds, subject))
			deny(filter, "ioctl", &is);
	}
}

/*
 * Filters add up: a thread may what its process's filter allows and its own does not deny. The two
 * that each start needs are made so, since they have a fifth of the steps, and the kernel's
 * compiler is most of what they cost.
 */
static bool is_difference(unsigned kind)
{
	return kind == THREAD_LOOP || kind == THREAD_VCPU;
}

static void add_rules(scmp_filter_ctx filter, struct subject subject)
{
	if (is_difference(subject.kind)) {
		deny_calls(filter, subject);
		deny_limited(filter, subject);
		deny_requests(filter, subject);
	} else {
		add_calls(filter, subject);
		add_limited(filter, subject);
	}
}

static scmp_filter_ctx make(struct subject subject, const struct target *target)
{
	scmp_filter_ctx filter = seccomp_init(is_difference(subject.kind) ? SCMP_ACT_ALLOW
									  : SCMP_ACT_TRAP);

	if (!filter)
		check(-ENOMEM, "seccomp_init");
	if (seccomp_arch_native() != target->token) {
		check(seccomp_arch_add(filter, target->token), target->name);
		check(seccomp_arch_remove(filter, seccomp_arch_native()), "native");
	}
	/* Another architecture's calls, which x86 has. */
	check(seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_TRAP), "bad arch");
	/* A binary tree of the calls, not a list. */
	check(seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2), "optimize");
	add_rules(filter, subject);
	return filter;
}

/* ---- printing ---- */

static char *name_of(const struct target *target, int number)
{
	return seccomp_syscall_resolve_num_arch(target->token, number);
}

static int last_call(const struct target *target)
{
	int last = 0;

	for (int number = 0; number < MAX_CALL; number++) {
		char *name = name_of(target, number);

		if (name)
			last = number;
		free(name);
	}
	return last;
}

static void print_one(const struct sock_filter *step)
{
	printf("\t{ 0x%x, %u, %u, 0x%x },\n", step->code, step->jt, step->jf, step->k);
}

static unsigned most_steps;

#define MOST_OWN 4096

static bool is_step(const struct sock_filter *step, unsigned code, unsigned k)
{
	return step->code == code && step->k == k;
}

/*
 * What the library begins with: is it this architecture, and on x86, is it a number of x32's, after
 * which it loads the number again. Returns how many steps that is; 0: it begins otherwise, and all
 * of it is kept.
 */
static unsigned beginning(const struct sock_filter *steps)
{
	const unsigned number = offsetof(struct seccomp_data, nr);

	if (!is_step(&steps[0], BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)) ||
	    !is_step(&steps[1], BPF_JMP | BPF_JEQ | BPF_K, token) || steps[1].jt ||
	    !is_step(&steps[2], BPF_LD | BPF_W | BPF_ABS, number))
		return 0;
	return is_step(&steps[3], BPF_JMP | BPF_JGE | BPF_K, 0x40000000) &&
			       is_step(&steps[5], BPF_LD | BPF_W | BPF_ABS, number)
		       ? 6
		       : 3;
}

static void print_steps(const struct sock_filter *steps, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		print_one(&steps[i]);
}

/*
 * The kernel goes through a filter once for each number there is when it is loaded, so the steps
 * that all numbers take are few: ours begin in place of the library's. A call that is newer than
 * the rules is answered as by a kernel that is older than it; numbers of x32's are among these.
 * @last: the last that is not; -1: another filter looks. Returns how many steps there are.
 */
static unsigned print_whole(const struct sock_filter *steps, unsigned count, int last)
{
	const struct sock_filter ours[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, token, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, (unsigned)last, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
	};
	unsigned own = last < 0 ? LENGTH(ours) - 2 : LENGTH(ours), theirs = beginning(steps);

	print_steps(ours, own);
	print_steps(steps + theirs, count - theirs);
	return count - theirs + own;
}

static void print_filter(struct subject subject, const struct target *target)
{
	static struct sock_filter steps[MOST_OWN];
	scmp_filter_ctx filter = make(subject, target);
	int fd = memfd_create("filter", MFD_CLOEXEC);
	unsigned count;

	check(seccomp_export_bpf(filter, fd), "export");
	lseek(fd, 0, SEEK_SET);
	count = read(fd, steps, sizeof(steps)) / sizeof(steps[0]);
	printf("static const struct sock_filter steps_%u_%u[] = {\n", subject.with, subject.kind);
	count = print_whole(steps, count, is_difference(subject.kind) ? -1 : last_call(target));
	printf("};\n");
	if (count > most_steps)
		most_steps = count;
	close(fd);
	seccomp_release(filter);
}

/* Those of other threads are the same in each process. */
static bool differs(unsigned kind)
{
	return kind == THREAD_ANY || is_difference(kind);
}

static void print_filters(const struct target *target)
{
	for (unsigned with = 0; with <= CONFINE_WITH_ALL; with++) {
		for (unsigned kind = 0; kind < THREAD_KINDS; kind++) {
			if (with == CONFINE_WITH_ALL || differs(kind))
				print_filter((struct subject){ kind, with }, target);
		}
	}
	printf("#define MOST_STEPS %u\n", most_steps);
	printf("static const struct filter filters[%d][%d] = {\n", CONFINE_WITH_ALL + 1,
	       THREAD_KINDS);
	for (unsigned with = 0; with <= CONFINE_WITH_ALL; with++) {
		printf("{\n");
		for (unsigned kind = 0; kind < THREAD_KINDS; kind++) {
			char name[32];

			snprintf(name, sizeof(name), "steps_%u_%u",
				 differs(kind) ? with : CONFINE_WITH_ALL, kind);
			printf("\t{ %s, sizeof(%s) / sizeof(%s[0]) },\n", name, name, name);
		}
		printf("},\n");
	}
	printf("};\n");
}

static void print_names(const struct target *target)
{
	printf("static const char *const call_names[] = {\n");
	for (int number = 0; number <= last_call(target); number++) {
		char *name = name_of(target, number);

		if (name)
			printf("\t[%d] = \"%s\",\n", number, name);
		free(name);
	}
	printf("};\n");
}

int main(int argc, char **argv)
{
	const struct target *target = targets;

	if (argc != 2)
		return 2;
	while (strcmp(target->name, argv[1])) {
		if (++target == targets + LENGTH(targets))
			return 2;
	}
	token = target->token;
	printf("/* Made by confine/generate.c. */\n");
	print_filters(target);
	print_names(target);
	printf("#define CALL_ARGUMENT(context, n) ((context)->uc_mcontext.%s)\n", target->argument);
	return failed || fflush(stdout);
}
