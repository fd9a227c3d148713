/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A tap interface of the host's, or a macvtap: the host's network sees the guest as a neighbour.
 * tap_setup.c makes it and finds it; here frames go through it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/if_tun.h>

#include "io.h"
#include "scripts.h"
#include "tap.h"
#include "util/reach.h"
#include "util/log.h"
#include "util/reach.h"

/* Linux 6.2 and later; not in every host's headers. */
#define OFFLOAD_USO4 0x20
#define OFFLOAD_USO6 0x40

static struct net_tap *tap_of(struct net_backend *backend)
{
	return container_of(backend, struct net_tap, backend);
}

static int tap_send(struct net_backend *backend, unsigned pair, const struct iovec *iov,
		    unsigned count)
{
	return net_io_send(backend->fds[pair], iov, count);
}

static ssize_t tap_receive(struct net_backend *backend, unsigned pair, const struct iovec *iov,
			   unsigned count)
{
	return net_io_receive(backend->fds[pair], iov, count);
}

/* ---- offloads ---- */

static const struct {
	u32 offload;
	unsigned tun;
} offload_bits[] = {
	{ NET_CSUM, TUN_F_CSUM },   { NET_TSO4, TUN_F_TSO4 },	{ NET_TSO6, TUN_F_TSO6 },
	{ NET_ECN, TUN_F_TSO_ECN }, { NET_USO4, OFFLOAD_USO4 }, { NET_USO6, OFFLOAD_USO6 },
};

/* All queues of an interface share them. */
static int set_offloads(int fd, u32 offloads)
{
	unsigned bits = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(offload_bits); i++) {
		if (offloads & offload_bits[i].offload)
			bits |= offload_bits[i].tun;
	}
	return ioctl(fd, TUNSETOFFLOAD, (unsigned long)bits) ? -errno : 0;
}

static int tap_set_offloads(struct net_backend *backend, u32 offloads)
{
	return backend->header ? set_offloads(backend->fds[0], offloads) : 0;
}

/* The most that this host's kernel takes. */
static u32 find_offloads(int fd)
{
	static const u32 tries[] = {
		NET_ALL_OFFLOADS,
		NET_CSUM | NET_TSO4 | NET_TSO6 | NET_ECN,
		NET_CSUM | NET_TSO4 | NET_TSO6,
		NET_CSUM,
	};

	for (unsigned i = 0; i < ARRAY_SIZE(tries); i++) {
		if (!set_offloads(fd, tries[i])) {
			set_offloads(fd, 0);
			return tries[i];
		}
	}
	return 0;
}

/* ---- pairs ---- */

static int attach_queue(struct net_tap *tap, unsigned pair, bool attached)
{
	struct ifreq request = { .ifr_flags = attached ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE };

	if (tap->detached[pair] != attached)
		return 0;
	if (ioctl(tap->backend.fds[pair], TUNSETQUEUE, &request))
		return -errno;
	tap->detached[pair] = !attached;
	return 0;
}

/* The interface spreads frames over the queues that are attached. */
static int tap_set_pairs(struct net_backend *backend, unsigned pairs)
{
	struct net_tap *tap = tap_of(backend);

	for (unsigned i = 1; i < backend->pairs; i++) {
		int ret = attach_queue(tap, i, i < pairs);

		if (ret)
			return ret;
	}
	return 0;
}

/* ---- life ---- */

static void tap_close(struct net_backend *backend)
{
	struct net_tap *tap = tap_of(backend);

	/* The interface is still there. */
	net_scripts_end(tap->keeper, tap->down_note);
	for (unsigned i = 0; i < NET_MAX_PAIRS; i++) {
		if (backend->fds[i] >= 0)
			close(backend->fds[i]);
	}
	if (backend->vhost_fd >= 0)
		close(backend->vhost_fd);
	free(tap);
}

static const struct net_ops tap_ops = {
	.send = tap_send,
	.receive = tap_receive,
	.set_offloads = tap_set_offloads,
	.set_pairs = tap_set_pairs,
	.close = tap_close,
};

/* Frames with virtio's header, little endian, as a driver has it. */
static int use_headers(struct net_tap *tap, struct error *err)
{
	struct net_backend *backend = &tap->backend;
	int size = NET_HEADER, little = 1;

	for (unsigned i = 0; backend->header && i < backend->pairs; i++) {
		if (ioctl(backend->fds[i], TUNSETVNETHDRSZ, &size))
			return error_set(err, -errno, "%s: this host's tap cannot do virtio: %s",
					 backend->name, strerror(errno));
		/* Older kernels know no other order here. */
		if (ioctl(backend->fds[i], TUNSETVNETLE, &little))
			log_debug("%s: headers in the host's byte order", backend->name);
	}
	if (backend->header)
		backend->offloads = find_offloads(backend->fds[0]);
	return 0;
}

static int run_script(struct net_tap *tap, const struct net_options *options, struct error *err)
{
	const struct net_scripts scripts = {
		.script = options->script,
		.down_script = options->down_script,
		.interface = tap->interface,
		.hold_fd = tap->made || options->has_fd ? tap->backend.fds[0] : -1,
		.give_up_fd = options->give_up_fd,
		.script_seconds = NET_SCRIPT_SECONDS,
		.down_seconds = NET_DOWN_SECONDS,
	};

	if (!options->script && !options->down_script)
		return 0;
	return net_scripts_begin(options->keeper, &tap->down_note, &scripts, err);
}

int net_tap_open(struct net_backend **backend, const struct net_options *options, struct error *err)
{
	struct net_tap *tap = calloc(1, sizeof(*tap));
	int ret;

	reach_add_host_kernel();
	if (!tap)
		return error_set(err, -ENOMEM, "--network mode=tap: %s", strerror(ENOMEM));
	tap->backend.ops = &tap_ops;
	tap->backend.pairs = options->pairs;
	tap->backend.vhost_fd = tap->down_note = -1;
	tap->keeper = options->keeper;
	for (unsigned i = 0; i < NET_MAX_PAIRS; i++)
		tap->backend.fds[i] = -1;
	ret = tap_set_up(tap, options, err);
	if (!ret)
		ret = use_headers(tap, err);
	if (!ret)
		ret = tap_set_pairs(&tap->backend, 1);
	if (!ret)
		ret = run_script(tap, options, err);
	if (ret) {
		error_set(err, ret, "%s: %s", tap->backend.name, strerror(-ret));
		tap_close(&tap->backend);
		return ret;
	}
	*backend = &tap->backend;
	return 0;
}
