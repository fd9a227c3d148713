/* SPDX-License-Identifier: BSD-2-Clause */
/* What a VM is asked, and told, by its control socket; and its events. */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control_rig.h"
#include "virtio/balloon.h"
#include "virtio/mmio.h"
#include "vmm/device_class.h"
#include "vmm/events.h"
#include "vmm/power.h"
#include "wire.h"

static const struct range ram[] = { { 0, 0xfffff }, { 0x100000000, 0x1000fffff } };
static const struct vm_config config = {
	.name = CONTROL_RIG_NAME, .cpus = 3, .ram = ram, .ram_count = 2, .console = "serial"
};

static struct {
	struct control_rig rig;
	struct vm *vm;
	struct power_button button;
	unsigned presses;
} bench;

static void press(struct power_button *button)
{
	bench.presses++;
}

static int setup(void **state)
{
	memset(&bench, 0, sizeof(bench));
	bench.vm = wire_create();
	bench.vm->config = &config;
	bench.button.press = press;
	assert_int_equal(vm_events_create(bench.vm), 0);
	control_rig_create(&bench.rig, bench.vm->loop);
	control_rig_listen(&bench.rig, vm_commands, bench.vm);
	control_rig_wait(&bench.rig);
	return 0;
}

static int teardown(void **state)
{
	control_rig_destroy(&bench.rig);
	vm_events_destroy(bench.vm);
	wire_destroy(bench.vm);
	return 0;
}

