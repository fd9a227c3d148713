/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CMD_ONESHOT_WAYS_H
#define CMD_ONESHOT_WAYS_H

#include "oneshot.h"

/*
 * Find the kernel, its modules, what is to be loaded, and how the run reaches its guest; a root
 * that is to be packed is measured. Changes options->kernel, and oneshot->scratch where there is
 * nothing to be kept apart. -errno with a line.
 */
int oneshot_choose_ways(struct oneshot *oneshot, struct run_options *options, struct error *err);
/*
 * Whether the kernel has what no modules.dep tells of, as far as @config says anything; what it can
 * have as a module is looked for there, too. -ENOENT: the line names all that is missing. Where
 * @config is in doubt that is a warning, and 0.
 */
int oneshot_check_needs(const struct oneshot *oneshot, const struct kernel_config *config,
			struct error *err);
/* Into the initrd, if it is to be there. -errno with a line. */
int oneshot_pack_root(struct oneshot *oneshot, struct error *err);

#endif
