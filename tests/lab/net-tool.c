/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What busybox lacks for the network's cases, in hosts and guests:
 *
 *   net-tool dns NAME ADDRESS     a name server on 127.0.0.1 that knows one name
 *   net-tool offloads DEVICE      which are on, in ethtool's words
 *   net-tool queues DEVICE [N]    use N pairs of queues; say how many are used and possible
 */
#include <arpa/inet.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEADER 12

static int complain(const char *what)
{
	perror(what);
	return 1;
}

/* ---- names ---- */

/* The question's name with dots; its length in the packet, or 0. */
static size_t read_name(const uint8_t *packet, size_t len, char *name, size_t size)
{
	size_t at = HEADER, out = 0;

	while (at < len && packet[at] && at + packet[at] < len && out + packet[at] + 1 < size) {
		memcpy(name + out, packet + at + 1, packet[at]);
		out += packet[at];
		name[out++] = '.';
		at += packet[at] + 1;
	}
	name[out ? out - 1 : 0] = '\0';
	return at < len && !packet[at] ? at + 1 - HEADER : 0;
}

static size_t answer(uint8_t *packet, size_t len, const char *known, struct in_addr address)
{
	static const uint8_t record[] = { 0xc0, HEADER, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4 };
	char name[256];
	size_t end = HEADER + read_name(packet, len, name, sizeof(name)) + 4;
	int mine = !strcmp(name, known), is_a = end <= len && packet[end - 3] == 1;

	packet[2] = 0x85;
	packet[3] = mine ? 0x80 : 0x83;
	memset(packet + 6, 0, 6);
	if (!mine || !is_a)
		return end;
	packet[7] = 1;
	memcpy(packet + end, record, sizeof(record));
	memcpy(packet + end + sizeof(record), &address, 4);
	return end + sizeof(record) + 4;
}

static int serve_names(const char *name, const char *text)
{
	struct sockaddr_in self = { .sin_family = AF_INET,
				    .sin_port = htons(53),
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct in_addr address;

	if (inet_pton(AF_INET, text, &address) != 1)
		return 1;
	if (bind(fd, (struct sockaddr *)&self, sizeof(self)))
		return complain("bind");
	for (;;) {
		struct sockaddr_in from;
		socklen_t size = sizeof(from);
		uint8_t packet[600];
		ssize_t len = recvfrom(fd, packet, 512, 0, (struct sockaddr *)&from, &size);

		if (len < HEADER)
			continue;
		sendto(fd, packet, answer(packet, len, name, address), 0, (struct sockaddr *)&from,
		       size);
	}
}

/* ---- devices ---- */

static int ask(const char *device, void *what)
{
	struct ifreq request = { .ifr_data = what };
	int fd = socket(AF_INET, SOCK_DGRAM, 0), ret;

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", device);
	ret = ioctl(fd, SIOCETHTOOL, &request);
	close(fd);
	return ret;
}

/* One that has a name, but no command of its own. Linux leaves some off that are possible. */
static int show_feature(const char *device, const char *name)
{
	static union {
		struct ethtool_gstrings request;
		char room[sizeof(struct ethtool_gstrings) + 256 * ETH_GSTRING_LEN];
	} names = { .request = { .cmd = ETHTOOL_GSTRINGS, .string_set = ETH_SS_FEATURES } };
	static union {
		struct ethtool_gfeatures request;
		char room[sizeof(struct ethtool_gfeatures) +
			  256 / 32 * sizeof(struct ethtool_get_features_block)];
	} features = { .request = { .cmd = ETHTOOL_GFEATURES, .size = 256 / 32 } };
	const char *state = "off";
	unsigned at = ~0u;

	if (ask(device, &names) || ask(device, &features))
		return complain(name);
	for (unsigned i = 0; i < names.request.len; i++) {
		const char *this = (char *)names.request.data + i * ETH_GSTRING_LEN;

		if (!strncmp(this, name, ETH_GSTRING_LEN))
			at = i;
	}
	if (at < names.request.len) {
		const struct ethtool_get_features_block *block =
			&features.request.features[at / 32];

		if (block->active >> at % 32 & 1)
			state = "on";
		else if (block->available >> at % 32 & 1)
			state = "possible";
	}
	printf("%s: %s\n", name, state);
	return 0;
}

static int show_offloads(const char *device)
{
	static const struct {
		uint32_t command;
		const char *name;
	} offloads[] = {
		{ ETHTOOL_GRXCSUM, "rx-checksumming" },
		{ ETHTOOL_GTXCSUM, "tx-checksumming" },
		{ ETHTOOL_GTSO, "tcp-segmentation-offload" },
	};

	for (unsigned i = 0; i < sizeof(offloads) / sizeof(offloads[0]); i++) {
		struct ethtool_value value = { .cmd = offloads[i].command };

		if (ask(device, &value))
			return complain(offloads[i].name);
		printf("%s: %s ", offloads[i].name, value.data ? "on" : "off");
	}
	return show_feature(device, "tx-udp-segmentation");
}

static int use_queues(const char *device, const char *count)
{
	struct ethtool_channels channels = { .cmd = ETHTOOL_GCHANNELS };

	if (ask(device, &channels))
		return complain("GCHANNELS");
	if (count) {
		channels.cmd = ETHTOOL_SCHANNELS;
		channels.combined_count = atoi(count);
		if (ask(device, &channels))
			return complain("SCHANNELS");
		channels.cmd = ETHTOOL_GCHANNELS;
		if (ask(device, &channels))
			return complain("GCHANNELS");
	}
	printf("%u of %u\n", channels.combined_count, channels.max_combined);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "dns"))
		return serve_names(argv[2], argv[3]);
	if (argc == 3 && !strcmp(argv[1], "offloads"))
		return show_offloads(argv[2]);
	if (argc >= 3 && !strcmp(argv[1], "queues"))
		return use_queues(argv[2], argv[3]);
	fprintf(stderr, "usage: net-tool dns NAME ADDRESS | offloads DEVICE | queues DEVICE [N]\n");
	return 2;
}
