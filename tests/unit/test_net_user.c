/* SPDX-License-Identifier: BSD-2-Clause */
/* mode=user with the real program behind it, the test being guest, host and name server. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <net/ethernet.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "test.h"
#include "net/options.h"
#include "net_space.h"

#define FRAME	 2048
#define GUEST_IP 0xc0a8210f /* 192.168.33.15 */
#define HOST_IP	 0xc0a82101
#define NAMES_IP 0xc0a82103
#define ECHO	 7777
#define FORWARD	 2222

static const u8 guest_mac[] = { 0x02, 0x15, 0x15, 0x15, 0x15, 0x15 };
static const u8 everybody[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
static u8 host_mac[6];
static struct net_backend *net;
static bool own_space;
/* Its headers behind the first are aligned. */
static u8 room[2 + FRAME] __attribute__((aligned(8)));
static u8 *const frame = room + 2;

/* ---- frames ---- */

static u16 checksum(const void *data, size_t len)
{
	const u8 *bytes = data;
	u32 sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? bytes[i] : bytes[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons(~sum);
}

static void send_frame(size_t len)
{
	struct iovec iov = { frame, len };

	assert_int_equal(net->ops->send(net, 0, &iov, 1), 0);
}

static void ethernet(const u8 *to, u16 type)
{
	memset(frame, 0, FRAME);
	memcpy(frame, to, 6);
	memcpy(frame + 6, guest_mac, 6);
	frame[12] = type >> 8;
	frame[13] = type;
}

/* An IPv4 packet; its payload is at frame + 34. */
static void send_ip(u32 from, u32 to, u8 protocol, size_t len)
{
	struct ip *ip = (void *)(frame + 14);

	ip->ip_v = 4;
	ip->ip_hl = 5;
	ip->ip_len = htons(20 + len);
	ip->ip_ttl = 64;
	ip->ip_p = protocol;
	ip->ip_src.s_addr = htonl(from);
	ip->ip_dst.s_addr = htonl(to);
	ip->ip_sum = checksum(ip, 20);
	send_frame(34 + len);
}

static void send_udp(u32 from, u32 to, u16 source, u16 port, const void *data, size_t len)
{
	struct udphdr *udp = (void *)(frame + 34);

	udp->source = htons(source);
	udp->dest = htons(port);
	udp->len = htons(8 + len);
	memcpy(frame + 42, data, len);
	send_ip(from, to, IPPROTO_UDP, 8 + len);
}

static bool answer_arp(size_t len)
{
	if (len < 42 || frame[12] != 8 || frame[13] != 6 || frame[21] != 1 || frame[41] != 15)
		return false;
	memcpy(host_mac, frame + 22, 6);
	memcpy(frame + 32, frame + 22, 10);
	memcpy(frame + 22, guest_mac, 6);
	memcpy(frame + 28, (u8[]){ 192, 168, 33, 15 }, 4);
	memcpy(frame, host_mac, 6);
	memcpy(frame + 6, guest_mac, 6);
	frame[21] = 2;
	send_frame(42);
	return true;
}

/* The next frame of which @is holds, within 5 s; its length. Questions for our address are
 * answered. */
static size_t expect(bool (*is)(size_t len))
{
	struct iovec iov = { frame, FRAME };

	for (unsigned i = 0; i < 500; i++) {
		struct pollfd wait = { .fd = net->fds[0], .events = POLLIN };
		ssize_t len = net->ops->receive(net, 0, &iov, 1);

		if (len == -EAGAIN)
			poll(&wait, 1, 10);
		else if (len < 0)
			break;
		else if (!answer_arp(len) && is(len))
			return len;
	}
	fail();
	return 0;
}

static bool is_udp(size_t len)
{
	return len >= 42 && frame[12] == 8 && frame[13] == 0 && frame[23] == IPPROTO_UDP;
}

static bool is_tcp(size_t len)
{
	return len >= 54 && frame[12] == 8 && frame[13] == 0 && frame[23] == IPPROTO_TCP;
}

static bool is_icmp(size_t len)
{
	return len >= 42 && frame[12] == 8 && frame[13] == 0 && frame[23] == IPPROTO_ICMP;
}

static bool is_arp_reply(size_t len)
{
	return len >= 42 && frame[12] == 8 && frame[13] == 6 && frame[21] == 2;
}

static bool is_router(size_t len)
{
	return len >= 70 && frame[12] == 0x86 && frame[13] == 0xdd && frame[20] == IPPROTO_ICMPV6 &&
	       frame[54] == ND_ROUTER_ADVERT;
}

static u16 get16(size_t at)
{
	return frame[at] << 8 | frame[at + 1];
}

static u32 get32(size_t at)
{
	return (u32)get16(at) << 16 | get16(at + 2);
}

/* ---- the stage ---- */

static int open_with(const char *text)
{
	struct net_options options;
	struct error err = { "" };

	net_space_options(&options, NET_USER, text);
	if (net_open(&net, &options, &err)) {
		print_message("%s\n", err.text);
		return -1;
	}
	return 0;
}

static int setup(void **state)
{
	return open_with("hostfwd=tcp:127.0.0.1:2222-:22");
}

static int teardown(void **state)
{
	net_close(net);
	return 0;
}

/* Ask for the host's address, without which it does not answer us. */
static void meet(void)
{
	ethernet(everybody, 0x0806);
	memcpy(frame + 14, (u8[]){ 0, 1, 8, 0, 6, 4, 0, 1 }, 8);
	memcpy(frame + 22, guest_mac, 6);
	memcpy(frame + 28, (u8[]){ 192, 168, 33, 15 }, 4);
	memcpy(frame + 38, (u8[]){ 192, 168, 33, 1 }, 4);
	send_frame(42);
	expect(is_arp_reply);
	memcpy(host_mac, frame + 22, 6);
}

static int bind_udp(u16 port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons(port),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* One datagram to @fd, and "yes" back. */
static void answer(int fd, const char *question)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	struct sockaddr_in from;
	socklen_t size = sizeof(from);
	char data[100] = "";

	assert_int_equal(poll(&wait, 1, 5000), 1);
	assert_true(recvfrom(fd, data, sizeof(data) - 1, 0, (struct sockaddr *)&from, &size) > 0);
	assert_string_equal(data, question);
	assert_int_equal(sendto(fd, "yes", 3, 0, (struct sockaddr *)&from, size), 3);
}

/* ---- tests ---- */

TEST_WITH(dhcp_gives_the_guest_its_address_router_and_name_server, setup, teardown)
{
	u8 request[300] = { 1, 1, 6, 0, 1, 2, 3, 4 };
	u32 router = 0, names = 0;

	memcpy(request + 28, guest_mac, 6);
	memcpy(request + 236, (u8[]){ 99, 130, 83, 99, 53, 1, 1, 255 }, 8);
	ethernet(everybody, 0x0800);
	send_udp(0, 0xffffffff, 68, 67, request, sizeof(request));
	expect(is_udp);
	assert_int_equal(get16(36), 68);
	assert_int_equal(get32(42 + 16), GUEST_IP);
	for (size_t at = 42 + 240; frame[at] != 255; at += 2 + frame[at + 1]) {
		if (frame[at] == 3)
			router = get32(at + 2);
		if (frame[at] == 6)
			names = get32(at + 2);
	}
	assert_int_equal(router, HOST_IP);
	assert_int_equal(names, NAMES_IP);
}

TEST_WITH(a_datagram_reaches_the_host_and_comes_back, setup, teardown)
{
	int fd = bind_udp(ECHO);

	meet();
	ethernet(host_mac, 0x0800);
	send_udp(GUEST_IP, HOST_IP, 5555, ECHO, "is it?", 6);
	answer(fd, "is it?");
	expect(is_udp);
	assert_int_equal(get32(26), HOST_IP);
	assert_int_equal(get16(36), 5555);
	assert_memory_equal(frame + 42, "yes", 3);
	close(fd);
}

TEST_WITH(a_question_for_a_name_goes_to_the_hosts_name_server, setup, teardown)
{
	int fd;

	if (!own_space) {
		skip();
		return;
	}
	fd = bind_udp(53);
	meet();
	ethernet(host_mac, 0x0800);
	send_udp(GUEST_IP, NAMES_IP, 5556, 53, "which name?", 11);
	answer(fd, "which name?");
	expect(is_udp);
	assert_int_equal(get32(26), NAMES_IP);
	assert_memory_equal(frame + 42, "yes", 3);
	close(fd);
}

TEST_WITH(the_gateway_answers_a_ping, setup, teardown)
{
	struct icmphdr *icmp = (void *)(frame + 34);

	meet();
	ethernet(host_mac, 0x0800);
	icmp->type = ICMP_ECHO;
	icmp->un.echo.sequence = htons(9);
	memcpy(frame + 42, "hello", 5);
	icmp->checksum = checksum(icmp, 13);
	send_ip(GUEST_IP, HOST_IP, IPPROTO_ICMP, 13);
	expect(is_icmp);
	assert_int_equal(frame[34], ICMP_ECHOREPLY);
	assert_memory_equal(frame + 42, "hello", 5);
}

TEST_WITH(a_router_of_ipv6_makes_itself_known, setup, teardown)
{
	static const u8 routers[] = { 0x33, 0x33, 0, 0, 0, 2 };
	u8 pseudo[40 + 8] = { 0 };

	ethernet(routers, 0x86dd);
	memcpy(frame + 14, (u8[]){ 0x60, 0, 0, 0, 0, 8, IPPROTO_ICMPV6, 255, 0xfe, 0x80 }, 10);
	frame[37] = 1;
	memcpy(frame + 38, (u8[]){ 0xff, 0x02 }, 2);
	frame[53] = 2;
	frame[54] = ND_ROUTER_SOLICIT;
	memcpy(pseudo, frame + 22, 32);
	pseudo[35] = 8;
	pseudo[39] = IPPROTO_ICMPV6;
	memcpy(pseudo + 40, frame + 54, 8);
	memcpy(frame + 56, &(u16){ checksum(pseudo, sizeof(pseudo)) }, 2);
	send_frame(62);
	expect(is_router);
}

TEST_WITH(a_forwarded_port_leads_to_the_guest, setup, teardown)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons(FORWARD),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	meet();
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	expect(is_tcp);
	assert_int_equal(get32(30), GUEST_IP);
	assert_int_equal(get16(36), 22);
	assert_true(frame[47] & TH_SYN);
	close(fd);
}

TEST_WITH(a_forwarded_port_that_is_taken_is_refused_at_once, setup, teardown)
{
	struct net_backend *other = NULL;
	struct net_options options;
	struct error err = { "" };

	net_space_options(&options, NET_USER, "hostfwd=tcp:127.0.0.1:2222-:22");
	assert_true(net_open(&other, &options, &err) < 0);
	assert_non_null(strstr(err.text, "2222"));
	assert_non_null(strstr(err.text, "choose another port"));
}

/* ---- the program ---- */

static bool is_program(pid_t pid)
{
	char path[64], name[32] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	file = fopen(path, "r");
	if (!file)
		return false;
	if (!fgets(name, sizeof(name), file))
		name[0] = '\0';
	fclose(file);
	return !strncmp(name, "lkvm-net-user", 13);
}

/* The process that relays our standard error is a child, too. */
static pid_t child_of(const char *thread)
{
	char path[300];
	pid_t pid = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%s/children", thread);
	file = fopen(path, "r");
	while (file && fscanf(file, "%d", &pid) == 1 && !is_program(pid))
		pid = 0;
	if (file)
		fclose(file);
	return pid && is_program(pid) ? pid : 0;
}

static pid_t child(void)
{
	struct dirent *entry;
	DIR *tasks = opendir("/proc/self/task");
	pid_t pid = 0;

	while (!pid && (entry = readdir(tasks)))
		pid = child_of(entry->d_name);
	closedir(tasks);
	return pid;
}

static void read_status(pid_t pid, const char *field, char *value)
{
	char path[64], line[200];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "r");
	assert_non_null(file);
	value[0] = '\0';
	while (fgets(line, sizeof(line), file)) {
		if (!strncmp(line, field, strlen(field)))
			sscanf(line + strlen(field), ": %50s", value);
	}
	fclose(file);
}

