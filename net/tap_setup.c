/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a tap comes from: a descriptor, an interface, a macvtap, or nowhere: then it is made. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <linux/vhost.h>

#include "tap.h"

#define TUN_DEVICE "/dev/net/tun"
#define MACVTAP	   "/dev/tap"
#define NETMASK	   0xffffff00 /* kvmtool's, /24 */
#define FLAGS	   (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR)

/* ---- a descriptor that we were given ---- */

static int adopt_fd(struct net_tap *tap, int fd, struct error *err)
{
	struct ifreq request = { 0 };
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || ioctl(fd, TUNGETIFF, &request) || !(request.ifr_flags & IFF_TAP))
		return error_set(err, -EINVAL,
				 "--network fd=%d: no open tap: whoever starts lkvm opens it", fd);
	tap->backend.fds[0] = fd;
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) || fcntl(fd, F_SETFL, flags | O_NONBLOCK))
		return error_set(err, -errno, "--network fd=%d: %s", fd, strerror(errno));
	if (!(request.ifr_flags & IFF_NO_PI))
		return error_set(err, -EINVAL, "--network fd=%d: the tap wants IFF_NO_PI", fd);
	tap->backend.header = request.ifr_flags & IFF_VNET_HDR;
	snprintf(tap->interface, sizeof(tap->interface), "%s", request.ifr_name);
	return 0;
}

/* ---- an interface that is there ---- */

/* Its flags, of TUNSETIFF; -EINVAL: it is no tap. */
static int read_flags(const char *interface, unsigned *flags)
{
	char path[64 + IFNAMSIZ];
	FILE *file;
	int got;

	snprintf(path, sizeof(path), "/sys/class/net/%s/tun_flags", interface);
	file = fopen(path, "re");
	if (!file)
		return -EINVAL;
	got = fscanf(file, "%x", flags);
	fclose(file);
	return got == 1 && *flags & IFF_TAP ? 0 : -EINVAL;
}

static int check_interface(const struct net_options *options, short *flags, struct error *err)
{
	const char *name = options->tap;
	unsigned is;

	if (!if_nametoindex(name))
		return error_set(err, -ENODEV,
				 "--network tapif=%s: no such interface: 'ip tuntap add %s mode "
				 "tap%s', or script= to set it up, or leave tapif out",
				 name, name, options->pairs > 1 ? " multi_queue" : "");
	if (read_flags(name, &is))
		return error_set(err, -EINVAL,
				 "--network tapif=%s is no tap: 'ip tuntap' lists them", name);
	if (is & IFF_MULTI_QUEUE)
		*flags |= IFF_MULTI_QUEUE;
	else if (options->pairs > 1)
		return error_set(err, -EINVAL,
				 "--network tapif=%s has one queue: leave mq out, or make it with "
				 "'ip tuntap add %s mode tap multi_queue'",
				 name, name);
	return 0;
}

static int say_refused(const struct net_tap *tap, const struct net_options *options, int error,
		       struct error *err)
{
	const char *name = options->tap;

	if (tap->made && error == EPERM)
		return error_set(err, -EPERM,
				 "--network mode=tap: only root (CAP_NET_ADMIN) can make a tap: "
				 "use one that is there, fd=, or mode=user");
	if (error == EPERM)
		return error_set(err, -EPERM,
				 "--network tapif=%s is another user's: as root, 'ip tuntap add %s "
				 "mode tap user %d'",
				 name, name, getuid());
	if (error == EBUSY)
		return error_set(err, -EBUSY,
				 "--network tapif=%s is in use: one program can have it", name);
	return error_set(err, -error, "--network %s%s: %s", name ? "tapif=" : "mode=tap",
			 name ? name : "", strerror(error));
}

