/* SPDX-License-Identifier: BSD-2-Clause */
/* The host's side of a one-shot run, with the test in the part of the guest. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "oneshot/session.h"
#include "test.h"
#include "vmm/loop.h"

struct play {
	pthread_mutex_t lock;
	struct loop *loop;
	struct session *session;
	int guest[ONESHOT_CHANNELS];
	int input, output, error; /* the user's ends of the pipes */
	int standard[ONESHOT_CHANNELS];
	unsigned overs;
};

static void on_over(void *arg)
{
	((struct play *)arg)->overs++;
}

static void make_pipe(int *reader, int *writer)
{
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	*reader = ends[0];
	*writer = ends[1];
}

static void begin(struct play *play)
{
	struct session_options options = { .over = on_over, .arg = play };

	memcpy(options.standard, play->standard, sizeof(options.standard));
	assert_int_equal(session_create(&play->session, &options), 0);
	memcpy(play->guest, session_guest_ends(play->session), sizeof(play->guest));
	for (unsigned i = 0; i < ONESHOT_CHANNELS; i++)
		session_guest_ends(play->session)[i] = -1;
	assert_int_equal(session_start(play->session, play->loop), 0);
}

static int set_up(void **state)
{
	struct play *play = calloc(1, sizeof(*play));

	pthread_mutex_init(&play->lock, NULL);
	assert_int_equal(loop_create(&play->loop, &play->lock), 0);
	make_pipe(&play->standard[ONESHOT_STDIN], &play->input);
	make_pipe(&play->output, &play->standard[ONESHOT_STDOUT]);
	make_pipe(&play->error, &play->standard[ONESHOT_STDERR]);
	begin(play);
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
		if (i)
			close(play->standard[i]);
	}
	close(play->input);
	close(play->output);
	close(play->error);
	free(play);
	return 0;
}

static void settle(struct play *play)
{
	for (unsigned quiet = 0; quiet < 3;)
		quiet = loop_poll(play->loop, quiet ? 2 : 0) > 0 ? 0 : quiet + 1;
}

static void say(struct play *play, u32 type, u32 value)
{
	const struct oneshot_message message = { .type = type, .value = value };

	assert_int_equal(send(play->guest[ONESHOT_CONTROL], &message, sizeof(message), 0),
			 sizeof(message));
	settle(play);
}

/* The next message from the host is of @type. */
static void hears(struct play *play, u32 type, u32 value)
{
	struct oneshot_message message;

	assert_int_equal(recv(play->guest[ONESHOT_CONTROL], &message, sizeof(message), 0),
			 sizeof(message));
	assert_int_equal(message.type, type);
	assert_int_equal(message.value, value);
}

static void hears_nothing(struct play *play)
{
	char byte;

	assert_int_equal(recv(play->guest[ONESHOT_CONTROL], &byte, 1, 0), -1);
	assert_int_equal(errno, EAGAIN);
}

static void end_channel(struct play *play, unsigned channel)
{
	close(play->guest[channel]);
	play->guest[channel] = -1;
	settle(play);
}

static void start(struct play *play)
{
	say(play, ONESHOT_READY, ONESHOT_VERSION);
	say(play, ONESHOT_STARTED, 0);
}

static void reads(int fd, const char *text)
{
	char data[100];

	assert_int_equal(read(fd, data, sizeof(data)), strlen(text));
	assert_memory_equal(data, text, strlen(text));
}

/* How many bytes of the input can be had now. */
static size_t drain_input(struct play *play, size_t most)
{
	static char data[1 << 16];
	size_t total = 0;
	ssize_t got;

	while (total < most && (got = recv(play->guest[ONESHOT_STDIN], data,
					   MIN(sizeof(data), most - total), MSG_DONTWAIT)) > 0)
		total += got;
	return total;
}

/* The last bytes and the end come in the turn that also writes what had to wait. */
TEST_WITH(the_end_of_input_is_told_after_any_wait, set_up, tear_down)
{
	static char data[1 << 16];
	struct play *play = *state;
	size_t written = 0;
	ssize_t done;
	char byte;

	say(play, ONESHOT_READY, ONESHOT_VERSION);
	say(play, ONESHOT_STARTED, 0);
	fcntl(play->input, F_SETFL, O_NONBLOCK);
	do {
		done = write(play->input, data, sizeof(data));
		written += MAX(done, 0);
		settle(play);
	} while (done == sizeof(data));
	close(play->input);
	play->input = open("/dev/null", O_WRONLY | O_CLOEXEC);
	for (unsigned i = 0; i < 100 && written; i++) {
		written -= drain_input(play, written);
		settle(play);
	}
	assert_int_equal(written, 0);
	assert_int_equal(recv(play->guest[ONESHOT_STDIN], &byte, 1, MSG_DONTWAIT), 0);
}

