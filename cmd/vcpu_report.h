/* SPDX-License-Identifier: BSD-2-Clause */
/* What a vCPU is at: its registers, and the ways back on its stack. */
#ifndef CMD_VCPU_REPORT_H
#define CMD_VCPU_REPORT_H

#include <jansson.h>

#include "util/types.h"
#include "vmm/registers.h"

struct vcpu;

#define REPORT_FRAMES 24
#define REPORT_STACK  64 /* words */

struct vcpu_report {
	int result; /* -errno: it cannot be read */
	struct registers registers;
	unsigned frame_count, stack_count;
	u64 frames[REPORT_FRAMES]; /* the ways back, innermost first */
	u64 stack[REPORT_STACK];   /* upwards from sp */
};

/* On the vCPU's own thread, between two of its exits, or when that has ended. */
void vcpu_report_read(struct vcpu_report *report, const struct vcpu *vcpu);
/* As docs/control.md has it for "registers". The caller's. */
json_t *vcpu_report_json(unsigned cpu, const struct vcpu_report *report);

#endif
