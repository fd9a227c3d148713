/* SPDX-License-Identifier: BSD-2-Clause */
/* mode=tap on real interfaces, in a network of this test's own (root, /dev/net/tun). */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <linux/virtio_net.h>

#include "keeper_rig.h"
#include "test.h"
#include "../../net/scripts.h"
#include "net/options.h"
#include "net_space.h"

static struct net_options options;
static struct error err;
static char folder[] = "/tmp/lkvm-net-XXXXXX";
static bool usable;
static struct keeper *keeper; /* the test's own */

#define NEEDS_TAPS()                                                                               \
	do {                                                                                       \
		if (!usable) {                                                                     \
			skip();                                                                    \
			return;                                                                    \
		}                                                                                  \
	} while (0)

static int fresh(void **state)
{
	keeper = keeper_rig_create();
	return 0;
}

static int stale(void **state)
{
	keeper_destroy(keeper);
	return 0;
}

static int open_net(struct net_backend **net, const char *text)
{
	net_space_options(&options, NET_TAP, text);
	options.keeper = keeper;
	err.text[0] = '\0';
	return net_open(net, &options, &err);
}

static bool refused(const char *text, const char *says)
{
	struct net_backend *net = NULL;

	if (open_net(&net, text) >= 0)
		return false;
	if (!strstr(err.text, says) || strchr(err.text, '\n'))
		fail_msg("%s: %s", text, err.text);
	return true;
}

/* A tap that stays until its descriptor is closed, of @flags besides. */
static int make_tap(const char *name, short flags)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | flags };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	assert_int_equal(ioctl(fd, TUNSETIFF, &request), 0);
	return fd;
}

/* One that is there while nobody has it. */
static int persistent(const char *name, short flags)
{
	int fd = make_tap(name, flags);

	assert_int_equal(ioctl(fd, TUNSETPERSIST, 1), 0);
	close(fd);
	return 0;
}

static void remove_tap(const char *name, short flags)
{
	int fd = make_tap(name, flags);

	ioctl(fd, TUNSETPERSIST, 0);
	close(fd);
}

static void write_script(const char *name, const char *text, char *path)
{
	FILE *file;

	sprintf(path, "%s/%s", folder, name);
	file = fopen(path, "w");
	fprintf(file, "#!/bin/sh\n%s\n", text);
	fclose(file);
	chmod(path, 0755);
}

/* ---- tests ---- */

TEST_WITH(a_tap_is_made_with_its_address_and_gone_with_the_network, fresh, stale)
{
	struct sockaddr_in *address;
	struct net_backend *net;
	struct ifreq request = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	NEEDS_TAPS();
	assert_int_equal(open_net(&net, "host_ip=10.9.8.1,mtu=1400"), 0);
	assert_string_equal(net->name, "tap tap0");
	strcpy(request.ifr_name, "tap0");
	assert_int_equal(ioctl(fd, SIOCGIFADDR, &request), 0);
	address = (void *)&request.ifr_addr;
	assert_int_equal(ntohl(address->sin_addr.s_addr), 0x0a090801);
	assert_int_equal(ioctl(fd, SIOCGIFNETMASK, &request), 0);
	assert_int_equal(ntohl(address->sin_addr.s_addr), 0xffffff00);
	assert_int_equal(ioctl(fd, SIOCGIFMTU, &request), 0);
	assert_int_equal(request.ifr_mtu, 1400);
	assert_int_equal(ioctl(fd, SIOCGIFFLAGS, &request), 0);
	assert_true(request.ifr_flags & IFF_UP);
	net_close(net);
	assert_int_equal(if_nametoindex("tap0"), 0);
	close(fd);
}

