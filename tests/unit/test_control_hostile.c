/* SPDX-License-Identifier: BSD-2-Clause */
/* The protocol of docs/control.md against clients that do not keep to it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control_rig.h"
#include "test.h"

#define ECHO "{\"command\":\"echo\"}\n"

struct bench {
	struct control_rig rig;
	struct control_client *talker;
	unsigned heard;
	bool over;
};

static struct bench bench;

static int say_echo(void *arg, struct control_client *client, json_t *request, struct error *err)
{
	control_send(client, json_pack("{sb}", "echo", 1));
	return 0;
}

static enum control_more talk_more(void *state, struct control_client *client)
{
	return bench.over ? CONTROL_END : CONTROL_PAUSE;
}

static int talk_input(void *state, const json_t *input)
{
	if (!json_is_integer(json_object_get(input, "n")))
		return -EPROTO;
	bench.heard += json_integer_value(json_object_get(input, "n"));
	return 0;
}

static void talk_end(void *state)
{
}

static const struct control_stream talk = { .more = talk_more,
					    .end = talk_end,
					    .input = talk_input };

static int start_talk(void *arg, struct control_client *client, json_t *request, struct error *err)
{
	bench.talker = client;
	return control_stream(client, &talk, NULL, err);
}

static const struct control_command commands[] = {
	{ "echo", say_echo },
	{ "talk", start_talk },
	{ 0 },
};

static int setup(void **state)
{
	memset(&bench, 0, sizeof(bench));
	control_rig_create(&bench.rig, NULL);
	control_rig_listen(&bench.rig, commands, NULL);
	control_rig_wait(&bench.rig);
	return 0;
}

static int teardown(void **state)
{
	control_rig_destroy(&bench.rig);
	return 0;
}

static int client_open(void)
{
	int fd;

	/* The backlog may be full of others. */
	for (unsigned i = 0; i < 1000; i++) {
		fd = control_connect(CONTROL_RIG_NAME, NULL);
		if (fd != -EAGAIN)
			break;
		control_rig_run(&bench.rig);
	}
	assert_true(fd >= 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static void client_say(int fd, const void *data, size_t len)
{
	/* It may have been dropped meanwhile. */
	send(fd, data, len, MSG_NOSIGNAL);
	control_rig_run(&bench.rig);
}

/* The whole answer; "" if it was dropped without one. */
static const char *client_hear(int fd)
{
	static char text[4096];
	size_t len = 0;
	ssize_t got = -1;

	for (unsigned i = 0; i < 1000 && got; i++) {
		loop_poll(bench.rig.loop, got < 0 ? 1 : 0);
		got = recv(fd, text + len, sizeof(text) - 1 - len, 0);
		if (got < 0 && errno != EAGAIN)
			break;
		len += MAX(got, 0);
	}
	text[len] = '\0';
	close(fd);
	return text;
}

static const char *ask(const void *data, size_t len)
{
	int fd = client_open();

	client_say(fd, data, len);
	return client_hear(fd);
}

static const char *ask_text(const char *text)
{
	return ask(text, strlen(text));
}

static void is_well(void)
{
	assert_string_equal(ask_text(ECHO), "{\"echo\":true}\n" CONTROL_OK);
}

TEST_WITH(an_answer_ends_with_ok_or_an_error, setup, teardown)
{
	is_well();
	assert_string_equal(ask_text("{\"command\":\"frob\"}\n"),
			    "{\"error\":\"no such command\"}\n");
}

TEST_WITH(a_request_of_another_version_is_refused, setup, teardown)
{
	assert_string_equal(ask_text("{\"command\":\"echo\",\"version\":1}\n"),
			    "{\"echo\":true}\n" CONTROL_OK);
	assert_string_equal(ask_text("{\"command\":\"echo\",\"version\":2}\n"),
			    "{\"error\":\"this lkvm speaks version 1 of the protocol alone\"}\n");
	assert_non_null(strstr(ask_text("{\"command\":\"echo\",\"version\":\"1\"}\n"), "error"));
}

TEST_WITH(a_request_that_is_nested_deeply_is_refused, setup, teardown)
{
	char text[CONTROL_REQUEST];

	memset(text, '[', sizeof(text));
	text[sizeof(text) - 1] = '\n';
	assert_non_null(strstr(ask(text, sizeof(text)), "{\"error\":"));
	memset(text, ']', sizeof(text) - 1);
	memset(text, '[', (sizeof(text) - 1) / 2);
	assert_non_null(strstr(ask(text, sizeof(text)), "{\"error\":"));
	is_well();
}

TEST_WITH(a_request_of_bytes_that_are_no_text_is_refused, setup, teardown)
{
	char bytes[256];

	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = i + 11 == '\n' ? 1 : i + 11;
	bytes[255] = '\n';
	assert_non_null(strstr(ask(bytes, sizeof(bytes)), "{\"error\":"));
	assert_non_null(strstr(ask("{\"command\":\"\\u0000echo\"}\n", 25), "{\"error\":"));
	is_well();
}

TEST_WITH(a_request_with_a_key_twice_is_refused, setup, teardown)
{
	assert_non_null(strstr(ask_text("{\"command\":\"echo\",\"command\":\"echo\"}\n"), "error"));
}

TEST_WITH(two_requests_at_once_are_none, setup, teardown)
{
	assert_string_equal(ask_text(ECHO ECHO), "");
	is_well();
}

TEST_WITH(a_hundred_clients_that_ask_slowly_keep_nobody_waiting, setup, teardown)
{
	int fds[100];

	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = client_open();
		client_say(fds[i], "{\"comm", 7);
	}
	is_well();
	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
		client_say(fds[i], "and", 3);
	is_well();
	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	control_rig_run(&bench.rig);
	is_well();
}

