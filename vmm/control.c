/* SPDX-License-Identifier: BSD-2-Clause */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/aside.h"
#include "util/list.h"
#include "util/log.h"
#include "vmm/control.h"

/* When the socket is tried again, where another lkvm has the folder. */
#define CONTROL_DELAY_NS 10000000
/* In ms: how long the end waits for a file system that is frozen. */
#define CONTROL_PATIENCE 250

struct control {
	struct loop *loop;	      /* borrowed */
	char *name;		      /* owned */
	bool wanted;		      /* the user chose the name */
	struct control_socket socket; /* the aside's while there is one */
	struct aside *aside;	      /* owned; at work in the file system: NULL: none */
	struct loop_source finished;  /* it is */
	int result;		      /* of control_listen(), and why; 0: the file is ours */
	struct error err;
	bool listening;
	struct loop_source listener; /* socket's fd */
	struct loop_timer timer;
	struct list_node clients; /* whose last sign of life is oldest, first */
	unsigned client_count;	  /* those that follow included */
	unsigned follower_count;
	struct {
		const struct control_command *commands;
		void *arg;
	} sets[CONTROL_SETS];
	unsigned set_count;
};

struct control_client {
	struct loop_source source; /* owned fd */
	struct control *control;
	struct list_node node;
	const struct control_stream *stream; /* NULL: none, or ended */
	void *state;
	bool asked;  /* the request is complete */
	bool deaf;   /* it will send nothing more */
	bool paused; /* the stream has nothing to say */
	bool failed; /* to be dropped as soon as nobody is at work on it */
	u32 request_len;
	u32 said, taken; /* the answer is out[taken..said) */
	char request[CONTROL_REQUEST];
	char out[CONTROL_BUFFER];
};

/* ---- clients ---- */

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

static void client_drop(struct control_client *client)
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

/*
 * The one that has kept us waiting for longest, among those that follow or among the others: its
 * request has not come, or what it was told it has not taken. A paused stream waits for us.
 */
static struct control_client *find_idle(const struct control *control, bool follows)
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
		struct control_client *idle = find_idle(control, true);

		if (!idle)
			return error_set(err, -EBUSY, "%d others follow it: that is as many as can",
					 CONTROL_FOLLOWERS);
		client_drop(idle);
	}
	client->stream = stream;
	client->state = state;
	if (stream->follows) {
		control->follower_count++;
		admit_next(control);
	}
	return 0;
}

/* Watch for what can happen next. */
static void client_watch(struct control_client *client)
{
	bool speaks = client->said || (client->stream && !client->paused);
	u32 events = (client->deaf ? 0 : EPOLLIN) | (speaks ? EPOLLOUT : 0);

	if (events != client->source.events &&
	    loop_modify(client->control->loop, &client->source, events))
		client->failed = true;
}

void control_wake(struct control_client *client)
{
	client->paused = false;
	client_watch(client);
}

static void client_refuse(struct control_client *client, const char *why)
{
	client->said = client->taken = 0;
	control_send(client, json_pack("{ss}", "error", why));
}

static int client_run(struct control_client *client, json_t *request, struct error *err)
{
	const char *name = json_string_value(json_object_get(request, "command"));
	const struct control *control = client->control;

	for (unsigned i = 0; name && i < control->set_count; i++) {
		const struct control_command *command = control->sets[i].commands;

		for (; command->name; command++) {
			if (!strcmp(command->name, name))
				return command->run(control->sets[i].arg, client, request, err);
		}
	}
	return error_set(err, -EINVAL, "no such command");
}

static void client_execute(struct control_client *client, size_t len)
{
	json_t *request = json_loadb(client->request, len, JSON_REJECT_DUPLICATES, NULL);
	struct error err = { "" };
	int ret;

	client->asked = true;
	if (!json_is_object(request)) {
		json_decref(request);
		client_refuse(client, "a request is a JSON object on a line");
		return;
	}
	ret = client_run(client, request, &err);
	json_decref(request);
	if (ret) {
		error_set(&err, ret, "%s", strerror(-ret));
		client_refuse(client, err.text);
	}
}

/* -errno: it has gone, or does not keep to the one request. */
static int client_receive(struct control_client *client)
{
	char *end = client->request + client->request_len;
	size_t room = sizeof(client->request) - client->request_len;
	ssize_t got;
	char *newline;

	if (!room)
		return -EPROTO;
	got = recv(client->source.fd, end, room, MSG_DONTWAIT);
	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	client->deaf = !got;
	if (!got || client->asked)
		return client->asked && !got ? 0 : -EPROTO;
	client_lives(client);
	client->request_len += got;
	newline = memchr(end, '\n', got);
	if (newline) {
		client_execute(client, newline - client->request);
	} else if (client->request_len == sizeof(client->request)) {
		client->asked = true;
		client_refuse(client, "the request is too long");
	}
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

static void on_client(struct loop_source *source, u32 events)
{
	struct control_client *client = container_of(source, struct control_client, source);
	int ret = events & (EPOLLHUP | EPOLLERR) ? -EPIPE : 0;

	if (!ret && events & EPOLLIN)
		ret = client_receive(client);
	if (!ret && !client->said && client->stream && !client->paused)
		client_more(client);
	if (!ret)
		ret = client_flush(client);
	if (!ret)
		client_watch(client);
	if (ret || client->failed || (client->asked && !client->said && !client->stream))
		client_drop(client);
}

/* ---- the socket ---- */

static void client_create(struct control *control, int fd)
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

static void set_timer(struct control *control)
{
	loop_timer_arm(&control->timer, CONTROL_DELAY_NS);
}

static void on_connection(struct loop_source *source, u32 events)
{
	struct control *control = container_of(source, struct control, listener);
	struct control_client *idle = find_idle(control, false);
	int fd;

	if (control->client_count - control->follower_count == CONTROL_CLIENTS) {
		/* All places are taken by good ones: the next one waits until one leaves. */
		if (!idle) {
			loop_modify(control->loop, source, 0);
			return;
		}
		client_drop(idle);
	}
	fd = accept4(source->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0) {
		client_create(control, fd);
	} else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
		/* No fd left: it would be ready for ever. */
		loop_modify(control->loop, source, 0);
		set_timer(control);
	}
}

