/* SPDX-License-Identifier: BSD-2-Clause */
/* KVM's in-kernel interrupt controller: chosen, made, placed (vmm/arch.h says when). */
#ifndef ARM_GIC_H
#define ARM_GIC_H

#include "map.h"
#include "util/error.h"

struct gic {
	enum gic_kind kind; /* what was chosen: never GIC_BEST */
	int fd;		    /* owned */
	int its_fd;	    /* owned; -1: no ITS */
};

/*
 * Before the vCPUs: choose a kind, make it and say where its frames are. With
 * GIC_BEST the best that the host has, else @wanted or -ENODEV with a line
 * that names what the host has instead. gic_destroy() is legal after an error.
 */
int gic_create(struct gic *gic, int vm_fd, enum gic_kind wanted, unsigned cpus, struct error *err);
/* After the vCPUs. */
int gic_finish(struct gic *gic, struct error *err);
void gic_destroy(struct gic *gic);

#endif