/* In a plain chroot, whose root is no mount, the program keeps it and has Landlock alone. */
static bool root_is_a_mount(void)
{
	FILE *mounts = fopen("/proc/self/mountinfo", "r");
	char line[4096], place[4096];
	bool found = false;

	while (mounts && !found && fgets(line, sizeof(line), mounts))
		found = sscanf(line, "%*s %*s %*s %*s %4095s", place) == 1 && !strcmp(place, "/");
	if (mounts)
		fclose(mounts);
	return found;
}

TEST_WITH(the_program_has_nothing_but_its_sockets, setup, teardown)
{
	char value[60], path[64];
	struct dirent *entry;
	pid_t pid = child();
	unsigned files = 0;
	DIR *root;

	assert_true(pid > 0);
	read_status(pid, "Seccomp", value);
	assert_string_equal(value, "2");
	read_status(pid, "NoNewPrivs", value);
	assert_string_equal(value, "1");
	read_status(pid, "CapEff", value);
	/* CAP_NET_RAW where only it can ping. */
	assert_true(!(strtoull(value, NULL, 16) & ~0x2000ull));
	if (geteuid() || !root_is_a_mount())
		return;
	read_status(pid, "Uid", value);
	assert_string_equal(value, "65534");
	snprintf(path, sizeof(path), "/proc/%d/root", pid);
	root = opendir(path);
	assert_non_null(root);
	while ((entry = readdir(root)))
		files += entry->d_name[0] != '.' && strcmp(entry->d_name, "etc");
	closedir(root);
	assert_int_equal(files, 0);
}

