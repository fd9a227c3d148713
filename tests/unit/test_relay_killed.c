/* SPDX-License-Identifier: BSD-2-Clause */
/* A relay whose process somebody kills. */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test.h"
#include "util/relay.h"

static bool is_ours(pid_t pid)
{
	char path[64], name[64] = "";
	FILE *file;
	int parent = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "r");
	if (!file)
		return false;
	if (fscanf(file, "%*d (%63[^)]) %*c %d", name, &parent) != 2)
		parent = 0;
	fclose(file);
	return parent == getpid() && !strcmp(name, "lkvm-relay");
}

/* The process of the one relay that there is; 0: it is a thread. */
static pid_t find_relay(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	pid_t found = 0;

	while (!found && (entry = readdir(proc))) {
		pid_t pid = atoi(entry->d_name);

		if (pid && is_ours(pid))
			found = pid;
	}
	closedir(proc);
	return found;
}

TEST(a_relay_that_was_killed_has_not_written_all)
{
	FILE *file = tmpfile();
	struct pollfd done = { .events = POLLIN };
	struct relay *relay;
	pid_t pid;

	assert_int_equal(relay_to(&relay, fileno(file)), 0);
	pid = find_relay();
	if (!pid) {
		relay_destroy(relay);
		fclose(file);
		skip();
	}
	assert_int_equal(write(relay_fd(relay), "first", 5), 5);
	while (relay_written(relay) != 5)
		usleep(1000);
	assert_int_equal(relay_error(relay), 0);
	kill(pid, SIGKILL);
	done.fd = relay_done_fd(relay);
	assert_int_equal(poll(&done, 1, 30000), 1);
	assert_int_equal(relay_error(relay), -EIO);
	relay_destroy(relay);
	fclose(file);
}
