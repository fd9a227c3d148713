/* SPDX-License-Identifier: BSD-2-Clause */
/* How a one-shot run ended: for people, for the exit status, and for --result. */
#ifndef CMD_ONESHOT_RESULT_H
#define CMD_ONESHOT_RESULT_H

#include "oneshot.h"

struct oneshot_result {
	/* Filled by oneshot_result_judge(). */
	int status;	     /* the exit status */
	const char *verdict; /* one word, for programs */
	bool console_says_why;
	bool said;	/* the run has said as much already */
	char text[384]; /* a line for people; "": there is nothing to say */
	u64 ended_ns;
	const struct diagnosis *diagnosis; /* NULL: none */
};

/* How a file of --result begins. */
#define RESULT_START "{\n \"verdict\""

void oneshot_result_judge(const struct oneshot *oneshot, const struct oneshot_end *end,
			  struct oneshot_result *result);
/* What the host did not do is the verdict instead. */
void oneshot_result_host_failed(struct oneshot_result *result, const char *what);
/* On standard error, with the last lines of the console where these say why. */
void oneshot_result_say(const struct oneshot *oneshot, const struct oneshot_result *result);
/* To --result's file. @give_up_fd, @patience: as of terminal_finish(). -errno, which it says. */
int oneshot_result_write(const struct oneshot *oneshot, const struct oneshot_result *result,
			 int give_up_fd, int patience);

#endif
