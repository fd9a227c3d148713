/* SPDX-License-Identifier: BSD-2-Clause */
/* Writing a device tree, node by node; and what nodes in different files have in common. */
#ifndef ARM_FDT_WRITER_H
#define ARM_FDT_WRITER_H

#include "util/types.h"

/*
 * The tree in the making. The first error of libfdt stands, and all that
 * follows is left out: so no call needs a check of its own.
 */
struct fdt_writer {
	void *fdt;
	int error;
};

void fdt_write_begin(struct fdt_writer *w, const char *name);
void fdt_write_begin_at(struct fdt_writer *w, const char *name, u64 address); /* "name@address" */
void fdt_write_end(struct fdt_writer *w);

/* A property of the node that was begun last. */
void fdt_write_bytes(struct fdt_writer *w, const char *name, const void *data, size_t len);
void fdt_write_flag(struct fdt_writer *w, const char *name);
void fdt_write_string(struct fdt_writer *w, const char *name, const char *text);
void fdt_write_u32(struct fdt_writer *w, const char *name, u32 value);
void fdt_write_u64(struct fdt_writer *w, const char *name, u64 value);
/* "reg": @count pairs of address and size, two cells each; four at most. */
void fdt_write_reg(struct fdt_writer *w, const u64 *values, unsigned count);

/* Reserved before any node is written, so that a node may point ahead. */
enum fdt_phandle {
	FDT_PHANDLE_GIC = 1,
	FDT_PHANDLE_MSI, /* the ITS, or the v2m frame */
	FDT_PHANDLE_IOMMU,
	FDT_PHANDLE_CLOCK, /* of what is a PrimeCell */
	FDT_PHANDLE_GPIO,
};

/* arm,gic-v3.yaml, "#interrupt-cells": type, number, flags. */
#define FDT_IRQ_SPI	   0
#define FDT_IRQ_PPI	   1
#define FDT_IRQ_EDGE	   1
#define FDT_IRQ_LEVEL_HIGH 4

struct fdt_machine;
/* The PCI host bridge; not without machine->pci. */
void fdt_add_pci(struct fdt_writer *w, const struct fdt_machine *machine, u32 iommu_phandle);

#endif
