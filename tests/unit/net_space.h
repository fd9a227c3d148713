/* SPDX-License-Identifier: BSD-2-Clause */
/* A host's network that is this test's alone: root only. */
#ifndef TESTS_NET_SPACE_H
#define TESTS_NET_SPACE_H

#include <stdbool.h>

/*
 * From now on this process has an empty network of its own, with a loopback that is up, and name
 * server 127.0.0.1. False: not on this host.
 */
bool net_space_enter(void);

struct net_options;
/* What --network TEXT means, where the mode is @mode if @text says none. Asserts that it is sound.
 */
void net_space_options(struct net_options *options, unsigned mode, const char *text);

#endif
