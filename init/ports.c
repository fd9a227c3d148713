/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The channels to the host as ports of virtio-console, for a kernel without vsock. There is no udev
 * that names them, and perhaps no devtmpfs: sysfs knows the name and the number of each.
 */
#include "init.h"

#define SYSFS	"/sys"
#define NODE	"/lkvm/port"
#define DEVICES 4 /* of virtio-console: the user may have some of his own */
#define PORTS	16

static const char *const names[ONESHOT_CHANNELS] = {
	[ONESHOT_CONTROL] = ONESHOT_PORT_CONTROL,
	[ONESHOT_STDIN] = ONESHOT_PORT_STDIN,
	[ONESHOT_STDOUT] = ONESHOT_PORT_STDOUT,
	[ONESHOT_STDERR] = ONESHOT_PORT_STDERR,
};

/* A file of port @port of device @device; "" if there is none. */
static void read_file(unsigned device, unsigned port, const char *file, char *text, size_t size)
{
	char path[64] = SYSFS "/class/virtio-ports/vport";
	size_t len = text_length(path);
	long got;
	int fd;

	path[len++] = '0' + device;
	path[len++] = 'p';
	if (port >= 10)
		path[len++] = '0' + port / 10;
	path[len++] = '0' + port % 10;
	text_join(path + len, sizeof(path) - len, "/", file);
	fd = sys_open(path, O_RDONLY);
	got = sys_read(fd, text, size - 1);
	sys_close(fd);
	text[got > 0 ? got : 0] = '\0';
}

static bool is_line(const char *text, const char *line)
{
	return text_begins(text, line) && text[text_length(line)] == '\n';
}

/* "250:1" */
static long open_number(const char *number)
{
	const char *minor = text_find(number, ':');
	long ret;

	if (!minor)
		return -ENODEV;
	sys_unlink(NODE);
	ret = sys_make_node(NODE, 0600, text_number(number), text_number(minor + 1));
	if (!ret)
		ret = sys_open(NODE, O_RDWR);
	sys_unlink(NODE);
	return ret;
}

/* -ENODEV: the driver has not found it yet. */
static long open_once(const char *name)
{
	for (unsigned device = 0; device < DEVICES; device++) {
		for (unsigned port = 1; port < PORTS; port++) {
			char text[64];

			read_file(device, port, "name", text, sizeof(text));
			if (!is_line(text, name))
				continue;
			read_file(device, port, "dev", text, sizeof(text));
			return open_number(text);
		}
	}
	return -ENODEV;
}

static void open_port(unsigned channel)
{
	unsigned tries = 0;
	long ret;

	while ((ret = open_once(names[channel])) == -ENODEV && tries++ < RETRIES)
		sys_sleep(RETRY_MS);
	if (ret < 0)
		host_fail("no ports to the host: the kernel needs virtio_console and sysfs", ret);
	channels[channel] = ret;
}

/*
 * A port that the driver does not know as connected reads as one that has ended. The control
 * channel is the device's last one, so the others are connected when it is.
 */
static void wait_for_host(void)
{
	struct pollfd control = { .fd = channels[ONESHOT_CONTROL], .events = POLLIN };
	unsigned tries = 0;

	while (sys_poll(&control, 1, 0) > 0 && control.revents & POLLHUP && tries++ < RETRIES)
		sys_sleep(RETRY_MS);
}

void ports_connect(void)
{
	sys_mkdir(SYSFS, 0755);
	sys_mount("sysfs", SYSFS, "sysfs", 0, NULL);
	open_port(ONESHOT_CONTROL);
	wait_for_host();
	for (unsigned i = ONESHOT_STDIN; i < ONESHOT_CHANNELS; i++)
		open_port(i);
	sys_unmount(SYSFS);
}
