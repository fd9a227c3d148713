/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The keeper's side. It was forked from a process that is alive and may be a guest's by now, so it
 * trusts none of its words after KEEPER_SEAL more than "undo this now" and "this is undone", which
 * are no more than that process's end would do.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "keeper_private.h"
#include "util/fds.h"

/* Behind the standard streams. */
#define OUR_FD 3
/* A process that was killed goes when all its threads have: in ms. */
#define DEATH_MS 30000
/*
 * A process that begins has a copy of all that lkvm had open, until it runs its program or closes
 * it; and what lkvm's last processes aside have open they close soon after its end. So what is busy
 * is tried again: so often, with ms between. While lkvm is there to wait for it, it waits less.
 */
#define TRIES	   50
#define TRIES_NOW  25
#define BETWEEN_MS 20

struct kept {
	const struct keeper_kind *kind;
	int fds[KEEPER_FILES]; /* owned */
	unsigned fd_count;
	char data[];
};

struct list {
	const struct keeper_kind *const *kinds;
	unsigned kind_count;
	struct kept *notes[KEEPER_NOTES]; /* NULL: undone */
	unsigned count;
	bool sealed;
};

struct outcome {
	int ret;
	struct error err;
};

static void sleep_ms(unsigned ms)
{
	const struct timespec time = { .tv_nsec = ms * 1000000L };

	nanosleep(&time, NULL);
}

/* ---- one note ---- */

static void free_note(struct kept *note)
{
	for (unsigned i = 0; i < note->fd_count; i++)
		close(note->fds[i]);
	free(note);
}

static void call(const struct kept *note, bool begin, struct outcome *outcome)
{
	*outcome = (struct outcome){ 0 };
	if (begin)
		outcome->ret = note->kind->begin(note->data, note->fds, OUR_FD, &outcome->err);
	else
		outcome->ret = note->kind->undo(note->data, note->fds, &outcome->err);
}

/* What another note holds would outlive that note, should this one never end. */
static void close_the_others(const struct list *list, const struct kept *note)
{
	for (unsigned i = 0; i < list->count; i++) {
		struct kept *other = list->notes[i];

		for (unsigned k = 0; other && other != note && k < other->fd_count; k++)
			close(other->fds[k]);
	}
}

static void call_apart(const struct list *list, const struct kept *note, bool begin, int result)
{
	struct outcome outcome;

	close_the_others(list, note);
	if (!begin)
		close(OUR_FD);
	call(note, begin, &outcome);
	if (write(result, &outcome, sizeof(outcome)) != sizeof(outcome))
		outcome.ret = -EPIPE;
	syscall(SYS_exit_group, 0);
}

/* Within @ms. What does not end then is left behind. */
static void hear_outcome(int result, unsigned ms, pid_t child, struct outcome *outcome)
{
	struct pollfd wait = { .fd = result, .events = POLLIN };

	if (poll(&wait, 1, ms) <= 0) {
		outcome->ret = error_set(&outcome->err, -ETIMEDOUT, "it does not come to an end");
		return;
	}
	if (read(result, outcome, sizeof(*outcome)) != sizeof(*outcome))
		outcome->ret = error_set(&outcome->err, -EIO, "its process has ended early");
	waitpid(child, NULL, 0);
}

/* As call(), in a process of its own where there is one to be had. */
static void call_bounded(const struct list *list, const struct kept *note, bool begin,
			 struct outcome *outcome)
{
	unsigned ms = begin ? note->kind->begin_ms : note->kind->undo_ms;
	pid_t child = -1;
	int ends[2];

	*outcome = (struct outcome){ 0 };
	if (!pipe2(ends, O_CLOEXEC)) {
		child = fork();
		if (!child)
			call_apart(list, note, begin, ends[1]);
		close(ends[1]);
		if (child > 0)
			hear_outcome(ends[0], ms, child, outcome);
		close(ends[0]);
	}
	if (child < 0)
		call(note, begin, outcome);
}

static void try_to_undo(const struct list *list, const struct kept *note, struct outcome *outcome)
{
	if (note->kind->is_quick && note->kind->is_quick(note->data))
		call(note, false, outcome);
	else
		call_bounded(list, note, false, outcome);
}

static void undo(const struct list *list, const struct kept *note, unsigned tries,
		 struct outcome *outcome)
{
	try_to_undo(list, note, outcome);
	while (outcome->ret == -EBUSY && tries--) {
		sleep_ms(BETWEEN_MS);
		try_to_undo(list, note, outcome);
	}
}

/* ---- messages ---- */

static void answer(u32 id, const struct outcome *outcome)
{
	struct keeper_answer answer = { .id = id, .ret = outcome->ret, .err = outcome->err };

	send(OUR_FD, &answer, sizeof(answer), MSG_NOSIGNAL);
}

/* The descriptors are ours from here on, whatever becomes of the message. */
static unsigned take_files(struct msghdr *header, int fds[KEEPER_FILES])
{
	struct cmsghdr *control = CMSG_FIRSTHDR(header);
	unsigned count = 0;

	if (control && control->cmsg_level == SOL_SOCKET && control->cmsg_type == SCM_RIGHTS) {
		count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(control), count * sizeof(int));
	}
	return count;
}

static const struct keeper_kind *find_kind(const struct list *list,
					   const struct keeper_message *message)
{
	const struct keeper_kind *kind;

	if (list->sealed || message->id >= KEEPER_NOTES || list->notes[message->id] ||
	    message->kind >= list->kind_count)
		return NULL;
	kind = list->kinds[message->kind];
	return message->size == kind->size && kind->size <= KEEPER_DATA ? kind : NULL;
}

