/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "test.h"
#include "util/log.h"
#include "vmm/control.h"

#define NAME "vm"
#define OK   "{\"ok\":true}\n" /* the last line of an answer */

struct bench {
	char dir[32];
	char socket[64];
	pthread_mutex_t lock;
	struct loop *loop;
	struct control *control;
	unsigned ended; /* streams */
	u64 said;	/* by the one that never ends */
	struct control_client *sleeper;
	bool awake;
};

static struct bench the_bench;

/* ---- commands ---- */

static int say_echo(void *arg, struct control_client *client, json_t *request, struct error *err)
{
	control_send(client, json_pack("{sO*}", "echo", json_object_get(request, "text")));
	return 0;
}

static int say_no(void *arg, struct control_client *client, json_t *request, struct error *err)
{
	return error_set(err, -EINVAL, "no, because");
}

static enum control_more flood_more(void *state, struct control_client *client)
{
	while (control_has_room(client)) {
		control_send(client, json_pack("{sI}", "n", (json_int_t)the_bench.said));
		the_bench.said++;
	}
	return CONTROL_AGAIN;
}

static void count_end(void *state)
{
	the_bench.ended++;
}

static const struct control_stream flood = { .more = flood_more, .end = count_end };

static int start_flood(void *arg, struct control_client *client, json_t *request, struct error *err)
{
	return control_stream(client, &flood, NULL, err);
}

static enum control_more sleeper_more(void *state, struct control_client *client)
{
	if (!the_bench.awake)
		return CONTROL_PAUSE;
	control_send(client, json_pack("{sb}", "awake", 1));
	return CONTROL_END;
}

static const struct control_stream sleeper = { .more = sleeper_more, .end = count_end };

static int start_sleeper(void *arg, struct control_client *client, json_t *request,
			 struct error *err)
{
	the_bench.sleeper = client;
	return control_stream(client, &sleeper, NULL, err);
}

static const struct control_stream follower = {
	.more = sleeper_more,
	.end = count_end,
	.follows = true,
};

static int start_follower(void *arg, struct control_client *client, json_t *request,
			  struct error *err)
{
	return control_stream(client, &follower, NULL, err);
}

static const struct control_stream babbler = {
	.more = flood_more,
	.end = count_end,
	.follows = true,
};

static int start_babbler(void *arg, struct control_client *client, json_t *request,
			 struct error *err)
{
	return control_stream(client, &babbler, NULL, err);
}

static int say_too_much(void *arg, struct control_client *client, json_t *request,
			struct error *err)
{
	char text[CONTROL_LINE];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	control_send(client, json_pack("{ss}", "much", text));
	return 0;
}

static const struct control_command commands[] = {
	{ "echo", say_echo },	     { "no", say_no },
	{ "flood", start_flood },    { "sleep", start_sleeper },
	{ "much", say_too_much },    { "follow", start_follower },
	{ "babble", start_babbler }, { 0 },
};

/* ---- the bench ---- */

static void run_loop(void)
{
	while (loop_poll(the_bench.loop, 0))
		;
}

/* It comes soon after the loop runs, and is served when it answers. */
static void wait_for_socket(void)
{
	static const char request[] = "{\"command\": \"echo\"}\n";
	char answer[16];
	int fd;

	for (unsigned i = 0; i < 500 && access(the_bench.socket, F_OK); i++)
		loop_poll(the_bench.loop, 10);
	while ((fd = control_connect(NAME, NULL)) < 0)
		loop_poll(the_bench.loop, 10);
	assert_int_equal(send(fd, request, strlen(request), 0), strlen(request));
	while (recv(fd, answer, sizeof(answer), MSG_DONTWAIT) < 0)
		loop_poll(the_bench.loop, 10);
	close(fd);
	run_loop();
}

static int set_up(void **state)
{
	memset(&the_bench, 0, sizeof(the_bench));
	strcpy(the_bench.dir, "/tmp/lkvm-test.XXXXXX");
	assert_non_null(mkdtemp(the_bench.dir));
	setenv("XDG_RUNTIME_DIR", the_bench.dir, 1);
	unsetenv("HOME");
	snprintf(the_bench.socket, sizeof(the_bench.socket), "%s/lkvm/" NAME ".sock",
		 the_bench.dir);
	pthread_mutex_init(&the_bench.lock, NULL);
	assert_int_equal(loop_create(&the_bench.loop, &the_bench.lock), 0);
	return 0;
}

