/* SPDX-License-Identifier: BSD-2-Clause */
/* A command's terminal, the host's side: with the test in the parts of the guest and of the user.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "oneshot/session.h"
#include "test.h"
#include "vmm/loop.h"

struct play {
	pthread_mutex_t lock;
	struct loop *loop;
	struct session *session;
	int guest[ONESHOT_CHANNELS];
	int user, terminal; /* a pty */
	unsigned overs, quits;
};

static void on_over(void *arg)
{
	((struct play *)arg)->overs++;
}

static void on_quit(void *arg)
{
	((struct play *)arg)->quits++;
}

static int set_up(void **state)
{
	struct play *play = calloc(1, sizeof(*play));
	struct session_options options = {
		.is_terminal = true, .quit = on_quit, .over = on_over, .arg = play
	};
	struct termios raw;

	pthread_mutex_init(&play->lock, NULL);
	assert_int_equal(loop_create(&play->loop, &play->lock), 0);
	assert_int_equal(openpty(&play->user, &play->terminal, NULL, NULL, NULL), 0);
	tcgetattr(play->terminal, &raw);
	cfmakeraw(&raw);
	tcsetattr(play->terminal, TCSANOW, &raw);
	for (unsigned i = 1; i < ONESHOT_CHANNELS; i++)
		options.standard[i] = play->terminal;
	assert_int_equal(session_create(&play->session, &options), 0);
	memcpy(play->guest, session_guest_ends(play->session), sizeof(play->guest));
	for (unsigned i = 0; i < ONESHOT_CHANNELS; i++)
		session_guest_ends(play->session)[i] = -1;
	assert_int_equal(session_start(play->session, play->loop), 0);
	*state = play;
	return 0;
}

static int tear_down(void **state)
{
	struct play *play = *state;

	session_destroy(play->session);
	loop_destroy(play->loop);
	for (unsigned i = 0; i < ONESHOT_CHANNELS; i++) {
		if (play->guest[i] >= 0)
			close(play->guest[i]);
	}
	close(play->user);
	close(play->terminal);
	free(play);
	return 0;
}

static void settle(struct play *play)
{
	for (unsigned quiet = 0; quiet < 5;)
		quiet = loop_poll(play->loop, quiet ? 3 : 0) > 0 ? 0 : quiet + 1;
}

static void say(struct play *play, u32 type, u32 value)
{
	const struct oneshot_message message = { .type = type, .value = value };

	assert_int_equal(send(play->guest[ONESHOT_CONTROL], &message, sizeof(message), 0),
			 sizeof(message));
	settle(play);
}

static void start(struct play *play)
{
	say(play, ONESHOT_READY, ONESHOT_VERSION);
	say(play, ONESHOT_STARTED, 0);
}

static void set_window(struct play *play, u16 columns, u16 rows)
{
	const struct winsize size = { .ws_col = columns, .ws_row = rows };

	assert_int_equal(ioctl(play->user, TIOCSWINSZ, &size), 0);
	session_look(play->session, false);
}

static bool next_message(struct play *play, struct oneshot_message *message)
{
	return recv(play->guest[ONESHOT_CONTROL], message, sizeof(*message), MSG_DONTWAIT) ==
	       sizeof(*message);
}

static void end_channel(struct play *play, unsigned channel)
{
	close(play->guest[channel]);
	play->guest[channel] = -1;
	settle(play);
}

TEST_WITH(what_is_typed_reaches_a_command_that_runs, set_up, tear_down)
{
	struct play *play = *state;
	char data[16];

	assert_int_equal(write(play->user, "early", 5), 5);
	settle(play);
	assert_int_equal(recv(play->guest[ONESHOT_STDIN], data, sizeof(data), MSG_DONTWAIT), -1);
	start(play);
	assert_int_equal(recv(play->guest[ONESHOT_STDIN], data, sizeof(data), MSG_DONTWAIT), 5);
	/* Once the command is there Ctrl-C is its. */
	assert_int_equal(write(play->user, "\x03", 1), 1);
	settle(play);
	assert_int_equal(recv(play->guest[ONESHOT_STDIN], data, sizeof(data), MSG_DONTWAIT), 1);
	assert_int_equal(play->quits, 0);
}

TEST_WITH(what_is_typed_while_the_guest_is_busy_is_not_lost, set_up, tear_down)
{
	static char data[64 * 1024];
	struct play *play = *state;
	size_t typed = 0, got = 0;

	start(play);
	fcntl(play->user, F_SETFL, O_NONBLOCK);
	for (unsigned full = 0; full < 3;) {
		ssize_t done = write(play->user, data, 4096);

		typed += MAX(done, 0);
		full = done > 0 ? 0 : full + 1;
		settle(play);
	}
	assert_true(typed > 64 * KIB);
	for (unsigned quiet = 0; quiet < 3;) {
		ssize_t one = recv(play->guest[ONESHOT_STDIN], data, sizeof(data), MSG_DONTWAIT);

		got += MAX(one, 0);
		quiet = one > 0 ? 0 : quiet + 1;
		settle(play);
	}
	assert_int_equal(got, typed);
}

