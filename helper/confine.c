/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <netinet/in.h>
#include <unistd.h>

#include "confine.h"

#define NOBODY 65534

/* A host may forbid ICMP sockets to all but root (net.ipv4.ping_group_range). */
static bool ping_needs_root(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_ICMP);

	if (fd >= 0)
		close(fd);
	return fd < 0;
}

static int set_capabilities(unsigned keep)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ .effective = keep, .permitted = keep, .inheritable = 0 },
	};

	return syscall(SYS_capset, &header, data);
}

static void drop_bounding_set(void)
{
	for (int i = 0; i < 64; i++)
		prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
}

/* Nothing is written, no process and no core file is made. */
static void limit_use(void)
{
	static const struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_FSIZE, &none);
	setrlimit(RLIMIT_CORE, &none);
	setrlimit(RLIMIT_NPROC, &none);
}

static int drop_privileges(bool root)
{
	unsigned keep = 0;

	drop_bounding_set();
	if (root) {
		prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
		if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
		    setresuid(NOBODY, NOBODY, NOBODY))
			return -1;
		/* The change of user has taken the signal of our parent's death away. */
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		keep = ping_needs_root() ? 1u << CAP_NET_RAW : 0;
	}
	return set_capabilities(keep);
}

int confine(bool *rooted, char *why)
{
	bool root = geteuid() == 0;

	*rooted = !private_root_enter(root) || !private_root_restrict();
	limit_use();
	/* In a container root may be the only user that there is. */
	if (drop_privileges(root) && drop_privileges(false)) {
		snprintf(why, 200, "cannot give up capabilities: %s", strerror(errno));
		return -1;
	}
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) {
		snprintf(why, 200, "no_new_privs: %s", strerror(errno));
		return -1;
	}
	return seccomp_begin(why);
}
