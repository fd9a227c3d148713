/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Devices from their driver to vfio-pci and back. What drove a device before is remembered in
 * a file under paths->state, so that whoever comes later gives it back, also after a kill -9.
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
 * Give back to its former driver what vfio_bind() took for @address, in whatever process: members
 * of its group too, and what a bind left that was killed. -ENOENT with a line: nothing is
 * remembered of it. -EBUSY: somebody has it open.
 */
int vfio_release(const struct vfio_paths *paths, const struct vfio_address *address,
		 struct error *err);

#endif
