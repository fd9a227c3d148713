/* SPDX-License-Identifier: BSD-2-Clause */
/* The control socket: its names, its folders, and who may leave or take one. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control_rig.h"
#include "test.h"
#include "util/log.h"

static struct control_rig rig;

static int say_echo(void *arg, struct control_client *client, json_t *request, struct error *err)
{
	control_send(client, json_pack("{sO*}", "echo", json_object_get(request, "text")));
	return 0;
}

static const struct control_command commands[] = { { "echo", say_echo }, { 0 } };

static int set_up(void **state)
{
	control_rig_create(&rig, NULL);
	return 0;
}

static int set_up_listening(void **state)
{
	control_rig_create(&rig, NULL);
	control_rig_listen(&rig, commands, NULL);
	control_rig_wait(&rig);
	return 0;
}

static int tear_down(void **state)
{
	control_destroy(rig.control);
	rig.control = NULL;
	/* It may be a socket of the test's own. */
	unlink(rig.socket);
	control_rig_destroy(&rig);
	return 0;
}

static int listen_as(struct control_socket *socket, const char *name, struct error *err)
{
	int ret = control_open(socket);

	assert_int_equal(ret, 0);
	ret = control_listen(socket, name, true, err);
	if (ret)
		close(socket->fd);
	return ret;
}

