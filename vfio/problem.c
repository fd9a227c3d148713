/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "problem.h"

static void __attribute__((format(printf, 2, 3)))
problem_say(struct vfio_problem *problem, const char *what, ...)
{
	va_list args;

	*problem = (struct vfio_problem){ .fatal = true };
	va_start(args, what);
	vsnprintf(problem->what, sizeof(problem->what), what, args);
	va_end(args);
}

static void __attribute__((format(printf, 2, 3)))
problem_remedy(struct vfio_problem *problem, const char *remedy, ...)
{
	va_list args;

	va_start(args, remedy);
	vsnprintf(problem->remedy, sizeof(problem->remedy), remedy, args);
	va_end(args);
}

int vfio_problem_error(const struct vfio_problem *problem, const char *name, int code,
		       struct error *err)
{
	const char *address = strncmp(name, "vfio ", strlen("vfio ")) ? name
								      : name + strlen("vfio ");
	bool named = !strncmp(problem->what, address, strlen(address));

	return error_set(err, code, "%s%s%s: %s", named ? "vfio " : name, named ? "" : ": ",
			 problem->what, problem->remedy);
}

/* ---- the group ---- */

static void say_no_permission(struct vfio_problem *problem, const char *dev, int group)
{
	problem_say(problem, "%s/vfio/%d: permission denied", dev, group);
	problem_remedy(problem,
		       "as root: chown %u %s/vfio/%d; for good, a udev rule: "
		       "SUBSYSTEM==\"vfio\", OWNER=\"%u\"",
		       geteuid(), dev, group, geteuid());
}

static void say_in_use(struct vfio_problem *problem, const struct vfio_paths *paths, int group,
		       const char *name)
{
	char opener[64];

	vfio_find_group_opener(paths, group, opener);
	problem_say(problem, "%s is in use: its group %d is open in %s", name, group,
		    opener[0] ? opener : "another VM or program");
	if (opener[0])
		problem_remedy(problem, "end that first");
	else
		problem_remedy(problem, "end that first: as root, 'fuser -v %s/vfio/%d' names it",
			       paths->dev, group);
}

void vfio_problem_group(struct vfio_problem *problem, const struct vfio_paths *paths, int group,
			const char *name, int code)
{
	const char *dev = paths->dev;

	switch (code) {
	case -EBUSY:
		say_in_use(problem, paths, group, name);
		return;
	case -EACCES:
	case -EPERM:
		say_no_permission(problem, dev, group);
		return;
	case -ENOENT:
		problem_say(problem, "there is no %s/vfio/%d, though vfio-pci has %s", dev, group,
			    name);
		problem_remedy(problem, "give it to this container, if this is one; else look for "
					"udev's or vfio's complaint in dmesg");
		return;
	}
	problem_say(problem, "%s/vfio/%d: %s", dev, group, strerror(-code));
	problem_remedy(problem, "dmesg may say more");
}

/* ---- interrupts ---- */

void vfio_problem_not_remapped(struct vfio_problem *problem, const char *name)
{
	problem_say(problem,
		    "the host does not remap interrupts: a guest could have %s send any of "
		    "them",
		    name);
	problem_remedy(problem, "x86: switch on interrupt remapping (firmware's set-up, no "
				"intremap=off); or, for guests that you trust: echo Y >/sys/module/"
				"vfio_iommu_type1/parameters/allow_unsafe_interrupts");
}

/* ---- locked memory ---- */

/* A process with CAP_IPC_LOCK, such as root's, is not bound by the limit. */
static bool may_lock_all(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	return !syscall(SYS_capget, &header, data) &&
	       data[CAP_TO_INDEX(CAP_IPC_LOCK)].effective & CAP_TO_MASK(CAP_IPC_LOCK);
}

bool vfio_problem_memlock(struct vfio_problem *problem, u64 bytes)
{
	const unsigned long long kib = (bytes + KIB - 1) / KIB;
	struct rlimit limit;

	if (may_lock_all() || getrlimit(RLIMIT_MEMLOCK, &limit) ||
	    limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= bytes)
		return true;
	problem_say(problem,
		    "this user may lock %llu KiB of memory, and passed devices, which reach "
		    "the guest's RAM, need up to %llu KiB",
		    (unsigned long long)limit.rlim_cur / KIB, kib);
	if (limit.rlim_max == RLIM_INFINITY || limit.rlim_max >= bytes)
		problem_remedy(problem, "ulimit -l %llu", kib);
	else
		problem_remedy(problem,
			       "as root, a line in /etc/security/limits.conf, and log in again: "
			       "'USER - memlock %llu'; in a systemd unit: LimitMEMLOCK=%lluK",
			       kib, kib);
	return false;
}