TEST_WITH(the_guest_may_go_when_the_host_has_all_of_the_output, set_up, tear_down)
{
	struct play *play = *state;

	start(play);
	assert_int_equal(send(play->guest[ONESHOT_STDOUT], "out", 3, 0), 3);
	assert_int_equal(send(play->guest[ONESHOT_STDERR], "err", 3, 0), 3);
	settle(play);
	reads(play->output, "out");
	reads(play->error, "err");
	say(play, ONESHOT_EXITED, 7);
	hears_nothing(play);
	end_channel(play, ONESHOT_STDOUT);
	hears_nothing(play);
	end_channel(play, ONESHOT_STDERR);
	hears(play, ONESHOT_BYE, 0);
	assert_int_equal(session_verdict(play->session)->value, 7);
	assert_int_equal(play->overs, 0);
	assert_true(session_times(play->session).ended >= session_times(play->session).started);
}

TEST_WITH(input_is_read_for_a_command_that_runs, set_up, tear_down)
{
	struct play *play = *state;
	char data[10];

	assert_int_equal(write(play->input, "words", 5), 5);
	settle(play);
	assert_int_equal(recv(play->guest[ONESHOT_STDIN], data, sizeof(data), 0), -1);
	start(play);
	assert_int_equal(recv(play->guest[ONESHOT_STDIN], data, sizeof(data), 0), 5);
	close(play->input);
	play->input = dup(play->output);
	settle(play);
	assert_int_equal(recv(play->guest[ONESHOT_STDIN], data, sizeof(data), 0), 0);
}

TEST_WITH(a_slow_reader_holds_the_guest_back_and_loses_nothing, set_up, tear_down)
{
	struct play *play = *state;
	static char data[64 * 1024], back[64 * 1024];
	size_t sent = 0, got = 0;
	ssize_t count;

	start(play);
	memset(data, 'x', sizeof(data));
	for (unsigned i = 0; i < 100; i++) {
		count = send(play->guest[ONESHOT_STDOUT], data, sizeof(data), 0);
		sent += MAX(count, 0);
		settle(play);
	}
	/* A pipe, a buffer and a socket full, and no more. */
	assert_true(sent < MIB);
	say(play, ONESHOT_EXITED, 0);
	end_channel(play, ONESHOT_STDOUT);
	end_channel(play, ONESHOT_STDERR);
	hears_nothing(play);
	fcntl(play->output, F_SETFL, O_NONBLOCK);
	while (got < sent) {
		count = read(play->output, back, sizeof(back));
		got += MAX(count, 0);
		settle(play);
	}
	hears(play, ONESHOT_BYE, 0);
}

