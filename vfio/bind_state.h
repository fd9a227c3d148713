/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is remembered of devices that were taken from their drivers: a file for each, written
 * whole before the device is touched, removed when it is back. A kill at any moment leaves at
 * worst a file of a device that is where it was.
 */
#ifndef VFIO_BIND_STATE_H
#define VFIO_BIND_STATE_H

#include "util/error.h"
#include "vfio/host.h"

struct vfio_record {
	struct vfio_address address;
	struct vfio_address taken_for; /* with whom it was taken: a release gives both back */
	char driver[64];	       /* the former one; "": none */
	char override[64];	       /* the former driver_override; "": none */
};

/*
 * One process at a time binds or releases. The fd to close at the end, or -errno with a line:
 * others take too long, or this user may not write there.
 */
int vfio_state_lock(const struct vfio_paths *paths, struct error *err);

int vfio_record_write(const struct vfio_paths *paths, const struct vfio_record *record,
		      struct error *err);
/* -ENOENT without a line: nothing is remembered of @address. */
int vfio_record_read(const struct vfio_paths *paths, const struct vfio_address *address,
		     struct vfio_record *record);
void vfio_record_forget(const struct vfio_paths *paths, const struct vfio_address *address);
/* Those that were taken for @address, by address: their number, at most VFIO_MAX_MEMBERS. */
unsigned vfio_records_of(const struct vfio_paths *paths, const struct vfio_address *address,
			 struct vfio_record records[VFIO_MAX_MEMBERS]);

#endif
