/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine's clock: an ARM PrimeCell PL031 (ARM DDI 0224, "Real Time Clock"). */
#ifndef ARM_PL031_H
#define ARM_PL031_H

struct vm;

/* At MAP_RTC, showing the host's time; added to @vm, which owns it. -errno. Main thread. */
int pl031_create(struct vm *vm);

#endif
