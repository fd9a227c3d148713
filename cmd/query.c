/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "cmd.h"
#include "list.h"
#include "query.h"
#include "util/log.h"
#include "util/parse.h"
#include "vmm/control.h"

/* Of silence, from a VM that was asked for what it has at hand. */
#define ANSWER_SECONDS 10
/* For a VM that has closed a connection to show that it has not ended. */
#define GOES_ON_MS 1000

/* How long the socket may be silent, and how long it may refuse to take what we say; 0: for ever.
 */
static int set_deadline(int fd, int seconds)
{
	const struct timeval limit = { .tv_sec = seconds };

	return setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) ||
			       setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit))
		       ? -errno
		       : 0;
}

/* ---- who is asked ---- */

static int say_no_vm(const char *name)
{
	struct running_vm *vms;
	int count = list_running(&vms);
	char names[400] = "";
	size_t len = 0;

	for (int i = 0; i < count && len < sizeof(names); i++)
		len += snprintf(names + len, sizeof(names) - len, "%s%s", i ? ", " : "",
				vms[i].name);
	if (count > 0)
		log_error("no VM %s is running; there is: %s", name, names);
	else
		log_error("no VM %s is running; there is none at all", name);
	free(vms);
	return EXIT_USAGE;
}

/* By its process ID: an fd or -errno. */
static int connect_pid(const char *text, pid_t *pid)
{
	struct running_vm *vms;
	int ret = -ENOENT, count;
	u64 wanted;

	if (parse_u64(text, INT32_MAX, &wanted))
		return -ENOENT;
	count = list_running(&vms);
	for (int i = 0; i < count; i++) {
		if (vms[i].pid == (pid_t)wanted)
			ret = control_connect_at(vms[i].folder, vms[i].name, pid);
	}
	free(vms);
	return ret;
}

static int find_vm(const char *name, pid_t *pid)
{
	int fd = control_connect(name, pid);

	if (fd != -ENOENT && fd != -ECONNREFUSED)
		return fd;
	return connect_pid(name, pid);
}

/* ---- asking ---- */

/* With a deadline, who was stopped and goes on is interrupted: signal(7). The VM has not ended. */
static ssize_t read_connection(void *cookie, char *data, size_t len)
{
	ssize_t got;

	do
		got = recv((int)(intptr_t)cookie, data, len, 0);
	while (got < 0 && errno == EINTR);
	return got;
}

static int close_connection(void *cookie)
{
	return close((int)(intptr_t)cookie);
}

/* Takes @fd. 0 or -errno. */
static int attach(struct query *query, int fd, const char *name, pid_t pid)
{
	const cookie_io_functions_t functions = { .read = read_connection,
						  .close = close_connection };

	*query = (struct query){ .name = name, .pid = pid, .fd = fd };
	query->answer = fopencookie((void *)(intptr_t)fd, "r", functions);
	if (query->answer && !set_deadline(fd, ANSWER_SECONDS))
		return 0;
	if (query->answer)
		fclose(query->answer);
	else
		close(fd);
	return -ENOMEM;
}

int query_open(struct query *query, const char *name)
{
	pid_t pid = 0;
	int ret = find_vm(name, &pid);

	return ret < 0 ? ret : attach(query, ret, name, pid);
}

int query_open_at(struct query *query, const struct running_vm *vm)
{
	pid_t pid = 0;
	int fd = control_connect_at(vm->folder, vm->name, &pid);

	return fd < 0 ? fd : attach(query, fd, vm->name, pid);
}

int query_explain(const char *name, int error)
{
	if (error == -ENOENT || error == -ECONNREFUSED)
		return say_no_vm(name);
	log_error("%s: %s", name,
		  error == -EAGAIN ? "busy with others' questions" : strerror(-error));
	return EXIT_HOST;
}

/* What else goes wrong when it is told shows when we read. */
static int begin(struct query *query, json_t *ask)
{
	if (query_tell(query, ask) != -EMSGSIZE)
		return EXIT_OK;
	log_error("%s is not asked: a word is too long, or is no UTF-8", query->name);
	fclose(query->answer);
	return EXIT_USAGE;
}

int query_begin_to(struct query *query, const struct query_to *to, json_t *ask)
{
	int ret = to->listed ? query_open_at(query, to->listed) : query_open(query, to->name);
	bool gone = ret == -ENOENT || ret == -ECONNREFUSED;

	if (!ret) {
		query->name = to->name;
		query->may_end = to->may_be_gone;
		return begin(query, ask);
	}
	json_decref(ask);
	query->answer = NULL;
	return gone && to->may_be_gone ? EXIT_OK : query_explain(to->name, ret);
}

