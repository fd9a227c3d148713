/* SPDX-License-Identifier: BSD-2-Clause */
/* lkvm console. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "cmd.h"
#include "control.h"
#include "util/log.h"
#include "vmm/control.h"
#include "watch.h"

#define ESCAPE	    0x01 /* Ctrl-A */
#define ANSWER_MS   10000
#define INPUT_BYTES 256

struct session {
	struct query query;
	int fd;
	bool keys;    /* stdin is a terminal, and ours */
	bool escaped; /* the last key was Ctrl-A */
	bool input;   /* there may be more of it */
	bool attached;
	bool detached;
	int output_error; /* why standard output takes no more; 0: it does, or its reader left */
	int status;
	size_t len; /* of an answer's line that is not whole yet */
	char line[CONTROL_LINE + 1];
};

/* ---- the terminal ---- */

static struct termios saved, raw;

static void restore(void)
{
	tcsetattr(STDIN_FILENO, TCSANOW, &saved);
}

static void on_signal(int signal)
{
	restore();
	_exit(EXIT_SIGNAL + signal);
}

/* The shell has its terminal as it was, until it lets us go on. */
static void on_stop(int signal)
{
	restore();
	raise(SIGSTOP);
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

/* What was ignored when lkvm started stays so. */
static void catch_signals(void)
{
	sigset_t set;

	watch_choose_signals(&set);
	sigaddset(&set, SIGABRT);
	for (int number = 1; number <= SIGRTMAX; number++) {
		if (sigismember(&set, number) > 0)
			signal(number, number == SIGTSTP ? on_stop : on_signal);
	}
}

static void make_raw(struct session *session)
{
	session->keys = !tcgetattr(STDIN_FILENO, &saved);
	if (!session->keys)
		return;
	raw = saved;
	cfmakeraw(&raw);
	catch_signals();
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	fprintf(stderr, "Ctrl-A d detaches from %s, Ctrl-A Ctrl-A types one Ctrl-A.\r\n",
		session->query.name);
}

/* ---- from us to the guest ---- */

/* Ours are taken out. Returns what is left. */
static size_t filter_keys(struct session *session, u8 *keys, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count && !session->detached; i++) {
		if (!session->escaped && keys[i] == ESCAPE) {
			session->escaped = true;
			continue;
		}
		if (session->escaped && keys[i] == 'd')
			session->detached = true;
		else
			keys[kept++] = keys[i];
		session->escaped = false;
	}
	return kept;
}

/* A byte is the character of its number. */
static json_t *text_of(const u8 *bytes, size_t count)
{
	char text[2 * INPUT_BYTES];
	size_t len = 0;

	for (size_t i = 0; i < count; i++) {
		if (bytes[i] >= 0x80)
			text[len++] = 0xc0 | bytes[i] >> 6;
		text[len++] = bytes[i] < 0x80 ? bytes[i] : 0x80 | (bytes[i] & 0x3f);
	}
	return json_stringn(text, len);
}

/* Of keys: a VM that stands still must not keep us from hearing the one that detaches. */
static bool takes_keys(const struct session *session, ssize_t count)
{
	struct pollfd out = { .fd = session->fd, .events = POLLOUT };

	if (!session->keys || poll(&out, 1, 0) > 0)
		return true;
	fprintf(stderr, "[%zd bytes of input, which %s does not take, were lost]\r\n", count,
		session->query.name);
	return false;
}

