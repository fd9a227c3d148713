/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "report_file.h"
#include "util/aside.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/log.h"
#include "util/relay.h"
#include "util/types.h"

/* In ms: a disk that works has a few KiB by then, even if the run is to end at once. */
#define WRITE_PATIENCE 50

struct opening {
	const char *option, *path;
	struct file_start start;
	struct error *err;
	bool makes_one; /* where there is none */
	int fd;
};

/* All of it may wait for the file system. */
static void open_file(void *arg)
{
	struct opening *opening = arg;

	if (!opening->makes_one && access(opening->path, F_OK))
		opening->fd = -errno;
	else
		opening->fd = file_open_anew(opening->option, opening->path, &opening->start,
					     opening->err);
}

int report_file_open(const char *option, const char *path, const char *start, const char *what,
		     struct error *err)
{
	struct opening opening = { option, path, { what, start, strlen(start) }, err, true, -EIO };

	aside_call("lkvm-open", open_file, &opening);
	return opening.fd;
}

int report_file_empty(const char *option, const char *path, const char *start, const char *what,
		      struct error *err)
{
	struct error why = { "" };
	struct opening opening = {
		option, path, { what, start, strlen(start) }, &why, false, -EIO
	};

	aside_call("lkvm-open", open_file, &opening);
	if (opening.fd >= 0)
		close(opening.fd);
	/* What else can be wrong with it is said when it is opened, if the run comes so far. */
	return opening.fd == -EEXIST ? error_set(err, opening.fd, "%s", why.text) : 0;
}

/* What is left of the time in which @give_up_fd says nothing yet, or in which it may. */
struct patience {
	u64 sure, end; /* of now_ms() */
	int give_up_fd;
};

static u64 left_until(u64 end)
{
	return end - MIN(now_ms(), end);
}

/* Whether @fd has one of @events while there is patience. */
static bool wait_for(const struct patience *patience, int fd, short events)
{
	struct pollfd fds[] = { { .fd = fd, .events = events },
				{ .fd = patience->give_up_fd, .events = POLLIN } };

	if (poll(fds, 1, (int)left_until(patience->sure)) > 0)
		return true;
	return poll(fds, 2, (int)left_until(patience->end)) > 0 && fds[0].revents;
}

/* A pipe holds 64 KiB, and less for a user who has many. False: it is not taken. */
static bool give_all(struct relay *relay, const char *text, const struct patience *patience)
{
	size_t len = strlen(text);

	while (len) {
		ssize_t done = write(relay_fd(relay), text, len);

		if (done < 0 && errno == EAGAIN && wait_for(patience, relay_fd(relay), POLLOUT))
			continue;
		if (done < 0 && errno != EINTR)
			return false;
		text += MAX(done, 0);
		len -= MAX(done, 0);
	}
	return true;
}

/* A disk may be full or gone: a relay waits for it, and we only so long. */
int report_file_write(int fd, const char *text, int give_up_fd, int timeout_ms)
{
	const struct patience patience = { now_ms() + WRITE_PATIENCE, now_ms() + timeout_ms,
					   give_up_fd };
	struct relay *relay;
	int ret = relay_to(&relay, fd);
	bool all;

	if (ret)
		return ret;
	all = give_all(relay, text, &patience);
	relay_end(relay);
	all &= relay_done(relay) || wait_for(&patience, relay_done_fd(relay), POLLIN);
	ret = relay_error(relay);
	/* Half of it is of use to nobody. */
	if (ret && relay_done(relay) && ftruncate(fd, 0))
		log_debug("a report that is not whole stays: %s", strerror(errno));
	relay_destroy(relay);
	return ret ? ret : all ? 0 : -ETIMEDOUT;
}