static void add(struct list *list, const struct keeper_message *message, const int *fds,
		unsigned fd_count)
{
	const struct keeper_kind *kind = find_kind(list, message);
	struct kept *note = kind ? malloc(sizeof(*note) + kind->size) : NULL;
	struct outcome outcome = { 0 };

	if (!note) {
		outcome.ret = error_set(&outcome.err, -ENOMEM, "its keeper has no room for it");
		for (unsigned i = 0; i < fd_count; i++)
			close(fds[i]);
		answer(message->id, &outcome);
		return;
	}
	note->kind = kind;
	note->fd_count = fd_count;
	memcpy(note->fds, fds, sizeof(note->fds));
	memcpy(note->data, message->data, kind->size);
	if (kind->begin)
		call_bounded(list, note, true, &outcome);
	else
		outcome.ret = 0;
	if (outcome.ret) {
		free_note(note);
	} else {
		list->notes[message->id] = note;
		list->count = MAX(list->count, message->id + 1);
	}
	answer(message->id, &outcome);
}

static struct kept *take_note(struct list *list, u32 id)
{
	struct kept *note = id < list->count ? list->notes[id] : NULL;

	if (note)
		list->notes[id] = NULL;
	return note;
}

static void undo_or_drop(struct list *list, const struct keeper_message *message)
{
	struct kept *note = take_note(list, message->id);
	struct outcome outcome = { 0 };

	if (note && message->order == KEEPER_UNDO)
		undo(list, note, TRIES_NOW, &outcome);
	if (note)
		free_note(note);
	if (message->order == KEEPER_UNDO)
		answer(message->id, &outcome);
}

static void obey(struct list *list, const struct keeper_message *message, const int *fds,
		 unsigned fd_count)
{
	if (message->order == KEEPER_ADD) {
		add(list, message, fds, fd_count);
		return;
	}
	for (unsigned i = 0; i < fd_count; i++)
		close(fds[i]);
	if (message->order == KEEPER_SEAL)
		list->sealed = true;
	else if (message->order == KEEPER_UNDO || message->order == KEEPER_DROP)
		undo_or_drop(list, message);
}

/* False: the other side has ended. */
static bool hear(struct list *list)
{
	union {
		char bytes[CMSG_SPACE(KEEPER_FILES * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct keeper_message message;
	struct iovec iov = { &message, sizeof(message) };
	struct msghdr header = { .msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control) };
	int fds[KEEPER_FILES] = { -1, -1 };
	unsigned fd_count;
	ssize_t len = recvmsg(OUR_FD, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

	if (len < 0 && errno != EINTR && errno != EAGAIN)
		sleep_ms(1); /* it is short of memory, or the like: that passes */
	if (len <= 0)
		return len;
	fd_count = take_files(&header, fds);
	if (len == sizeof(message) && !(header.msg_flags & MSG_TRUNC))
		obey(list, &message, fds, fd_count);
	else
		for (unsigned i = 0; i < fd_count; i++)
			close(fds[i]);
	return true;
}

/* ---- the end ---- */

/*
 * Our end of the socket may outlive its process in one beside it that the host does not let go of
 * (util/aside.h), and a process that was killed may be at work for a while: until both are over a
 * socket has a listener and a device is open.
 */
static void wait_for_death(pid_t owner)
{
	for (unsigned ms = 0; getppid() == owner && ms < DEATH_MS; ms++)
		sleep_ms(1);
}

static bool is_empty(const struct list *list)
{
	for (unsigned i = 0; i < list->count; i++) {
		if (list->notes[i])
			return false;
	}
	return true;
}

static void undo_all(struct list *list)
{
	for (unsigned i = list->count; i--;) {
		struct kept *note = take_note(list, i);
		struct outcome outcome;

		if (!note)
			continue;
		undo(list, note, TRIES, &outcome);
		free_note(note);
	}
}

/* ---- life ---- */

static void move_fd(int from, int to)
{
	if (from != to)
		dup3(from, to, to > STDERR_FILENO ? O_CLOEXEC : 0);
}

/*
 * Nothing of the other process's is left: neither files nor its terminal, whose hang-up and Ctrl-C
 * are for that process; nor anything of its rights over us.
 */
static void part_from_owner(int fd)
{
	int null;
	sigset_t all;

	setsid();
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	/* Whoever started lkvm may have had its children reaped. */
	signal(SIGCHLD, SIG_DFL);
	move_fd(fd, OUR_FD);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int stream = 0; stream <= STDERR_FILENO; stream++) {
		if (null >= 0)
			move_fd(null, stream);
		else
			close(stream);
	}
	fds_close(OUR_FD + 1, ~0u);
	/* Not "lkvm": whoever kills all of that name does not mean this one. */
	prctl(PR_SET_NAME, "vm-keeper");
	prctl(PR_SET_DUMPABLE, 0);
}

/* Readable when @owner has ended. -1: this kernel has none (before 5.3), or it has ended. */
static int watch_owner(pid_t owner)
{
	int fd = syscall(SYS_pidfd_open, owner, 0);

	if (fd >= 0 && getppid() == owner)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

void keeper_process_run(const struct keeper_kind *const *kinds, int fd, pid_t owner)
{
	struct list list = { .kinds = kinds };
	struct pollfd wait[] = { { .fd = OUR_FD, .events = POLLIN }, { .events = POLLIN } };

	part_from_owner(fd);
	while (kinds[list.kind_count])
		list.kind_count++;
	wait[1].fd = watch_owner(owner);
	/* What it has said before its end is heard first. */
	do
		poll(wait, ARRAY_SIZE(wait), -1);
	while (wait[0].revents ? hear(&list) : !wait[1].revents);
	if (!is_empty(&list)) {
		wait_for_death(owner);
		undo_all(&list);
	}
	syscall(SYS_exit_group, 0);
	__builtin_unreachable();
}
