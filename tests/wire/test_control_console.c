/* SPDX-License-Identifier: BSD-2-Clause */
/* The guest's console by the control socket: with a serial port behind it. */
#include "test.h"

#include <fcntl.h>
#include <linux/serial_reg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../vmm/terminal_private.h"
#include "control_rig.h"
#include "vmm/serial.h"
#include "wire.h"

#define ATTACH "{\"command\":\"console\"}\n"
#define HELLO  "{\"console\":true}\n"
#define PORT   0x3f8

static struct {
	struct control_rig rig;
	struct vm *vm;
	struct terminal terminal; /* without standard input and output */
} bench;

static u8 nothing[1];

static int setup(void **state)
{
	const struct device_resource slot = { .port = true, .base = PORT, .size = 8, .gsi = 4 };

	memset(&bench, 0, sizeof(bench));
	bench.vm = wire_create();
	list_init(&bench.terminal.taps);
	bench.terminal.in.data = nothing;
	bench.terminal.in.eof = true;
	bench.terminal.out.gone = true;
	assert_int_equal(serial_create(bench.vm, 0, &slot, &bench.terminal), 0);
	control_rig_create(&bench.rig, bench.vm->loop);
	control_rig_listen(&bench.rig, terminal_commands, &bench.terminal);
	control_rig_wait(&bench.rig);
	return 0;
}

static int teardown(void **state)
{
	control_rig_destroy(&bench.rig);
	wire_destroy(bench.vm);
	free(bench.terminal.out.data);
	return 0;
}

static u8 in(unsigned reg)
{
	u8 value;

	assert_true(bus_read(bench.vm->ports, PORT + reg, &value, 1));
	return value;
}

static void out(unsigned reg, u8 value)
{
	assert_true(bus_write(bench.vm->ports, PORT + reg, &value, 1));
}

static void turn(void)
{
	while (loop_poll(bench.vm->loop, 0))
		;
}

static void say(int fd, const char *request)
{
	assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
	turn();
}

static int begin(const char *request)
{
	int fd = control_connect(CONTROL_RIG_NAME, NULL);

	assert_true(fd >= 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	say(fd, request);
	return fd;
}

static char text[0x80000];

static const char *hear(int fd)
{
	size_t len = 0;
	ssize_t got;

	do {
		turn();
		got = recv(fd, text + len, sizeof(text) - 1 - len, 0);
		len += MAX(got, 0);
	} while (got > 0);
	text[len] = '\0';
	return text;
}

TEST_WITH(who_is_attached_hears_what_the_device_writes_from_then_on, setup, teardown)
{
	int fd;

	out(UART_TX, 'a');
	fd = begin(ATTACH);
	out(UART_TX, 'b');
	out(UART_TX, 0x80);
	out(UART_TX, 0);
	out(UART_TX, '"');
	assert_string_equal(hear(fd), HELLO "{\"output\":\"b\xc2\x80\\u0000\\\"\"}\n");
	close(fd);
}

TEST_WITH(all_who_are_attached_hear_it_and_one_may_leave, setup, teardown)
{
	int first = begin(ATTACH), second = begin(ATTACH);

	out(UART_TX, 'x');
	assert_string_equal(hear(first), HELLO "{\"output\":\"x\"}\n");
	close(first);
	out(UART_TX, 'y');
	assert_string_equal(hear(second), HELLO "{\"output\":\"x\"}\n{\"output\":\"y\"}\n");
	close(second);
	turn();
	out(UART_TX, 'z');
}

TEST_WITH(what_is_typed_arrives_in_order_once_the_guest_reads, setup, teardown)
{
	int fd = begin(ATTACH);

	say(fd, "{\"input\":\"one \"}\n{\"input\":\"\xc3\xbf\\u0000\"}\n");
	assert_int_equal(in(UART_LSR)&UART_LSR_DR, 0);
	out(UART_MCR, UART_MCR_RTS);
	for (const char *want = "one \xff"; *want; want++) {
		assert_true(in(UART_LSR)&UART_LSR_DR);
		assert_int_equal(in(UART_RX), (u8)*want);
	}
	assert_true(in(UART_LSR)&UART_LSR_DR);
	assert_int_equal(in(UART_RX), 0);
	assert_int_equal(in(UART_LSR)&UART_LSR_DR, 0);
	close(fd);
}

TEST_WITH(input_that_is_no_bytes_drops_its_sender, setup, teardown)
{
	static const char *const bad[] = { "{\"input\":\"\xc4\x80\"}\n", "{\"input\":1}\n", "{}\n",
					   "{\"input\":\"\xe2\x82\xac\"}\n" };
	char byte;

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		int fd = begin(ATTACH);

		hear(fd);
		say(fd, bad[i]);
		assert_int_equal(recv(fd, &byte, 1, 0), 0);
		close(fd);
	}
}