TEST_WITH(a_name_is_a_word_that_neither_hides_nor_moves_a_terminal, set_up, tear_down)
{
	static const char *const good[] = { "vm", "guest-12", "a.b", "_", "x=1,y" };
	static const char *const bad[] = { "",	   ".",	      "-a",    "a/b",	    "a b",
					   "a\nb", "\033[2J", "a\x7f", "a\xc2\x9b", "a\tb" };
	char name[CONTROL_NAME + 2];
	struct error err = { "" };

	for (unsigned i = 0; i < ARRAY_SIZE(good); i++)
		assert_int_equal(control_check_name(good[i], NULL), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(control_check_name(bad[i], &err), -EINVAL);
	assert_string_not_equal(err.text, "");
	memset(name, 'x', sizeof(name));
	name[CONTROL_NAME + 1] = '\0';
	assert_int_equal(control_check_name(name, NULL), -EINVAL);
	name[CONTROL_NAME] = '\0';
	assert_int_equal(control_check_name(name, NULL), 0);
}

TEST_WITH(roots_sockets_are_never_in_another_users_folder, set_up, tear_down)
{
	char path[PATH_MAX];

	if (geteuid())
		skip();
	assert_int_equal(chown(rig.dir, 65534, 65534), 0);
	assert_int_equal(control_folder(0, path), 0);
	assert_string_equal(path, "/run/lkvm");
	assert_int_equal(chown(rig.dir, 0, 0), 0);
}

static void expect_folder(unsigned n, const char *path)
{
	char found[PATH_MAX];

	if (!path) {
		assert_int_equal(control_folder(n, found), -ENOENT);
		return;
	}
	assert_int_equal(control_folder(n, found), 0);
	assert_string_equal(found, path);
}

TEST_WITH(a_home_with_kvmtools_folder_has_the_sockets_and_others_are_found_all_the_same, set_up,
	  tear_down)
{
	char home[64], runtime[64];

	snprintf(home, sizeof(home), "%s/.lkvm", rig.dir);
	snprintf(runtime, sizeof(runtime), "%s/lkvm", rig.dir);
	setenv("HOME", rig.dir, 1);
	expect_folder(0, runtime);
	expect_folder(1, NULL);
	/* As kvmtool makes it. */
	assert_int_equal(mkdir(home, 0755), 0);
	expect_folder(0, home);
	expect_folder(1, runtime);
	expect_folder(2, NULL);
	assert_int_equal(control_check_place(CONTROL_RIG_NAME, NULL), 0);
	/* Others could put a socket there. */
	assert_int_equal(chmod(home, 0777), 0);
	expect_folder(0, runtime);
	assert_int_equal(rmdir(home), 0);
}

TEST_WITH(a_vm_is_found_in_the_folder_that_is_not_the_first_one, set_up_listening, tear_down)
{
	char home[64];
	int fd;

	snprintf(home, sizeof(home), "%s/.lkvm", rig.dir);
	setenv("HOME", rig.dir, 1);
	assert_int_equal(mkdir(home, 0700), 0);
	assert_int_equal(control_connect_at(0, CONTROL_RIG_NAME, NULL), -ENOENT);
	fd = control_connect(CONTROL_RIG_NAME, NULL);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(rmdir(home), 0);
}

TEST_WITH(a_place_is_checked_without_making_anything, set_up, tear_down)
{
	struct error err = { "" };
	char path[108];

	assert_int_equal(control_check_place(CONTROL_RIG_NAME, NULL), 0);
	snprintf(path, sizeof(path), "%s/lkvm", rig.dir);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(control_check_place(CONTROL_RIG_NAME, &err), -EPERM);
	assert_non_null(strstr(err.text, path));
	assert_int_equal(rmdir(path), 0);
	setenv("XDG_RUNTIME_DIR", "/nowhere/at/all", 1);
	assert_int_equal(control_check_place(CONTROL_RIG_NAME, NULL), -ENOENT);
	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	setenv("XDG_RUNTIME_DIR", rig.dir, 1);
	assert_int_equal(control_check_place(path, NULL), -ENAMETOOLONG);
}

TEST_WITH(the_socket_is_there_before_the_loop_runs, set_up, tear_down)
{
	int fd = -1;

	control_rig_listen(&rig, commands, NULL);
	for (unsigned i = 0; i < 500 && fd < 0; i++) {
		fd = control_connect(CONTROL_RIG_NAME, NULL);
		if (fd < 0)
			usleep(10000);
	}
	assert_true(fd >= 0);
	close(fd);
}

TEST_WITH(only_its_user_may_enter_the_folder, set_up_listening, tear_down)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "%s/lkvm", rig.dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

TEST_WITH(the_socket_goes_with_the_vm, set_up_listening, tear_down)
{
	assert_int_equal(access(rig.socket, F_OK), 0);
	control_destroy(rig.control);
	rig.control = NULL;
	assert_int_equal(access(rig.socket, F_OK), -1);
	assert_int_equal(control_connect(CONTROL_RIG_NAME, NULL), -ENOENT);
}

TEST_WITH(a_name_that_is_in_use_is_refused, set_up_listening, tear_down)
{
	struct control_socket second;
	struct error err = { "" };

	assert_int_equal(listen_as(&second, CONTROL_RIG_NAME, &err), -EADDRINUSE);
	control_rig_expect(&rig, "{\"command\":\"echo\",\"text\":7}\n",
			   "{\"echo\":7}\n" CONTROL_OK);
}

/* A socket that nobody listens on, as a killed lkvm leaves it. */
static void leave_socket(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	char path[64];

	snprintf(path, sizeof(path), "%s/lkvm", rig.dir);
	assert_true(!mkdir(path, 0700) || errno == EEXIST);
	strcpy(address.sun_path, rig.socket);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
}

struct making {
	int fd, folder;
};

static void *listen_later(void *arg)
{
	const struct making *making = arg;

	usleep(20000);
	listen(making->fd, 1);
	close(making->folder);
	return NULL;
}

/* Scripts wait for the file, which bind() makes, and want to connect before listen(). */
TEST_WITH(who_connects_waits_for_a_socket_that_is_being_made, set_up, tear_down)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct making making = { .fd = socket(AF_UNIX, SOCK_STREAM, 0) };
	pthread_t thread;
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/lkvm", rig.dir);
	assert_int_equal(mkdir(path, 0700), 0);
	making.folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(making.folder, LOCK_EX | LOCK_NB), 0);
	strcpy(address.sun_path, rig.socket);
	assert_int_equal(bind(making.fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(pthread_create(&thread, NULL, listen_later, &making), 0);
	fd = control_connect(CONTROL_RIG_NAME, NULL);
	pthread_join(thread, NULL);
	assert_true(fd >= 0);
	close(fd);
	close(making.fd);
	assert_int_equal(unlink(rig.socket), 0);
}

TEST_WITH(the_socket_of_a_dead_lkvm_is_replaced, set_up, tear_down)
{
	leave_socket();
	assert_int_equal(control_connect(CONTROL_RIG_NAME, NULL), -ECONNREFUSED);
	control_rig_listen(&rig, commands, NULL);
	control_rig_wait(&rig);
	control_rig_expect(&rig, "{\"command\":\"echo\",\"text\":8}\n",
			   "{\"echo\":8}\n" CONTROL_OK);
}

/* Others may read $HOME/.lkvm, and everybody who may open a folder may lock it. */
TEST_WITH(a_folder_that_a_stranger_keeps_locked_gets_the_socket_all_the_same, set_up, tear_down)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/lkvm", rig.dir);
	assert_int_equal(mkdir(path, 0700), 0);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	control_rig_listen(&rig, commands, NULL);
	assert_int_equal(access(rig.socket, F_OK), -1);
	control_rig_wait(&rig);
	control_rig_expect(&rig, "{\"command\":\"echo\",\"text\":9}\n",
			   "{\"echo\":9}\n" CONTROL_OK);
	close(fd);
}

