/* SPDX-License-Identifier: BSD-2-Clause */
/* The protocol of docs/control.md: requests, answers, streams and clients' places. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control_rig.h"
#include "test.h"
#include "util/log.h"

struct bench {
	struct control_rig rig;
	unsigned ended; /* streams */
	u64 said;	/* by the one that never ends */
	struct control_client *sleeper;
	unsigned asked; /* of it */
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
	the_bench.asked++;
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

static const struct control_stream waiter = {
	.more = sleeper_more,
	.end = count_end,
	.waits = true,
};

static int start_waiter(void *arg, struct control_client *client, json_t *request,
			struct error *err)
{
	the_bench.sleeper = client;
	return control_stream(client, &waiter, NULL, err);
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
	{ "echo", say_echo },	     { "no", say_no },	       { "flood", start_flood },
	{ "sleep", start_sleeper },  { "much", say_too_much }, { "follow", start_follower },
	{ "babble", start_babbler }, { "wait", start_waiter }, { 0 },
};

static int set_up_listening(void **state)
{
	memset(&the_bench, 0, sizeof(the_bench));
	control_rig_create(&the_bench.rig, NULL);
	control_rig_listen(&the_bench.rig, commands, NULL);
	control_rig_wait(&the_bench.rig);
	return 0;
}

static int tear_down(void **state)
{
	control_rig_destroy(&the_bench.rig);
	return 0;
}

/* ---- framing ---- */

TEST_WITH(a_request_is_a_line_and_so_is_the_answer, set_up_listening, tear_down)
{
	control_rig_expect(&the_bench.rig, "{\"command\":\"echo\",\"text\":\"hello\"}\n",
			   "{\"echo\":\"hello\"}\n" CONTROL_OK);
}

TEST_WITH(a_request_may_come_in_single_bytes, set_up_listening, tear_down)
{
	const char *request = "{\"command\":\"echo\",\"text\":1}\n";
	char byte[2] = "", text[64];
	int fd = control_rig_client(&the_bench.rig);

	for (; *request; request++) {
		byte[0] = *request;
		control_rig_say(&the_bench.rig, fd, byte);
	}
	control_rig_hear(&the_bench.rig, fd, text, sizeof(text));
	assert_string_equal(text, "{\"echo\":1}\n" CONTROL_OK);
}

TEST_WITH(a_client_may_close_its_half_after_the_request, set_up_listening, tear_down)
{
	char text[64];
	int fd = control_rig_client(&the_bench.rig);

	assert_int_equal(send(fd, "{\"command\":\"echo\",\"text\":2}\n", 29, 0), 29);
	shutdown(fd, SHUT_WR);
	control_rig_run(&the_bench.rig);
	control_rig_hear(&the_bench.rig, fd, text, sizeof(text));
	assert_string_equal(text, "{\"echo\":2}\n" CONTROL_OK);
}

TEST_WITH(what_is_no_request_is_refused, set_up_listening, tear_down)
{
	control_rig_expect(&the_bench.rig, "\n",
			   "{\"error\":\"a request is a JSON object on a line\"}\n");
	control_rig_expect(&the_bench.rig, "hello\n",
			   "{\"error\":\"a request is a JSON object on a line\"}\n");
	control_rig_expect(&the_bench.rig, "[1]\n",
			   "{\"error\":\"a request is a JSON object on a line\"}\n");
	control_rig_expect(&the_bench.rig, "{}\n", "{\"error\":\"no such command\"}\n");
	control_rig_expect(&the_bench.rig, "{\"command\":3}\n",
			   "{\"error\":\"no such command\"}\n");
	control_rig_expect(&the_bench.rig, "{\"command\":\"frob\"}\n",
			   "{\"error\":\"no such command\"}\n");
	control_rig_expect(&the_bench.rig, "{\"command\":\"no\"}\n",
			   "{\"error\":\"no, because\"}\n");
}

TEST_WITH(a_request_without_end_is_cut_off, set_up_listening, tear_down)
{
	char text[256], flood_of_x[CONTROL_REQUEST];
	int fd = control_rig_client(&the_bench.rig);

	memset(flood_of_x, 'x', sizeof(flood_of_x));
	assert_int_equal(send(fd, flood_of_x, sizeof(flood_of_x), 0), sizeof(flood_of_x));
	control_rig_run(&the_bench.rig);
	control_rig_hear(&the_bench.rig, fd, text, sizeof(text));
	assert_string_equal(text, "{\"error\":\"the request is too long\"}\n");
}

