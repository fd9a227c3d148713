/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The system calls of init, of which those are done that need no machine. C library headers would
 * meet the kernel's, which init has: so there are declarations.
 */
#include "init_host.h"

#include "../../init/init.h"

long syscall(long number, ...);
int *__errno_location(void);
void _exit(int status) __attribute__((noreturn));

static int config_file;
static const int *guest_sockets;
static unsigned boot_pid, bound_port, peer_cid;
static unsigned node; /* the channel whose number the last device node has */
static bool has_ports;
int init_host_mounts = -1;
bool init_host_has_devtmpfs = true;

/* The guest's ports of virtio-console: port 1 of its second device is somebody else's. */
static const char *const port_names[] = {
	"org.mine",	     ONESHOT_PORT_STDIN,   ONESHOT_PORT_STDOUT,
	ONESHOT_PORT_STDERR, ONESHOT_PORT_CONTROL,
};
static const unsigned port_channels[] = { 0, ONESHOT_STDIN, ONESHOT_STDOUT, ONESHOT_STDERR,
					  ONESHOT_CONTROL };
#define MADE	   "/made/"
#define PORT_FILES "/sys/class/virtio-ports/vport1p"

static bool is_same(const char *text, const char *other)
{
	return text_begins(text, other) && text_length(text) == text_length(other);
}

static long really(long number, long a, long b, long c, long d, long e, long f)
{
	long ret = syscall(number, a, b, c, d, e, f);

	return ret < 0 ? -*__errno_location() : ret;
}

static long open_text(const char *text, const char *more)
{
	int ends[2];

	if (sys_pipe(ends, O_CLOEXEC))
		return -EMFILE;
	sys_write(ends[1], text, text_length(text));
	sys_write(ends[1], more, text_length(more));
	sys_close(ends[1]);
	return ends[0];
}

static long open_port_file(const char *path)
{
	unsigned n = path[text_length(PORT_FILES)] - '1';
	char minor[3] = { '1', '0' + n, '\0' };

	if (n >= sizeof(port_names) / sizeof(*port_names))
		return -ENOENT;
	if (text_begins(path + text_length(PORT_FILES) + 1, "/name"))
		return open_text(port_names[n], "\n");
	return open_text("250:", minor);
}

/* A port is opened once. */
static long open_node(void)
{
	int end = guest_sockets[port_channels[node]];
	long fd = sys_copy(end);

	really(__NR_close, end, 0, 0, 0, 0, 0);
	return fd;
}

static void note(const char *text)
{
	really(__NR_write, init_host_mounts, LONG(text), text_length(text), 0, 0, 0);
}

static long make_node(const char *path, unsigned long number)
{
	if (!is_same(path, "/lkvm/port")) {
		note("node ");
		note(path);
		note("\n");
		return 0;
	}
	node = number - (250 << 8 | 10);
	has_ports = true;
	return 0;
}

/* A port whose other end is gone takes nothing, and says no more than that. */
static long write_to(int fd, const void *data, size_t len)
{
	long ret = really(__NR_write, fd, LONG(data), len, 0, 0, 0);

	return ret == -EPIPE && has_ports ? -EAGAIN : ret;
}

/* In the root's folder of devices, and in one that is there because it was made. */
static long make_name(const char *kind, const char *path)
{
	if (!text_begins(path, "/root/dev/") && !text_begins(path, MADE))
		return 0;
	note(kind);
	note(path);
	note("\n");
	return 0;
}

static long mount(const char *type, const char *source, const char *place)
{
	note(type ? type : "none");
	note(" ");
	note(source);
	note(" ");
	note(place);
	note("\n");
	return type && is_same(type, "devtmpfs") && !init_host_has_devtmpfs ? -ENODEV : 0;
}

static long open_file(const char *path, long flags)
{
	if (is_same(path, ONESHOT_CONFIG) || text_begins(path, MADE))
		return sys_copy(config_file);
	if (text_begins(path, PORT_FILES))
		return open_port_file(path);
	if (is_same(path, "/lkvm/port"))
		return open_node();
	return really(__NR_openat, SYS_AT_FDCWD, LONG(path), flags, 0, 0, 0);
}

static long connect_to(int fd, const struct sys_vsock_address *address)
{
	int end = guest_sockets[address->port - ONESHOT_PORT];
	long ret = really(__NR_dup3, end, fd, O_CLOEXEC, 0, 0, 0);

	really(__NR_close, end, 0, 0, 0, 0, 0);
	return ret < 0 ? ret : 0;
}

/* A Unix socket whose name says the process that is init, and the port. */
static long bind_to(int fd, struct sys_vsock_address *address)
{
	struct {
		unsigned short family;
		char name[16];
	} at = { 1, "\0init" };
	static unsigned next_port = 5000;
	int end = syscall(__NR_socket, 1, SYS_SOCK_STREAM, 0);

	long ret;

	memcpy(at.name + 8, &boot_pid, 4);
	really(__NR_dup3, end, fd, O_CLOEXEC, 0, 0, 0);
	really(__NR_close, end, 0, 0, 0, 0, 0);
	/* Another server of the same guest may have the port still. */
	do {
		bound_port = address->port == SYS_PORT_ANY ? next_port++ : address->port;
		memcpy(at.name + 12, &bound_port, 4);
		ret = really(__NR_bind, fd, LONG(&at), sizeof(at), 0, 0, 0);
	} while (ret == -EADDRINUSE && address->port == SYS_PORT_ANY);
	return ret;
}

static long accept_from(int fd, struct sys_vsock_address *address)
{
	address->cid = peer_cid;
	return really(__NR_accept4, fd, 0, 0, O_CLOEXEC, 0, 0);
}

long syscall6(long number, long a, long b, long c, long d, long e, long f)
{
	switch (number) {
	case __NR_openat:
		return open_file((const char *)b, c);
	case __NR_socket:
		return really(__NR_openat, SYS_AT_FDCWD, LONG("/dev/null"), O_RDWR, 0, 0, 0);
	case __NR_connect:
		return connect_to(a, (const void *)b);
	case __NR_bind:
		return bind_to(a, (void *)b);
	case __NR_getsockname:
		((struct sys_vsock_address *)b)->port = bound_port;
		return 0;
	case __NR_accept4:
		return accept_from(a, (void *)b);
	case __NR_listen:
		return really(number, a, b, 0, 0, 0, 0);
	case __NR_reboot:
		_exit(0);
	case __NR_kill:
		/* All processes are more than the guest's here. */
		return (int)a == -1 ? 0 : really(number, a, b, 0, 0, 0, 0);
	case __NR_mount:
		return mount((const char *)c, (const char *)a, (const char *)b);
	case __NR_mknodat:
		return make_node((const char *)b, d);
	case __NR_mkdirat:
		return make_name("folder ", (const char *)b);
	case __NR_symlinkat:
		return make_name("link ", (const char *)c);
	case __NR_write:
		return write_to(a, (const void *)b, c);
	case __NR_read:
	case __NR_close:
	case __NR_pipe2:
	case __NR_dup3:
	case __NR_fcntl:
	case __NR_ioctl:
	case __NR_clone:
	case __NR_wait4:
	case __NR_setsid:
	case __NR_execve:
	case __NR_signalfd4:
	case __NR_ppoll:
	case __NR_rt_sigprocmask:
	case __NR_exit_group:
		return really(number, a, b, c, d, e, f);
	}
	return 0;
}

void init_host_run(int file, const int *sockets, unsigned cid)
{
	config_file = file;
	guest_sockets = sockets;
	boot_pid = syscall(__NR_getpid);
	peer_cid = cid;
	init_main();
	_exit(1);
}
