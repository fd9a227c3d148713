/* SPDX-License-Identifier: BSD-2-Clause */
/* Where everything of the arm64 machine is, and the kinds of its interrupt controller. */
#ifndef ARM_MAP_H
#define ARM_MAP_H

#include "util/types.h"

#define MAP_GICD	   0x08000000
#define MAP_GICD_SIZE	   0x10000
#define MAP_GICC	   0x08010000 /* GICv2 */
#define MAP_GICC_SIZE	   0x2000
#define MAP_V2M		   0x08020000
#define MAP_V2M_SIZE	   0x1000
#define MAP_ITS		   0x08080000
#define MAP_ITS_SIZE	   0x20000
#define MAP_ITS_TRANSLATER 0x10000 /* the second page of 64 KiB has GITS_TRANSLATER alone */
#define MAP_REDIST	   0x080a0000
#define MAP_REDIST_SIZE	   0x20000ULL /* of one CPU */
#define MAP_SERIAL	   0x09000000
#define MAP_PVPANIC	   0x09010000
#define MAP_VIRTIO	   0x0a000000
#define MAP_VIRTIO_STEP	   0x1000 /* a page each, of which a transport takes 0x200 */
#define MAP_VIRTIO_SIZE	   0x200
#define MAP_VIRTIO_SLOTS   32
#define MAP_REDIST_HIGH	   0x10000000 /* of the CPUs whose frames would run into the serial port */
#define MAP_RAM		   0x80000000ULL

/* Frames that fit between MAP_REDIST and MAP_SERIAL. */
#define MAP_REDIST_LOW_CPUS ((MAP_SERIAL - MAP_REDIST) / MAP_REDIST_SIZE)

/* SPIs are numbered from 0 here, as GSIs and device trees do; INTIDs are 32 more. */
#define MAP_SPI_INTID	  32
#define MAP_SPI_COUNT	  128
#define MAP_SPI_SERIAL	  1
#define MAP_SPI_VIRTIO	  16 /* MAP_VIRTIO_SLOTS of them */
#define MAP_SPI_V2M	  64 /* MAP_SPI_V2M_COUNT of them */
#define MAP_SPI_V2M_COUNT 64

/* Best first. */
enum gic_kind { GIC_BEST = 0, GIC_V3_ITS, GIC_V3, GIC_V2M, GIC_V2, GIC_KINDS };

/* "gicv3-its" and so on. */
const char *gic_kind_name(enum gic_kind kind);

static inline bool gic_is_v3(enum gic_kind kind)
{
	return kind == GIC_V3_ITS || kind == GIC_V3;
}

#endif
