/* SPDX-License-Identifier: BSD-2-Clause */
/* One call of the C library's fails, as it never does when it is asked to: what was begun is
 * undone. */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../net/user.h"
#include "keeper_rig.h"
#include "test.h"
#include "util/listener.h"
#include "util/relay.h"
#include "vmm/control.h"

static int listen_error; /* of the next listen() */
static char folder[] = "/tmp/lkvm-failed.XXXXXX", place[64];

/* Takes the C library's place in this program. */
int listen(int fd, int backlog)
{
	if (!listen_error)
		return syscall(SYS_listen, fd, backlog);
	errno = listen_error;
	listen_error = 0;
	return -1;
}

static int thread_error; /* of the next pthread_create() */

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*body)(void *), void *arg)
{
	static int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
	int error = thread_error;

	thread_error = 0;
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
	return error ? error : real(thread, attr, body, arg);
}

static atomic_bool waited;

int waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
	waited = true;
	errno = ECHILD;
	return -1;
}

static atomic_int read_error; /* of the next read() */

ssize_t read(int fd, void *to, size_t count)
{
	int error = atomic_exchange(&read_error, 0);

	if (!error)
		return syscall(SYS_read, fd, to, count);
	errno = error;
	return -1;
}

static int begin(void **state)
{
	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	setenv("XDG_RUNTIME_DIR", folder, 1);
	setenv("HOME", folder, 1);
	listen_error = ENOBUFS;
	return 0;
}

static int end(void **state)
{
	snprintf(place, sizeof(place), "%s/lkvm", folder);
	rmdir(place);
	return rmdir(folder);
}

static bool is_there(const char *name)
{
	struct stat st;

	snprintf(place, sizeof(place), "%s/%s", folder, name);
	return !lstat(place, &st);
}

TEST_WITH(a_control_socket_that_cannot_listen_leaves_no_file, begin, end)
{
	struct control_socket *socket = calloc(1, sizeof(*socket));
	struct error err = { 0 };

	assert_int_equal(control_open(socket), 0);
	assert_int_equal(control_listen(socket, "vm", false, &err), -ENOBUFS);
	assert_false(is_there("lkvm/vm.sock"));
	/* And the next try finds nothing in its way. */
	assert_int_equal(control_listen(socket, "vm", false, &err), -EINVAL);
	close(socket->fd);
	assert_int_equal(control_open(socket), 0);
	assert_int_equal(control_listen(socket, "vm", false, &err), 0);
	assert_true(is_there("lkvm/vm.sock"));
	close(socket->fd);
	control_forget(0, "vm");
	assert_false(is_there("lkvm/vm.sock"));
	free(socket);
}

TEST_WITH(a_path_that_cannot_listen_leaves_no_file, begin, end)
{
	struct keeper *keeper = keeper_rig_create();
	struct listener sock = { 0 };
	struct error err = { 0 };
	char path[64];

	snprintf(path, sizeof(path), "%s/vs", folder);
	assert_int_equal(listener_open(&sock, keeper, "--vsock", path, SOCK_STREAM, &err),
			 -ENOBUFS);
	assert_false(is_there("vs"));
	assert_int_equal(listener_open(&sock, keeper, "--vsock", path, SOCK_STREAM, &err), 0);
	assert_true(is_there("vs"));
	close(sock.fd);
	listener_remove(&sock);
	assert_false(is_there("vs"));
	keeper_destroy(keeper);
}

/* Its end of the socket is closed when it has ended. */
TEST(a_network_s_program_that_cannot_be_waited_for_is_ended_all_the_same)
{
	const struct net_user_args args = { { "sleep", "300" }, 2 };
	struct net_child *child;
	struct pollfd ours = { .events = POLLIN };
	int fds[2];
	char c;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(net_child_prepare(&child, "/bin/sleep", &args, fds[1]), 0);
	assert_int_equal(net_child_go(child), 0);
	while (!waited)
		usleep(1000);
	net_child_end(child);
	ours.fd = fds[0];
	assert_int_equal(poll(&ours, 1, 60000), 1);
	assert_int_equal(read(fds[0], &c, 1), 0);
	close(fds[0]);
}

/* Not a run without its network, nor one that waits for a program that nobody starts. */
TEST(a_network_that_was_asked_for_and_has_no_thread_is_refused)
{
	const struct net_options options = {
		.mode = NET_USER,
		.host_ip.s_addr = htonl(0xc0a82101),
		.guest_ip.s_addr = htonl(0xc0a8210f),
		.forwards[0] = { .host_port = 1, .guest_port = 1 },
		.forward_count = 1,
		.give_up_fd = -1,
	};
	struct error err = { "" };
	struct net_backend *backend;

	if (net_user_available())
		skip();
	thread_error = EAGAIN;
	assert_int_equal(net_user_open(&backend, &options, &err), -EAGAIN);
	assert_non_null(strstr(err.text, "ulimit -u"));
	assert_int_equal(thread_error, 0);
	/* Its process goes, which may take it longer than we were waited for. */
	while (waitpid(-1, NULL, 0) > 0)
		;
}

TEST(a_relay_that_cannot_read_says_so)
{
	struct pollfd done = { .events = POLLIN };
	struct relay *relay;

	read_error = EIO;
	assert_int_equal(relay_to(&relay, STDERR_FILENO), 0);
	done.fd = relay_done_fd(relay);
	assert_int_equal(poll(&done, 1, 60000), 1);
	assert_int_equal(relay_error(relay), -EIO);
	relay_destroy(relay);
}