/* Whoever waits for it is about to be another user, who can make none. */
TEST_WITH(a_name_that_was_found_in_use_is_not_tried_again_later, set_up, tear_down)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int other = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), folder;
	char path[64];

	snprintf(path, sizeof(path), "%s/lkvm", rig.dir);
	assert_int_equal(mkdir(path, 0700), 0);
	folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(folder, LOCK_EX | LOCK_NB), 0);
	control_rig_listen(&rig, commands, NULL);
	/* The first try may be an aside's. */
	loop_poll(rig.loop, 20);
	strcpy(address.sun_path, rig.socket);
	assert_int_equal(bind(other, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(other, 1), 0);
	close(folder);
	assert_int_equal(control_settle(rig.control), 0);
	close(other);
	assert_int_equal(unlink(rig.socket), 0);
	/* The first turn drops what came before a source was removed. */
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(loop_poll(rig.loop, 50), 0);
	assert_int_equal(access(rig.socket, F_OK), -1);
}

TEST_WITH(only_the_socket_of_a_dead_lkvm_is_forgotten, set_up_listening, tear_down)
{
	control_forget(0, CONTROL_RIG_NAME);
	assert_int_equal(access(rig.socket, F_OK), 0);
	control_destroy(rig.control);
	rig.control = NULL;
	leave_socket();
	control_forget(0, CONTROL_RIG_NAME);
	assert_int_equal(access(rig.socket, F_OK), -1);
}

TEST_WITH(a_file_that_is_no_socket_is_neither_forgotten_nor_replaced, set_up_listening, tear_down)
{
	struct control_socket second;
	int fd;

	control_destroy(rig.control);
	rig.control = NULL;
	fd = open(rig.socket, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	control_forget(0, CONTROL_RIG_NAME);
	assert_int_equal(access(rig.socket, F_OK), 0);
	assert_int_equal(listen_as(&second, CONTROL_RIG_NAME, NULL), -EEXIST);
	close(second.fd);
	assert_int_equal(access(rig.socket, F_OK), 0);
	unlink(rig.socket);
}

TEST_WITH(a_socket_that_has_become_anothers_is_not_removed, set_up_listening, tear_down)
{
	struct control_socket second;

	assert_int_equal(unlink(rig.socket), 0);
	assert_int_equal(listen_as(&second, CONTROL_RIG_NAME, NULL), 0);
	control_destroy(rig.control);
	rig.control = NULL;
	assert_int_equal(access(rig.socket, F_OK), 0);
	close(second.fd);
	control_forget(0, CONTROL_RIG_NAME);
	assert_int_equal(access(rig.socket, F_OK), -1);
}

TEST_WITH(a_folder_that_others_may_enter_is_not_used, set_up, tear_down)
{
	struct control_socket socket;
	struct error err = { "" };
	char path[64];

	snprintf(path, sizeof(path), "%s/lkvm", rig.dir);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(chmod(path, 0755), 0);
	assert_int_equal(listen_as(&socket, CONTROL_RIG_NAME, &err), -EPERM);
	assert_non_null(strstr(err.text, path));
	/* The VM runs on without one. */
	control_rig_listen(&rig, commands, NULL);
	assert_int_equal(control_connect(CONTROL_RIG_NAME, NULL), -ENOENT);
}

TEST_WITH(a_path_that_is_too_long_is_no_path, set_up, tear_down)
{
	struct control_socket socket;
	struct error err = { "" };
	char path[200];

	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	setenv("XDG_RUNTIME_DIR", path, 1);
	assert_int_equal(listen_as(&socket, CONTROL_RIG_NAME, &err), -ENAMETOOLONG);
}

/*
 * Each "lkvm list" leaves two. Were there no room, "lkvm stop" would not learn whose process it is.
 */
TEST_WITH(a_vm_that_stands_still_can_be_asked_again_and_again, set_up_listening, tear_down)
{
	for (unsigned i = 0; i < 100; i++) {
		pid_t pid = 0;
		int fd = control_connect(CONTROL_RIG_NAME, &pid);

		assert_true(fd >= 0);
		assert_int_equal(pid, getpid());
		close(fd);
	}
}