static void make_control(void)
{
	assert_int_equal(control_create(&the_bench.control, the_bench.loop, NAME, false), 0);
	control_add(the_bench.control, commands, NULL);
}

static int set_up_listening(void **state)
{
	set_up(state);
	make_control();
	wait_for_socket();
	return 0;
}

static int tear_down(void **state)
{
	char path[64];

	control_destroy(the_bench.control);
	loop_destroy(the_bench.loop);
	pthread_mutex_destroy(&the_bench.lock);
	unlink(the_bench.socket);
	snprintf(path, sizeof(path), "%s/lkvm", the_bench.dir);
	rmdir(path);
	/* Nothing else was left there. */
	assert_int_equal(rmdir(the_bench.dir), 0);
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

/* ---- a client ---- */

static int client_open(void)
{
	int fd = control_connect(NAME, NULL);

	assert_true(fd >= 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	run_loop();
	return fd;
}

static void client_say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	run_loop();
}

/* Everything up to the end of the answer, which must come. */
static void client_hear(int fd, char *text, size_t size)
{
	size_t len = 0;
	ssize_t got;

	while ((got = recv(fd, text + len, size - 1 - len, 0)) > 0) {
		len += got;
		run_loop();
	}
	assert_int_equal(got, 0);
	text[len] = '\0';
	close(fd);
}

static void expect_answer(const char *request, const char *answer)
{
	char text[512];
	int fd = client_open();

	client_say(fd, request);
	client_hear(fd, text, sizeof(text));
	assert_string_equal(text, answer);
}

/* ---- framing ---- */

TEST_WITH(a_request_is_a_line_and_so_is_the_answer, set_up_listening, tear_down)
{
	expect_answer("{\"command\":\"echo\",\"text\":\"hello\"}\n", "{\"echo\":\"hello\"}\n" OK);
}

TEST_WITH(a_request_may_come_in_single_bytes, set_up_listening, tear_down)
{
	const char *request = "{\"command\":\"echo\",\"text\":1}\n";
	char byte[2] = "", text[64];
	int fd = client_open();

	for (; *request; request++) {
		byte[0] = *request;
		client_say(fd, byte);
	}
	client_hear(fd, text, sizeof(text));
	assert_string_equal(text, "{\"echo\":1}\n" OK);
}

TEST_WITH(a_client_may_close_its_half_after_the_request, set_up_listening, tear_down)
{
	char text[64];
	int fd = client_open();

	assert_int_equal(send(fd, "{\"command\":\"echo\",\"text\":2}\n", 29, 0), 29);
	shutdown(fd, SHUT_WR);
	run_loop();
	client_hear(fd, text, sizeof(text));
	assert_string_equal(text, "{\"echo\":2}\n" OK);
}

TEST_WITH(what_is_no_request_is_refused, set_up_listening, tear_down)
{
	expect_answer("\n", "{\"error\":\"a request is a JSON object on a line\"}\n");
	expect_answer("hello\n", "{\"error\":\"a request is a JSON object on a line\"}\n");
	expect_answer("[1]\n", "{\"error\":\"a request is a JSON object on a line\"}\n");
	expect_answer("{}\n", "{\"error\":\"no such command\"}\n");
	expect_answer("{\"command\":3}\n", "{\"error\":\"no such command\"}\n");
	expect_answer("{\"command\":\"frob\"}\n", "{\"error\":\"no such command\"}\n");
	expect_answer("{\"command\":\"no\"}\n", "{\"error\":\"no, because\"}\n");
}

TEST_WITH(a_request_without_end_is_cut_off, set_up_listening, tear_down)
{
	char text[256], flood_of_x[CONTROL_REQUEST];
	int fd = client_open();

	memset(flood_of_x, 'x', sizeof(flood_of_x));
	assert_int_equal(send(fd, flood_of_x, sizeof(flood_of_x), 0), sizeof(flood_of_x));
	run_loop();
	client_hear(fd, text, sizeof(text));
	assert_string_equal(text, "{\"error\":\"the request is too long\"}\n");
}

TEST_WITH(a_client_that_says_more_than_one_request_is_dropped, set_up_listening, tear_down)
{
	char byte;
	int fd = client_open();

	client_say(fd, "{\"command\":\"sleep\"}\n");
	client_say(fd, "{\"command\":\"sleep\"}\n");
	assert_int_equal(the_bench.ended, 1);
	assert_true(recv(fd, &byte, 1, 0) <= 0);
	close(fd);
}

TEST_WITH(a_line_that_is_too_long_is_never_sent_in_part, set_up_listening, tear_down)
{
	expect_answer("{\"command\":\"much\"}\n", "");
}

/* ---- streams ---- */

TEST_WITH(a_paused_stream_costs_nothing_and_goes_on_when_woken, set_up_listening, tear_down)
{
	char text[64];
	int fd = client_open();

	client_say(fd, "{\"command\":\"sleep\"}\n");
	assert_int_equal(loop_poll(the_bench.loop, 50), 0);
	the_bench.awake = true;
	control_wake(the_bench.sleeper);
	run_loop();
	client_hear(fd, text, sizeof(text));
	assert_string_equal(text, "{\"awake\":true}\n" OK);
	assert_int_equal(the_bench.ended, 1);
}

TEST_WITH(a_client_that_goes_away_ends_its_stream, set_up_listening, tear_down)
{
	int fd = client_open();

	client_say(fd, "{\"command\":\"sleep\"}\n");
	close(fd);
	run_loop();
	assert_int_equal(the_bench.ended, 1);
}

TEST_WITH(a_client_that_does_not_read_stops_being_served, set_up_listening, tear_down)
{
	int fd = client_open();
	u64 said;

	/* Returns: what the kernel and we hold for it is bounded. */
	client_say(fd, "{\"command\":\"flood\"}\n");
	said = the_bench.said;
	assert_in_range(said, 1, 1000000);
	assert_int_equal(loop_poll(the_bench.loop, 50), 0);
	assert_int_equal(the_bench.said, said);
	expect_answer("{\"command\":\"echo\",\"text\":3}\n", "{\"echo\":3}\n" OK);
	close(fd);
	run_loop();
	assert_int_equal(the_bench.ended, 1);
}

TEST_WITH(a_client_that_does_not_read_gives_its_place_to_one_that_does, set_up_listening, tear_down)
{
	int fds[CONTROL_CLIENTS];

	for (unsigned i = 0; i < CONTROL_CLIENTS; i++) {
		fds[i] = client_open();
		client_say(fds[i], "{\"command\":\"flood\"}\n");
	}
	expect_answer("{\"command\":\"echo\",\"text\":4}\n", "{\"echo\":4}\n" OK);
	assert_int_equal(the_bench.ended, 1);
	for (unsigned i = 0; i < CONTROL_CLIENTS; i++)
		close(fds[i]);
	run_loop();
	assert_int_equal(the_bench.ended, CONTROL_CLIENTS);
}

TEST_WITH(a_client_that_asks_nothing_gives_its_place_too, set_up_listening, tear_down)
{
	int fds[2 * CONTROL_CLIENTS];

	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = client_open();
	expect_answer("{\"command\":\"echo\",\"text\":5}\n", "{\"echo\":5}\n" OK);
	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
}

TEST_WITH(good_clients_keep_their_places_and_the_next_one_waits, set_up_listening, tear_down)
{
	int fds[CONTROL_CLIENTS], late;
	char text[64];

	for (unsigned i = 0; i < CONTROL_CLIENTS; i++) {
		fds[i] = client_open();
		client_say(fds[i], "{\"command\":\"sleep\"}\n");
	}
	late = client_open();
	client_say(late, "{\"command\":\"echo\",\"text\":6}\n");
	assert_int_equal(loop_poll(the_bench.loop, 50), 0);
	assert_int_equal(the_bench.ended, 0);
	close(fds[0]);
	run_loop();
	client_hear(late, text, sizeof(text));
	assert_string_equal(text, "{\"echo\":6}\n" OK);
	for (unsigned i = 1; i < CONTROL_CLIENTS; i++)
		close(fds[i]);
}

/* @count clients that follow, each with @request, in @fds. */
static void follow(int *fds, unsigned count, const char *request)
{
	for (unsigned i = 0; i < count; i++) {
		fds[i] = client_open();
		client_say(fds[i], request);
	}
}

static void close_all(const int *fds, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		close(fds[i]);
	run_loop();
}

TEST_WITH(idle_followers_keep_nobody_from_being_answered, set_up_listening, tear_down)
{
	int fds[CONTROL_FOLLOWERS];

	follow(fds, CONTROL_FOLLOWERS, "{\"command\":\"follow\"}\n");
	for (unsigned i = 0; i < 2 * CONTROL_CLIENTS; i++)
		expect_answer("{\"command\":\"echo\",\"text\":9}\n", "{\"echo\":9}\n" OK);
	assert_int_equal(the_bench.ended, 0);
	expect_answer("{\"command\":\"follow\"}\n",
		      "{\"error\":\"16 others follow it: that is as many as can\"}\n");
	close_all(fds, CONTROL_FOLLOWERS);
	assert_int_equal(the_bench.ended, CONTROL_FOLLOWERS);
}

TEST_WITH(a_follower_that_does_not_read_gives_its_place_to_another_follower, set_up_listening,
	  tear_down)
{
	int fds[CONTROL_FOLLOWERS + 1];

	follow(fds, CONTROL_FOLLOWERS, "{\"command\":\"babble\"}\n");
	expect_answer("{\"command\":\"echo\",\"text\":10}\n", "{\"echo\":10}\n" OK);
	assert_int_equal(the_bench.ended, 0);
	follow(&fds[CONTROL_FOLLOWERS], 1, "{\"command\":\"follow\"}\n");
	assert_int_equal(the_bench.ended, 1);
	close_all(fds, CONTROL_FOLLOWERS + 1);
	assert_int_equal(the_bench.ended, CONTROL_FOLLOWERS + 1);
}

TEST_WITH(a_place_is_free_as_soon_as_a_client_has_become_a_follower, set_up_listening, tear_down)
{
	int fds[CONTROL_CLIENTS], late;
	char text[64];

	follow(fds, CONTROL_CLIENTS - 1, "{\"command\":\"sleep\"}\n");
	/* The last place, and one that waits for it: in the order in which they come. */
	fds[CONTROL_CLIENTS - 1] = control_connect(NAME, NULL);
	late = control_connect(NAME, NULL);
	assert_true(fds[CONTROL_CLIENTS - 1] >= 0 && late >= 0);
	fcntl(late, F_SETFL, O_NONBLOCK);
	assert_int_equal(send(fds[CONTROL_CLIENTS - 1], "{\"command\":\"follow\"}\n", 21, 0), 21);
	client_say(late, "{\"command\":\"echo\",\"text\":11}\n");
	client_hear(late, text, sizeof(text));
	assert_string_equal(text, "{\"echo\":11}\n" OK);
	close_all(fds, CONTROL_CLIENTS);
}

/* ---- names and the socket ---- */

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
	assert_int_equal(chown(the_bench.dir, 65534, 65534), 0);
	assert_int_equal(control_folder(0, path), 0);
	assert_string_equal(path, "/run/lkvm");
	assert_int_equal(chown(the_bench.dir, 0, 0), 0);
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

	snprintf(home, sizeof(home), "%s/.lkvm", the_bench.dir);
	snprintf(runtime, sizeof(runtime), "%s/lkvm", the_bench.dir);
	setenv("HOME", the_bench.dir, 1);
	expect_folder(0, runtime);
	expect_folder(1, NULL);
	/* As kvmtool makes it. */
	assert_int_equal(mkdir(home, 0755), 0);
	expect_folder(0, home);
	expect_folder(1, runtime);
	expect_folder(2, NULL);
	assert_int_equal(control_check_place(NAME, NULL), 0);
	/* Others could put a socket there. */
	assert_int_equal(chmod(home, 0777), 0);
	expect_folder(0, runtime);
	assert_int_equal(rmdir(home), 0);
}

