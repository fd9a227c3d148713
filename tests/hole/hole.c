/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hole: a guest that writes to its port has a thread of lkvm's make a system call, as one could
 * that has broken in. --hole KIND,CALL says which. What comes back is in the log; a call that is
 * denied does not come back.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ptrace.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/log.h"
#include "util/reach.h"
#include "vmm/bus.h"
#include "vmm/device_class.h"
#include "vmm/loop.h"
#include "vmm/vm.h"
#include "vmm/worker.h"

#define HOLE_PORT 0xd00
#define PORT	  1 /* of the host's loopback; nobody needs to listen */

struct call {
	const char *name;
	long (*make)(int tcp);
};

struct hole {
	char *word; /* of the command line */
	const char *kind;
	const struct call *call;
	int tcp, event_fd, pipe[2];
	struct bus_region region;
	struct loop_timer timer;
	struct worker *worker;
	struct worker_job job;
};

/* ---- what nobody may do ---- */

static long call_open(int tcp)
{
	return syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY);
}

static long call_connect(int tcp)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(PORT) };

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return syscall(SYS_connect, tcp, &at, sizeof(at));
}

static long call_socket(int tcp)
{
	return syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
}

static long call_execve(int tcp)
{
	char *const none[] = { NULL };

	return syscall(SYS_execve, "/bin/true", none, none);
}

static long call_ptrace(int tcp)
{
	return syscall(SYS_ptrace, PTRACE_SEIZE, getppid(), NULL, NULL);
}

static long call_kill(int tcp)
{
	return syscall(SYS_kill, getppid(), SIGCONT);
}

static long call_tgkill(int tcp)
{
	return syscall(SYS_tgkill, getppid(), getppid(), SIGCONT);
}

static long call_mmap(int tcp)
{
	return syscall(SYS_mmap, NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		       0);
}

static long call_ioctl(int tcp)
{
	char byte = 'x';

	return syscall(SYS_ioctl, STDIN_FILENO, TIOCSTI, &byte);
}

static long call_fork(int tcp)
{
	return syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
}

/* Back to who started lkvm. */
static long call_setresuid(int tcp)
{
	return syscall(SYS_setresuid, 0, 0, 0);
}

static const struct call calls[] = {
	{ "openat", call_open },   { "connect", call_connect },	    { "socket", call_socket },
	{ "execve", call_execve }, { "ptrace", call_ptrace },	    { "kill", call_kill },
	{ "tgkill", call_tgkill }, { "mmap", call_mmap },	    { "ioctl", call_ioctl },
	{ "clone", call_fork },	   { "setresuid", call_setresuid },
};

static void make_call(struct hole *hole)
{
	long ret = hole->call->make(hole->tcp);

	log_error("hole: %s: %s", hole->call->name, ret < 0 ? strerror(errno) : "done");
}

/* ---- on which thread ---- */

static void on_timer(struct loop_timer *timer)
{
	make_call(container_of(timer, struct hole, timer));
}

static void run_job(struct worker_job *job)
{
	make_call(container_of(job, struct hole, job));
}

static void job_done(struct worker_job *job)
{
}

static void hole_write(struct bus_region *region, u64 offset, u64 value, unsigned len)
{
	struct hole *hole = container_of(region, struct hole, region);

	if (!strcmp(hole->kind, "vcpu"))
		make_call(hole);
	else if (!strcmp(hole->kind, "loop"))
		loop_timer_arm(&hole->timer, 1);
	else
		worker_submit(hole->worker, &hole->job);
}

static u64 hole_read(struct bus_region *region, u64 offset, unsigned len)
{
	return 0;
}

static const struct bus_ops hole_ops = { hole_read, hole_write };

/* ---- life ---- */

static const struct {
	const char *name;
	enum thread_kind kind;
	bool has_files, shares_files;
} workers[] = {
	{ "worker", THREAD_WORKER, false, false }, { "disk", THREAD_WORKER, true, false },
	{ "folder", THREAD_FOLDER, true, true },   { "dial", THREAD_DIAL, true, true },
	{ "undo", THREAD_UNDO, true, true },	   { "relay", THREAD_RELAY, true, false },
	{ "waiter", THREAD_WAITER, false, false }, { "any", THREAD_ANY, false, false },
};

static int make_worker(struct hole *hole, struct loop *loop)
{
	struct worker_options options = { .name = "hole", .threads = 1 };

	for (unsigned i = 0; i < ARRAY_SIZE(workers); i++) {
		if (strcmp(workers[i].name, hole->kind))
			continue;
		options.kind = workers[i].kind;
		/* So that it is for Landlock alone to refuse what these may do. */
		if (options.kind == THREAD_FOLDER || options.kind == THREAD_DIAL)
			reach_add_names();
		options.shared_files = workers[i].shares_files;
		options.files[0] = hole->tcp;
		options.file_count = workers[i].has_files;
		hole->job = (struct worker_job){ .run = run_job, .done = job_done };
		return worker_create(&hole->worker, loop, &options);
	}
	return 0;
}

static int parse(struct hole *hole, struct error *err)
{
	char *comma = strchr(hole->word, ',');

	hole->kind = hole->word;
	if (comma)
		*comma = '\0';
	for (unsigned i = 0; comma && i < ARRAY_SIZE(calls); i++) {
		if (!strcmp(calls[i].name, comma + 1))
			hole->call = &calls[i];
	}
	return hole->call ? 0 : error_set(err, -EINVAL, "--hole KIND,CALL");
}

static int hole_create(void *state, struct device_host *host, struct error *err)
{
	struct hole *hole = state;
	int ret = parse(hole, err);

	if (ret)
		return ret;
	hole->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	hole->region = (struct bus_region){ HOLE_PORT, HOLE_PORT, &hole_ops };
	ret = loop_timer_create(&hole->timer, host->vm->loop, on_timer);
	if (!ret)
		ret = make_worker(hole, host->vm->loop);
	return ret ? ret : bus_add(host->vm->ports, &hole->region);
}

static const struct option_spec hole_options[] = {
	{ 0, "hole", OPTION_WORD, "KIND,CALL", "a thread that does what it may not",
	  OPTION_FIELD(struct hole, word) },
	{ 0 },
};

const struct device_class hole_class = {
	.name = "hole",
	.options = hole_options,
	.bus = DEVICE_BUS_NONE,
	.state_size = sizeof(struct hole),
	.create = hole_create,
};
