/* SPDX-License-Identifier: BSD-2-Clause */
/* One who asks, from its request to the last line of the answer. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control_private.h"
#include "util/clock.h"

/* How lines are read. A text may hold the character 0. */
#define LINE_FLAGS (JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL)
/* In ms: nobody who waits for an event is dropped before. */
#define WAIT_PATIENCE 1000
/* Of turns that a stream has to say its last words. */
#define LAST_TURNS 64

static bool client_follows(const struct control_client *client)
{
	return client->stream && client->stream->follows;
}

/* A place among those that ask has become free. */
static void admit_next(struct control *control)
{
	if (!control->listener.events)
		loop_modify(control->loop, &control->listener, EPOLLIN);
}

void control_client_drop(struct control_client *client)
{
	struct control *control = client->control;

	control->follower_count -= client_follows(client);
	if (client->stream)
		client->stream->end(client->state);
	loop_remove(control->loop, &client->source);
	close(client->source.fd);
	list_del(&client->node);
	free(client);
	control->client_count--;
	admit_next(control);
}

/* It did its part: others are dropped before it. */
static void client_lives(struct control_client *client)
{
	list_del(&client->node);
	list_add_tail(&client->control->clients, &client->node);
}

void control_send(struct control_client *client, json_t *json)
{
	size_t room = MIN(sizeof(client->out) - client->said, CONTROL_LINE), size = 0;

	if (json)
		size = json_dumpb(json, client->out + client->said, room, JSON_COMPACT);
	json_decref(json);
	if (!size || size >= room) {
		client->failed = true;
		return;
	}
	client->said += size;
	client->out[client->said++] = '\n';
}

bool control_has_room(const struct control_client *client)
{
	return sizeof(client->out) - client->said >= CONTROL_LINE;
}

struct control_client *control_find_idle(const struct control *control, bool follows)
{
	struct list_node *node;

	list_for_each(node, &control->clients) {
		struct control_client *client = list_entry(node, struct control_client, node);

		if (client_follows(client) == follows && (client->said || !client->paused))
			return client;
	}
	return NULL;
}

int control_stream(struct control_client *client, const struct control_stream *stream, void *state,
		   struct error *err)
{
	struct control *control = client->control;

	if (stream->follows && control->follower_count == CONTROL_FOLLOWERS) {
		struct control_client *idle = control_find_idle(control, true);

		if (!idle)
			return error_set(err, -EBUSY, "%d others follow it: that is as many as can",
					 CONTROL_FOLLOWERS);
		control_client_drop(idle);
	}
	client->stream = stream;
	client->state = state;
	client->paused = client->waits = stream->waits;
	client->waits_since = now_ms();
	if (stream->follows) {
		control->follower_count++;
		admit_next(control);
	}
	return 0;
}

/* Everything has been said but the last line. */
static bool must_conclude(const struct control_client *client)
{
	return client->asked && !client->stream && !client->concluded;
}

/* Watch for what can happen next. */
static void client_watch(struct control_client *client)
{
	bool speaks = client->said || (client->stream && !client->paused) || must_conclude(client);
	u32 events = (client->deaf ? 0 : EPOLLIN) | (speaks ? EPOLLOUT : 0);

	if (events != client->source.events &&
	    loop_modify(client->control->loop, &client->source, events))
		client->failed = true;
}

void control_wake(struct control_client *client)
{
	client->paused = client->waits = false;
	client_watch(client);
}

void control_refuse(struct control_client *client, const char *why)
{
	client->concluded = true;
	control_send(client, json_pack("{ss}", "error", why));
}

static bool speaks_our_language(const json_t *request)
{
	const json_t *version = json_object_get(request, "version");

	return !version || json_integer_value(version) == CONTROL_VERSION;
}

static int client_run(struct control_client *client, json_t *request, struct error *err)
{
	const char *name = json_string_value(json_object_get(request, "command"));
	const struct control *control = client->control;

	if (!speaks_our_language(request))
		return error_set(err, -EPROTO, "this lkvm speaks version %d of the protocol alone",
				 CONTROL_VERSION);
	for (unsigned i = 0; name && i < control->set_count; i++) {
		const struct control_command *command = control->sets[i].commands;

		for (; command->name; command++) {
			if (!strcmp(command->name, name))
				return command->run(control->sets[i].arg, client, request, err);
		}
	}
	return error_set(err, -EINVAL, "no such command");
}

static void client_execute(struct control_client *client, const char *line, size_t len)
{
	json_t *request = json_loadb(line, len, LINE_FLAGS, NULL);
	struct error err = { "" };
	int ret;

	client->asked = true;
	if (!json_is_object(request)) {
		json_decref(request);
		control_refuse(client, "a request is a JSON object on a line");
		return;
	}
	ret = client_run(client, request, &err);
	json_decref(request);
	if (ret) {
		error_set(&err, ret, "%s", strerror(-ret));
		control_refuse(client, err.text);
	}
}