TEST_WITH(a_vm_is_found_in_the_folder_that_is_not_the_first_one, set_up_listening, tear_down)
{
	char home[64];
	int fd;

	snprintf(home, sizeof(home), "%s/.lkvm", the_bench.dir);
	setenv("HOME", the_bench.dir, 1);
	assert_int_equal(mkdir(home, 0700), 0);
	assert_int_equal(control_connect_at(0, NAME, NULL), -ENOENT);
	fd = control_connect(NAME, NULL);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(rmdir(home), 0);
}

TEST_WITH(a_place_is_checked_without_making_anything, set_up, tear_down)
{
	struct error err = { "" };
	char path[108];

	assert_int_equal(control_check_place(NAME, NULL), 0);
	snprintf(path, sizeof(path), "%s/lkvm", the_bench.dir);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(control_check_place(NAME, &err), -EPERM);
	assert_non_null(strstr(err.text, path));
	assert_int_equal(rmdir(path), 0);
	setenv("XDG_RUNTIME_DIR", "/nowhere/at/all", 1);
	assert_int_equal(control_check_place(NAME, NULL), -ENOENT);
	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	setenv("XDG_RUNTIME_DIR", the_bench.dir, 1);
	assert_int_equal(control_check_place(path, NULL), -ENAMETOOLONG);
}

