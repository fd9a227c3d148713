/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Records of devices that were taken from their drivers: a file for each, written whole before the
 * device is touched, and removed when it is given back. If lkvm is killed, the worst case is a
 * record of a device that was not taken.
 */
#ifndef VFIO_BIND_STATE_H
#define VFIO_BIND_STATE_H

#include "util/error.h"
#include "vfio/host.h"

struct vfio_record {
	struct vfio_address address;
	struct vfio_address
		taken_for; /* the device for whose bind it was taken: a release gives back both */
	char driver[64];   /* the former one; "": none */
	char override[64]; /* the former driver_override; "": none */
};

/*
 * Take the lock: one process at a time binds or releases devices. Returns an fd, whose close gives
 * the lock up, or -errno with a line: another process held it too long, or this user may not write
 * there.
 */
int vfio_state_lock(const struct vfio_paths *paths, struct error *err);

/*
 * The lock again, on its fd after flock(LOCK_UN); at once if another copy of that fd has it. 0, or
 * -errno: another process held it too long.
 */
int vfio_state_relock(int lock);

int vfio_record_write(const struct vfio_paths *paths, const struct vfio_record *record,
		      struct error *err);
/* -ENOENT without a line: there is no record of @address. */
int vfio_record_read(const struct vfio_paths *paths, const struct vfio_address *address,
		     struct vfio_record *record);
void vfio_record_forget(const struct vfio_paths *paths, const struct vfio_address *address);
/*
 * The records of all devices that were taken for @address, sorted by address. Returns their number,
 * at most VFIO_MAX_MEMBERS.
 */
unsigned vfio_records_of(const struct vfio_paths *paths, const struct vfio_address *address,
			 struct vfio_record records[VFIO_MAX_MEMBERS]);

#endif