static void take_input(struct session *session)
{
	u8 bytes[INPUT_BYTES];
	ssize_t count = read(STDIN_FILENO, bytes, sizeof(bytes));

	if (count < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	session->input = count > 0;
	/* A terminal that was hung up. */
	if (count <= 0 && session->keys)
		session->detached = true;
	if (count <= 0)
		return;
	if (session->keys)
		count = filter_keys(session, bytes, count);
	if (count && takes_keys(session, count))
		query_tell(&session->query, json_pack("{so}", "input", text_of(bytes, count)));
}

/* ---- and back ---- */

/* A reader that went away wanted no more. */
static void lose_output(struct session *session, int error)
{
	session->detached = true;
	if (error == EPIPE || (error == EIO && session->keys))
		return;
	session->output_error = error;
	session->status = EXIT_HOST;
}

static void write_all(struct session *session, const u8 *data, size_t len)
{
	struct pollfd out = { .fd = STDOUT_FILENO, .events = POLLOUT };

	while (len) {
		ssize_t done = write(STDOUT_FILENO, data, len);

		/* Somebody made it one that does not block. */
		if (done < 0 && errno == EAGAIN)
			poll(&out, 1, -1);
		if (done < 0 && (errno == EINTR || errno == EAGAIN))
			done = 0;
		if (done < 0) {
			lose_output(session, errno);
			return;
		}
		data += done;
		len -= done;
	}
}

static void show_output(struct session *session, const json_t *text)
{
	const u8 *from = (const u8 *)json_string_value(text);
	size_t len = json_string_length(text), count = 0;
	u8 bytes[CONTROL_LINE];

	for (size_t i = 0; i < len && count < sizeof(bytes); i++) {
		if (from[i] >= 0x80 && i + 1 < len) {
			bytes[count++] = from[i] << 6 | (from[i + 1] & 0x3f);
			i++;
		} else {
			bytes[count++] = from[i];
		}
	}
	write_all(session, bytes, count);
}

static void say_lost(const struct session *session, const json_t *json, const char *key,
		     const char *what)
{
	if (json_object_get(json, key))
		fprintf(stderr, "[%llu bytes of %s were lost]%s",
			(unsigned long long)query_number(json, key), what,
			session->keys ? "\r\n" : "\n");
}

static void take_line(struct session *session, const char *line)
{
	json_t *json = json_loads(line, JSON_ALLOW_NUL, NULL);
	const char *error = json_string_value(json_object_get(json, "error"));

	if (error) {
		session->status = EXIT_USAGE;
		session->detached = true;
		log_error("%s: %s", session->query.name, error);
	}
	if (json_object_get(json, "console") && !session->attached) {
		session->attached = true;
		make_raw(session);
	}
	if (json_object_get(json, "output"))
		show_output(session, json_object_get(json, "output"));
	say_lost(session, json, "lost", "output, which came faster than it was read,");
	say_lost(session, json, "input_lost", "input, which the guest does not read,");
	json_decref(json);
}

/* False: there will be nothing more. */
static bool take_answer(struct session *session)
{
	char *newline;
	ssize_t got = read(session->fd, session->line + session->len,
			   sizeof(session->line) - 1 - session->len);

	if (got < 0 && errno == EINTR)
		return true;
	if (got <= 0)
		return false;
	session->len += got;
	session->line[session->len] = '\0';
	while ((newline = memchr(session->line, '\n', session->len)) && !session->detached) {
		*newline = '\0';
		take_line(session, session->line);
		session->len -= newline + 1 - session->line;
		memmove(session->line, newline + 1, session->len + 1);
	}
	return session->len < sizeof(session->line) - 1;
}

static void serve(struct session *session)
{
	while (!session->detached) {
		struct pollfd fds[] = {
			{ .fd = session->fd, .events = POLLIN },
			{ .fd = session->attached && session->input ? STDIN_FILENO : -1,
			  .events = POLLIN },
		};
		int ret = poll(fds, 2, session->attached ? -1 : ANSWER_MS);

		if (!ret) {
			log_error("%s does not answer", session->query.name);
			session->status = EXIT_HOST;
			return;
		}
		if (ret < 0)
			continue;
		if (fds[1].revents)
			take_input(session);
		if (fds[0].revents && !take_answer(session))
			return;
	}
}

/* Before anything is said the terminal is as it was. */
static void say_end(struct session *session)
{
	if (session->keys) {
		restore();
		fprintf(stderr, "\n");
	}
	if (session->output_error)
		log_error("cannot write to standard output: %s", strerror(session->output_error));
	if (session->attached && !session->detached && query_lost_place(&session->query))
		session->status = EXIT_HOST;
	else if (session->keys)
		fprintf(stderr, "%s %s\n", session->query.name,
			session->detached ? "goes on" : "has ended");
}

static int run_console(const void *arg)
{
	const struct control_options *options = arg;
	struct session session = { .input = true };

	if (!options->name) {
		log_error("usage: lkvm console NAME");
		return EXIT_USAGE;
	}
	session.status = query_begin(&session.query, options->name,
				     json_pack("{ss}", "command", "console"));
	if (session.status)
		return session.status;
	/* A reader of ours that goes, or a file at its ulimit, must not take us with it while the
	 * terminal is raw. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	session.fd = session.query.fd;
	query_follow(&session.query);
	serve(&session);
	if (!session.attached && !session.status) {
		log_error("%s ended", options->name);
		session.status = EXIT_HOST;
	}
	say_end(&session);
	fclose(session.query.answer);
	return session.status;
}

static const struct option_spec specs[] = { CONTROL_NAME_SPEC, { 0 } };

const struct verb console_verb = {
	"console",
	"NAME",
	"use a running VM's console",
	specs,
	control_set_word,
	0,
	run_console,
	"Show what a VM's guest writes to its console from now on, and type there, to Ctrl-A d or\n"
	"the VM's end. It is meant for a VM that was started in the background, but any number "
	"may\n"
	"be attached, beside standard input and output of 'lkvm run'. The VM does not wait for a\n"
	"reader: what is lost is counted on standard error.\n" CONTROL_NAME_NOTE,
};
