/* SPDX-License-Identifier: BSD-2-Clause */
/* The initial RAM disk of a one-shot run: init, what it is to do, and the modules for that. */
#ifndef ONESHOT_INITRD_H
#define ONESHOT_INITRD_H

#include "oneshot/modules.h"
#include "oneshot/protocol.h"
#include "util/error.h"
#include "util/types.h"

/* What init is to do: strings in memory that grows. Zeroed to begin with. */
struct initrd_config {
	char *text; /* owned */
	size_t len;
	bool failed; /* for want of memory */
};

void initrd_config_add(struct initrd_config *config, enum oneshot_config key, const char *value);
/* Whether init has room for it: up to @longest bytes. -ENOMEM, -E2BIG, with a line. */
int initrd_config_check(const struct initrd_config *config, size_t longest, struct error *err);
void initrd_config_free(struct initrd_config *config);

/*
 * An fd, the caller's, with the archive: init of @init_len bytes, the modules that @modules (NULL:
 * none) has wanted, and @config, to which their names are added. -errno with a line.
 */
int initrd_build(const void *init, size_t init_len, const struct modules *modules,
		 struct initrd_config *config, struct error *err);

#endif
