/* SPDX-License-Identifier: BSD-2-Clause */
/* Pausing and resuming a machine by its control socket. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control_rig.h"
#include "test.h"
#include "wire.h"

#define PAUSE  "{\"command\":\"pause\"}\n"
#define RESUME "{\"command\":\"resume\"}\n"

static struct bench {
	struct control_rig rig;
	struct vm *vm;
	struct device device;
	bool busy; /* the device has something under way */
	bool told; /* to pause */
} bench;

static void device_pause(struct device *device)
{
	bench.told = true;
}

static void device_resume(struct device *device)
{
	bench.told = false;
}

static bool device_settled(const struct device *device)
{
	return !bench.busy;
}

static void device_destroy(struct device *device)
{
}

static const struct device_ops device_ops = {
	.pause = device_pause,
	.resume = device_resume,
	.settled = device_settled,
	.destroy = device_destroy,
};

static int setup(void **state)
{
	memset(&bench, 0, sizeof(bench));
	bench.vm = wire_create();
	bench.device.ops = &device_ops;
	vm_add_device(bench.vm, &bench.device);
	control_rig_create(&bench.rig, bench.vm->loop);
	control_rig_listen(&bench.rig, vm_commands, bench.vm);
	control_rig_wait(&bench.rig);
	return 0;
}

static int teardown(void **state)
{
	control_rig_destroy(&bench.rig);
	wire_destroy(bench.vm);
	return 0;
}

static int ask(const char *request)
{
	int fd = control_connect(CONTROL_RIG_NAME, NULL);

	assert_true(fd >= 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
	/* Some rounds of the timer that looks at the device. */
	for (unsigned i = 0; i < 20; i++)
		loop_poll(bench.vm->loop, 1);
	return fd;
}

static void expect(int fd, const char *answer)
{
	char text[128];
	size_t len = 0;
	ssize_t got = -1;

	for (unsigned i = 0; i < 1000 && got; i++) {
		loop_poll(bench.vm->loop, 10);
		got = recv(fd, text + len, sizeof(text) - 1 - len, 0);
		len += MAX(got, 0);
	}
	assert_int_equal(got, 0);
	text[len] = '\0';
	assert_string_equal(text, answer);
	close(fd);
}

static void expect_silence(int fd)
{
	char byte;

	assert_int_equal(recv(fd, &byte, 1, 0), -1);
}

TEST_WITH(pause_is_answered_once_the_machine_has_paused, setup, teardown)
{
	int fd;

	bench.busy = true;
	fd = ask(PAUSE);
	assert_true(bench.told);
	assert_false(vm_is_paused(bench.vm));
	expect_silence(fd);
	bench.busy = false;
	expect(fd, "{\"paused\":true}\n" CONTROL_OK);
	assert_true(vm_is_paused(bench.vm));
}

TEST_WITH(resume_is_answered_when_the_machine_goes_on, setup, teardown)
{
	expect(ask(PAUSE), "{\"paused\":true}\n" CONTROL_OK);
	expect(ask(RESUME), "{\"paused\":false}\n" CONTROL_OK);
	assert_false(vm_is_paused(bench.vm));
	assert_false(bench.told);
}

TEST_WITH(both_are_answered_where_nothing_changes, setup, teardown)
{
	expect(ask(RESUME), "{\"paused\":false}\n" CONTROL_OK);
	expect(ask(PAUSE), "{\"paused\":true}\n" CONTROL_OK);
	expect(ask(PAUSE), "{\"paused\":true}\n" CONTROL_OK);
	expect(ask(RESUME), "{\"paused\":false}\n" CONTROL_OK);
}

TEST_WITH(all_who_wait_for_a_pause_are_answered, setup, teardown)
{
	int first, second;

	bench.busy = true;
	first = ask(PAUSE);
	second = ask(PAUSE);
	bench.busy = false;
	expect(first, "{\"paused\":true}\n" CONTROL_OK);
	expect(second, "{\"paused\":true}\n" CONTROL_OK);
}

TEST_WITH(a_pause_that_is_taken_back_is_an_error, setup, teardown)
{
	int fd;

	bench.busy = true;
	fd = ask(PAUSE);
	expect(ask(RESUME), "{\"paused\":false}\n" CONTROL_OK);
	expect(fd, "{\"error\":\"it was resumed meanwhile\"}\n");
	assert_false(bench.told);
}

TEST_WITH(a_pause_outlives_the_one_who_asked_for_it, setup, teardown)
{
	int fd;

	bench.busy = true;
	fd = ask(PAUSE);
	close(fd);
	for (unsigned i = 0; i < 20; i++)
		loop_poll(bench.vm->loop, 1);
	bench.busy = false;
	expect(ask(PAUSE), "{\"paused\":true}\n" CONTROL_OK);
	expect(ask(RESUME), "{\"paused\":false}\n" CONTROL_OK);
}

TEST_WITH(a_machine_that_waits_for_the_host_stays_paused, setup, teardown)
{
	vm_pause(bench.vm, VM_PAUSE_HOST, NULL);
	expect(ask(PAUSE), "{\"paused\":true}\n" CONTROL_OK);
	expect(ask(RESUME), "{\"paused\":true}\n" CONTROL_OK);
	vm_resume(bench.vm, VM_PAUSE_HOST);
	assert_false(vm_is_paused(bench.vm));
}

TEST_WITH(a_machine_may_end_while_somebody_waits_for_its_pause, setup, teardown)
{
	int fd;

	bench.busy = true;
	fd = ask(PAUSE);
	close(fd);
	fd = ask(PAUSE);
	expect_silence(fd);
	close(fd);
}

/* They have their answer when the host has finished, which may be never. */
TEST_WITH(as_many_as_can_ask_who_wait_for_a_pause_keep_nobody_from_taking_it_back, setup, teardown)
{
	int waiting[CONTROL_CLIENTS];

	bench.busy = true;
	for (unsigned i = 0; i < CONTROL_CLIENTS; i++)
		waiting[i] = ask(PAUSE);
	expect(ask(RESUME), "{\"paused\":false}\n" CONTROL_OK);
	expect(waiting[0], "{\"error\":\"it has not come to that yet, and others want to ask\"}\n");
	for (unsigned i = 1; i < CONTROL_CLIENTS; i++)
		expect(waiting[i], "{\"error\":\"it was resumed meanwhile\"}\n");
}
