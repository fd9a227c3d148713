/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lkvm-net-user: a network for one guest that is made of this user's sockets (libslirp): NAT, DHCP,
 * DNS, IPv6, ping. lkvm starts it with a packet socket as descriptor 3, on which each packet is a
 * frame; the first one that we send is "ok", or what is wrong. It ends when lkvm does.
 *
 *   lkvm-net-user host=IP guest=IP mtu=N [fwd=tcp|udp:IP:PORT:IP:PORT]...
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <slirp/libslirp.h>

#include "confine.h"

#define LKVM	   3
#define TURN	   64	 /* frames before the sockets have theirs */
#define FRAME	   65600 /* and more than any has */
#define MAX_POLLS  4096
#define MAX_TIMERS 8
#define WAIT_MS	   20 /* for lkvm to make room */
#define PREFIX6	   "fd00:6c6b:766d::"
#define NAMESERVER 3 /* the last byte of its address, if nobody else has it */

struct timer {
	SlirpTimerCb call;
	void *argument;
	int64_t at_ms; /* -1: not set */
};

struct user {
	Slirp *slirp;
	bool full; /* lkvm took no frame for a while: those that come are lost at once */
	bool gone; /* lkvm is */
	struct pollfd polls[1 + MAX_POLLS];
	int count;
	struct timer timers[MAX_TIMERS];
};

static int64_t now_ns(void *opaque)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* ---- what libslirp asks of us ---- */

