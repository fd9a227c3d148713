/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The system calls that init makes. It has no C library: so it is a few KiB, and the same on every
 * machine that builds it. All return what the kernel does: 0 or more, or -errno.
 */
#ifndef INIT_SYS_H
#define INIT_SYS_H

#include <stdbool.h>
#include <stddef.h>

#include <asm/errno.h>
#include <asm/poll.h>
#include <asm/signal.h>
#include <asm/termios.h>
#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/mount.h>
#include <linux/reboot.h>

/* What the kernel's headers lack, or have together with a C library's alone. */
#define SYS_AT_FDCWD	-100
#define SYS_SOCK_STREAM 1
#define SYS_AF_VSOCK	40
#define SYS_CID_HOST	2
#define SYS_CID_ANY	0xffffffffu
#define SYS_PORT_ANY	0xffffffffu
#define SYS_WNOHANG	1
#define SYS_CHARACTER	0020000

/* <linux/sockios.h> and <linux/if.h> have these, together with a C library's. */
#define SYS_AF_INET	 2
#define SYS_SOCK_DGRAM	 2
#define SYS_SET_IF_FLAGS 0x8914
#define SYS_IF_UP	 1
struct sys_interface {
	char name[16];
	short flags;
	char rest[22];
};

struct sys_vsock_address {
	unsigned short family, reserved;
	unsigned int port, cid;
	unsigned char zero[4];
};

#define LONG(pointer) ((long)(pointer))

/* Of the architecture's file. */
long syscall6(long number, long a, long b, long c, long d, long e, long f);

static inline long sys_read(int fd, void *data, size_t len)
{
	return syscall6(__NR_read, fd, LONG(data), len, 0, 0, 0);
}

static inline long sys_write(int fd, const void *data, size_t len)
{
	return syscall6(__NR_write, fd, LONG(data), len, 0, 0, 0);
}

static inline int sys_open(const char *path, int flags)
{
	return syscall6(__NR_openat, SYS_AT_FDCWD, LONG(path), flags | O_CLOEXEC, 0, 0, 0);
}

static inline int sys_close(int fd)
{
	return syscall6(__NR_close, fd, 0, 0, 0, 0, 0);
}

static inline int sys_mkdir(const char *path, int mode)
{
	return syscall6(__NR_mkdirat, SYS_AT_FDCWD, LONG(path), mode, 0, 0, 0);
}

static inline int sys_unlink(const char *path)
{
	return syscall6(__NR_unlinkat, SYS_AT_FDCWD, LONG(path), 0, 0, 0, 0);
}

static inline int sys_symlink(const char *target, const char *path)
{
	return syscall6(__NR_symlinkat, LONG(target), SYS_AT_FDCWD, LONG(path), 0, 0, 0);
}

static inline int sys_mount(const char *source, const char *path, const char *type,
			    unsigned long flags, const char *data)
{
	return syscall6(__NR_mount, LONG(source), LONG(path), LONG(type), flags, LONG(data), 0);
}

static inline int sys_unmount(const char *path)
{
	return syscall6(__NR_umount2, LONG(path), 0, 0, 0, 0, 0);
}

/* A character device; its minor number is below 256. */
static inline int sys_make_node(const char *path, unsigned mode, unsigned major, unsigned minor)
{
	return syscall6(__NR_mknodat, SYS_AT_FDCWD, LONG(path), SYS_CHARACTER | mode,
			major << 8 | minor, 0, 0);
}

/* The one before. */
static inline int sys_set_umask(int mask)
{
	return syscall6(__NR_umask, mask, 0, 0, 0, 0, 0);
}

static inline int sys_chdir(const char *path)
{
	return syscall6(__NR_chdir, LONG(path), 0, 0, 0, 0, 0);
}

static inline int sys_chroot(const char *path)
{
	return syscall6(__NR_chroot, LONG(path), 0, 0, 0, 0, 0);
}

static inline int sys_load_module(int fd, const char *parameters)
{
	return syscall6(__NR_finit_module, fd, LONG(parameters), 0, 0, 0, 0);
}

static inline int sys_host_name(const char *name, size_t len)
{
	return syscall6(__NR_sethostname, LONG(name), len, 0, 0, 0, 0);
}

static inline int sys_socket(int family, int type)
{
	return syscall6(__NR_socket, family, type, 0, 0, 0, 0);
}

static inline int sys_control(int fd, unsigned long request, void *argument)
{
	return syscall6(__NR_ioctl, fd, request, LONG(argument), 0, 0, 0);
}

