/* SPDX-License-Identifier: BSD-2-Clause */
/* --run-as: whose lkvm's process is while the guest runs. */
#ifndef CMD_RUN_AS_H
#define CMD_RUN_AS_H

#include "confine/confine.h"
#include "util/error.h"

struct run_options;

/*
 * "USER" or "USER:GROUP", each by its name on this host or by its number. A name's group is that of
 * passwd(5), a number's is the same number. -EINVAL with a line, for root as well.
 */
int run_as_parse(const char *word, struct confine_user *user, struct error *err);
/* Whether this process can become that user at all. -EINVAL with a line. */
int run_as_check(const struct run_options *options, struct error *err);
/*
 * And whether this run can do without the one who started it; once devices are prepared, and before
 * anything is claimed. -EINVAL with a line.
 */
int run_as_check_needs(const struct run_options *options, struct error *err);

#endif