TEST_WITH(a_reader_that_goes_away_is_told_to_the_guest_and_no_loss, set_up, tear_down)
{
	struct play *play = *state;
	int error;

	start(play);
	close(play->output);
	play->output = dup(play->error);
	close(play->standard[ONESHOT_STDOUT]);
	play->standard[ONESHOT_STDOUT] = dup(play->error);
	assert_int_equal(send(play->guest[ONESHOT_STDOUT], "out", 3, 0), 3);
	settle(play);
	assert_int_equal(send(play->guest[ONESHOT_STDOUT], "out", 3, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
	end_channel(play, ONESHOT_STDERR);
	say(play, ONESHOT_EXITED, 0);
	hears(play, ONESHOT_BYE, 0);
	assert_int_equal(session_finish(play->session, -1, 100, &error), 0);
	assert_int_equal(error, 0);
}

TEST_WITH(what_came_before_a_crash_is_written, set_up, tear_down)
{
	struct play *play = *state;
	int error;

	start(play);
	/* And the loop does not run any more. */
	assert_int_equal(send(play->guest[ONESHOT_STDOUT], "last", 4, 0), 4);
	assert_int_equal(session_finish(play->session, -1, 1000, &error), 0);
	assert_int_equal(error, 0);
	reads(play->output, "last");
}

TEST_WITH(output_that_nobody_takes_is_given_up_in_time, set_up, tear_down)
{
	struct play *play = *state;
	static char data[400 * 1024];
	int error;

	start(play);
	send(play->guest[ONESHOT_STDOUT], data, sizeof(data), 0);
	settle(play);
	assert_true(session_finish(play->session, -1, 50, &error) > 0);
	assert_int_equal(error, -ETIMEDOUT);
}

TEST_WITH(a_signal_is_for_a_command_that_runs, set_up, tear_down)
{
	struct play *play = *state;

	assert_false(session_signal(play->session, SIGINT));
	start(play);
	assert_true(session_signal(play->session, SIGINT));
	hears(play, ONESHOT_SIGNAL, SIGINT);
	say(play, ONESHOT_KILLED, SIGINT);
	assert_false(session_signal(play->session, SIGINT));
}

TEST_WITH(a_guest_that_breaks_the_protocol_is_not_waited_for, set_up, tear_down)
{
	struct play *play = *state;

	say(play, ONESHOT_EXITED, 0);
	assert_int_equal(play->overs, 1);
	assert_int_equal(session_verdict(play->session)->stage, VERDICT_NONSENSE);
}

TEST_WITH(a_guest_that_says_more_than_it_should_changes_nothing, set_up, tear_down)
{
	struct play *play = *state;
	static char noise[300 * 1024];

	start(play);
	say(play, ONESHOT_EXITED, 3);
	memset(noise, 0xff, sizeof(noise));
	for (unsigned i = 0; i < 20; i++) {
		send(play->guest[ONESHOT_CONTROL], noise, sizeof(noise), 0);
		settle(play);
	}
	assert_int_equal(session_verdict(play->session)->value, 3);
	assert_int_equal(play->overs, 0);
}

TEST_WITH(an_init_that_failed_is_answered_at_once, set_up, tear_down)
{
	struct play *play = *state;

	say(play, ONESHOT_READY, ONESHOT_VERSION);
	say(play, ONESHOT_FAILED, ENODEV);
	hears(play, ONESHOT_BYE, 0);
}

TEST_WITH(a_command_that_ended_without_the_end_of_its_output_has_lost_some, set_up, tear_down)
{
	struct play *play = *state;
	int error;

	start(play);
	assert_int_equal(send(play->guest[ONESHOT_STDOUT], "out", 3, 0), 3);
	end_channel(play, ONESHOT_STDERR);
	say(play, ONESHOT_EXITED, 0);
	assert_int_equal(session_finish(play->session, -1, 1000, &error), 0);
	assert_int_equal(error, -ENODATA);
	reads(play->output, "out");
}

TEST_WITH(a_guest_that_died_is_not_told_to_have_lost_output, set_up, tear_down)
{
	struct play *play = *state;
	int error;

	start(play);
	assert_int_equal(send(play->guest[ONESHOT_STDOUT], "out", 3, 0), 3);
	assert_int_equal(session_finish(play->session, -1, 1000, &error), 0);
	assert_int_equal(error, 0);
}

/* Of a command beside another: its guest may end while somebody reads slowly. */
static void connect_instead(struct play *play)
{
	struct session_options options = { .over = on_over, .arg = play };
	int ours[ONESHOT_CHANNELS];

	session_destroy(play->session);
	for (unsigned i = 0; i < ONESHOT_CHANNELS; i++) {
		int ends[2];

		close(play->guest[i]);
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
		ours[i] = ends[0];
		play->guest[i] = ends[1];
	}
	options.connected = ours;
	memcpy(options.standard, play->standard, sizeof(options.standard));
	assert_int_equal(session_create(&play->session, &options), 0);
	assert_int_equal(session_start(play->session, play->loop), 0);
}

TEST_WITH(a_guest_that_ends_while_output_waits_may_have_kept_some, set_up, tear_down)
{
	static char data[400 * 1024];
	struct play *play = *state;
	int error;

	connect_instead(play);
	start(play);
	assert_true(send(play->guest[ONESHOT_STDOUT], data, sizeof(data), 0) > 0);
	say(play, ONESHOT_EXITED, 0);
	end_channel(play, ONESHOT_STDOUT);
	end_channel(play, ONESHOT_STDERR);
	end_channel(play, ONESHOT_CONTROL);
	assert_int_equal(play->overs, 1);
	close(play->output);
	play->output = dup(play->error);
	session_finish(play->session, -1, 1000, &error);
	assert_int_equal(error, -ENODATA);
}

TEST_WITH(one_that_waits_for_the_last_word_has_given_all, set_up, tear_down)
{
	struct play *play = *state;
	int error;

	connect_instead(play);
	start(play);
	say(play, ONESHOT_EXITED, 0);
	end_channel(play, ONESHOT_STDOUT);
	end_channel(play, ONESHOT_STDERR);
	hears(play, ONESHOT_BYE, 0);
	end_channel(play, ONESHOT_CONTROL);
	assert_int_equal(session_finish(play->session, -1, 1000, &error), 0);
	assert_int_equal(error, 0);
}