TEST_WITH(frames_pass_both_ways_with_headers, fresh, stale)
{
	static const u8 broadcast[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(9),
				  .sin_addr.s_addr = htonl(0x0a090802) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	u8 data[NET_HEADER + 2000];
	struct iovec iov = { data, sizeof(data) };
	struct net_backend *net;
	bool asked = false;

	NEEDS_TAPS();
	assert_int_equal(open_net(&net, "host_ip=10.9.8.1"), 0);
	assert_true(net->header);
	assert_true(net->offloads & NET_CSUM && net->offloads & NET_TSO4);
	assert_int_equal(net->ops->set_offloads(net, net->offloads), 0);
	assert_int_equal(net->ops->set_offloads(net, 0), 0);
	/* The host asks who has the address, and hears. */
	assert_int_equal(sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
	while (!asked) {
		struct pollfd wait = { .fd = net->fds[0], .events = POLLIN };
		ssize_t len = net->ops->receive(net, 0, &iov, 1);

		if (len == -EAGAIN) {
			assert_int_equal(poll(&wait, 1, 5000), 1);
			continue;
		}
		assert_true(len > NET_HEADER + NET_MIN_FRAME);
		asked = data[NET_HEADER + 13] == 6 && !memcmp(data + NET_HEADER, broadcast, 6);
	}
	memset(data, 0, NET_HEADER);
	iov.iov_len = NET_HEADER + 42;
	assert_int_equal(net->ops->send(net, 0, &iov, 1), 0);
	net_close(net);
	close(fd);
}

TEST_WITH(queues_are_made_and_used_as_the_guest_wants, fresh, stale)
{
	struct net_backend *net;

	NEEDS_TAPS();
	assert_int_equal(open_net(&net, "mq=4"), 0);
	assert_int_equal(net->pairs, 4);
	for (unsigned pairs = 1; pairs <= 4; pairs++)
		assert_int_equal(net->ops->set_pairs(net, pairs), 0);
	assert_int_equal(net->ops->set_pairs(net, 2), 0);
	assert_int_equal(net->ops->set_pairs(net, 2), 0);
	net_close(net);
}

TEST_WITH(an_interface_that_is_there_is_left_as_it_is, fresh, stale)
{
	struct net_backend *net;

	NEEDS_TAPS();
	persistent("vm0", 0);
	assert_int_equal(open_net(&net, "tapif=vm0"), 0);
	assert_string_equal(net->name, "tap vm0");
	assert_true(refused("tapif=vm0", "in use"));
	net_close(net);
	assert_true(if_nametoindex("vm0") > 0);
	assert_true(refused("tapif=vm0,mq=2", "multi_queue"));
	remove_tap("vm0", 0);
	/* One with many queues serves one as well. */
	persistent("vm1", IFF_MULTI_QUEUE);
	assert_int_equal(open_net(&net, "tapif=vm1"), 0);
	net_close(net);
	remove_tap("vm1", IFF_MULTI_QUEUE);
}

TEST_WITH(a_descriptor_that_is_given_is_used, fresh, stale)
{
	struct net_backend *net;
	char text[20];
	int fd;

	NEEDS_TAPS();
	fd = make_tap("vm2", 0);
	sprintf(text, "fd=%d", fd);
	assert_int_equal(open_net(&net, text), 0);
	assert_string_equal(net->name, "tap vm2");
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	net_close(net);
	assert_int_equal(if_nametoindex("vm2"), 0);
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	sprintf(text, "fd=%d", fd);
	assert_true(refused(text, "no open tap"));
	close(fd);
	assert_true(refused("fd=99", "no open tap"));
}

TEST_WITH(what_is_not_there_is_refused_with_the_remedy, fresh, stale)
{
	NEEDS_TAPS();
	assert_true(refused("tapif=nope", "ip tuntap add nope mode tap"));
	assert_true(refused("tapif=lo", "is no tap"));
	assert_true(refused("tapif=a/b", "no name of an interface"));
	assert_true(refused("tapif=/dev/tap99", "type macvtap"));
	assert_true(refused("br=nope", "ip link add nope type bridge"));
	assert_true(refused("br=lo", "no bridge"));
	/* Nothing was left of those. */
	assert_int_equal(if_nametoindex("tap0"), 0);
}

TEST_WITH(scripts_get_the_interface_and_run_at_both_ends, fresh, stale)
{
	struct net_backend *net;
	char up[100], down[100], text[300], seen[100] = "";
	FILE *file;

	NEEDS_TAPS();
	sprintf(text, "echo up $1 $(cat /sys/class/net/$1/tun_flags) >%s/said", folder);
	write_script("up", text, up);
	sprintf(text, "echo down $1 $(cat /sys/class/net/$1/tun_flags) >%s/said", folder);
	write_script("down", text, down);
	sprintf(text, "script=%s,downscript=%s", up, down);
	assert_int_equal(open_net(&net, text), 0);
	sprintf(text, "%s/said", folder);
	file = fopen(text, "r");
	assert_non_null(fgets(seen, sizeof(seen), file));
	fclose(file);
	assert_string_equal(seen, "up tap0 0x5002\n");
	net_close(net);
	file = fopen(text, "r");
	assert_non_null(fgets(seen, sizeof(seen), file));
	fclose(file);
	assert_string_equal(seen, "down tap0 0x5002\n");
}

TEST_WITH(a_script_that_fails_is_refused_and_leaves_nothing, fresh, stale)
{
	char path[100], text[300];

	NEEDS_TAPS();
	write_script("bad", "exit 3", path);
	sprintf(text, "script=%s,downscript=/nonexistent", path);
	assert_true(refused(text, "ended with status 3"));
	assert_true(refused("script=/nonexistent", "No such file"));
	sprintf(text, "script=%s", folder);
	assert_true(refused(text, "Permission denied"));
	assert_int_equal(if_nametoindex("tap0"), 0);
}

/* kvmtool makes one that is not there; so scripts that it is given bring it up. */
TEST_WITH(an_interface_that_is_not_there_is_made_for_a_script, fresh, stale)
{
	struct net_backend *net;
	char path[100], text[300];

	NEEDS_TAPS();
	write_script("up", "[ $1 = vm9 ] && grep -q vm9: /proc/net/dev || exit 1", path);
	sprintf(text, "tapif=vm9,script=%s", path);
	assert_int_equal(open_net(&net, text), 0);
	assert_string_equal(net->name, "tap vm9");
	assert_true(if_nametoindex("vm9") > 0);
	net_close(net);
	assert_int_equal(if_nametoindex("vm9"), 0);
	assert_true(refused("tapif=vm9", "no such interface"));
}

TEST_WITH(a_tap_is_put_into_a_bridge, fresh, stale)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct net_backend *net;

	NEEDS_TAPS();
	/* A kernel without bridges: the module may not be there. */
	if (ioctl(fd, SIOCBRADDBR, "br0")) {
		close(fd);
		skip();
		return;
	}
	assert_int_equal(open_net(&net, "br=br0"), 0);
	assert_int_equal(access("/sys/class/net/br0/brif/tap0", F_OK), 0);
	net_close(net);
	assert_int_equal(if_nametoindex("tap0"), 0);
	assert_int_equal(ioctl(fd, SIOCBRDELBR, "br0"), 0);
	close(fd);
}

/* A dead one may wait for whoever reaps orphans. */
static bool lives(pid_t pid)
{
	char path[64], is = 'Z';
	FILE *file;

	sprintf(path, "/proc/%d/stat", pid);
	file = fopen(path, "r");
	if (file && fscanf(file, "%*d %*s %c", &is) != 1)
		is = 'Z';
	if (file)
		fclose(file);
	return is != 'Z';
}

/* A script that starts something and never ends; pid_of_sleep() is what it started. */
static void write_endless(const char *name, char *path)
{
	char text[300];

	sprintf(text, "sleep 100 &\necho $! >%s/new && mv %s/new %s/pid\nwait", folder, folder,
		folder);
	write_script(name, text, path);
}

/* A file that somebody makes; NULL: nobody did. */
static FILE *open_made(const char *name)
{
	char path[100];
	FILE *file;

	sprintf(path, "%s/%s", folder, name);
	for (unsigned i = 0; i < 1000; i++) {
		file = fopen(path, "r");
		if (file)
			return file;
		usleep(10000);
	}
	return NULL;
}

static pid_t pid_of_sleep(void)
{
	FILE *file = open_made("pid");
	pid_t pid = 0;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%d", &pid), 1);
	fclose(file);
	return pid;
}

static bool ends(pid_t pid)
{
	for (unsigned i = 0; i < 1000 && lives(pid); i++)
		usleep(10000);
	return !lives(pid);
}

static bool interface_goes(const char *name)
{
	for (unsigned i = 0; i < 1000 && if_nametoindex(name); i++)
		usleep(10000);
	return !if_nametoindex(name);
}

TEST_WITH(a_script_without_end_is_killed_with_what_it_started, fresh, stale)
{
	struct net_scripts scripts = { .interface = "tap0",
				       .hold_fd = -1,
				       .give_up_fd = -1,
				       .script_seconds = 1,
				       .down_seconds = 1 };
	int note;
	char path[100];

	write_endless("slow", path);
	scripts.script = path;
	err.text[0] = '\0';
	assert_int_equal(net_scripts_begin(keeper, &note, &scripts, &err), -ETIMEDOUT);
	assert_non_null(strstr(err.text, "did not end within 1 seconds"));
	assert_true(ends(pid_of_sleep()));
}

/* As the C library's, but a busy host makes each short wait late. */
static bool busy;

int poll(struct pollfd *fds, nfds_t count, int timeout)
{
	struct timespec wait = { timeout / 1000, timeout % 1000 * 1000000l };

	if (busy && timeout > 0 && timeout < 100)
		usleep(50000);
	return ppoll(fds, count, timeout < 0 ? NULL : &wait, NULL);
}

/* Otherwise the keeper is given up and killed, and with it what would kill the script. */
TEST_WITH(a_script_without_end_is_killed_in_time_on_a_busy_host, fresh, stale)
{
	struct net_scripts scripts = { .interface = "tap0",
				       .hold_fd = -1,
				       .give_up_fd = -1,
				       .script_seconds = 1,
				       .down_seconds = 1 };
	int note;
	char path[100];
	int ret;

	write_endless("slow", path);
	scripts.script = path;
	err.text[0] = '\0';
	busy = true;
	ret = net_scripts_begin(keeper, &note, &scripts, &err);
	busy = false;
	assert_int_equal(ret, -ETIMEDOUT);
	assert_non_null(strstr(err.text, "did not end within 1 seconds"));
	assert_true(ends(pid_of_sleep()));
}

TEST_WITH(a_script_is_given_up_with_the_run, fresh, stale)
{
	int ends_of_pipe[2];
	char path[100], text[200];
	struct net_backend *net;

	NEEDS_TAPS();
	write_script("slow", "sleep 100", path);
	sprintf(text, "script=%s,downscript=/nonexistent", path);
	net_space_options(&options, NET_TAP, text);
	options.keeper = keeper;
	assert_int_equal(pipe(ends_of_pipe), 0);
	options.give_up_fd = ends_of_pipe[0];
	assert_int_equal(write(ends_of_pipe[1], "x", 1), 1);
	err.text[0] = '\0';
	assert_int_equal(net_open(&net, &options, &err), -EINTR);
	assert_non_null(strstr(err.text, "interrupted while script"));
	assert_int_equal(if_nametoindex("tap0"), 0);
	close(ends_of_pipe[0]);
	close(ends_of_pipe[1]);
}

/* A process that opens such a network and then waits to be killed. */
static pid_t open_in_another_process(const char *text)
{
	struct net_backend *net;
	char path[100];
	pid_t pid = fork();

	if (pid)
		return pid;
	if (!open_net(&net, text)) {
		sprintf(path, "%s/opened", folder);
		close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
		pause();
	}
	_exit(1);
}

TEST_WITH(a_script_does_not_outlive_the_kill_of_lkvm, fresh, stale)
{
	char path[100], text[300];
	pid_t pid, sleeps;

	NEEDS_TAPS();
	write_endless("slow", path);
	sprintf(text, "script=%s,downscript=%s", path, path);
	sprintf(path, "%s/pid", folder);
	unlink(path);
	pid = open_in_another_process(text);
	sleeps = pid_of_sleep();
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_true(ends(sleeps));
	assert_true(interface_goes("tap0"));
}

TEST_WITH(downscript_is_run_after_the_kill_of_lkvm_and_the_interface_goes_then, fresh, stale)
{
	char up[100], down[100], text[300], seen[100] = "";
	FILE *file;
	pid_t pid;

	NEEDS_TAPS();
	write_script("up", "exit 0", up);
	sprintf(text,
		"echo down $1 $(cat /sys/class/net/$1/tun_flags) >%s/new\n"
		"mv %s/new %s/undone",
		folder, folder, folder);
	write_script("down", text, down);
	sprintf(text, "script=%s,downscript=%s", up, down);
	pid = open_in_another_process(text);
	file = open_made("opened");
	assert_non_null(file);
	fclose(file);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	file = open_made("undone");
	assert_non_null(file);
	assert_non_null(fgets(seen, sizeof(seen), file));
	fclose(file);
	assert_string_equal(seen, "down tap0 0x5002\n");
	assert_true(interface_goes("tap0"));
}

TEST_WITH(scripts_get_none_of_our_files, fresh, stale)
{
	char path[100], text[300], seen[100] = "";
	struct net_backend *net;
	FILE *file;

	NEEDS_TAPS();
	sprintf(text,
		"for n in 3 4 5 6 7 8 9; do [ ! -e /proc/$$/fd/$n ] || echo $n; done >%s/open",
		folder);
	write_script("files", text, path);
	sprintf(text, "script=%s,downscript=%s", path, path);
	assert_int_equal(open_net(&net, text), 0);
	net_close(net);
	file = open_made("open");
	assert_non_null(file);
	assert_null(fgets(seen, sizeof(seen), file));
	fclose(file);
}

static int clean(void **state)
{
	char command[100];

	sprintf(command, "rm -rf %s", folder);
	return system(command);
}

static int begin(void **state)
{
	usable = net_space_enter() && !access("/dev/net/tun", R_OK | W_OK);
	/* Its interfaces are shown in a /sys of its own. */
	usable = usable && !mount("sysfs", "/sys", "sysfs", 0, NULL);
	assert_non_null(mkdtemp(folder));
	return 0;
}

TEST_PROGRAM(begin, clean)
