/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parts of the composition root:
 *
 *   machine_check.c   what the user named, checked
 *   machine.c         the machine, made and taken down
 *   machine_fds.c     whether there are enough file descriptors for it
 *   machine_pci.c     its PCI bus, and the devices that are passed to it
 */
#ifndef CMD_MACHINE_PARTS_H
#define CMD_MACHINE_PARTS_H

#include "machine.h"

/*
 * Whether it has as many file descriptors as it may come to need; first without, then with the
 * interrupt vectors of what is passed. -EMFILE with a line.
 */
int machine_check_fds(const struct machine *machine, struct error *err);

/* Open what shall be passed, and see that the guest can have it. Nothing stays bound on -errno. */
int machine_check_passed(struct machine *machine, struct error *err);

/* The PCI bus, if anybody wants one. KVM is ready, the IOMMU is not there yet. */
int machine_add_pci(struct machine *machine, struct error *err);
/* After all that has a fixed place: the passed devices, and where the BARs go. */
int machine_add_passed(struct machine *machine, struct error *err);
/* For --debug, after the run. */
void machine_report_passed(const struct machine *machine);

#endif