static ssize_t send_packet(const void *data, size_t len, void *opaque)
{
	struct user *user = opaque;
	struct pollfd room = { .fd = LKVM, .events = POLLOUT };
	ssize_t sent = send(LKVM, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (sent < 0 && errno == EAGAIN && !user->full && poll(&room, 1, WAIT_MS) == 1)
		sent = send(LKVM, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	user->full = sent < 0 && errno == EAGAIN;
	user->gone |= sent < 0 && (errno == EPIPE || errno == ECONNRESET);
	/* A frame that is lost is TCP's to send again. */
	return len;
}

static void guest_error(const char *message, void *opaque)
{
}

static void *timer_new(SlirpTimerCb call, void *argument, void *opaque)
{
	struct user *user = opaque;

	for (unsigned i = 0; i < MAX_TIMERS; i++) {
		if (user->timers[i].call)
			continue;
		user->timers[i] = (struct timer){ call, argument, -1 };
		return &user->timers[i];
	}
	return NULL;
}

static void timer_free(void *timer, void *opaque)
{
	*(struct timer *)timer = (struct timer){ .at_ms = -1 };
}

static void timer_mod(void *timer, int64_t at_ms, void *opaque)
{
	((struct timer *)timer)->at_ms = at_ms;
}

static void poll_fd(int fd, void *opaque)
{
}

static void notify(void *opaque)
{
}

static const SlirpCb callbacks = {
	.send_packet = send_packet,
	.guest_error = guest_error,
	.clock_get_ns = now_ns,
	.timer_new = timer_new,
	.timer_free = timer_free,
	.timer_mod = timer_mod,
	.register_poll_fd = poll_fd,
	.unregister_poll_fd = poll_fd,
	.notify = notify,
};

/* ---- the loop ---- */

static const struct {
	int ours, slirps;
} events[] = {
	{ POLLIN, SLIRP_POLL_IN },   { POLLOUT, SLIRP_POLL_OUT }, { POLLPRI, SLIRP_POLL_PRI },
	{ POLLERR, SLIRP_POLL_ERR }, { POLLHUP, SLIRP_POLL_HUP },
};

#define EVENTS (sizeof(events) / sizeof(events[0]))

static int add_poll(int fd, int wanted, void *opaque)
{
	struct user *user = opaque;

	if (user->count == MAX_POLLS + 1)
		return -1;
	user->polls[user->count] = (struct pollfd){ .fd = fd };
	for (unsigned i = 0; i < EVENTS; i++) {
		if (wanted & events[i].slirps)
			user->polls[user->count].events |= events[i].ours;
	}
	return user->count++;
}

static int get_events(int index, void *opaque)
{
	struct user *user = opaque;
	int got = 0;

	for (unsigned i = 0; index > 0 && i < EVENTS; i++) {
		if (user->polls[index].revents & events[i].ours)
			got |= events[i].slirps;
	}
	return got;
}

static int run_timers(struct user *user, int64_t now_ms, int timeout)
{
	for (unsigned i = 0; i < MAX_TIMERS; i++) {
		struct timer *timer = &user->timers[i];

		if (!timer->call || timer->at_ms < 0)
			continue;
		if (timer->at_ms <= now_ms) {
			timer->at_ms = -1;
			timer->call(timer->argument);
		}
		if (timer->at_ms >= 0 && (timeout < 0 || timer->at_ms - now_ms < timeout))
			timeout = timer->at_ms > now_ms ? timer->at_ms - now_ms : 0;
	}
	return timeout;
}

static void receive(struct user *user)
{
	static uint8_t frame[FRAME];

	for (unsigned i = 0; i < TURN; i++) {
		ssize_t len = recv(LKVM, frame, sizeof(frame), MSG_DONTWAIT);

		if (len < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (len <= 0) {
			user->gone = true;
			return;
		}
		slirp_input(user->slirp, frame, len);
	}
}

static void serve(struct user *user)
{
	while (!user->gone) {
		uint32_t timeout = UINT32_MAX;
		int ret, wait;

		user->polls[0] = (struct pollfd){ .fd = LKVM, .events = POLLIN };
		user->count = 1;
		slirp_pollfds_fill(user->slirp, &timeout, add_poll, user);
		wait = timeout > INT32_MAX ? -1 : (int)timeout;
		wait = run_timers(user, now_ns(NULL) / 1000000, wait);
		ret = poll(user->polls, user->count, wait);
		slirp_pollfds_poll(user->slirp, ret < 0, get_events, user);
		if (user->polls[0].revents)
			receive(user);
	}
}

/* ---- beginning ---- */

static int tell(const char *format, ...)
{
	char text[400];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return send(LKVM, text, strlen(text), MSG_NOSIGNAL) < 0 ? 1 : 0;
}

static struct in_addr address(const char *text)
{
	struct in_addr ip = { .s_addr = INADDR_ANY };

	inet_pton(AF_INET, text, &ip);
	return ip;
}

/* One that is neither the host's nor the guest's. */
static struct in_addr pick_nameserver(const SlirpConfig *config)
{
	uint32_t net = ntohl(config->vnetwork.s_addr);
	struct in_addr ip = { .s_addr = htonl(net | NAMESERVER) };

	while (ip.s_addr == config->vhost.s_addr || ip.s_addr == config->vdhcp_start.s_addr)
		ip.s_addr = htonl(ntohl(ip.s_addr) + 1);
	return ip;
}

static void configure(SlirpConfig *config, int argc, char **argv)
{
	*config = (SlirpConfig){
		.version = 1, .in_enabled = true, .in6_enabled = true, .vprefix_len = 64
	};
	for (int i = 1; i < argc; i++) {
		if (!strncmp(argv[i], "host=", 5))
			config->vhost = address(argv[i] + 5);
		else if (!strncmp(argv[i], "guest=", 6))
			config->vdhcp_start = address(argv[i] + 6);
		else if (!strncmp(argv[i], "mtu=", 4))
			config->if_mtu = config->if_mru = atoi(argv[i] + 4);
	}
	inet_pton(AF_INET, "255.255.255.0", &config->vnetmask);
	config->vnetwork.s_addr = config->vhost.s_addr & config->vnetmask.s_addr;
	config->vnameserver = pick_nameserver(config);
	inet_pton(AF_INET6, PREFIX6, &config->vprefix_addr6);
	inet_pton(AF_INET6, PREFIX6 "2", &config->vhost6);
	inet_pton(AF_INET6, PREFIX6 "3", &config->vnameserver6);
}

/* "tcp:IP:PORT:IP:PORT". -1 with errno set. */
static int forward(struct user *user, char *text)
{
	const char *kind = strsep(&text, ":"), *host = strsep(&text, ":");
	const char *port = strsep(&text, ":"), *guest = strsep(&text, ":");

	if (!guest || !text) {
		errno = EINVAL;
		return -1;
	}
	return slirp_add_hostfwd(user->slirp, !strcmp(kind, "udp"), address(host), atoi(port),
				 address(guest), atoi(text));
}

static int add_forwards(struct user *user, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		char text[64];

		if (strncmp(argv[i], "fwd=", 4))
			continue;
		snprintf(text, sizeof(text), "%s", argv[i] + 4);
		errno = EINVAL;
		if (forward(user, text)) {
			tell("hostfwd=%s: %s%s", argv[i] + 4, strerror(errno),
			     errno == EADDRINUSE ? ": choose another port"
			     : errno == EACCES	 ? ": ports below 1024 are root's"
						 : "");
			return -1;
		}
	}
	return 0;
}

/* Nothing of lkvm's is ours but its socket, and our end is bound to its. */
static void part_from_parent(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	signal(SIGPIPE, SIG_IGN);
	syscall(SYS_close_range, LKVM + 1, ~0u, 0);
}

int main(int argc, char **argv)
{
	static struct user user;
	SlirpConfig config;
	char why[200];
	bool rooted;

	part_from_parent();
	configure(&config, argc, argv);
	user.slirp = slirp_new(&config, &callbacks, &user);
	if (!user.slirp)
		return tell("libslirp %s refuses its configuration", slirp_version_string());
	/* What was told needs no status besides. */
	if (add_forwards(&user, argc, argv))
		return 0;
	if (confine(&rooted, why))
		return tell("%s", why);
	if (tell(rooted ? "ok"
			: "ok, but files stay readable: this host has neither user "
			  "namespaces nor Landlock for us"))
		return 1;
	serve(&user);
	return 0;
}
