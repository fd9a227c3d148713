/* SPDX-License-Identifier: BSD-2-Clause */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cmocka_all.h"
#include "control_rig.h"
#include "keeper_rig.h"

void control_rig_create(struct control_rig *rig, struct loop *loop)
{
	*rig = (struct control_rig){ .dir = "/tmp/lkvm-test.XXXXXX", .loop = loop };
	assert_non_null(mkdtemp(rig->dir));
	setenv("XDG_RUNTIME_DIR", rig->dir, 1);
	unsetenv("HOME");
	snprintf(rig->socket, sizeof(rig->socket), "%s/lkvm/" CONTROL_RIG_NAME ".sock", rig->dir);
	if (loop)
		return;
	pthread_mutex_init(&rig->lock, NULL);
	assert_int_equal(loop_create(&rig->own, &rig->lock), 0);
	rig->loop = rig->own;
}

void control_rig_listen(struct control_rig *rig, const struct control_command *commands, void *arg)
{
	if (!rig->keeper)
		rig->keeper = keeper_rig_create();
	assert_int_equal(
		control_create(&rig->control, rig->loop, rig->keeper, CONTROL_RIG_NAME, false), 0);
	control_add(rig->control, commands, arg);
}

void control_rig_destroy(struct control_rig *rig)
{
	char path[64];

	control_destroy(rig->control);
	keeper_destroy(rig->keeper);
	if (rig->own) {
		loop_destroy(rig->own);
		pthread_mutex_destroy(&rig->lock);
	}
	snprintf(path, sizeof(path), "%s/lkvm", rig->dir);
	rmdir(path);
	assert_int_equal(rmdir(rig->dir), 0);
}

void control_rig_run(struct control_rig *rig)
{
	while (loop_poll(rig->loop, 0))
		;
}

void control_rig_wait(struct control_rig *rig)
{
	char answer[16];
	int fd;

	while ((fd = control_connect(CONTROL_RIG_NAME, NULL)) < 0)
		loop_poll(rig->loop, 10);
	assert_int_equal(send(fd, "{}\n", 3, 0), 3);
	while (recv(fd, answer, sizeof(answer), MSG_DONTWAIT) < 0)
		loop_poll(rig->loop, 10);
	close(fd);
	control_rig_run(rig);
}

int control_rig_client(struct control_rig *rig)
{
	int fd = control_connect(CONTROL_RIG_NAME, NULL);

	assert_true(fd >= 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	control_rig_run(rig);
	return fd;
}

void control_rig_say(struct control_rig *rig, int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	control_rig_run(rig);
}

void control_rig_hear(struct control_rig *rig, int fd, char *text, size_t size)
{
	size_t len = 0;
	ssize_t got;

	while ((got = recv(fd, text + len, size - 1 - len, 0)) > 0) {
		len += got;
		control_rig_run(rig);
	}
	assert_int_equal(got, 0);
	text[len] = '\0';
	close(fd);
}

void control_rig_expect(struct control_rig *rig, const char *request, const char *answer)
{
	char text[512];
	int fd = control_rig_client(rig);

	control_rig_say(rig, fd, request);
	control_rig_hear(rig, fd, text, sizeof(text));
	assert_string_equal(text, answer);
}