TEST_WITH(a_hundred_good_clients_are_all_answered, setup, teardown)
{
	int fds[100];
	unsigned sent = 0, answered = 0;

	/* As many as the backlog takes, and the rest as it empties. */
	for (unsigned round = 0; round < 1000 && answered < ARRAY_SIZE(fds); round++) {
		int fd;

		while (sent < ARRAY_SIZE(fds) &&
		       (fd = control_connect(CONTROL_RIG_NAME, NULL)) >= 0) {
			fds[sent++] = fd;
			fcntl(fd, F_SETFL, O_NONBLOCK);
			assert_int_equal(send(fd, ECHO, strlen(ECHO), 0), strlen(ECHO));
		}
		control_rig_run(&bench.rig);
		for (; answered < sent; answered++)
			assert_string_equal(client_hear(fds[answered]),
					    "{\"echo\":true}\n" CONTROL_OK);
	}
	assert_int_equal(answered, ARRAY_SIZE(fds));
}

/* ---- streams that take something in ---- */

TEST_WITH(a_stream_takes_lines_in_even_those_that_came_with_the_request, setup, teardown)
{
	static const char first[] = "{\"command\":\"talk\"}\n{\"n\":1}\n{\"n\":2";
	int fd = client_open();

	client_say(fd, first, strlen(first));
	assert_int_equal(bench.heard, 1);
	client_say(fd, "0}\n", 3);
	assert_int_equal(bench.heard, 21);
	bench.over = true;
	control_wake(bench.talker);
	assert_string_equal(client_hear(fd), CONTROL_OK);
}

TEST_WITH(a_stream_drops_a_client_that_says_what_it_does_not_take, setup, teardown)
{
	static const char *const bad[] = { "{\"n\":\"x\"}\n", "[]\n", "\n", "{\n" };

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		int fd = client_open();

		client_say(fd, "{\"command\":\"talk\"}\n", 19);
		client_say(fd, bad[i], strlen(bad[i]));
		assert_string_equal(client_hear(fd), "");
	}
	is_well();
}

TEST_WITH(a_stream_drops_a_client_whose_line_has_no_end, setup, teardown)
{
	char text[CONTROL_REQUEST];
	int fd = client_open();

	memset(text, ' ', sizeof(text));
	client_say(fd, "{\"command\":\"talk\"}\n", 19);
	client_say(fd, text, sizeof(text));
	assert_string_equal(client_hear(fd), "");
	is_well();
}

/* ---- who may come in ---- */

/* What another user hears, where the files' modes would let it in. */
static void be_another(int pipe)
{
	char text[128] = "";
	int fd;

	if (setgid(65534) || setuid(65534))
		_exit(1);
	fd = control_connect(CONTROL_RIG_NAME, NULL);
	if (fd < 0 || recv(fd, text, sizeof(text) - 1, 0) <= 0)
		snprintf(text, sizeof(text), "%d", fd);
	_exit(write(pipe, text, sizeof(text)) != sizeof(text));
}

TEST_WITH(another_user_does_not_get_in_even_where_the_files_modes_would_let_it, setup, teardown)
{
	char path[64], text[128] = "";
	int pipes[2];
	pid_t child;

	if (geteuid())
		skip();
	snprintf(path, sizeof(path), "%s/lkvm", bench.rig.dir);
	assert_int_equal(
		chmod(bench.rig.dir, 0755) | chmod(path, 0755) | chmod(bench.rig.socket, 0777), 0);
	assert_int_equal(pipe2(pipes, O_NONBLOCK), 0);
	child = fork();
	if (!child)
		be_another(pipes[1]);
	for (unsigned i = 0; i < 1000 && read(pipes[0], text, sizeof(text)) < 0; i++)
		loop_poll(bench.rig.loop, 10);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_string_equal(text, "{\"error\":\"this VM is another user's\"}\n");
	close(pipes[0]);
	close(pipes[1]);
	is_well();
}

/* Listen in the VM's place, until the test goes. */
static void lie_in_wait(int pipe)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(address.sun_path, bench.rig.socket);
	strcpy(address.sun_path + strlen(bench.rig.socket) - strlen("vm.sock"), "it.sock");
	if (setgid(65534) || setuid(65534) ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 1))
		_exit(1);
	_exit(write(pipe, "", 1) != 1 || pause());
}

TEST_WITH(nobody_is_asked_who_is_another_user, setup, teardown)
{
	char path[80], byte = 1;
	int pipes[2];
	pid_t child;

	if (geteuid())
		skip();
	snprintf(path, sizeof(path), "%s/lkvm", bench.rig.dir);
	assert_int_equal(chmod(bench.rig.dir, 0755) | chmod(path, 0777), 0);
	assert_int_equal(pipe(pipes), 0);
	child = fork();
	if (!child)
		lie_in_wait(pipes[1]);
	close(pipes[1]);
	assert_int_equal(read(pipes[0], &byte, 1), 1);
	assert_int_equal(control_connect("it", NULL), -EPERM);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	close(pipes[0]);
	snprintf(path, sizeof(path), "%s/lkvm/it.sock", bench.rig.dir);
	unlink(path);
	is_well();
}

/* ---- the end ---- */

TEST_WITH(the_end_of_the_vm_ends_each_answer, setup, teardown)
{
	int fd = client_open(), silent = client_open();

	client_say(fd, "{\"command\":\"talk\"}\n", 19);
	bench.over = true;
	control_finish(bench.rig.control);
	assert_string_equal(client_hear(fd), CONTROL_OK);
	assert_string_equal(client_hear(silent), "");
}
