/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether a vCPU gets on, from looks at it at even distances. Knows no KVM.
 *
 * A look is evidence of standing still only if the vCPU's thread had the processor since the last
 * one, so that a host that is busy or asleep does not make a guest hang.
 */
#ifndef VMM_HANG_JUDGE_H
#define VMM_HANG_JUDGE_H

#include "util/types.h"
#include "vmm/registers.h"

/* Looks that a judgement takes: as many as there are in --hang's time. */
#define HANG_LOOKS 16

enum hang_standing {
	HANG_BUSY,  /* it gets on, or may: there were not enough looks */
	HANG_IDLE,  /* it waits for an interrupt */
	HANG_OFF,   /* it waits for nothing */
	HANG_STUCK, /* it runs, and goes nowhere */
};

/* Zeroed to begin with. */
struct hang_vcpu {
	struct vcpu_state looks[HANG_LOOKS]; /* a ring */
	unsigned count;			     /* since the last hang_vcpu_forget() */
	bool was_open;			     /* it ran with interrupts on, some time */
};

/* @ran: it had the processor since the last look that counted. False: this one does not count. */
bool hang_vcpu_look(struct hang_vcpu *vcpu, const struct vcpu_state *state, bool ran);
/* The guest did something: begin anew. */
void hang_vcpu_forget(struct hang_vcpu *vcpu);
enum hang_standing hang_vcpu_standing(const struct hang_vcpu *vcpu);

/* Of all vCPUs of a guest that has no output and no requests. @idle_too: as vm_config.hang_idle. */
bool hang_judge(const enum hang_standing *standings, unsigned count, bool idle_too);

#endif
