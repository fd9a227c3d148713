/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a program that parses a guest's bytes gives up before it meets the first one:
 *
 *   private_root.c  its view of files: nothing is left but a copy of resolv.conf
 *   confine.c       capabilities, its user, what it may consume
 *   seccomp.c       system calls, but for those on sockets
 */
#ifndef HELPER_CONFINE_H
#define HELPER_CONFINE_H

#include <stdbool.h>

/*
 * All of it, as far as this host lets us; the last of it, system calls, always. 0, or -1 with a
 * line in
 * @why (of 200 bytes). *@rooted: whether no file is in reach.
 */
int confine(bool *rooted, char *why);

/* 0: "/" is a folder with nothing in it but etc/resolv.conf, read-only. -1: not on this host. */
int private_root_enter(bool root);
/* 0: resolv.conf alone can be opened (Landlock). */
int private_root_restrict(void);
/* From now on nothing but the system calls that sockets need. */
int seccomp_begin(char *why);

#endif
