/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "private.h"
#include "util/types.h"

typedef struct __user_cap_data_struct cap_sets[_LINUX_CAPABILITY_U32S_3];

static int get(cap_sets sets)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };

	return syscall(SYS_capget, &header, sets) ? -errno : 0;
}

bool capabilities_any(void)
{
	cap_sets sets = { { 0 } };

	return !get(sets) && (sets[0].permitted || sets[1].permitted);
}

bool capabilities_have(unsigned long long wanted)
{
	cap_sets sets = { { 0 } };

	return !get(sets) &&
	       !(wanted & ~(sets[0].effective | (unsigned long long)sets[1].effective << 32));
}

int capabilities_keep(unsigned long long keep)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	cap_sets sets = { { 0 } };
	int ret = keep ? get(sets) : 0;

	if (ret)
		return ret;
	for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		sets[i].permitted &= keep >> (32 * i);
		sets[i].effective = sets[i].permitted;
		sets[i].inheritable = 0;
	}
	return syscall(SYS_capset, &header, sets) ? -errno : 0;
}
