/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "keeper_private.h"
#include "util/clock.h"

/* How long the keeper may take to answer beside a note's own time. */
#define SLACK_MS 2000
/* And to go, when nothing is left to undo. */
#define GO_MS 250

struct entry {
	const struct keeper_kind *kind; /* NULL: undone */
	void *data;    /* owned; until the keeper has it, or for good without fds */
	bool kept;     /* the keeper has it */
	bool is_quick; /* its undo() waits for nobody; from the seal on */
};

struct keeper {
	const struct keeper_kind *const *kinds;
	int fd;			      /* to the keeper's process; owned; -1: there is none */
	pid_t pid;		      /* that */
	struct keeper_thread *thread; /* owned; NULL: whoever asks undoes what is not kept */
	bool sealed;
	unsigned count;
	struct entry entries[KEEPER_NOTES];
};

/* ---- messages ---- */

static int send_message(struct keeper *keeper, const struct keeper_message *message, const int *fds,
			unsigned fd_count)
{
	union {
		char bytes[CMSG_SPACE(KEEPER_FILES * sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	struct iovec iov = { (void *)message, sizeof(*message) };
	struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t sent;

	if (fd_count) {
		header.msg_control = &control;
		header.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		CMSG_FIRSTHDR(&header)->cmsg_level = SOL_SOCKET;
		CMSG_FIRSTHDR(&header)->cmsg_type = SCM_RIGHTS;
		CMSG_FIRSTHDR(&header)->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&header)), fds, fd_count * sizeof(int));
	}
	do
		sent = sendmsg(keeper->fd, &header, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

static int send_order(struct keeper *keeper, enum keeper_order order, u32 id)
{
	struct keeper_message message = { .order = order, .id = id };

	return keeper->fd < 0 ? -EPIPE : send_message(keeper, &message, NULL, 0);
}

/* The next answer, until @end. -EPIPE: the keeper is gone. -EINTR: after @give_up_fd. */
static int hear(const struct keeper *keeper, u64 end, int give_up_fd, struct keeper_answer *answer)
{
	struct pollfd wait[] = { { .fd = keeper->fd, .events = POLLIN },
				 { .fd = give_up_fd, .events = POLLIN } };
	u64 now;
	int ret;

	do {
		now = now_ms();
		ret = poll(wait, ARRAY_SIZE(wait), end > now ? end - now : 0);
	} while (ret < 0 && errno == EINTR);
	if (ret <= 0)
		return ret ? -errno : -ETIMEDOUT;
	if (!wait[0].revents)
		return -EINTR;
	if (recv(keeper->fd, answer, sizeof(*answer), MSG_DONTWAIT) != sizeof(*answer))
		return -EPIPE;
	answer->err.text[sizeof(answer->err.text) - 1] = '\0';
	return 0;
}

/* The answer about @id, whose own return value is ours then. One that came too late is passed by.
 */
static int wait_for(struct keeper *keeper, u32 id, unsigned ms, int give_up_fd, struct error *err)
{
	struct keeper_answer answer;
	u64 end = now_ms() + ms + SLACK_MS;
	int ret;

	do {
		ret = hear(keeper, end, give_up_fd, &answer);
		if (ret == -EINTR) {
			/* It stops what it began, and says so. */
			give_up_fd = -1;
			end = now_ms() + SLACK_MS;
			send_order(keeper, KEEPER_STOP, id);
		}
	} while (ret == -EINTR || (!ret && answer.id != id));
	if (ret)
		return error_set(err, ret,
				 ret == -EPIPE ? "the process that does it is gone"
					       : "it does not come to an end");
	return answer.ret ? error_set(err, answer.ret, "%s", answer.err.text) : 0;
}

/* ---- the keeper's process ---- */

static int fork_keeper(struct keeper *keeper)
{
	const struct timeval patience = { .tv_sec = SLACK_MS / 1000 };
	pid_t owner = getpid();
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return -errno;
	setsockopt(ends[0], SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	keeper->pid = fork();
	if (!keeper->pid)
		keeper_process_run(keeper->kinds, ends[1], owner);
	close(ends[1]);
	if (keeper->pid > 0) {
		keeper->fd = ends[0];
		return 0;
	}
	close(ends[0]);
	return -errno;
}

static unsigned kind_number(const struct keeper *keeper, const struct keeper_kind *kind)
{
	unsigned n = 0;

	while (keeper->kinds[n] && keeper->kinds[n] != kind)
		n++;
	return n;
}

/* Its begin() has come to its end when this returns. */
static int hand_over(struct keeper *keeper, u32 id, const struct keeper_note *note,
		     struct error *err)
{
	struct entry *entry = &keeper->entries[id];
	struct keeper_message message = {
		.order = KEEPER_ADD,
		.id = id,
		.kind = kind_number(keeper, entry->kind),
		.size = entry->kind->size,
	};
	int ret;

	memcpy(message.data, entry->data, entry->kind->size);
	ret = send_message(keeper, &message, note ? note->fds : NULL, note ? note->fd_count : 0);
	if (ret)
		return error_set(err, ret, "the process that does it is gone");
	ret = wait_for(keeper, id, entry->kind->begin_ms, note ? note->give_up_fd : -1, err);
	entry->kept = !ret;
	return ret;
}

/* And give it what was noted so far. */
static int start_keeper(struct keeper *keeper)
{
	int ret = fork_keeper(keeper);

	for (u32 id = 0; !ret && id < keeper->count; id++) {
		if (keeper->entries[id].kind)
			ret = hand_over(keeper, id, NULL, NULL);
	}
	return ret;
}

/* ---- notes ---- */

int keeper_create(struct keeper **out, const struct keeper_kind *const *kinds)
{
	struct keeper *keeper = calloc(1, sizeof(*keeper));

	if (!keeper)
		return -ENOMEM;
	keeper->kinds = kinds;
	keeper->fd = -1;
	*out = keeper;
	return 0;
}

int keeper_begin(struct keeper *keeper)
{
	return keeper->fd < 0 ? start_keeper(keeper) : 0;
}

static void forget(struct entry *entry)
{
	free(entry->data);
	*entry = (struct entry){ 0 };
}

static int refuse(const struct keeper_kind *kind, int ret, struct error *err)
{
	return error_set(err, ret, "%s: no process for it: %s%s", kind->name, strerror(-ret),
			 ret == -EAGAIN ? "; " THREADS_REMEDY : "");
}

/* The entry is there. */
static int add(struct keeper *keeper, u32 id, const struct keeper_note *note, struct error *err)
{
	enum keeper_worth worth = note->kind->worth;
	int ret = 0;

	if (keeper->fd < 0 && worth != KEEPER_ALONG)
		ret = start_keeper(keeper);
	if (ret && worth == KEEPER_NEEDED)
		return refuse(note->kind, ret, err);
	if (keeper->fd >= 0)
		ret = hand_over(keeper, id, note, worth == KEEPER_NEEDED ? err : NULL);
	return worth == KEEPER_NEEDED ? ret : 0;
}

int keeper_add(struct keeper *keeper, const struct keeper_note *note, struct error *err)
{
	struct entry *entry;
	int ret;

	if (!keeper || keeper->sealed || keeper->count == KEEPER_NOTES)
		return error_set(err, -ENOSPC, "%s: there is too much to be undone at the end",
				 note->kind->name);
	entry = &keeper->entries[keeper->count];
	entry->data = malloc(note->kind->size);
	if (!entry->data)
		return error_set(err, -ENOMEM, "%s: %s", note->kind->name, strerror(ENOMEM));
	memcpy(entry->data, note->data, note->kind->size);
	entry->kind = note->kind;
	ret = add(keeper, keeper->count, note, err);
	if (ret)
		forget(entry);
	return ret ? ret : (int)keeper->count++;
}

void keeper_amend(struct keeper *keeper, int id, const void *data)
{
	if (id >= 0 && keeper->entries[id].kind)
		memcpy(keeper->entries[id].data, data, keeper->entries[id].kind->size);
}

static bool waits_for_nobody(const struct entry *entry)
{
	return entry->kind->is_quick && entry->kind->is_quick(entry->data);
}

void keeper_seal(struct keeper *keeper)
{
	for (u32 id = 0; id < keeper->count; id++) {
		struct entry *entry = &keeper->entries[id];

		if (entry->kind)
			entry->is_quick = waits_for_nobody(entry);
	}
	keeper->sealed = true;
	send_order(keeper, KEEPER_SEAL, 0);
}

int keeper_stay(struct keeper *keeper)
{
	for (u32 id = 0; id < keeper->count; id++) {
		const struct keeper_kind *kind = keeper->entries[id].kind;

		/* What the keeper has, too: somebody may end it. */
		if (kind && kind->worth != KEEPER_NEEDED)
			return keeper_thread_start(&keeper->thread);
	}
	return 0;
}

/* Its data goes with it. */
static int undo_here(struct keeper *keeper, struct entry *entry, struct error *err)
{
	bool is_quick = keeper->sealed ? entry->is_quick : waits_for_nobody(entry);
	void *data = entry->data;

	entry->data = NULL;
	return keeper_undo_here(keeper->thread, entry->kind, data, is_quick, err);
}

int keeper_undo(struct keeper *keeper, int id, struct error *err)
{
	struct entry *entry;
	int ret = -EPIPE;

	if (id < 0 || !keeper->entries[id].kind)
		return 0;
	entry = &keeper->entries[id];
	if (entry->kept) {
		ret = send_order(keeper, KEEPER_UNDO, id);
		ret = ret ? error_set(err, ret, "the process that does it is gone")
			  : wait_for(keeper, id, entry->kind->undo_ms, -1, err);
	}
	/* Should somebody have ended the keeper, what we can do ourselves is done. */
	if (ret == -EPIPE && entry->kind->worth != KEEPER_NEEDED) {
		if (err)
			err->text[0] = '\0';
		ret = undo_here(keeper, entry, err);
	}
	forget(entry);
	return ret;
}

void keeper_drop(struct keeper *keeper, int id)
{
	if (id < 0 || !keeper->entries[id].kind)
		return;
	if (keeper->entries[id].kept)
		send_order(keeper, KEEPER_DROP, id);
	forget(&keeper->entries[id]);
}

/* ---- the end ---- */

/* It goes at once if nothing is left; else it has to wait for our own end first. */
static void reap(struct keeper *keeper, bool all_undone)
{
	const struct timespec moment = { .tv_nsec = 200000 };
	u64 end = now_ms() + GO_MS;

	close(keeper->fd);
	while (all_undone && !waitpid(keeper->pid, NULL, WNOHANG) && now_ms() < end)
		nanosleep(&moment, NULL);
}

void keeper_destroy(struct keeper *keeper)
{
	bool all_undone = true;

	if (!keeper)
		return;
	for (unsigned id = keeper->count; id--;) {
		all_undone &= !keeper->entries[id].kept;
		forget(&keeper->entries[id]);
	}
	if (keeper->fd >= 0)
		reap(keeper, all_undone);
	keeper_thread_stop(keeper->thread);
	free(keeper);
}
