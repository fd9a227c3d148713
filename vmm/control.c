/* SPDX-License-Identifier: BSD-2-Clause */
#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "control_private.h"
#include "util/keeper.h"
#include "util/listener.h"
#include "util/log.h"

/* When the socket is tried again, where another lkvm has the folder. */
#define CONTROL_DELAY_NS 10000000
/* The same while all of the start waits for it. */
#define CONTROL_SETTLE_NS 1000000
/* A second, or a tenth. No lkvm has it for so long, but any user who may read the folder could. */
#define CONTROL_TRIES 100
/* In ms: how long the end waits for a file system that is frozen. */
#define CONTROL_PATIENCE 250

/* ---- the socket ---- */

static void set_timer(struct control *control)
{
	loop_timer_arm(&control->timer, CONTROL_DELAY_NS);
}

/* The folder keeps others out, and so does this, should its mode have been changed. */
static bool is_from(int fd, uid_t owner)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) &&
	       (!peer.uid || peer.uid == owner);
}

static void welcome(struct control *control, int fd)
{
	static const char refusal[] = "{\"error\":\"this VM is another user's\"}\n";

	if (is_from(fd, control->owner)) {
		control_client_create(control, fd);
		return;
	}
	send(fd, refusal, strlen(refusal), MSG_DONTWAIT | MSG_NOSIGNAL);
	close(fd);
}

/* False: all are good ones, and the next one waits until one leaves, or has waited too long. */
static bool make_place(struct control *control)
{
	struct control_client *idle = control_find_idle(control, false);
	int left;

	if (idle) {
		control_client_drop(idle);
		return true;
	}
	left = control_drop_waiting(control);
	if (left > 0)
		loop_timer_arm(&control->timer, left * 1000000ULL);
	return !left;
}

static void on_connection(struct loop_source *source, u32 events)
{
	struct control *control = container_of(source, struct control, listener);
	int fd;

	if (control->client_count - control->follower_count == CONTROL_CLIENTS &&
	    !make_place(control)) {
		loop_modify(control->loop, source, 0);
		return;
	}
	fd = accept4(source->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0) {
		welcome(control, fd);
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

	control->result = control_listen(&control->socket, control->name,
					 control->tries++ < CONTROL_TRIES, &control->err);
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
	/* Once confined, no thread makes files. */
	if (ret == -EAGAIN && !thread_is_sealed()) {
		set_timer(control);
		return;
	}
	keeper_drop(control->keeper, control->note);
	control->note = -1;
	if (ret == -EADDRINUSE)
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
		listen(control->socket.fd, CONTROL_BACKLOG);
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
				       .kind = THREAD_LISTEN,
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

/* Neither is there a socket nor is it known that there will be none. */
static bool is_pending(const struct control *control)
{
	return control->aside || (!control->listening && control->note >= 0);
}

int control_settle(struct control *control)
{
	const struct timespec delay = { .tv_nsec = CONTROL_SETTLE_NS };

	while (is_pending(control)) {
		if (!control->aside) {
			nanosleep(&delay, NULL);
			/* What is found out here is not tried again later. */
			loop_timer_disarm(&control->timer);
			try_to_listen(control);
		} else if (aside_wait(control->aside, CONTROL_PATIENCE)) {
			on_finished(&control->finished, 0);
		} else {
			return -ETIMEDOUT;
		}
	}
	return 0;
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
	const struct control_socket *made = &control->socket;

	close_socket(control);
	if (!control->result)
		listener_made(control->keeper, control->note, made->path, made->dev, made->ino);
	return keeper_undo(control->keeper, control->note, NULL) != -ETIMEDOUT;
}

/* ---- life ---- */

/* The library would open /dev/urandom for it when the first request comes: nothing is opened then.
 */
static void seed_json(void)
{
	size_t seed = 0;

	if (getrandom(&seed, sizeof(seed), 0) == sizeof(seed))
		json_object_seed(seed | 1);
}

int control_create(struct control **out, struct loop *loop, struct keeper *keeper, const char *name,
		   bool wanted)
{
	struct control *control = calloc(1, sizeof(*control));
	int ret = -ENOMEM;

	if (!control)
		return ret;
	control->loop = loop;
	control->wanted = wanted;
	control->owner = geteuid();
	control->keeper = keeper;
	control->socket.fd = -1;
	control->result = -ENOENT;
	list_init(&control->clients);
	control->name = strdup(name);
	if (!control->name)
		goto free_control;
	ret = loop_timer_create(&control->timer, loop, on_timer);
	if (ret)
		goto free_name;
	control->note = control_note(keeper, name);
	seed_json();
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
		control_client_finish(list_entry(node, struct control_client, node));
}

void control_finish(struct control *control)
{
	if (!control)
		return;
	drop_clients(control);
	control->listening = false;
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
	if (gone)
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
