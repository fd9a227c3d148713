/* SPDX-License-Identifier: BSD-2-Clause */
/* --network KEY=VALUE,...: what is understood, and the line for what is not. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "test.h"
#include "net/options.h"

static struct net_options options;
static struct error err;
static char words[400];

static int set(void *target, char *value, struct error *error)
{
	return net_options_check(target, error);
}

static const struct option_spec network[] = {
	{ 'n', "network", OPTION_LIST, .help = "a network", .items = net_option_items, .set = set,
	  .optional = true },
	{ 0 },
};

static int parse_value(char *value)
{
	memset(&options, 0, sizeof(options));
	option_preset(network, &options);
	err.text[0] = '\0';
	return option_set(network, &options, value, &err);
}

static int parse(const char *text)
{
	snprintf(words, sizeof(words), "%s", text);
	return parse_value(words);
}

TEST(nothing_said_is_a_tap_with_kvmtools_addresses)
{
	assert_int_equal(parse_value(NULL), 0);
	assert_int_equal(options.mode, NET_TAP);
	assert_int_equal(ntohl(options.host_ip.s_addr), 0xc0a82101);
	assert_int_equal(ntohl(options.guest_ip.s_addr), 0xc0a8210f);
	assert_false(options.has_guest_ip);
	assert_int_equal(options.pairs, 1);
	assert_false(options.has_fd);
	assert_true(options.offloads);
	assert_int_equal(parse("virtio"), 0);
	assert_int_equal(options.mode, NET_TAP);
}

TEST(kvmtools_words_mean_what_they_mean_there)
{
	assert_int_equal(parse("trans=virtio,guest_mac=02:00:00:00:00:fe,mode=tap,tapif=v1,"
			       "script=/etc/up,downscript=/etc/down,host_ip=10.0.0.1,"
			       "guest_ip=10.0.0.2,vhost=0,mq=4"),
			 0);
	assert_int_equal(options.mac[5], 0xfe);
	assert_true(options.has_mac);
	assert_string_equal(options.tap, "v1");
	assert_string_equal(options.script, "/etc/up");
	assert_string_equal(options.down_script, "/etc/down");
	assert_true(options.has_guest_ip && options.has_host_ip);
	assert_int_equal(ntohl(options.guest_ip.s_addr), 0x0a000002);
	assert_int_equal(options.pairs, 4);
	assert_string_equal(options.trans, "virtio");
	assert_int_equal(parse("mode=none"), 0);
	assert_int_equal(options.mode, NET_NONE);
	assert_int_equal(parse("mode=tap,script=none"), 0);
	assert_null(options.script);
}

TEST(ports_can_be_forwarded_with_addresses_or_without)
{
	assert_int_equal(parse("mode=user,hostfwd=tcp::2222-:22,"
			       "hostfwd=udp:127.0.0.1:53-192.168.33.15:5353"),
			 0);
	assert_int_equal(options.forward_count, 2);
	assert_false(options.forwards[0].udp);
	assert_int_equal(options.forwards[0].host_port, 2222);
	assert_int_equal(options.forwards[0].guest_port, 22);
	assert_true(options.forwards[1].udp);
	assert_int_equal(ntohl(options.forwards[1].host.s_addr), 0x7f000001);
	assert_int_equal(ntohl(options.forwards[1].guest.s_addr), 0xc0a8210f);
}

TEST(what_cannot_be_is_refused_with_its_name)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{ "mode=", "there are tap, user, socket and none" },
		{ "mode=nat", "mode=nat: there are" },
		{ "mod=tap", "mode" },
		{ "xyzzy=1", "xyzzy" },
		{ "mode=tap,mode=user", "mode is given twice" },
		{ "guest_mac=02:15", "six bytes" },
		{ "guest_mac=02:15:15:15:15:15:15", "six bytes" },
		{ "guest_mac=01:15:15:15:15:15", "of a group" },
		{ "host_ip=300.1.1.1", "an IPv4 address" },
		{ "guest_ip=", "an IPv4 address" },
		{ "mq=0", "at least 1 and at most 8" },
		{ "mq=9", "at least 1 and at most 8" },
		{ "vhost=2", "there are 0 and 1" },
		{ "fd=x", "fd=x" },
		{ "mtu=67", "at least 68" },
		{ "mtu=65536", "at most 65535" },
		{ "offloads=maybe", "there are off and on" },
		{ "mode=socket", "path= is missing" },
		{ "mode=user,tapif=x", "of another mode: tap" },
		{ "mode=tap,path=x", "of another mode: socket" },
		{ "hostfwd=tcp::1-:1", "of another mode: user" },
		{ "mode=user,mq=2", "mq= is of another mode" },
		{ "mode=user,vhost=1", "vhost= is of another mode" },
		{ "vhost=1,mq=2", "leave one of them out" },
		{ "fd=5,tapif=x", "that lkvm opens" },
		{ "fd=5,mq=2", "that lkvm opens" },
		{ "tapif=x,br=y", "ip link set x master y" },
		{ "mode=user,hostfwd=2222-22", "tcp|udp" },
		{ "mode=user,hostfwd=sctp::1-:1", "tcp|udp" },
		{ "mode=user,hostfwd=tcp::0-:1", "tcp|udp" },
		{ "mode=user,hostfwd=tcp::65536-:1", "tcp|udp" },
		{ "mode=user,hostfwd=tcp::1", "tcp|udp" },
		{ "mode=user,hostfwd=tcp:x:1-:1", "tcp|udp" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(parse(bad[i].text), -EINVAL);
		if (!strstr(err.text, bad[i].says))
			fail_msg("%s: %s", bad[i].text, err.text);
		assert_null(strchr(err.text, '\n'));
	}
}

TEST(more_forwards_than_there_is_room_for_are_refused)
{
	char text[400] = "mode=user";

	for (unsigned i = 0; i <= NET_MAX_FORWARDS; i++)
		strcat(text, ",hostfwd=tcp::1-:1");
	assert_int_equal(parse(text), -EINVAL);
	assert_non_null(strstr(err.text, "more than 16"));
}

TEST(the_next_word_is_a_value_if_it_looks_like_one)
{
	assert_true(option_is_item(network, "mode=none"));
	assert_true(option_is_item(network, "virtio"));
	assert_false(option_is_item(network, "bzImage"));
	assert_false(option_is_item(network, "./a=b"));
}
