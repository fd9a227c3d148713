/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef NET_USER_H
#define NET_USER_H

#include "net/options.h"

/* The program that is the network: see helper/net_user.c. */
#define NET_USER_PROGRAM "lkvm-net-user"
#define NET_USER_ARGS	 (5 + NET_MAX_FORWARDS)

/* Its arguments, the first of which is its name. */
struct net_user_args {
	char text[NET_USER_ARGS][64];
	unsigned count;
};

/*
 * What becomes the program, a process, and what waits for its end and says how that was, a thread.
 * The process is there before lkvm gives up the right to start programs, and what it is to do
 * cannot be changed afterwards: its memory is its own.
 */
struct net_child;

/* Make the process. -errno. @path and @args are copied; @fd becomes the program's descriptor 3, and
 * is closed here if all went well. */
int net_child_prepare(struct net_child **child, const char *path, const struct net_user_args *args,
		      int fd);
/* Have it become the program. Once. -errno: no thread; net_child_end() all the same. */
int net_child_go(struct net_child *child);
/*
 * It ends now, if it has not, and nothing is said of it. Where lkvm may kill nobody any more it
 * ends because our end of its socket has, which the caller shuts down before. NULL is fine.
 */
void net_child_end(struct net_child *child);

#endif
