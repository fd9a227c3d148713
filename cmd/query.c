/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "cmd.h"
#include "list.h"
#include "query.h"
#include "util/log.h"
#include "vmm/control.h"

/* Of silence, from a VM that was asked for what it has at hand. */
#define ANSWER_SECONDS 10

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

int query_begin(struct query *query, const char *name, json_t *ask)
{
	char request[CONTROL_REQUEST];
	int fd = control_connect(name, NULL);
	size_t len = json_dumpb(ask, request, sizeof(request) - 1, JSON_COMPACT);

	json_decref(ask);
	if (fd == -ENOENT || fd == -ECONNREFUSED)
		return say_no_vm(name);
	if (fd < 0) {
		log_error("%s: %s", name,
			  fd == -EAGAIN ? "busy with others' questions" : strerror(-fd));
		return EXIT_HOST;
	}
	*query = (struct query){ .name = name, .answer = fdopen(fd, "r") };
	if (!query->answer || !len || len >= sizeof(request) || set_deadline(fd, ANSWER_SECONDS)) {
		log_error("the request is too long, or out of memory");
		if (query->answer)
			fclose(query->answer);
		else
			close(fd);
		return EXIT_HOST;
	}
	request[len++] = '\n';
	/* What goes wrong here shows when we read. */
	send(fd, request, len, MSG_NOSIGNAL);
	return EXIT_OK;
}

void query_follow(struct query *query)
{
	query->ended = true;
	set_deadline(fileno(query->answer), 0);
}

json_t *query_next(struct query *query)
{
	char line[CONTROL_LINE + 1];
	json_t *json;
	const char *error;

	errno = 0;
	if (!fgets(line, sizeof(line), query->answer)) {
		if (query->ended)
			return NULL;
		query->status = EXIT_HOST;
		if (errno == EAGAIN)
			log_error("%s %s", query->name,
				  query->silence ? query->silence : "does not answer");
		else
			log_error("%s ended", query->name);
		return NULL;
	}
	json = json_loads(line, 0, NULL);
	error = json_string_value(json_object_get(json, "error"));
	if (json && !error)
		return json;
	query->status = error ? EXIT_USAGE : EXIT_HOST;
	log_error("%s: %s", query->name, error ? error : "it does not speak our language");
	json_decref(json);
	return NULL;
}
