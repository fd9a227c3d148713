/* SPDX-License-Identifier: BSD-2-Clause */
/* Devices of the board: frames of registers and an SPI, all at places of their own (map.h). */
#ifndef ARM_BOARD_H
#define ARM_BOARD_H

#include "vmm/bus.h"
#include "vmm/device.h"

/* What firmware is told of one with registers in @size bytes from @base and a level-triggered SPI.
 */
static inline struct device_info board_info(const char *name, enum device_kind kind, gpa_t base,
					    u64 size, u32 spi)
{
	return (struct device_info){
		.name = name,
		.kind = kind,
		.resource = { .base = base, .size = size, .gsi = spi, .trigger = IRQ_LEVEL },
		.endpoint = DEVICE_NO_ENDPOINT,
	};
}

static inline struct bus_region board_frame(gpa_t base, u64 size, const struct bus_ops *ops)
{
	return (struct bus_region){ .start = base, .last = base + size - 1, .ops = ops };
}

#endif