static int begin(const char *request)
{
	int fd = control_connect(CONTROL_RIG_NAME, NULL);

	assert_true(fd >= 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
	return fd;
}

static char text[0x20000];

/* What comes until there is a pause, or the end. */
static const char *hear(int fd)
{
	size_t len = 0;
	ssize_t got;

	for (unsigned quiet = 0; quiet < 3 && len < sizeof(text) - 1;) {
		loop_poll(bench.vm->loop, 1);
		got = recv(fd, text + len, sizeof(text) - 1 - len, 0);
		if (!got)
			break;
		quiet = got > 0 ? 0 : quiet + 1;
		len += MAX(got, 0);
	}
	text[len] = '\0';
	return text;
}

static const char *ask(const char *request)
{
	int fd = begin(request);

	hear(fd);
	close(fd);
	return text;
}

static unsigned count_lines(const char *with)
{
	unsigned count = 0;

	for (const char *at = text; (at = strstr(at, with)); at++)
		count++;
	return count;
}

TEST_WITH(status_tells_what_the_vm_is, setup, teardown)
{
	char want[256];

	snprintf(want, sizeof(want),
		 "{\"name\":\"vm\",\"pid\":%d,\"state\":\"running\",\"panicked\":false,"
		 "\"cpus\":3,\"memory\":2097152,\"uptime\":",
		 getpid());
	assert_ptr_equal(strstr(ask("{\"command\":\"status\"}\n"), want), text);
	assert_non_null(strstr(text, "\"console\":\"serial\",\"ports\":[]}\n" CONTROL_OK));
	ask("{\"command\":\"pause\"}\n");
	assert_non_null(strstr(ask("{\"command\":\"status\"}\n"), "\"state\":\"paused\""));
}

TEST_WITH(the_power_button_is_pressed_or_missing, setup, teardown)
{
	assert_string_equal(ask("{\"command\":\"power-button\"}\n"),
			    "{\"error\":\"this machine has no power button\"}\n");
	bench.vm->power_button = &bench.button;
	assert_string_equal(ask("{\"command\":\"power-button\"}\n"),
			    "{\"paused\":false}\n" CONTROL_OK);
	assert_int_equal(bench.presses, 1);
}

TEST_WITH(stop_is_answered_and_ends_the_vm_as_a_power_off, setup, teardown)
{
	assert_string_equal(ask("{\"command\":\"stop\"}\n"), CONTROL_OK);
	assert_int_equal(atomic_load(&bench.vm->stop), VM_POWEROFF);
}

/* ---- the balloon ---- */

extern const struct device_class virtio_balloon_class;

static void add_balloon(void)
{
	const struct virtio_balloon_options options = { 0 };
	struct virtio_device *device;
	struct device_resource slot;

	assert_int_equal(virtio_balloon_create(&device, &options, bench.vm->loop, bench.vm->memory,
					       &bench.vm->identity.space),
			 0);
	wire_slot(0, &slot);
	assert_int_equal(virtio_mmio_create(bench.vm, device, &slot, DEVICE_NO_ENDPOINT, false), 0);
	control_add(bench.rig.control, virtio_balloon_class.commands, device);
}

static void expect_target(const char *change, const char *answer)
{
	char request[160];

	snprintf(request, sizeof(request), "{\"command\":\"balloon\",%s}\n", change);
	assert_ptr_equal(strstr(ask(request), answer), text);
}

TEST_WITH(a_target_of_any_number_is_within_the_guests_memory_or_refused, setup, teardown)
{
	static const char too_much[] = "{\"error\":\"that is more memory than the guest has\"}\n";

	add_balloon();
	expect_target("\"target\":8192,\"add\":4096", "{\"target\":12288,");
	expect_target("\"add\":-4096", "{\"target\":8192,");
	expect_target("\"add\":-9223372036854775808", "{\"target\":0,");
	expect_target("\"target\":-9223372036854775808,\"add\":-1", "{\"target\":0,");
	expect_target("\"target\":9223372036854775807,\"add\":1", too_much);
	expect_target("\"target\":-1", "{\"error\":\"target and add: numbers of bytes\"}\n");
	expect_target("\"target\":1,\"add\":\"1\"",
		      "{\"error\":\"target and add: numbers of bytes\"}\n");
	expect_target("\"add\":0", "{\"target\":0,");
}

/* ---- events ---- */

TEST_WITH(a_follower_learns_what_was_and_then_what_comes, setup, teardown)
{
	int fd;

	vm_event(bench.vm, "started", NULL, "%s", "");
	fd = begin("{\"command\":\"events\"}\n");
	hear(fd);
	assert_int_equal(count_lines("\n"), 2);
	assert_non_null(strstr(text, "{\"events\":true}\n{\"event\":\"started\",\"time\":"));
	vm_event(bench.vm, "fault", "virtio-blk 0", "a ring breaks the %s", "rules");
	assert_non_null(strstr(hear(fd), "\"device\":\"virtio-blk 0\","
					 "\"why\":\"a ring breaks the rules\"}\n"));
	ask("{\"command\":\"pause\"}\n");
	ask("{\"command\":\"resume\"}\n");
	hear(fd);
	assert_non_null(strstr(text, "{\"event\":\"paused\""));
	assert_non_null(strstr(text, "{\"event\":\"resumed\""));
	close(fd);
}

TEST_WITH(the_first_driver_is_the_boot, setup, teardown)
{
	int fd = begin("{\"command\":\"events\"}\n");

	vm_driver_ok(bench.vm, "virtio-rng");
	vm_driver_ok(bench.vm, "virtio-blk 0");
	hear(fd);
	assert_int_equal(count_lines("\"event\":\"booted\""), 1);
	assert_non_null(strstr(text, "virtio-rng"));
	close(fd);
}

TEST_WITH(faults_without_end_are_told_so_many_times_a_second, setup, teardown)
{
	int fd = begin("{\"command\":\"events\"}\n");

	vm_event(bench.vm, "started", NULL, "%s", "");
	for (unsigned i = 0; i < 100000; i++)
		vm_event(bench.vm, "fault", "virtio-rng", "%u", i);
	hear(fd);
	assert_non_null(strstr(text, "started"));
	/* Perhaps a second ended meanwhile. */
	assert_in_range(count_lines("fault"), VM_EVENTS_A_SECOND, 10 * VM_EVENTS_A_SECOND);
	close(fd);
}

TEST_WITH(what_was_forgotten_before_it_was_told_is_counted, setup, teardown)
{
	int fd;

	for (unsigned i = 0; i < VM_EVENTS_KEPT + 7; i++)
		vm_event(bench.vm, "paused", NULL, "%u", i);
	fd = begin("{\"command\":\"events\"}\n");
	hear(fd);
	assert_non_null(strstr(text, "{\"lost\":7}\n"));
	assert_int_equal(count_lines("paused"), VM_EVENTS_KEPT);
	assert_non_null(strstr(text, "\"why\":\"262\""));
	close(fd);
}

TEST_WITH(a_follower_that_does_not_read_holds_nobody_up, setup, teardown)
{
	int fd = begin("{\"command\":\"events\"}\n");

	for (unsigned i = 0; i < 10000; i++) {
		vm_event(bench.vm, "paused", NULL, "%u", i);
		if (!(i % 100))
			loop_poll(bench.vm->loop, 0);
	}
	assert_non_null(strstr(ask("{\"command\":\"status\"}\n"), CONTROL_OK));
	hear(fd);
	assert_non_null(strstr(text, "lost"));
	assert_non_null(strstr(text, "\"why\":\"9999\""));
	close(fd);
}

TEST_WITH(the_last_event_arrives_before_the_end, setup, teardown)
{
	int fd = begin("{\"command\":\"events\"}\n");

	hear(fd);
	vm_event(bench.vm, "stopped", NULL, "%s", "power-off");
	control_finish(bench.rig.control);
	assert_non_null(strstr(hear(fd), "{\"event\":\"stopped\""));
	close(fd);
}
