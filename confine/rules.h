/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What each kind of thread may ask the kernel for, after the seal. The program generate.c makes
 * filters of it while lkvm is built.
 */
#ifndef CONFINE_RULES_H
#define CONFINE_RULES_H

#include "util/thread.h"

#define KIND(kind) (1u << THREAD_##kind)

/* What runs in the loop may run in an exit as well, and the main thread undoes everything. */
#define LOOP	KIND(LOOP)
#define DEVICES (KIND(LOOP) | KIND(VCPU))
#define FILES	(KIND(LOOP) | KIND(VCPU) | KIND(WORKER) | KIND(FOLDER))
#define JOBS	(KIND(LOOP) | KIND(WORKER) | KIND(FOLDER))
#define FOLDER	KIND(FOLDER)
#define CONTROL KIND(CONTROL)
#define SOCKETS (KIND(DIAL) | KIND(CONTROL))
/* The process as a whole: every thread's, and what makes threads and confines them further. */
#define PROCESS KIND(ANY)
#define ALL	((1u << THREAD_KINDS) - 1)
/* Beside kinds: only where the process has passed devices, a tap, or what the host's kernel serves.
 */
#define HOST (1u << 31)

#endif
