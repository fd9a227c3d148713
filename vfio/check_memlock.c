/* SPDX-License-Identifier: BSD-2-Clause */
#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"

/* Who has CAP_IPC_LOCK locks what he likes. */
static bool may_lock_all(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capget, &header, data))
		return false;
	return data[CAP_TO_INDEX(CAP_IPC_LOCK)].effective & CAP_TO_MASK(CAP_IPC_LOCK);
}

void vfio_check_memlock(struct vfio_check *check)
{
	const u64 kib = (check->ram_bytes + KIB - 1) / KIB;
	struct rlimit limit;

	if (!check->ram_bytes || may_lock_all() || getrlimit(RLIMIT_MEMLOCK, &limit) ||
	    limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= check->ram_bytes)
		return;
	vfio_check_add(check, true,
		       "this user may lock %llu KiB of memory, and the guest's RAM, which the "
		       "device can reach, is %llu KiB",
		       (unsigned long long)limit.rlim_cur / KIB, (unsigned long long)kib);
	if (limit.rlim_max == RLIM_INFINITY || limit.rlim_max >= check->ram_bytes)
		vfio_check_remedy(check, "ulimit -l %llu", (unsigned long long)kib);
	else
		vfio_check_remedy(check,
				  "as root, a line in /etc/security/limits.conf, and log in again: "
				  "'USER - memlock %llu'; in a systemd unit: LimitMEMLOCK=%lluK",
				  (unsigned long long)kib, (unsigned long long)kib);
}
