/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parts of vfio/bind.h, for a run that binds devices for itself: it holds the lock of
 * vfio_state_lock() for longer than one call.
 */
#ifndef VFIO_BINDING_H
#define VFIO_BINDING_H

#include "vfio/bind.h"

/*
 * Before the lock is taken: 1 if vfio_bind_locked() has something to do, 0 if vfio-pci has the
 * whole group already, -errno with a line if it cannot be done.
 */
int vfio_bind_check(const struct vfio_paths *paths, const struct vfio_address *address,
		    struct error *err);
/* As vfio_bind(), with the lock held: 1 if it took a device from its driver, 0 if it had not to. */
int vfio_bind_locked(const struct vfio_paths *paths, const struct vfio_address *address,
		     struct error *err);
/* As vfio_release(), with the lock held. */
int vfio_release_locked(const struct vfio_paths *paths, const struct vfio_address *address,
			struct error *err);

#endif