TEST_WITH(input_that_a_guest_does_not_read_is_counted_and_never_grows, setup, teardown)
{
	char line[2100];
	int fd = begin(ATTACH);

	memset(line, 'x', sizeof(line));
	memcpy(line, "{\"input\":\"", 10);
	strcpy(line + 10 + 2048, "\"}\n");
	say(fd, line);
	say(fd, line);
	assert_string_equal(hear(fd), HELLO);
	say(fd, line);
	assert_string_equal(hear(fd), "{\"input_lost\":2048}\n");
	close(fd);
}

/* The sums of what came and what was counted as lost. */
static void add_up(u64 *heard, u64 *lost)
{
	for (char *line = text; *line; line = strchr(line, '\n') + 1) {
		json_t *json = json_loads(line, JSON_DISABLE_EOF_CHECK, NULL);

		assert_non_null(json);
		*heard += json_string_length(json_object_get(json, "output"));
		*lost += json_integer_value(json_object_get(json, "lost"));
		json_decref(json);
	}
}

TEST_WITH(a_reader_that_stops_holds_nobody_up_and_learns_what_it_lost, setup, teardown)
{
	const u64 sent = 2000000;
	u64 heard = 0, lost = 0;
	int fd = begin(ATTACH);

	for (u64 i = 0; i < sent; i++) {
		out(UART_TX, 'x');
		if (!(i % 1000))
			turn();
	}
	hear(fd);
	add_up(&heard, &lost);
	assert_true(lost > 0);
	assert_int_equal(heard + lost, sent);
	close(fd);
}

/* ---- SysRq ---- */

TEST_WITH(sysrq_is_a_break_and_the_key, setup, teardown)
{
	int fd;

	out(UART_MCR, UART_MCR_RTS);
	fd = begin("{\"command\":\"sysrq\",\"key\":\"t\"}\n");
	assert_string_equal(hear(fd), "{\"ok\":true}\n");
	assert_int_equal(in(UART_LSR) & (UART_LSR_DR | UART_LSR_BI), UART_LSR_DR | UART_LSR_BI);
	assert_int_equal(in(UART_RX), 0);
	assert_int_equal(in(UART_LSR) & (UART_LSR_DR | UART_LSR_BI), UART_LSR_DR);
	assert_int_equal(in(UART_RX), 't');
	assert_int_equal(in(UART_LSR)&UART_LSR_DR, 0);
	close(fd);
}

TEST_WITH(a_break_keeps_its_place_among_what_was_typed, setup, teardown)
{
	int fd = begin(ATTACH), other;

	out(UART_MCR, UART_MCR_RTS);
	say(fd, "{\"input\":\"ab\"}\n");
	other = begin("{\"command\":\"sysrq\",\"key\":\"h\"}\n");
	assert_int_equal(in(UART_RX), 'a');
	assert_int_equal(in(UART_LSR)&UART_LSR_BI, 0);
	assert_int_equal(in(UART_RX), 'b');
	assert_int_equal(in(UART_LSR)&UART_LSR_BI, UART_LSR_BI);
	close(fd);
	close(other);
}

TEST_WITH(sysrq_is_refused_while_the_guest_does_not_read, setup, teardown)
{
	int fd = begin("{\"command\":\"sysrq\",\"key\":\"t\"}\n");

	assert_string_equal(hear(fd), "{\"error\":\"the guest does not read its console now\"}\n");
	close(fd);
	fd = begin("{\"command\":\"sysrq\",\"key\":\"tt\"}\n");
	assert_non_null(strstr(hear(fd), "one character"));
	close(fd);
}
