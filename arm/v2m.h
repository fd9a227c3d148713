/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A GICv2m frame (Arm SBSA, "GICv2m Architecture"): devices write the number of
 * an SPI to its doorbell. KVM has none, so this one is ours: what a guest
 * writes there pulses that SPI.
 */
#ifndef ARM_V2M_H
#define ARM_V2M_H

#include "util/types.h"

struct vm;

/* SBSA, "GICv2m register summary": offset of the doorbell. */
#define V2M_MSI_SETSPI_NS 0x040

/* At @base; added to @vm, which owns it. -errno. */
int v2m_create(struct vm *vm, u64 base);

#endif
