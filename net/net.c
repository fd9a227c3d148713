/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>

#include "net/options.h"

int net_open(struct net_backend **backend, const struct net_options *options, struct error *err)
{
	switch (options->mode) {
	case NET_TAP:
		return net_tap_open(backend, options, err);
	case NET_USER:
		return net_user_open(backend, options, err);
	case NET_SOCKET:
		return net_socket_open(backend, options->path, err);
	default:
		return error_set(err, -EINVAL, "--network: no such mode");
	}
}

void net_close(struct net_backend *backend)
{
	if (backend)
		backend->ops->close(backend);
}