static int open_tun(struct error *err)
{
	int fd = open(TUN_DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	if (errno == EACCES || errno == EPERM)
		return error_set(err, -errno, "%s: %s: as root, chmod 666 %s, or use mode=user",
				 TUN_DEVICE, strerror(errno), TUN_DEVICE);
	return error_set(err, -errno, "%s: %s: modprobe tun, or use mode=user", TUN_DEVICE,
			 strerror(errno));
}

static int open_queue(struct net_tap *tap, unsigned pair, short flags,
		      const struct net_options *options, struct error *err)
{
	struct ifreq request = { .ifr_flags = flags };
	int fd = open_tun(err);

	if (fd < 0)
		return fd;
	tap->backend.fds[pair] = fd;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s",
		 tap->interface[0] ? tap->interface : "tap%d");
	if (ioctl(fd, TUNSETIFF, &request))
		return say_refused(tap, options, errno, err);
	snprintf(tap->interface, sizeof(tap->interface), "%s", request.ifr_name);
	return 0;
}

static int open_queues(struct net_tap *tap, const struct net_options *options, short flags,
		       struct error *err)
{
	int ret = 0;

	tap->backend.header = true;
	for (unsigned i = 0; !ret && i < options->pairs; i++)
		ret = open_queue(tap, i, flags, options, err);
	return ret;
}

static short flags_to_make(const struct net_options *options)
{
	return FLAGS | (options->pairs > 1 ? IFF_MULTI_QUEUE : 0);
}

/* One that is not there is made, as in kvmtool, if there is a script that sets it up. */
static int open_interface(struct net_tap *tap, const struct net_options *options, struct error *err)
{
	const char *name = options->tap;
	short flags = flags_to_make(options);
	int ret = 0;

	if (strlen(name) >= IFNAMSIZ || strchr(name, '/') || strchr(name, '%') || name[0] == '.')
		return error_set(err, -EINVAL, "--network tapif=%s: no name of an interface", name);
	tap->made = options->script && !if_nametoindex(name);
	if (!tap->made)
		ret = check_interface(options, &flags, err);
	if (ret)
		return ret;
	snprintf(tap->interface, sizeof(tap->interface), "%s", options->tap);
	return open_queues(tap, options, flags, err);
}

/* ---- macvtap: a character device for each interface ---- */

static int open_macvtap_queue(struct net_tap *tap, unsigned pair, const struct net_options *options,
			      struct error *err)
{
	struct ifreq request = { .ifr_flags = FLAGS };
	int fd = open(options->tap, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return error_set(err, -errno, "--network tapif=%s: %s%s", options->tap,
				 strerror(errno),
				 errno == ENOENT   ? ": 'ip link add link eth0 type macvtap mode "
						     "bridge' makes one"
				 : errno == EACCES ? ": chown it to whoever runs lkvm"
						   : "");
	tap->backend.fds[pair] = fd;
	if (options->pairs > 1)
		request.ifr_flags |= IFF_MULTI_QUEUE;
	if (ioctl(fd, TUNSETIFF, &request) || ioctl(fd, TUNGETIFF, &request))
		return error_set(err, -EINVAL, "--network tapif=%s is no macvtap", options->tap);
	snprintf(tap->interface, sizeof(tap->interface), "%s", request.ifr_name);
	return 0;
}

/* What comes in is for the interface's own address alone. */
static int open_macvtap(struct net_tap *tap, const struct net_options *options, struct error *err)
{
	struct ifreq request = { 0 };
	int ret = 0;

	tap->backend.header = true;
	for (unsigned i = 0; !ret && i < options->pairs; i++)
		ret = open_macvtap_queue(tap, i, options, err);
	if (ret)
		return ret;
	if (!ioctl(tap->backend.fds[0], SIOCGIFHWADDR, &request)) {
		tap->backend.has_mac = true;
		memcpy(tap->backend.mac, request.ifr_hwaddr.sa_data, NET_MAC);
	}
	return 0;
}

/* ---- one that is made, and gone with its descriptors ---- */

static void name_request(const struct net_tap *tap, struct ifreq *request)
{
	memset(request, 0, sizeof(*request));
	snprintf(request->ifr_name, sizeof(request->ifr_name), "%s", tap->interface);
}

static int set_address(const struct net_tap *tap, int fd, unsigned long what, struct in_addr ip)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = ip };
	struct ifreq request;

	name_request(tap, &request);
	memcpy(&request.ifr_addr, &address, sizeof(address));
	return ioctl(fd, what, &request) ? -errno : 0;
}

