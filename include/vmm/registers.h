/* SPDX-License-Identifier: BSD-2-Clause */
/* What a vCPU is at, for whoever debugs its guest. */
#ifndef VMM_REGISTERS_H
#define VMM_REGISTERS_H

#include "util/types.h"

struct vcpu;

#define REGISTERS_MAX 48

struct registers {
	unsigned count;
	struct {
		const char *name; /* a constant */
		u64 value;
	} list[REGISTERS_MAX];
	u64 pc, sp;
	u64 frame;  /* the frame pointer: it points to the caller's, and beside that the way back */
	u64 link;   /* a register that has the way back of a leaf; 0: there is none */
	u64 anchor; /* where Linux has put arch_anchor; 0: nowhere */
};

/* All on the vCPU's own thread, between two of its exits. */

/* -errno. */
int arch_vcpu_registers(const struct vcpu *vcpu, struct registers *registers);
/* The guest-physical address of the virtual one, as the vCPU sees it. -EFAULT: it has none. */
int arch_vcpu_translate(const struct vcpu *vcpu, u64 address, gpa_t *gpa);
/* -EOPNOTSUPP: this architecture has none. */
int arch_vcpu_nmi(const struct vcpu *vcpu);
/*
 * A symbol of Linux's whose address the processor knows, so that it shows how far a kernel has
 * moved itself (KASLR) from where its symbols say.
 */
extern const char *const arch_anchor;

static inline void registers_add(struct registers *registers, const char *name, u64 value)
{
	if (registers->count == REGISTERS_MAX)
		return;
	registers->list[registers->count].name = name;
	registers->list[registers->count++].value = value;
}

#endif