/* ---- in the file system of the sockets, which may be frozen ---- */

static void listen_aside(void *arg)
{
	struct control *control = arg;

	control->result = control_listen(&control->socket, control->name, &control->err);
}

static void remove_aside(void *arg)
{
	const struct control *control = arg;

	control_remove(&control->socket);
}

static void close_socket(struct control *control)
{
	if (control->socket.fd >= 0)
		close(control->socket.fd);
	control->socket.fd = -1;
}

/* There is no socket yet, or there will be none. */
static void explain(struct control *control, int ret)
{
	if (ret == -EAGAIN)
		set_timer(control);
	else if (ret == -EADDRINUSE)
		log_warning("--name %s is in use by now: this one has no control socket",
			    control->name);
	else
		log_print(control->wanted ? LOG_WARNING : LOG_INFO, "no control socket: %s",
			  control->err.text[0] ? control->err.text : strerror(-ret));
}

/* The socket has its name, or @result says why it has none. */
static void begin(struct control *control)
{
	int ret = control->result;

	if (!ret) {
		/* Once more: clients are told the process that did it last, and the aside is
		 * another. */
		listen(control->socket.fd, CONTROL_CLIENTS);
		control->listener.fd = control->socket.fd;
		control->listener.events = EPOLLIN;
		control->listener.handle = on_connection;
		ret = loop_add(control->loop, &control->listener);
		control->listening = !ret;
	}
	if (!ret)
		return;
	close_socket(control);
	explain(control, ret);
}

static void on_finished(struct loop_source *source, u32 events)
{
	struct control *control = container_of(source, struct control, finished);

	loop_remove(control->loop, source);
	aside_destroy(control->aside);
	control->aside = NULL;
	begin(control);
}

static int start_listening(struct control *control)
{
	struct aside_config config = { .name = "lkvm-control",
				       .main = listen_aside,
				       .arg = control,
				       .keep_count = 1,
				       .dies_with_us = true };
	int ret = control_open(&control->socket);

	if (ret)
		return ret;
	config.keep[0] = control->socket.fd;
	control->err.text[0] = 0;
	if (!control_may_freeze() || aside_start(&control->aside, &config)) {
		/* Without a thread for it, it is worth the risk. */
		listen_aside(control);
		begin(control);
		return 0;
	}
	control->finished = (struct loop_source){ aside_done_fd(control->aside), EPOLLIN,
						  on_finished };
	return loop_add(control->loop, &control->finished);
}

static void try_to_listen(struct control *control)
{
	int ret = 0;

	if (control->listening)
		loop_modify(control->loop, &control->listener, EPOLLIN);
	else
		ret = start_listening(control);
	if (ret)
		explain(control, ret);
}

static void on_timer(struct loop_timer *timer)
{
	try_to_listen(container_of(timer, struct control, timer));
}

/* False: the aside is still at it, and with it @control. */
static bool finish_aside(struct control *control)
{
	if (control->aside && !aside_wait(control->aside, CONTROL_PATIENCE))
		return false;
	aside_destroy(control->aside);
	control->aside = NULL;
	return true;
}

/* Should it be over after us only, others find a socket meanwhile at which nobody listens. */
static bool remove_socket(struct control *control)
{
	const struct aside_config config = { .name = "lkvm-control",
					     .main = remove_aside,
					     .arg = control };

	close_socket(control);
	if (!control_may_freeze() || aside_start(&control->aside, &config))
		control_remove(&control->socket);
	return finish_aside(control);
}

/* ---- life ---- */

int control_create(struct control **out, struct loop *loop, const char *name, bool wanted)
{
	struct control *control = calloc(1, sizeof(*control));
	int ret = -ENOMEM;

	if (!control)
		return ret;
	control->loop = loop;
	control->wanted = wanted;
	control->socket.fd = -1;
	control->result = -ENOENT;
	list_init(&control->clients);
	control->name = strdup(name);
	if (!control->name)
		goto free_control;
	ret = loop_timer_create(&control->timer, loop, on_timer);
	if (ret)
		goto free_name;
	try_to_listen(control);
	*out = control;
	return 0;

free_name:
	free(control->name);
free_control:
	free(control);
	return ret;
}

void control_add(struct control *control, const struct control_command *commands, void *arg)
{
	assert(control->set_count < CONTROL_SETS);
	control->sets[control->set_count].commands = commands;
	control->sets[control->set_count++].arg = arg;
}

static void drop_clients(struct control *control)
{
	struct list_node *node, *next;

	if (control->listening)
		loop_remove(control->loop, &control->listener);
	/* So that nobody takes the listener up again. */
	control->listener.events = EPOLLIN;
	list_for_each_safe(node, next, &control->clients)
		client_drop(list_entry(node, struct control_client, node));
}

void control_destroy(struct control *control)
{
	bool gone;

	if (!control)
		return;
	drop_clients(control);
	loop_timer_destroy(&control->timer);
	if (control->aside)
		loop_remove(control->loop, &control->finished);
	gone = finish_aside(control);
	if (gone && !control->result)
		gone = remove_socket(control);
	if (!gone) {
		log_warning("the control socket of %s is left behind: its file system does not "
			    "answer",
			    control->name);
		return;
	}
	close_socket(control);
	free(control->name);
	free(control);
}
