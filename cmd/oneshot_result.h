/* SPDX-License-Identifier: BSD-2-Clause */
/* How a one-shot run ended: for people, for the exit status, and for --result. */
#ifndef CMD_ONESHOT_RESULT_H
#define CMD_ONESHOT_RESULT_H

#include "oneshot.h"

struct oneshot_result {
	enum vm_stop reason;
	int status; /* the exit status */
	u64 ended_ns;
	/* Filled by oneshot_result_describe(). */
	const char *verdict; /* one word, for programs */
	char text[256];	     /* a line for people; "": the command ended by itself */
};

void oneshot_result_describe(const struct oneshot *oneshot, struct oneshot_result *result);
/* On standard error, with the last lines of the console where these say why. */
void oneshot_result_say(const struct oneshot *oneshot, const struct oneshot_result *result);
/* To --result's file. @give_up_fd, @patience: as of terminal_finish(). */
void oneshot_result_write(const struct oneshot *oneshot, const struct oneshot_result *result,
			  int give_up_fd, int patience);

#endif