static inline int sys_connect(int fd, const void *address, size_t len)
{
	return syscall6(__NR_connect, fd, LONG(address), len, 0, 0, 0);
}

/* An fd that listens at @port, SYS_PORT_ANY for any, which is then in *@address. */
static inline int sys_listen(struct sys_vsock_address *address)
{
	int fd = sys_socket(SYS_AF_VSOCK, SYS_SOCK_STREAM | O_CLOEXEC), len = sizeof(*address);
	long ret = fd < 0 ? fd : syscall6(__NR_bind, fd, LONG(address), len, 0, 0, 0);

	if (!ret)
		ret = syscall6(__NR_listen, fd, 8, 0, 0, 0, 0);
	if (!ret)
		ret = syscall6(__NR_getsockname, fd, LONG(address), LONG(&len), 0, 0, 0);
	if (!ret)
		return fd;
	sys_close(fd);
	return ret;
}

/* Who came is in *@address. */
static inline int sys_accept(int fd, struct sys_vsock_address *address)
{
	int len = sizeof(*address);

	return syscall6(__NR_accept4, fd, LONG(address), LONG(&len), O_CLOEXEC, 0, 0);
}

static inline int sys_change_owner(int fd, unsigned uid, unsigned gid)
{
	return syscall6(__NR_fchown, fd, uid, gid, 0, 0, 0);
}

static inline int sys_pipe(int fds[2], int flags)
{
	return syscall6(__NR_pipe2, LONG(fds), flags, 0, 0, 0, 0);
}

static inline int sys_dup(int from, int to)
{
	return syscall6(__NR_dup3, from, to, 0, 0, 0, 0);
}

/* Another one for the same file. */
static inline int sys_copy(int fd)
{
	return syscall6(__NR_fcntl, fd, F_DUPFD_CLOEXEC, 0, 0, 0, 0);
}

static inline int sys_set_flags(int fd, int flags)
{
	return syscall6(__NR_fcntl, fd, F_SETFL, flags, 0, 0, 0);
}

/* fork(2), but that nobody is told of the child's end by a signal handler. */
static inline int sys_fork(void)
{
	return syscall6(__NR_clone, SIGCHLD, 0, 0, 0, 0, 0);
}

static inline int sys_wait(int pid, int *status, int flags)
{
	return syscall6(__NR_wait4, pid, LONG(status), flags, 0, 0, 0);
}

static inline int sys_kill(int pid, int signal)
{
	return syscall6(__NR_kill, pid, signal, 0, 0, 0, 0);
}

static inline int sys_setsid(void)
{
	return syscall6(__NR_setsid, 0, 0, 0, 0, 0, 0);
}

static inline int sys_set_user(unsigned uid, unsigned gid)
{
	long ret = syscall6(__NR_setgroups, 0, 0, 0, 0, 0, 0);

	if (!ret)
		ret = syscall6(__NR_setresgid, gid, gid, gid, 0, 0, 0);
	return ret ? ret : syscall6(__NR_setresuid, uid, uid, uid, 0, 0, 0);
}

static inline int sys_execute(const char *path, const char *const *words,
			      const char *const *variables)
{
	return syscall6(__NR_execve, LONG(path), LONG(words), LONG(variables), 0, 0, 0);
}

/* @signals: a mask. An fd that is readable when one has come. */
static inline int sys_signal_fd(unsigned long signals, int flags)
{
	return syscall6(__NR_signalfd4, -1, LONG(&signals), sizeof(signals), flags, 0, 0);
}

static inline int sys_block_signals(unsigned long signals)
{
	return syscall6(__NR_rt_sigprocmask, SIG_SETMASK, LONG(&signals), 0, sizeof(signals), 0, 0);
}

/* @ms: -1 for ever. */
static inline int sys_poll(struct pollfd *fds, unsigned count, int ms)
{
	struct {
		long seconds, nanoseconds;
	} wait = { ms / 1000, ms % 1000 * 1000000L };

	return syscall6(__NR_ppoll, LONG(fds), count, ms < 0 ? 0 : LONG(&wait), 0, 0, 0);
}

static inline void sys_sleep(int ms)
{
	sys_poll(NULL, 0, ms);
}

static inline void sys_sync(void)
{
	syscall6(__NR_sync, 0, 0, 0, 0, 0, 0);
}

static inline void sys_exit(int status)
{
	syscall6(__NR_exit_group, status, 0, 0, 0, 0, 0);
}

static inline void sys_power_off(void)
{
	syscall6(__NR_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_POWER_OFF,
		 0, 0, 0);
}

#endif
