/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a kernel that hangs looks like:
 *
 * - It is the kernel: a program that computes for hours is no hang, however small its loop. Nor is
 * a processor that waits for an interrupt.
 * - Interrupts are off whenever we look, in a kernel that had them on before. While it boots, a
 *   kernel has them off for long, and so has what unpacks it, in low memory.
 * - Or the same registers come again and again. A loop that works changes a pointer or a counter
 *   with each turn; one that waits for what never comes has a few states, whatever interrupts come
 *   between.
 */
#include "hang_judge.h"

/* How many looks must have a twin. The others are in interrupts, which may come as they like. */
#define HANG_TWINS (HANG_LOOKS * 3 / 4)

bool hang_vcpu_look(struct hang_vcpu *vcpu, const struct vcpu_state *state, bool ran)
{
	vcpu->was_open |= state->user || state->waiting || (!state->off && !state->masked);
	if (!ran && !state->user && !state->waiting && !state->off)
		return false;
	vcpu->looks[vcpu->count++ % HANG_LOOKS] = *state;
	return true;
}

void hang_vcpu_forget(struct hang_vcpu *vcpu)
{
	vcpu->count = 0;
}

static bool is_twin(const struct vcpu_state *a, const struct vcpu_state *b)
{
	return a->digest == b->digest && a->masked == b->masked;
}

static unsigned count_twins(const struct hang_vcpu *vcpu)
{
	unsigned twins = 0;

	for (unsigned i = 0; i < HANG_LOOKS; i++) {
		for (unsigned j = 0; j < HANG_LOOKS; j++) {
			if (i == j || !is_twin(&vcpu->looks[i], &vcpu->looks[j]))
				continue;
			twins++;
			break;
		}
	}
	return twins;
}

enum hang_standing hang_vcpu_standing(const struct hang_vcpu *vcpu)
{
	unsigned off = 0, masked = 0;

	if (vcpu->count < HANG_LOOKS)
		return HANG_BUSY;
	for (unsigned i = 0; i < HANG_LOOKS; i++) {
		const struct vcpu_state *look = &vcpu->looks[i];

		if (look->user)
			return HANG_BUSY;
		if (look->waiting)
			return HANG_IDLE;
		off += look->off;
		masked += look->masked && look->high;
	}
	if (off)
		return off == HANG_LOOKS ? HANG_OFF : HANG_BUSY;
	if (masked == HANG_LOOKS && vcpu->was_open)
		return HANG_STUCK;
	return count_twins(vcpu) >= HANG_TWINS ? HANG_STUCK : HANG_BUSY;
}

bool hang_judge(const enum hang_standing *standings, unsigned count, bool idle_too)
{
	unsigned of[HANG_STUCK + 1] = { 0 };

	for (unsigned i = 0; i < count; i++)
		of[standings[i]]++;
	if (of[HANG_BUSY])
		return false;
	return of[HANG_STUCK] || !of[HANG_IDLE] || idle_too;
}
