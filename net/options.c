/* SPDX-License-Identifier: BSD-2-Clause */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/options.h"
#include "util/parse.h"

/* kvmtool's, with which scripts reckon. */
#define HOST_IP	 0xc0a82101 /* 192.168.33.1 */
#define GUEST_IP 0xc0a8210f /* 192.168.33.15 */

static int set_mac(void *target, char *value, struct error *err)
{
	struct net_options *options = target;
	unsigned bytes[NET_MAC];
	int end = 0;

	if (sscanf(value, "%2x:%2x:%2x:%2x:%2x:%2x%n", &bytes[0], &bytes[1], &bytes[2], &bytes[3],
		   &bytes[4], &bytes[5], &end) != NET_MAC ||
	    value[end])
		return error_set(err, -EINVAL,
				 "--network guest_mac=%s: six bytes such as 02:15:15:15:15:15",
				 value);
	if (bytes[0] & 1)
		return error_set(err, -EINVAL,
				 "--network guest_mac=%s: that is the address of a group", value);
	for (unsigned i = 0; i < NET_MAC; i++)
		options->mac[i] = bytes[i];
	options->has_mac = true;
	return 0;
}

static int parse_ip(const char *key, const char *value, struct in_addr *ip, struct error *err)
{
	if (inet_pton(AF_INET, value, ip) == 1)
		return 0;
	return error_set(err, -EINVAL, "--network %s=%s: an IPv4 address such as 192.168.33.1", key,
			 value);
}

static int set_fd(void *target, char *value, struct error *err)
{
	struct net_options *options = target;
	u64 fd;

	if (parse_u64(value, 1 << 20, &fd))
		return error_set(err, -EINVAL, "--network fd=%s: the number of an open file",
				 value);
	options->fd = fd;
	options->has_fd = true;
	return 0;
}

static int set_host_ip(void *target, char *value, struct error *err)
{
	struct net_options *options = target;

	options->has_host_ip = true;
	return parse_ip("host_ip", value, &options->host_ip, err);
}

static int set_guest_ip(void *target, char *value, struct error *err)
{
	struct net_options *options = target;

	options->has_guest_ip = true;
	return parse_ip("guest_ip", value, &options->guest_ip, err);
}

/* ---- hostfwd=tcp:[ADDRESS]:PORT-[ADDRESS]:PORT ---- */

/* "[ADDRESS]:PORT", up to @end. */
static bool parse_end(char *text, struct in_addr *address, u16 *port)
{
	char *colon = strchr(text, ':');
	u64 number;

	if (!colon)
		return false;
	*colon = '\0';
	address->s_addr = htonl(INADDR_ANY);
	if (*text && inet_pton(AF_INET, text, address) != 1)
		return false;
	if (parse_u64(colon + 1, 65535, &number) || !number)
		return false;
	*port = number;
	return true;
}

static bool parse_forward(struct net_forward *forward, char *text)
{
	char *dash = strchr(text, '-');

	forward->udp = !strncmp(text, "udp:", 4);
	if (!dash || (!forward->udp && strncmp(text, "tcp:", 4)))
		return false;
	*dash = '\0';
	return parse_end(text + 4, &forward->host, &forward->host_port) &&
	       parse_end(dash + 1, &forward->guest, &forward->guest_port);
}

static int add_forward(void *target, char *value, struct error *err)
{
	struct net_options *options = target;
	char text[64];

	if (options->forward_count == NET_MAX_FORWARDS)
		return error_set(err, -EINVAL, "--network hostfwd: more than %d", NET_MAX_FORWARDS);
	if (snprintf(text, sizeof(text), "%s", value) >= (int)sizeof(text) ||
	    !parse_forward(&options->forwards[options->forward_count++], text))
		return error_set(err, -EINVAL,
				 "--network hostfwd=%s: tcp|udp:[ADDRESS]:PORT-[ADDRESS]:PORT, "
				 "the host's and then the guest's: tcp::2222-:22",
				 value);
	return 0;
}