int query_begin(struct query *query, const char *name, json_t *ask)
{
	const struct query_to to = { .name = name };

	return query_begin_to(query, &to, ask);
}

int query_begin_at(struct query *query, const struct running_vm *vm, json_t *ask)
{
	if (query_open_at(query, vm)) {
		json_decref(ask);
		return EXIT_HOST;
	}
	query_tell(query, ask);
	return EXIT_OK;
}

int query_tell(struct query *query, json_t *line)
{
	char text[CONTROL_REQUEST];
	size_t len = json_dumpb(line, text, sizeof(text) - 1, JSON_COMPACT);

	json_decref(line);
	if (!len || len >= sizeof(text))
		return -EMSGSIZE;
	text[len++] = '\n';
	while (send(query->fd, text, len, MSG_NOSIGNAL) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

void query_wait(struct query *query, u64 ms)
{
	/* 0 would be for ever. */
	const struct timeval limit = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 + 1 };

	setsockopt(query->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
}

void query_follow(struct query *query)
{
	query->ended = true;
	set_deadline(query->fd, 0);
}

bool query_lost_place(const struct query *query)
{
	char line[CONTROL_LINE + 1];
	bool answers, is_silent;
	struct query again;

	if (query_open(&again, query->name))
		return false;
	query_wait(&again, GOES_ON_MS);
	query_tell(&again, json_pack("{ss}", "command", "status"));
	/* A VM at its end hangs up. Another one may have its name by now. */
	answers = fgets(line, sizeof(line), again.answer);
	is_silent = !answers && errno == EAGAIN;
	fclose(again.answer);
	if (again.pid != query->pid || (!answers && !is_silent))
		return false;
	log_error(answers ? "%s goes on, but another client took this one's place"
			  : "%s no longer serves this client, and does not answer",
		  query->name);
	return true;
}

bool query_shown(void)
{
	return !ferror(stdout) && !fflush(stdout);
}

/* ---- the answer ---- */

static json_t *say_gone(struct query *query)
{
	int error = errno;

	if (query->ended && query_lost_place(query))
		query->status = EXIT_HOST;
	if (query->ended || (query->may_end && error != EAGAIN))
		return NULL;
	query->status = EXIT_HOST;
	query->silent = error == EAGAIN;
	if (query->silent)
		log_error("%s %s", query->name,
			  query->silence ? query->silence : "does not answer");
	else
		log_error("%s ended", query->name);
	return NULL;
}

json_t *query_next(struct query *query)
{
	char line[CONTROL_LINE + 1];
	const char *error;
	json_t *json;

	errno = 0;
	/* Half a line is all there is of one that died, or fell silent, while it spoke. */
	if (!fgets(line, sizeof(line), query->answer) ||
	    (!strchr(line, '\n') && strlen(line) < CONTROL_LINE))
		return say_gone(query);
	json = json_loads(line, JSON_ALLOW_NUL, NULL);
	error = json_string_value(json_object_get(json, "error"));
	if (json_is_true(json_object_get(json, "ok"))) {
		query->ended = true;
		json_decref(json);
		return NULL;
	}
	if (json && !error)
		return json;
	query->status = error ? EXIT_USAGE : EXIT_HOST;
	log_error("%s: %s", query->name, error ? error : "it does not speak our language");
	json_decref(json);
	return NULL;
}

int query_ask(const char *name, json_t *ask, json_t **answer)
{
	struct query query;
	json_t *line;
	int status = query_begin(&query, name, ask);

	if (answer)
		*answer = NULL;
	if (status)
		return status;
	line = query_next(&query);
	fclose(query.answer);
	if (answer)
		*answer = line;
	else
		json_decref(line);
	return query.status;
}

u64 query_number(const json_t *json, const char *key)
{
	return json_integer_value(json_object_get(json, key));
}

const char *query_text(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));

	return text ? text : "";
}

int query_each(int (*one)(const struct query_to *to, const void *arg), const void *arg)
{
	struct running_vm *vms;
	int count = list_running(&vms), status = EXIT_OK;

	if (count < 0) {
		log_error("cannot look for running VMs: %s", strerror(-count));
		return EXIT_HOST;
	}
	for (int i = 0; i < count; i++) {
		bool again = i && !strcmp(vms[i].name, vms[i - 1].name);
		char pid[16];
		/* Two folders may have the same name. */
		const struct query_to to = { again ? pid : vms[i].name, &vms[i], true };
		int ret;

		snprintf(pid, sizeof(pid), "%d", (int)vms[i].pid);
		ret = one(&to, arg);
		status = ret ? ret : status;
	}
	free(vms);
	return status;
}