/* -errno: it is none that the stream takes. */
static int client_input(struct control_client *client, const char *line, size_t len)
{
	json_t *input = json_loadb(line, len, LINE_FLAGS, NULL);
	int ret = json_is_object(input) ? client->stream->input(client->state, input) : -EPROTO;

	json_decref(input);
	return ret;
}

static int client_take_line(struct control_client *client, const char *line, size_t len)
{
	if (client->asked)
		return client->stream && client->stream->input ? client_input(client, line, len)
							       : -EPROTO;
	client_execute(client, line, len);
	return 0;
}

/* The lines that have come whole. */
static int client_take_lines(struct control_client *client)
{
	size_t taken = 0;
	int ret = 0;

	while (!ret) {
		const char *line = client->request + taken;
		const char *newline = memchr(line, '\n', client->request_len - taken);

		if (!newline)
			break;
		taken += newline - line + 1;
		ret = client_take_line(client, line, newline - line);
	}
	client->request_len -= taken;
	memmove(client->request, client->request + taken, client->request_len);
	return ret;
}

/* -errno: it has gone, or says what it must not. */
static int client_receive(struct control_client *client)
{
	ssize_t got = recv(client->source.fd, client->request + client->request_len,
			   sizeof(client->request) - client->request_len, MSG_DONTWAIT);
	int ret;

	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	client->deaf = !got;
	if (!got)
		return client->asked ? 0 : -EPROTO;
	client_lives(client);
	client->request_len += got;
	ret = client_take_lines(client);
	if (ret || client->request_len < sizeof(client->request))
		return ret;
	if (client->asked)
		return -EPROTO;
	client->asked = true;
	client->request_len = 0;
	control_refuse(client, "the request is too long");
	return 0;
}

static int client_flush(struct control_client *client)
{
	while (client->taken < client->said) {
		ssize_t sent = send(client->source.fd, client->out + client->taken,
				    client->said - client->taken, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		client->taken += sent;
		client_lives(client);
	}
	client->taken = client->said = 0;
	return 0;
}

static struct control_client *find_waiting(const struct control *control)
{
	struct list_node *node;

	list_for_each(node, &control->clients) {
		struct control_client *client = list_entry(node, struct control_client, node);

		if (client->waits && !client->said)
			return client;
	}
	return NULL;
}

int control_drop_waiting(struct control *control)
{
	struct control_client *client = find_waiting(control);
	u64 now = now_ms();

	if (!client)
		return -1;
	if (now < client->waits_since + WAIT_PATIENCE)
		return client->waits_since + WAIT_PATIENCE - now;
	control_refuse(client, "it has not come to that yet, and others want to ask");
	client_flush(client);
	control_client_drop(client);
	return 0;
}

/* One helping: the loop, and so the others, come between two of them. */
static void client_more(struct control_client *client)
{
	switch (client->stream->more(client->state, client)) {
	case CONTROL_AGAIN:
		break;
	case CONTROL_PAUSE:
		client->paused = true;
		break;
	case CONTROL_END:
		client->control->follower_count -= client_follows(client);
		client->stream->end(client->state);
		client->stream = NULL;
		break;
	}
}

static void client_conclude(struct control_client *client)
{
	client->concluded = true;
	control_send(client, json_pack("{sb}", "ok", 1));
}

static bool is_done(const struct control_client *client)
{
	return client->failed || (client->concluded && !client->said);
}

static void on_client(struct loop_source *source, u32 events)
{
	struct control_client *client = container_of(source, struct control_client, source);
	int ret = events & (EPOLLHUP | EPOLLERR) ? -EPIPE : 0;

	if (!ret && events & EPOLLIN)
		ret = client_receive(client);
	if (!ret && !client->said && client->stream && !client->paused)
		client_more(client);
	if (!ret && !client->failed && must_conclude(client) && control_has_room(client))
		client_conclude(client);
	if (!ret)
		ret = client_flush(client);
	if (!ret)
		client_watch(client);
	if (ret || is_done(client))
		control_client_drop(client);
}

void control_client_create(struct control *control, int fd)
{
	struct control_client *client = calloc(1, sizeof(*client));

	if (!client) {
		close(fd);
		return;
	}
	client->control = control;
	client->source = (struct loop_source){ .fd = fd, .events = EPOLLIN, .handle = on_client };
	if (loop_add(control->loop, &client->source)) {
		close(fd);
		free(client);
		return;
	}
	list_add_tail(&control->clients, &client->node);
	control->client_count++;
}

/* Its last words, as far as they are taken at once. */
void control_client_finish(struct control_client *client)
{
	unsigned turn = 0;

	client->paused = client->waits;
	while (!client->failed && client->stream && !client->paused && turn++ < LAST_TURNS) {
		if (control_has_room(client))
			client_more(client);
		if (client_flush(client) || client->said)
			break;
	}
	if (!client->failed && must_conclude(client) && control_has_room(client))
		client_conclude(client);
	if (!client->failed)
		client_flush(client);
	control_client_drop(client);
}
