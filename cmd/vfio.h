/* SPDX-License-Identifier: BSD-2-Clause */
/* "lkvm vfio": what it prints. */
#ifndef CMD_VFIO_H
#define CMD_VFIO_H

#include "util/types.h"
#include "vfio/host.h"

/* All devices on stdout: a table for people, JSON for programs. */
void vfio_print_table(const struct vfio_host_device *devices, unsigned count);
/* False: out of memory. */
bool vfio_print_json(const struct vfio_host_device *devices, unsigned count);
/* What stops a passthrough of @name, and what should be known, each with its remedy. */
void vfio_print_problems(const char *name, const struct vfio_problem *problems, unsigned count);

#endif
