/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/fds.h"
#include "util/types.h"

/* poll() takes no more descriptors than the limit allows, and the stack is small. */
#define FDS_AT_ONCE 128u

void fds_raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	/* One that cannot be raised is met by fds_check(). */
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* How many of the @count descriptors from @first on are free, in one call. */
static unsigned count_free(unsigned first, unsigned count)
{
	struct pollfd fds[FDS_AT_ONCE];
	unsigned available = 0;

	for (unsigned i = 0; i < count; i++)
		fds[i] = (struct pollfd){ .fd = first + i };
	if (poll(fds, count, 0) < 0)
		return 0;
	for (unsigned i = 0; i < count; i++)
		available += fds[i].revents == POLLNVAL;
	return available;
}

int fds_check(unsigned need, struct error *err)
{
	unsigned available = 0, fd = 0;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return 0;
	/* The limit is on the number of a descriptor, and we may have inherited any. */
	while (fd < limit.rlim_cur && available < need) {
		unsigned count = MIN(MIN(need - available, FDS_AT_ONCE), limit.rlim_cur - fd);

		available += count_free(fd, count);
		fd += count;
	}
	if (available == need)
		return 0;
	return error_set(err, -EMFILE,
			 "this machine needs up to %u open files more, and this user may have %u: "
			 "raise the limit to %u: as root, ulimit -n %u; in a systemd unit: "
			 "LimitNOFILE=%u",
			 need, available, fd + need - available, fd + need - available,
			 fd + need - available);
}

void fds_close(unsigned first, unsigned last)
{
	if (first > last || !syscall(SYS_close_range, first, last, 0))
		return;
	/* Linux before 5.9. More than these are rarely open. */
	for (unsigned fd = first; fd <= MIN(last, 1023u); fd++)
		close(fd);
}
