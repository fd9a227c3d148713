/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a run for a command says in GitHub Actions, whose runner takes commands out of the lines on
 * standard output and error ("Workflow commands for GitHub Actions").
 */
#ifndef CMD_ONESHOT_GITHUB_H
#define CMD_ONESHOT_GITHUB_H

#include "util/types.h"

struct oneshot_result;

bool github_is_there(void);
/*
 * On standard error: @console, the guest's, folded, and not able to give commands; and one line
 * that becomes an annotation, if the run failed.
 */
void github_say(const char *console, const struct oneshot_result *result);
/* The same line of a run that does not begin: @why. */
void github_refuse(const char *why);

#endif
