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

/* The thread that starts the program, waits for its end and says how that was. */
struct net_child;

/* -errno. @path and @args are copied; @fd becomes the program's descriptor 3, and is closed here.
 */
int net_child_start(struct net_child **child, const char *path, const struct net_user_args *args,
		    int fd);
/* It ends now, if it has not; nothing is said of it. NULL is fine. */
void net_child_end(struct net_child *child);

#endif
