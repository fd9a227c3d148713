/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets that listen at a path of the user's choice. */
#ifndef UTIL_LISTENER_H
#define UTIL_LISTENER_H

#include <sys/un.h>

#include "util/error.h"
#include "util/keeper.h"
#include "util/types.h"

/* Zeroed: none. */
struct listener {
	int fd; /* the caller's */
	struct sockaddr_un address;
	bool bound; /* the file is there, and was ours */
	u64 dev, ino;
	struct keeper *keeper; /* borrowed */
	int note;	       /* of the file */
};

/*
 * Listen at @path, which a sockaddr_un has room for, in place of a socket at which nobody listens
 * any more. @type: SOCK_STREAM or SOCK_SEQPACKET. Waits while the file system is frozen, but the
 * process can end. -EADDRINUSE: somebody listens there, or it is no socket; all with a line that
 * begins with @option. @keeper: notes the file, so that it is removed however this process ends.
 */
int listener_open(struct listener *listener, struct keeper *keeper, const char *option,
		  const char *path, int type, struct error *err);
/*
 * The fd is closed, or the listener's user has done that: remove the file, unless somebody listens
 * there by now; not for longer than a moment, should its file system be frozen.
 */
void listener_remove(struct listener *listener);

/*
 * Have the socket at @path removed at the end if nobody listens there: a note of @keeper, of one of
 * these kinds. They differ in their worth.
 */
int listener_note(struct keeper *keeper, const struct keeper_kind *kind, const char *path, int type,
		  struct error *err);
/* It is there, and this is the file. */
void listener_made(struct keeper *keeper, int note, const char *path, u64 dev, u64 ino);
extern const struct keeper_kind listener_file_kind, listener_file_along_kind;

#endif
