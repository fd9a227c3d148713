/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * --pcap FILE: what passes on the networks, for tcpdump and Wireshark. A worker writes, so that no
 * file system delays the guest; what it is too slow for is left out and counted.
 */
#ifndef NET_PCAP_H
#define NET_PCAP_H

#include "net/net.h"

struct loop;
struct net_pcap;

/*
 * Open @path, which is new, empty, a capture from before, or a pipe that somebody reads. -errno
 * with a line in @err. Main thread.
 */
int net_pcap_open(struct net_pcap **pcap, const char *path, struct error *err);
/* Begin to write. @loop: the VM's; it outlives @pcap. -errno. */
int net_pcap_start(struct net_pcap *pcap, struct loop *loop);
/*
 * A back end like @backend whose frames are written. It owns @backend and @pcap, but for
 * -ENOMEM.
 */
int net_pcap_wrap(struct net_backend **wrapped, struct net_pcap *pcap, struct net_backend *backend);
/* Write what is left, for a few seconds at most. Main thread; the loop has ended. NULL is fine. */
void net_pcap_close(struct net_pcap *pcap);

#endif