TEST_WITH(its_death_is_the_end_of_the_network, setup, teardown)
{
	pid_t pid = child();
	struct iovec iov = { frame, FRAME };
	ssize_t len = 0;

	assert_true(pid > 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	for (unsigned i = 0; i < 500 && len != -EPIPE; i++) {
		len = net->ops->receive(net, 0, &iov, 1);
		if (len == -EAGAIN)
			usleep(10000);
	}
	assert_int_equal(len, -EPIPE);
}

/* A busy machine takes its time with what was killed. */
static void wait_until_childless(void)
{
	for (unsigned i = 0; i < 1000 && child(); i++)
		usleep(10000);
	assert_int_equal(child(), 0);
}

TEST(it_is_gone_when_the_network_is_closed)
{
	pid_t pid;

	setup(state);
	pid = child();
	assert_true(pid > 0);
	teardown(state);
	wait_until_childless();
	assert_int_equal(kill(pid, 0), -1);
}

TEST(on_demand_it_starts_with_the_guests_driver)
{
	struct net_options options;
	struct error err = { "" };

	net_space_options(&options, NET_USER, "");
	options.on_demand = true;
	wait_until_childless();
	assert_int_equal(net_open(&net, &options, &err), 0);
	assert_int_equal(child(), 0);
	net->ops->start(net);
	meet();
	assert_true(child() > 0);
	/* Once is enough. */
	net->ops->start(net);
	net_close(net);
}

TEST(addresses_that_are_no_neighbours_are_refused)
{
	static const char *const bad[] = { "host_ip=10.0.0.1", "guest_ip=192.168.33.1",
					   "guest_ip=192.168.33.0" };

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		struct net_options options;
		struct error err = { "" };

		net_space_options(&options, NET_USER, bad[i]);
		assert_true(net_open(&net, &options, &err) < 0);
		assert_non_null(strstr(err.text, "/24"));
	}
}

static int begin(void **state)
{
	own_space = net_space_enter();
	return 0;
}

TEST_PROGRAM(begin, NULL)