static int add_to_bridge(const struct net_tap *tap, int fd, const char *bridge, struct error *err)
{
	struct ifreq request = { 0 };

	if (strlen(bridge) >= IFNAMSIZ || !if_nametoindex(bridge))
		return error_set(err, -ENODEV,
				 "--network br=%s: no such interface: 'ip link add %s type bridge'",
				 bridge, bridge);
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", bridge);
	request.ifr_ifindex = if_nametoindex(tap->interface);
	if (!ioctl(fd, SIOCBRADDIF, &request))
		return 0;
	if (errno == EOPNOTSUPP || errno == EINVAL)
		return error_set(err, -EINVAL, "--network br=%s is no bridge", bridge);
	return error_set(err, -errno, "--network br=%s: %s", bridge, strerror(errno));
}

static int set_mtu(const struct net_tap *tap, int fd, u16 mtu)
{
	struct ifreq request;

	name_request(tap, &request);
	request.ifr_mtu = mtu;
	return mtu && ioctl(fd, SIOCSIFMTU, &request) ? -errno : 0;
}

static int bring_up(const struct net_tap *tap, int fd)
{
	struct ifreq request;

	name_request(tap, &request);
	if (ioctl(fd, SIOCGIFFLAGS, &request))
		return -errno;
	request.ifr_flags |= IFF_UP;
	return ioctl(fd, SIOCSIFFLAGS, &request) ? -errno : 0;
}

/* With a script or a bridge it has no address, unless one was said. */
static int configure(struct net_tap *tap, const struct net_options *options, int fd,
		     struct error *err)
{
	const struct in_addr mask = { .s_addr = htonl(NETMASK) };
	bool addressed = options->has_host_ip || (!options->script && !options->bridge);
	int ret = 0;

	if (options->bridge)
		ret = add_to_bridge(tap, fd, options->bridge, err);
	if (!ret)
		ret = set_mtu(tap, fd, options->mtu);
	if (!ret && addressed)
		ret = set_address(tap, fd, SIOCSIFADDR, options->host_ip);
	if (!ret && addressed)
		ret = set_address(tap, fd, SIOCSIFNETMASK, mask);
	if (!ret)
		ret = bring_up(tap, fd);
	if (ret)
		error_set(err, ret, "--network mode=tap: %s cannot be set up: %s", tap->interface,
			  strerror(-ret));
	return ret;
}

static int make_interface(struct net_tap *tap, const struct net_options *options, struct error *err)
{
	int ret, fd;

	tap->made = true;
	ret = open_queues(tap, options, flags_to_make(options), err);
	if (ret)
		return ret;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_set(err, -errno, "--network mode=tap: no socket: %s", strerror(errno));
	ret = configure(tap, options, fd, err);
	close(fd);
	return ret;
}

/* ---- all of them ---- */

static int open_vhost(struct net_tap *tap, struct error *err)
{
	tap->backend.vhost_fd = open("/dev/vhost-net", O_RDWR | O_CLOEXEC);
	if (tap->backend.vhost_fd < 0)
		return error_set(err, -errno, "--network vhost=1: /dev/vhost-net: %s: %s",
				 strerror(errno),
				 errno == EACCES ? "chmod it, or leave vhost out"
						 : "modprobe vhost_net, or leave vhost out");
	if (!tap->backend.header)
		return error_set(err, -EINVAL, "--network vhost=1: the tap wants IFF_VNET_HDR");
	return 0;
}

int tap_set_up(struct net_tap *tap, const struct net_options *options, struct error *err)
{
	int ret;

	if (options->has_fd)
		ret = adopt_fd(tap, options->fd, err);
	else if (options->tap && !strncmp(options->tap, MACVTAP, strlen(MACVTAP)))
		ret = open_macvtap(tap, options, err);
	else if (options->tap)
		ret = open_interface(tap, options, err);
	else
		ret = make_interface(tap, options, err);
	snprintf(tap->backend.name, sizeof(tap->backend.name), "tap %s", tap->interface);
	if (!ret && options->vhost)
		ret = open_vhost(tap, err);
	return ret;
}
