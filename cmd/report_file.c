/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "report_file.h"
#include "util/aside.h"
#include "util/file.h"
#include "util/relay.h"

/* In ms: a disk that works has a few KiB by then, even if the run is to end at once. */
#define WRITE_PATIENCE 50
#define LONGEST_START  32

struct opening {
	const char *option, *path, *start, *what;
	struct error *err;
	int fd;
};

static bool is_ours(int fd, const char *start)
{
	char found[LONGEST_START];
	size_t len = strlen(start);

	return pread(fd, found, len, 0) == (ssize_t)len && !memcmp(found, start, len);
}

/* Nobody's data is overwritten by a slip of the finger. All of it may wait for the file system. */
static void open_file(void *arg)
{
	struct opening *opening = arg;
	struct stat st;
	int fd = file_open_regular(opening->option, opening->path, O_RDWR | O_CREAT, &st,
				   opening->err);
	int ret = MIN(fd, 0);

	if (!ret && st.st_size && !is_ours(fd, opening->start))
		ret = error_set(opening->err, -EEXIST,
				"%s %s: is there, and is not %s: remove it, or choose another name",
				opening->option, opening->path, opening->what);
	if (!ret && ftruncate(fd, 0))
		ret = error_set(opening->err, -errno, "%s %s: %s", opening->option, opening->path,
				strerror(errno));
	if (ret && fd >= 0)
		close(fd);
	opening->fd = ret ? ret : fd;
}

int report_file_open(const char *option, const char *path, const char *start, const char *what,
		     struct error *err)
{
	struct opening opening = { option, path, start, what, err, -EIO };

	aside_call("lkvm-open", open_file, &opening);
	return opening.fd;
}

/* A disk may be full or gone: a relay waits for it, and we only so long. */
int report_file_write(int fd, const char *text, int give_up_fd, int patience)
{
	size_t len = strlen(text);
	struct relay *relay;
	int ret = relay_to(&relay, fd);
	ssize_t done = 0;

	if (ret)
		return ret;
	/* A pipe holds 64 KiB, and this is half of it at most. */
	done = write(relay_fd(relay), text, len);
	relay_end(relay);
	if (!relay_done(relay)) {
		struct pollfd fds[] = { { .fd = relay_done_fd(relay), .events = POLLIN },
					{ .fd = give_up_fd, .events = POLLIN } };

		if (!poll(fds, 1, WRITE_PATIENCE))
			poll(fds, 2, patience);
	}
	ret = relay_error(relay);
	if (!ret && (done != (ssize_t)len || !relay_done(relay)))
		ret = -ETIMEDOUT;
	relay_destroy(relay);
	return ret;
}
