/* SPDX-License-Identifier: BSD-2-Clause */
/* A keeper (util/keeper.h) of all kinds that lkvm has, for this process. */
#ifndef TESTS_KEEPER_RIG_H
#define TESTS_KEEPER_RIG_H

#include "util/keeper.h"

/* The caller's. */
struct keeper *keeper_rig_create(void);

#endif
