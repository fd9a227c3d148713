/* SPDX-License-Identifier: BSD-2-Clause */
/* What a user says about a network: --network KEY=VALUE,... */
#ifndef NET_OPTIONS_H
#define NET_OPTIONS_H

#include <netinet/in.h>

#include "net/net.h"
#include "util/keeper.h"
#include "util/option.h"

#define NET_MAX_FORWARDS 16

enum net_mode { NET_TAP, NET_USER, NET_SOCKET, NET_NONE };

/* A port of the host's that leads to one of the guest's. */
struct net_forward {
	bool udp;
	struct in_addr host, guest; /* any: INADDR_ANY */
	u16 host_port, guest_port;
};

struct net_options {
	u32 mode;		 /* enum net_mode */
	const char *tap;	 /* an interface, or /dev/tapN; NULL: make one */
	const char *bridge;	 /* to put the one that is made into; NULL: none */
	const char *script;	 /* run before the guest starts; NULL: none */
	const char *down_script; /* at the end */
	const char *path;	 /* of a socket */
	const char *capture;	 /* a file for all that passes; NULL: none */
	const char *trans;     /* kvmtool's word for what the device shall sit on; NULL: not said */
	int fd;		       /* of a tap, where has_fd */
	int give_up_fd;	       /* readable: net_open() waits for nothing any longer; -1: never */
	struct keeper *keeper; /* runs the scripts; borrowed */
	u32 pairs;	       /* 1..NET_MAX_PAIRS */
	u32 mtu;	       /* 0: as the network is */
	bool vhost, offloads, has_mac, has_fd;
	bool old_rings;			/* packed=off: the device's */
	bool has_host_ip, has_guest_ip; /* they were said */
	bool on_demand;			/* what it costs comes when the guest's driver does */
	struct in_addr host_ip, guest_ip;
	u8 mac[NET_MAC];
	u32 forward_count;
	struct net_forward forwards[NET_MAX_FORWARDS];
};

/* What --network is a list of; the target is a struct net_options, zeroed and preset. */
extern const struct option_spec net_option_items[];
/* What is not said becomes what it is by default, and what cannot be together is refused. */
int net_options_check(struct net_options *options, struct error *err);

/*
 * Open the network: all that can fail does so here, with a line in @err and nothing left behind.
 * It may wait for a script of the user's. Main thread. *@backend is the caller's.
 */
int net_open(struct net_backend **backend, const struct net_options *options, struct error *err);

extern const struct keeper_kind net_scripts_kind;

/* ---- the kinds; as net_open() ---- */

int net_tap_open(struct net_backend **backend, const struct net_options *options,
		 struct error *err);
int net_user_open(struct net_backend **backend, const struct net_options *options,
		  struct error *err);
/* 0: there is the program that mode=user needs. */
int net_user_available(void);
int net_socket_open(struct net_backend **backend, const char *path, struct error *err);

#endif
