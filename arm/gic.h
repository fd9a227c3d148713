/* SPDX-License-Identifier: BSD-2-Clause */
/* KVM's in-kernel interrupt controller: chosen, made, placed (vmm/arch.h says when). */
#ifndef ARM_GIC_H
#define ARM_GIC_H

#include "map.h"
#include "util/error.h"

struct arch_options;
struct vm_config;

struct gic {
	enum gic_kind kind; /* what was chosen: never GIC_BEST */
	int fd;		    /* owned */
	int its_fd;	    /* owned; -1: no ITS */
	u64 msi_base;	    /* of the ITS or the v2m frame; 0: none */
};

/*
 * The best kind that the host has, or the one that was asked for; -ENODEV with a line that names
 * what the host has instead, or says that so many CPUs are too many for it.
 */
int gic_choose(enum gic_kind *kind, int vm_fd, const struct arch_options *options, unsigned cpus,
	       struct error *err);
/*
 * Before the vCPUs: choose a kind, make it and say where its frames are. gic_destroy() is legal
 * after an error. @bits: of address.
 */
int gic_create(struct gic *gic, int vm_fd, const struct vm_config *config, unsigned bits,
	       struct error *err);
/* The machine around one that is made, for map.h; what is in @config is borrowed. */
struct map_machine gic_map_machine(const struct gic *gic, const struct vm_config *config,
				   unsigned bits);
/* After the vCPUs. */
int gic_finish(struct gic *gic, struct error *err);
void gic_destroy(struct gic *gic);

#endif