TEST_WITH(a_client_that_says_more_than_one_request_is_dropped, set_up_listening, tear_down)
{
	char byte;
	int fd = control_rig_client(&the_bench.rig);

	control_rig_say(&the_bench.rig, fd, "{\"command\":\"sleep\"}\n");
	control_rig_say(&the_bench.rig, fd, "{\"command\":\"sleep\"}\n");
	assert_int_equal(the_bench.ended, 1);
	assert_true(recv(fd, &byte, 1, 0) <= 0);
	close(fd);
}

TEST_WITH(a_line_that_is_too_long_is_never_sent_in_part, set_up_listening, tear_down)
{
	control_rig_expect(&the_bench.rig, "{\"command\":\"much\"}\n", "");
}

/* ---- streams ---- */

TEST_WITH(a_paused_stream_costs_nothing_and_goes_on_when_woken, set_up_listening, tear_down)
{
	char text[64];
	int fd = control_rig_client(&the_bench.rig);

	control_rig_say(&the_bench.rig, fd, "{\"command\":\"sleep\"}\n");
	assert_int_equal(loop_poll(the_bench.rig.loop, 50), 0);
	the_bench.awake = true;
	control_wake(the_bench.sleeper);
	control_rig_run(&the_bench.rig);
	control_rig_hear(&the_bench.rig, fd, text, sizeof(text));
	assert_string_equal(text, "{\"awake\":true}\n" CONTROL_OK);
	assert_int_equal(the_bench.ended, 1);
}

TEST_WITH(a_stream_that_waits_is_not_asked_before_it_is_woken, set_up_listening, tear_down)
{
	char text[64];
	int fd = control_rig_client(&the_bench.rig);

	control_rig_say(&the_bench.rig, fd, "{\"command\":\"wait\"}\n");
	assert_int_equal(the_bench.asked, 0);
	the_bench.awake = true;
	control_wake(the_bench.sleeper);
	control_rig_run(&the_bench.rig);
	control_rig_hear(&the_bench.rig, fd, text, sizeof(text));
	assert_string_equal(text, "{\"awake\":true}\n" CONTROL_OK);
	assert_int_equal(the_bench.asked, 1);
}

TEST_WITH(a_stream_that_waits_is_not_asked_at_the_end, set_up_listening, tear_down)
{
	char text[64];
	int fd = control_rig_client(&the_bench.rig);

	control_rig_say(&the_bench.rig, fd, "{\"command\":\"wait\"}\n");
	control_finish(the_bench.rig.control);
	control_rig_hear(&the_bench.rig, fd, text, sizeof(text));
	assert_string_equal(text, "");
	assert_int_equal(the_bench.asked, 0);
	assert_int_equal(the_bench.ended, 1);
}

TEST_WITH(a_client_that_goes_away_ends_its_stream, set_up_listening, tear_down)
{
	int fd = control_rig_client(&the_bench.rig);

	control_rig_say(&the_bench.rig, fd, "{\"command\":\"sleep\"}\n");
	close(fd);
	control_rig_run(&the_bench.rig);
	assert_int_equal(the_bench.ended, 1);
}

TEST_WITH(a_client_that_does_not_read_stops_being_served, set_up_listening, tear_down)
{
	int fd = control_rig_client(&the_bench.rig);
	u64 said;

	/* Returns: what the kernel and we hold for it is bounded. */
	control_rig_say(&the_bench.rig, fd, "{\"command\":\"flood\"}\n");
	said = the_bench.said;
	assert_in_range(said, 1, 1000000);
	assert_int_equal(loop_poll(the_bench.rig.loop, 50), 0);
	assert_int_equal(the_bench.said, said);
	control_rig_expect(&the_bench.rig, "{\"command\":\"echo\",\"text\":3}\n",
			   "{\"echo\":3}\n" CONTROL_OK);
	close(fd);
	control_rig_run(&the_bench.rig);
	assert_int_equal(the_bench.ended, 1);
}

TEST_WITH(a_client_that_does_not_read_gives_its_place_to_one_that_does, set_up_listening, tear_down)
{
	int fds[CONTROL_CLIENTS];

	for (unsigned i = 0; i < CONTROL_CLIENTS; i++) {
		fds[i] = control_rig_client(&the_bench.rig);
		control_rig_say(&the_bench.rig, fds[i], "{\"command\":\"flood\"}\n");
	}
	control_rig_expect(&the_bench.rig, "{\"command\":\"echo\",\"text\":4}\n",
			   "{\"echo\":4}\n" CONTROL_OK);
	assert_int_equal(the_bench.ended, 1);
	for (unsigned i = 0; i < CONTROL_CLIENTS; i++)
		close(fds[i]);
	control_rig_run(&the_bench.rig);
	assert_int_equal(the_bench.ended, CONTROL_CLIENTS);
}

