/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "net/options.h"
#include "script.h"
#include "scripts.h"
#include "util/log.h"
#include "util/types.h"

/* Of a note. */
enum { MESSAGES, HELD };

struct script_pair {
	char script[PATH_MAX], down_script[PATH_MAX]; /* "": none */
	char interface[IFNAMSIZ];
	u32 script_seconds, down_seconds;
};

/* ---- in the keeper ---- */

/* What they say is for lkvm's stderr. */
static int up(const void *data, const int *fds, int stop_fd, struct error *err)
{
	const struct script_pair *pair = data;

	dup2(fds[MESSAGES], STDERR_FILENO);
	return pair->script[0] ? net_script_run(pair->script, pair->interface, pair->script_seconds,
						stop_fd, err)
			       : 0;
}

static int down(const void *data, const int *fds, struct error *err)
{
	const struct script_pair *pair = data;

	dup2(fds[MESSAGES], STDERR_FILENO);
	return net_script_run(pair->down_script, pair->interface, pair->down_seconds, -1, err);
}

const struct keeper_kind net_scripts_kind = {
	.name = "a tap's scripts",
	.worth = KEEPER_NEEDED,
	.size = sizeof(struct script_pair),
	.begin_ms = NET_SCRIPT_SECONDS * 1000 + 1000,
	.undo_ms = NET_DOWN_SECONDS * 1000 + 1000,
	.begin = up,
	.undo = down,
};

/* ---- on our side ---- */

static int put(char to[PATH_MAX], const char *script, struct error *err)
{
	if (script && strlen(script) >= PATH_MAX)
		return error_set(err, -ENAMETOOLONG, "script %.40s...: %s", script,
				 strerror(ENAMETOOLONG));
	strcpy(to, script ? script : "");
	return 0;
}

int net_scripts_begin(struct keeper *keeper, int *out, const struct net_scripts *scripts,
		      struct error *err)
{
	struct script_pair pair = { .script_seconds = scripts->script_seconds,
				    .down_seconds = scripts->down_seconds };
	const struct keeper_note note = {
		.kind = &net_scripts_kind,
		.data = &pair,
		.fds = { [MESSAGES] = STDERR_FILENO, [HELD] = scripts->hold_fd },
		.fd_count = scripts->hold_fd < 0 || !scripts->down_script ? HELD : HELD + 1,
		.give_up_fd = scripts->give_up_fd,
	};
	int ret = put(pair.script, scripts->script, err);

	*out = -1;
	if (!ret)
		ret = put(pair.down_script, scripts->down_script, err);
	if (ret)
		return ret;
	snprintf(pair.interface, sizeof(pair.interface), "%s", scripts->interface);
	ret = keeper_add(keeper, &note, err);
	if (ret < 0)
		return ret;
	if (scripts->down_script)
		*out = ret;
	else
		keeper_drop(keeper, ret);
	return 0;
}

void net_scripts_end(struct keeper *keeper, int note)
{
	struct error err = { "" };

	if (keeper_undo(keeper, note, &err))
		log_warning("downscript=: %s", err.text);
}
