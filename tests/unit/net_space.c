/* SPDX-License-Identifier: BSD-2-Clause */
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmocka_all.h"
#include "net/options.h"
#include "net_space.h"

static bool raise_loopback(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool done = fd >= 0 && !ioctl(fd, SIOCSIFFLAGS, &request);

	close(fd);
	return done;
}

static bool name_server(void)
{
	char path[] = "/tmp/lkvm-resolv-XXXXXX";
	const char line[] = "nameserver 127.0.0.1\n";
	int fd = mkstemp(path);
	bool done = fd >= 0 && write(fd, line, strlen(line)) > 0 && !fchmod(fd, 0644) &&
		    !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
		    !mount(path, "/etc/resolv.conf", NULL, MS_BIND, NULL);

	close(fd);
	unlink(path);
	return done;
}

bool net_space_enter(void)
{
	return geteuid() == 0 && !unshare(CLONE_NEWNET | CLONE_NEWNS) && raise_loopback() &&
	       name_server();
}

void net_space_options(struct net_options *options, unsigned mode, const char *text)
{
	static const struct option_spec network[] = {
		{ 'n', "network", OPTION_LIST, .help = "a network", .items = net_option_items },
		{ 0 },
	};
	/* The options point into it. */
	static char words[400];
	struct error err = { "" };

	memset(options, 0, sizeof(*options));
	option_preset(network, options);
	options->mode = mode;
	options->give_up_fd = -1;
	snprintf(words, sizeof(words), "%s", text);
	if (option_set(network, options, words, &err) || net_options_check(options, &err))
		fail_msg("%s", err.text);
}
