/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages to and from the host, and the end of the machine. */
#include "init.h"

int channels[ONESHOT_CHANNELS] = { -1, -1, -1, -1 };

static bool is_server; /* of one command more, and not process 1 */
static struct {
	struct oneshot_message message;
	size_t len; /* of what has come of it */
} heard;

void host_tell(enum oneshot_type type, unsigned value, const char *text)
{
	struct oneshot_message message = { .type = type, .value = value };
	const char *at = (const char *)&message;
	size_t left = sizeof(message);

	text_join(message.text, sizeof(message.text), text, "");
	while (left) {
		long done = sys_write(channels[ONESHOT_CONTROL], at, left);

		if (done <= 0)
			return;
		at += done;
		left -= done;
	}
}

static void power_off(void) __attribute__((noreturn));
static void power_off(void)
{
	sys_sync();
	while (is_server)
		sys_exit(0);
	for (;;) {
		sys_power_off();
		sys_sleep(1000);
	}
}

const struct oneshot_message *host_hear(bool *over)
{
	long got;

	*over = false;
	heard.len %= sizeof(heard.message);
	got = sys_read(channels[ONESHOT_CONTROL], (char *)&heard.message + heard.len,
		       sizeof(heard.message) - heard.len);
	*over = got <= 0 && got != -EINTR && got != -EAGAIN;
	heard.len += got > 0 ? got : 0;
	return got > 0 && heard.len == sizeof(heard.message) ? &heard.message : NULL;
}

void host_leave(void)
{
	const struct oneshot_message *message;
	bool over = false;

	do
		message = host_hear(&over);
	while (!over && !(message && message->type == ONESHOT_BYE));
	power_off();
}

void host_fail(const char *what, long error)
{
	sys_write(2, "lkvm's init: ", 13);
	sys_write(2, what, text_length(what));
	sys_write(2, "\n", 1);
	for (unsigned i = ONESHOT_STDIN; i < ONESHOT_CHANNELS; i++)
		sys_close(channels[i]);
	host_tell(ONESHOT_FAILED, -error, what);
	host_leave();
}

void host_serve(int control)
{
	is_server = true;
	sys_close(channels[ONESHOT_CONTROL]);
	channels[ONESHOT_CONTROL] = control;
	heard.len = 0;
}

bool host_is_served(void)
{
	return is_server;
}
