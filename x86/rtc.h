/* SPDX-License-Identifier: BSD-2-Clause */
/* The PC's clock (cmos.h) as a device: its ports, its interrupt, and the time that goes by. */
#ifndef X86_RTC_H
#define X86_RTC_H

struct vm;

/* Added to @vm, which owns it. -errno. Main thread, before the VM runs. */
int rtc_create(struct vm *vm);

#endif
