/* SPDX-License-Identifier: BSD-2-Clause */
/* The VMs that run, as their control sockets tell. */
#ifndef CMD_LIST_H
#define CMD_LIST_H

#include <sys/types.h>

#include "util/types.h"

struct running_vm {
	char name[80];
	pid_t pid;
};

/*
 * Those of this user, by name, in malloc()ed memory that becomes the caller's.
 * Returns their number, or -errno.
 */
int list_running(struct running_vm **vms);

#endif
