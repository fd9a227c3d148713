/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets that listen at a path of the user's choice. */
#ifndef UTIL_LISTENER_H
#define UTIL_LISTENER_H

#include <sys/un.h>

#include "util/error.h"
#include "util/types.h"

/* Zeroed: none. */
struct listener {
	int fd; /* the caller's */
	struct sockaddr_un address;
	bool bound; /* the file is there, and was ours */
	u64 dev, ino;
};

/*
 * Listen at @path, which a sockaddr_un has room for, in place of a socket at which nobody listens
 * any more. @type: SOCK_STREAM or SOCK_SEQPACKET. Waits while the file system is frozen, but the
 * process can end. -EADDRINUSE: somebody listens there, or it is no socket; all with a line that
 * begins with @option.
 */
int listener_open(struct listener *listener, const char *option, const char *path, int type,
		  struct error *err);
/*
 * Remove the file, unless it is another's by now; not for longer than a moment, should its file
 * system be frozen. The fd stays.
 */
void listener_remove(struct listener *listener);

#endif