TEST_WITH(ctrl_c_ends_a_run_whose_command_is_not_there_yet, set_up, tear_down)
{
	struct play *play = *state;

	assert_int_equal(write(play->user, "words\x03", 6), 6);
	settle(play);
	assert_int_equal(play->quits, 1);
}

/* The guest reads no message: it gets the last size, and what else there is to say, when it does.
 */
TEST_WITH(windows_leave_room_for_other_words, set_up, tear_down)
{
	struct play *play = *state;
	struct oneshot_message message;
	u32 window = 0, signal = 0;

	start(play);
	for (unsigned i = 1; i <= 5000; i++)
		set_window(play, i, 25);
	assert_true(session_signal(play->session, SIGTERM));
	for (unsigned quiet = 0; quiet < 3;) {
		settle(play);
		quiet = next_message(play, &message) ? 0 : quiet + 1;
		if (quiet)
			continue;
		signal = message.type == ONESHOT_SIGNAL ? message.value : signal;
		window = message.type == ONESHOT_WINDOW ? message.value : window;
	}
	assert_int_equal(signal, SIGTERM);
	assert_int_equal(window, ONESHOT_WINDOW_SIZE(5000, 25));
}

TEST_WITH(a_window_that_is_as_it_was_is_not_told_again, set_up, tear_down)
{
	struct play *play = *state;
	struct oneshot_message message;

	set_window(play, 80, 25);
	start(play);
	for (unsigned i = 0; i < 100; i++)
		session_look(play->session, false);
	settle(play);
	assert_true(next_message(play, &message));
	assert_int_equal(message.value, ONESHOT_WINDOW_SIZE(80, 25));
	assert_false(next_message(play, &message));
}

/* How many bytes of the terminal's can be read now. */
static size_t read_user(struct play *play)
{
	static char data[64 * 1024];
	struct pollfd user = { .fd = play->user, .events = POLLIN };
	size_t all = 0;
	ssize_t got;

	while (poll(&user, 1, 0) > 0 && (got = read(play->user, data, sizeof(data))) > 0)
		all += got;
	return all;
}

TEST_WITH(a_slow_terminal_holds_the_guest_back_and_loses_nothing, set_up, tear_down)
{
	static char data[64 * 1024];
	struct play *play = *state;
	struct oneshot_message message;
	size_t sent = 0, got = 0;

	start(play);
	memset(data, 'x', sizeof(data));
	for (unsigned i = 0; i < 100; i++) {
		ssize_t count = send(play->guest[ONESHOT_STDOUT], data, sizeof(data), MSG_DONTWAIT);

		sent += MAX(count, 0);
		settle(play);
	}
	assert_true(sent < MIB);
	end_channel(play, ONESHOT_STDERR);
	say(play, ONESHOT_EXITED, 0);
	assert_false(next_message(play, &message));
	end_channel(play, ONESHOT_STDOUT);
	for (unsigned quiet = 0; got < sent && quiet < 100;) {
		size_t more = read_user(play);

		got += more;
		quiet = more ? 0 : quiet + 1;
		settle(play);
	}
	assert_int_equal(got, sent);
	assert_true(next_message(play, &message));
	assert_int_equal(message.type, ONESHOT_BYE);
}

struct reader {
	struct play *play;
	size_t wanted, got;
};

static void *read_all(void *arg)
{
	struct reader *reader = arg;
	char data[1000];
	ssize_t got;

	while (reader->got < reader->wanted &&
	       (got = read(reader->play->user, data, sizeof(data))) > 0)
		reader->got += got;
	return NULL;
}

TEST_WITH(what_came_before_a_crash_is_shown, set_up, tear_down)
{
	static char data[150 * 1024];
	struct play *play = *state;
	struct reader reader = { .play = play };
	pthread_t thread;
	int error;

	start(play);
	/* And the loop does not run any more. */
	reader.wanted = send(play->guest[ONESHOT_STDOUT], data, sizeof(data), MSG_DONTWAIT);
	assert_true(reader.wanted > 64 * KIB);
	assert_int_equal(pthread_create(&thread, NULL, read_all, &reader), 0);
	assert_int_equal(session_finish(play->session, -1, 20000, &error), 0);
	assert_int_equal(error, 0);
	pthread_join(thread, NULL);
	assert_int_equal(reader.got, reader.wanted);
}

TEST_WITH(output_that_no_terminal_takes_is_given_up_in_time, set_up, tear_down)
{
	static char data[150 * 1024];
	struct play *play = *state;
	int error;

	start(play);
	assert_true(send(play->guest[ONESHOT_STDOUT], data, sizeof(data), MSG_DONTWAIT) > 0);
	settle(play);
	assert_true(session_finish(play->session, -1, 50, &error) > 0);
	assert_int_equal(error, -ETIMEDOUT);
}

TEST_WITH(a_guest_that_wants_no_keys_is_served_all_the_same, set_up, tear_down)
{
	struct play *play = *state;

	start(play);
	end_channel(play, ONESHOT_STDIN);
	assert_int_equal(write(play->user, "keys", 4), 4);
	settle(play);
	assert_int_equal(send(play->guest[ONESHOT_STDOUT], "out\n", 4, 0), 4);
	settle(play);
	assert_int_equal(read_user(play), 4);
}
