/* SPDX-License-Identifier: BSD-2-Clause */
/* vhost=1: the host's kernel serves the queues of one pair, and the device does the rest. */
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include <linux/vhost.h>

#include "net_private.h"
#include "vhost.h"

static int run(struct vhost *vhost, bool on)
{
	const struct net *net = container_of(vhost->device, struct net, device);
	int ret = 0;

	for (unsigned i = 0; i < VHOST_QUEUES; i++) {
		struct vhost_vring_file backend = { i, on ? net->backend->fds[0] : -1 };

		if (on && !vhost->queues[i].serving)
			continue;
		/* A queue that never had a ring says EFAULT to an end. */
		if (ioctl(vhost->fd, VHOST_NET_SET_BACKEND, &backend) && (on || errno != EFAULT))
			ret = -errno;
	}
	return ret;
}

int net_vhost_create(struct net *net)
{
	struct vhost *vhost = calloc(1, sizeof(*vhost));
	int ret;

	if (!vhost)
		return -ENOMEM;
	ret = vhost_create(vhost, net->backend->vhost_fd, &net->device, net->loop, run);
	if (ret)
		free(vhost);
	else
		net->vhost = vhost;
	return ret;
}

void net_vhost_destroy(struct net *net)
{
	if (net->vhost)
		vhost_destroy(net->vhost);
	free(net->vhost);
	net->vhost = NULL;
}