TEST_WITH(a_client_that_asks_nothing_gives_its_place_too, set_up_listening, tear_down)
{
	int fds[2 * CONTROL_CLIENTS];

	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = control_rig_client(&the_bench.rig);
	control_rig_expect(&the_bench.rig, "{\"command\":\"echo\",\"text\":5}\n",
			   "{\"echo\":5}\n" CONTROL_OK);
	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
}

TEST_WITH(good_clients_keep_their_places_and_the_next_one_waits, set_up_listening, tear_down)
{
	int fds[CONTROL_CLIENTS], late;
	char text[64];

	for (unsigned i = 0; i < CONTROL_CLIENTS; i++) {
		fds[i] = control_rig_client(&the_bench.rig);
		control_rig_say(&the_bench.rig, fds[i], "{\"command\":\"sleep\"}\n");
	}
	late = control_rig_client(&the_bench.rig);
	control_rig_say(&the_bench.rig, late, "{\"command\":\"echo\",\"text\":6}\n");
	assert_int_equal(loop_poll(the_bench.rig.loop, 50), 0);
	assert_int_equal(the_bench.ended, 0);
	close(fds[0]);
	control_rig_run(&the_bench.rig);
	control_rig_hear(&the_bench.rig, late, text, sizeof(text));
	assert_string_equal(text, "{\"echo\":6}\n" CONTROL_OK);
	for (unsigned i = 1; i < CONTROL_CLIENTS; i++)
		close(fds[i]);
}

/* @count clients that follow, each with @request, in @fds. */
static void follow(int *fds, unsigned count, const char *request)
{
	for (unsigned i = 0; i < count; i++) {
		fds[i] = control_rig_client(&the_bench.rig);
		control_rig_say(&the_bench.rig, fds[i], request);
	}
}

static void close_all(const int *fds, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		close(fds[i]);
	control_rig_run(&the_bench.rig);
}

TEST_WITH(idle_followers_keep_nobody_from_being_answered, set_up_listening, tear_down)
{
	int fds[CONTROL_FOLLOWERS];

	follow(fds, CONTROL_FOLLOWERS, "{\"command\":\"follow\"}\n");
	for (unsigned i = 0; i < 2 * CONTROL_CLIENTS; i++)
		control_rig_expect(&the_bench.rig, "{\"command\":\"echo\",\"text\":9}\n",
				   "{\"echo\":9}\n" CONTROL_OK);
	assert_int_equal(the_bench.ended, 0);
	control_rig_expect(&the_bench.rig, "{\"command\":\"follow\"}\n",
			   "{\"error\":\"16 others follow it: that is as many as can\"}\n");
	close_all(fds, CONTROL_FOLLOWERS);
	assert_int_equal(the_bench.ended, CONTROL_FOLLOWERS);
}

TEST_WITH(a_follower_that_does_not_read_gives_its_place_to_another_follower, set_up_listening,
	  tear_down)
{
	int fds[CONTROL_FOLLOWERS + 1];

	follow(fds, CONTROL_FOLLOWERS, "{\"command\":\"babble\"}\n");
	control_rig_expect(&the_bench.rig, "{\"command\":\"echo\",\"text\":10}\n",
			   "{\"echo\":10}\n" CONTROL_OK);
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
	fds[CONTROL_CLIENTS - 1] = control_connect(CONTROL_RIG_NAME, NULL);
	late = control_connect(CONTROL_RIG_NAME, NULL);
	assert_true(fds[CONTROL_CLIENTS - 1] >= 0 && late >= 0);
	fcntl(late, F_SETFL, O_NONBLOCK);
	assert_int_equal(send(fds[CONTROL_CLIENTS - 1], "{\"command\":\"follow\"}\n", 21, 0), 21);
	control_rig_say(&the_bench.rig, late, "{\"command\":\"echo\",\"text\":11}\n");
	control_rig_hear(&the_bench.rig, late, text, sizeof(text));
	assert_string_equal(text, "{\"echo\":11}\n" CONTROL_OK);
	close_all(fds, CONTROL_CLIENTS);
}
