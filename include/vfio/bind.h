/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Give devices to vfio-pci and back to their drivers. The former driver of a device is written to a
 * file under paths->state, so that a later process can give the device back, also after a kill -9.
 */
#ifndef VFIO_BIND_H
#define VFIO_BIND_H

#include "vfio/host.h"

/*
 * Give @address, and with it all members of its group that have a driver and are no bridges, to
 * vfio-pci: driver_override, unbind, probe, and see that it worked. All of them or, with -errno
 * and a line, none. A device that vfio-pci has already is left as it is, and not remembered.
 * -EBUSY: the host works with one of them (mounted, swap, an interface that is up, a display that
 * shows something).
 *
 * One process binds or releases at a time; others wait for it.
 */
int vfio_bind(const struct vfio_paths *paths, const struct vfio_address *address,
	      struct error *err);
/*
 * Give back to their former drivers all devices that vfio_bind() took for @address: members of its
 * group too. That bind may have run in another process, and may have been killed. -ENOENT with a
 * line: there is no record of it. -EBUSY: a process has it open.
 */
int vfio_release(const struct vfio_paths *paths, const struct vfio_address *address,
		 struct error *err);

#endif
