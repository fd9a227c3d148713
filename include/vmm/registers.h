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
/* What it is at, as far as it tells whether its guest gets on. 0, or -errno. */
struct vcpu_state {
	u64 pc;
	u64 digest;   /* of the general registers, but for pc and flags */
	bool user;    /* it runs a program of the guest's, not its kernel */
	bool masked;  /* interrupts are off */
	bool high;    /* pc is where kernels are that have set up their page tables */
	bool waiting; /* for an interrupt, which it would take */
	bool off;     /* it waits for no interrupt: it has not been started, or has switched itself
		       * off */
};
int arch_vcpu_state(const struct vcpu *vcpu, struct vcpu_state *state);
/* -EOPNOTSUPP: this architecture has none. */
int arch_vcpu_nmi(const struct vcpu *vcpu);
/*
 * A symbol of Linux's whose address the processor knows, so that it shows how far a kernel has
 * moved itself (KASLR) from where its symbols say.
 */
extern const char *const arch_anchor;

/* One value more in a digest, which begins as 0. */
static inline u64 registers_digest(u64 digest, u64 value)
{
	digest = (digest ^ value) * 0x9e3779b97f4a7c15ull;
	return digest ^ digest >> 32;
}

static inline void registers_add(struct registers *registers, const char *name, u64 value)
{
	if (registers->count == REGISTERS_MAX)
		return;
	registers->list[registers->count].name = name;
	registers->list[registers->count++].value = value;
}

#endif