TEST_WITH(the_socket_is_there_before_the_loop_runs, set_up, tear_down)
{
	int fd = -1;

	make_control();
	for (unsigned i = 0; i < 500 && fd < 0; i++) {
		fd = control_connect(NAME, NULL);
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

	snprintf(path, sizeof(path), "%s/lkvm", the_bench.dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

TEST_WITH(the_socket_goes_with_the_vm, set_up_listening, tear_down)
{
	assert_int_equal(access(the_bench.socket, F_OK), 0);
	control_destroy(the_bench.control);
	the_bench.control = NULL;
	assert_int_equal(access(the_bench.socket, F_OK), -1);
	assert_int_equal(control_connect(NAME, NULL), -ENOENT);
}

TEST_WITH(a_name_that_is_in_use_is_refused, set_up_listening, tear_down)
{
	struct control_socket second;
	struct error err = { "" };

	assert_int_equal(listen_as(&second, NAME, &err), -EADDRINUSE);
	expect_answer("{\"command\":\"echo\",\"text\":7}\n", "{\"echo\":7}\n" OK);
}

/* A socket that nobody listens on, as a killed lkvm leaves it. */
static void leave_socket(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	char path[64];

	snprintf(path, sizeof(path), "%s/lkvm", the_bench.dir);
	assert_true(!mkdir(path, 0700) || errno == EEXIST);
	strcpy(address.sun_path, the_bench.socket);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
}

TEST_WITH(the_socket_of_a_dead_lkvm_is_replaced, set_up, tear_down)
{
	leave_socket();
	assert_int_equal(control_connect(NAME, NULL), -ECONNREFUSED);
	make_control();
	wait_for_socket();
	expect_answer("{\"command\":\"echo\",\"text\":8}\n", "{\"echo\":8}\n" OK);
}

/* Others may read $HOME/.lkvm, and who may open a folder may lock it. */
TEST_WITH(a_folder_that_a_stranger_keeps_locked_gets_the_socket_all_the_same, set_up, tear_down)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/lkvm", the_bench.dir);
	assert_int_equal(mkdir(path, 0700), 0);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	make_control();
	assert_int_equal(access(the_bench.socket, F_OK), -1);
	wait_for_socket();
	expect_answer("{\"command\":\"echo\",\"text\":9}\n", "{\"echo\":9}\n" OK);
	close(fd);
}

TEST_WITH(only_the_socket_of_a_dead_lkvm_is_forgotten, set_up_listening, tear_down)
{
	control_forget(0, NAME);
	assert_int_equal(access(the_bench.socket, F_OK), 0);
	control_destroy(the_bench.control);
	the_bench.control = NULL;
	leave_socket();
	control_forget(0, NAME);
	assert_int_equal(access(the_bench.socket, F_OK), -1);
}

TEST_WITH(a_file_that_is_no_socket_is_neither_forgotten_nor_replaced, set_up_listening, tear_down)
{
	struct control_socket second;
	int fd;

	control_destroy(the_bench.control);
	the_bench.control = NULL;
	fd = open(the_bench.socket, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	control_forget(0, NAME);
	assert_int_equal(access(the_bench.socket, F_OK), 0);
	assert_int_equal(listen_as(&second, NAME, NULL), -EEXIST);
	close(second.fd);
	assert_int_equal(access(the_bench.socket, F_OK), 0);
	unlink(the_bench.socket);
}

TEST_WITH(a_socket_that_has_become_anothers_is_not_removed, set_up_listening, tear_down)
{
	struct control_socket second;

	assert_int_equal(unlink(the_bench.socket), 0);
	assert_int_equal(listen_as(&second, NAME, NULL), 0);
	control_destroy(the_bench.control);
	the_bench.control = NULL;
	assert_int_equal(access(the_bench.socket, F_OK), 0);
	control_remove(&second);
	close(second.fd);
	assert_int_equal(access(the_bench.socket, F_OK), -1);
}

TEST_WITH(a_folder_that_others_may_enter_is_not_used, set_up, tear_down)
{
	struct control_socket socket;
	struct error err = { "" };
	char path[64];

	snprintf(path, sizeof(path), "%s/lkvm", the_bench.dir);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(chmod(path, 0755), 0);
	assert_int_equal(listen_as(&socket, NAME, &err), -EPERM);
	assert_non_null(strstr(err.text, path));
	/* The VM runs on without one. */
	make_control();
	assert_int_equal(control_connect(NAME, NULL), -ENOENT);
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
	assert_int_equal(listen_as(&socket, NAME, &err), -ENAMETOOLONG);
}