/* ---- the items ---- */

static const char *const modes[] = {
	[NET_TAP] = "tap", [NET_USER] = "user", [NET_SOCKET] = "socket", [NET_NONE] = "none", NULL,
};
static const char *const no_yes[] = { "0", "1", NULL };

static const char *const packed_words[] = { "on", "off", NULL };

#define ITEM(member) OPTION_FIELD(struct net_options, member)

const struct option_spec net_option_items[] = {
	{ 0, "mode", OPTION_CHOICE, .help = "what is behind the device",
	  .manual = "tap: an interface of the host's. user: made of the user's own sockets, "
		    "without any privilege: DHCP, DNS, NAT, IPv6, ping. socket: frames, each "
		    "behind its length, on a Unix stream socket, as passt and QEMU's stream netdev "
		    "have them. none: no network",
	  .choices = modes, ITEM(mode), .preset = NET_TAP },
	{ 0, "guest_mac", OPTION_CALL, "MAC", "the guest's address (02:15:15:15:15:15 and up)",
	  .manual = "The guest's address: 02:15:15:15:15:15, with the device's number added to the "
		    "last byte, or a macvtap's own",
	  .set = set_mac },
	{ 0, "host_ip", OPTION_CALL, "ADDRESS", "the host's address there (192.168.33.1)",
	  .manual = "The host's address there, of a /24: 192.168.33.1. In user mode it is the "
		    "guest's gateway, else that of the tap that is made",
	  .set = set_host_ip },
	{ 0, "guest_ip", OPTION_CALL, "ADDRESS", "the guest's address there (user: 192.168.33.15)",
	  .manual = "The guest's address there. In user mode it is what DHCP gives "
		    "(192.168.33.15); else, if it is said, an ip= on the kernel's command line",
	  .set = set_guest_ip },
	{ 0, "hostfwd", OPTION_CALL, "tcp|udp:[ADDRESS]:PORT-[ADDRESS]:PORT",
	  "user: a port of the host's leads to one of the guest's",
	  .manual = "User mode: a port of the host's, on all its addresses unless one is named, "
		    "leads to one of the guest's. Can be given again",
	  .set = add_forward, .many = true },
	{ 0, "tapif", OPTION_WORD, "NAME", "tap: one that is there, or /dev/tapN of a macvtap",
	  .manual = "A tap that is there and is left as it is, or /dev/tapN of a macvtap. One that "
		    "is not there is made if script= sets it up. Without it, and without fd, a tap "
		    "is made, gets host_ip, is up, and is gone with lkvm",
	  ITEM(tap) },
	{ 0, "fd", OPTION_CALL, "N", "tap: an open one, of whoever starts lkvm", .set = set_fd },
	{ 0, "br", OPTION_WORD, "BRIDGE", "tap: put the one that is made into a bridge",
	  ITEM(bridge) },
	{ 0, "mq", OPTION_NUMBER, "N", "tap: pairs of queues", ITEM(pairs), .min = 1,
	  .max = NET_MAX_PAIRS, .preset = 1 },
	{ 0, "vhost", OPTION_CHOICE, .help = "tap: the host's kernel serves the queues",
	  .manual = "Tap: the host's kernel serves the queues (/dev/vhost-net). Not with --viommu, "
		    "as it does not ask the guest's IOMMU, and with one pair of queues",
	  .choices = no_yes, ITEM(vhost) },
	{ 0, "script", OPTION_FILE, "FILE", "tap: run with its name before the guest starts",
	  .manual = "Run with the tap's name before the guest starts. If it fails, or takes longer "
		    "than 30 seconds, the guest does not start",
	  ITEM(script) },
	{ 0, "downscript", OPTION_FILE, "FILE", "and at the end, for 10 seconds at most",
	  .manual = "Run with the tap's name at the end, for 10 seconds at most, also if lkvm was "
		    "killed. Not after a script that failed",
	  ITEM(down_script) },
	{ 0, "path", OPTION_FILE, "SOCKET", "socket: where somebody listens", ITEM(path) },
	{ 0, "mtu", OPTION_NUMBER, "N", "the longest packet, which the guest is told", ITEM(mtu),
	  .min = NET_MIN_MTU, .max = NET_MAX_MTU },
	{ 0, "offloads", OPTION_CHOICE,
	  .help = "whether checksums and segmentation may be left to it", .choices = option_off_on,
	  ITEM(offloads), .preset = true },
	{ 0, "packed", OPTION_CHOICE, .help = "whether it offers packed rings, as --packed",
	  .choices = packed_words, ITEM(old_rings) },
	{ 0, "trans", OPTION_WORD, "WORD", "kvmtool's; devices sit where --transport says",
	  ITEM(trans) },
	{ 0, "virtio", OPTION_FLAG, .help = "kvmtool's; means nothing" },
	{ 0 },
};

