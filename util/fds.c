/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>

#include "util/fds.h"
#include "util/types.h"

void fds_raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	/* One that cannot be raised is met by fds_check(). */
	setrlimit(RLIMIT_NOFILE, &limit);
}

int fds_check(unsigned need, struct error *err)
{
	unsigned available = 0, fd = 0;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return 0;
	/* The limit is on the number of a descriptor, and we may have inherited any. */
	for (; fd < limit.rlim_cur && available < need; fd++)
		available += fcntl(fd, F_GETFD) < 0;
	if (available == need)
		return 0;
	return error_set(err, -EMFILE,
			 "this machine needs up to %u open files more, and this user may have %u: "
			 "raise the limit to %u: as root, ulimit -n %u; in a systemd unit: "
			 "LimitNOFILE=%u",
			 need, available, fd + need - available, fd + need - available,
			 fd + need - available);
}
