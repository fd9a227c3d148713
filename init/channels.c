/* SPDX-License-Identifier: BSD-2-Clause */
/* Loads the modules that init was given, and connects to the host. */
#include "init.h"

void modules_load(void)
{
	for_each_value(path, ONESHOT_MODULE)
	{
		int fd = sys_open(path, O_RDONLY);

		/* One that does not fit this kernel shows in what is then missing. */
		sys_load_module(fd, "");
		sys_close(fd);
		sys_unlink(path);
	}
}

/* The driver has not found its device yet. Without any driver there is no such family. */
static bool vsock_will_come(long error)
{
	return error == -ENODEV || error == -ENXIO || error == -ENETUNREACH ||
	       error == -EADDRNOTAVAIL;
}

static long connect_once(unsigned channel)
{
	const struct sys_vsock_address address = {
		.family = SYS_AF_VSOCK,
		.port = ONESHOT_PORT + channel,
		.cid = SYS_CID_HOST,
	};
	int fd = sys_socket(SYS_AF_VSOCK, SYS_SOCK_STREAM | O_CLOEXEC);
	long ret = fd < 0 ? fd : sys_connect(fd, &address, sizeof(address));

	if (ret) {
		sys_close(fd);
		return ret;
	}
	channels[channel] = fd;
	return 0;
}

static void connect_by_vsock(void)
{
	for (unsigned i = 1; i <= ONESHOT_CHANNELS; i++) {
		unsigned channel = i % ONESHOT_CHANNELS; /* control is the last */
		unsigned tries = 0;
		long ret;

		while (vsock_will_come(ret = connect_once(channel)) && tries++ < RETRIES)
			sys_sleep(RETRY_MS);
		if (ret)
			host_fail("no vsock to the host: the kernel needs vsock and "
				  "vmw_vsock_virtio_transport",
				  ret);
	}
}

void channels_connect(void)
{
	if (config_next(ONESHOT_PORTS, NULL))
		ports_connect();
	else
		connect_by_vsock();
	host_tell(ONESHOT_READY, ONESHOT_VERSION, "");
}
