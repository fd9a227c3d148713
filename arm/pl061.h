/* SPDX-License-Identifier: BSD-2-Clause */
/* A PL061, ARM's "PrimeCell General Purpose Input/Output", of which one line is the power button.
 */
#ifndef ARM_PL061_H
#define ARM_PL061_H

struct vm;

/* The line of the power button, which is high while it is pressed. */
#define PL061_POWER_LINE 3

/*
 * At MAP_GPIO, added to @vm, which owns it and whose power button it is. -errno. Main thread.
 */
int pl061_create(struct vm *vm);

#endif