/* ---- all of them together ---- */

/* Of another mode than the one that it came to. */
static int refuse_stray(const struct net_options *options, enum net_mode mode, const char *name,
			bool said, struct error *err)
{
	if (!said || options->mode == mode || options->mode == NET_NONE)
		return 0;
	return error_set(err, -EINVAL, "--network mode=%s: %s= is of another mode: %s",
			 modes[options->mode], name, modes[mode]);
}

static int check_strays(const struct net_options *options, struct error *err)
{
	const struct {
		enum net_mode mode;
		const char *name;
		bool said;
	} strays[] = {
		{ NET_TAP, "tapif", options->tap },
		{ NET_TAP, "fd", options->has_fd },
		{ NET_TAP, "br", options->bridge },
		{ NET_TAP, "mq", options->pairs > 1 },
		{ NET_TAP, "vhost", options->vhost },
		{ NET_SOCKET, "path", options->path },
		{ NET_USER, "hostfwd", options->forward_count },
	};
	int ret = 0;

	for (unsigned i = 0; !ret && i < ARRAY_SIZE(strays); i++)
		ret = refuse_stray(options, strays[i].mode, strays[i].name, strays[i].said, err);
	return ret;
}

static int check_tap(const struct net_options *options, struct error *err)
{
	if (options->vhost && options->pairs > 1)
		return error_set(err, -EINVAL, "--network vhost=1: mq=1, leave one of them out");
	if (options->vhost && options->capture)
		return error_set(err, -EINVAL,
				 "--pcap sees nothing of --network vhost=1: leave one of them out");
	if (options->has_fd && (options->tap || options->bridge || options->pairs > 1))
		return error_set(err, -EINVAL,
				 "--network fd=%d: tapif=, br= and mq= go with a tap that lkvm "
				 "opens",
				 options->fd);
	if (options->tap && options->bridge)
		return error_set(err, -EINVAL,
				 "--network tapif=%s is left as it is: put it into %s with "
				 "'ip link set %s master %s'",
				 options->tap, options->bridge, options->tap, options->bridge);
	return 0;
}

/* kvmtool's word for a script that is not there. */
static void forget_none(const char **script)
{
	if (*script && !strcmp(*script, "none"))
		*script = NULL;
}

int net_options_check(struct net_options *options, struct error *err)
{
	int ret = check_strays(options, err);

	if (!options->has_host_ip)
		options->host_ip.s_addr = htonl(HOST_IP);
	if (!options->has_guest_ip)
		options->guest_ip.s_addr = htonl(GUEST_IP);
	forget_none(&options->script);
	forget_none(&options->down_script);
	if (!ret && options->mode == NET_NONE && options->capture)
		ret = error_set(err, -EINVAL,
				"--pcap has nothing to write of --network mode=none: leave one of "
				"them out");
	if (!ret && options->mode == NET_SOCKET && !options->path)
		ret = error_set(err, -EINVAL, "--network mode=socket: path= is missing");
	return ret ? ret : check_tap(options, err);
}
