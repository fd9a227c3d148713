/* SPDX-License-Identifier: BSD-2-Clause */
/* The VMs that run, as their control sockets tell. */
#ifndef CMD_LIST_H
#define CMD_LIST_H

#include <sys/types.h>

#include "util/types.h"

struct running_vm {
	char name[80];
	unsigned folder; /* where its socket is: control_folder() */
	pid_t pid;	 /* 0: not known */
	bool busy;	 /* it takes no connection now */
};

/*
 * Those of this user, by name, in malloc()ed memory that becomes the caller's. The sockets of those
 * that were killed are removed. Returns their number, or -errno.
 */
int list_running(struct running_vm **vms);

/* The process that listens at the socket @path, as proc(5) says; 0: it does not. */
pid_t listener_pid(const char *path);

#endif
