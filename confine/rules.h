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
#define UNDO	KIND(UNDO)
#define DIAL	KIND(DIAL)
/* Those of the process only as long as it is not sealed. */
#define LISTEN KIND(LISTEN)
/* The process as a whole: every thread's, and what makes threads and confines them further. */
#define PROCESS KIND(ANY)
#define EACH	((1u << THREAD_KINDS) - 1)
/* What removes files may be root's when nothing else is, so it has as little as can be. */
#define ALL (EACH & ~UNDO)
/* Beside kinds: only where the process has passed devices, a tap, or what the host's kernel serves.
 */
#define HOST (1u << 31)
/* The process, where it connects to sockets of the host's, or makes a file at the end. */
#define NAMES (1u << 30)

#endif
