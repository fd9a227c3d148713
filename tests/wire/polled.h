/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A driver of the IOMMU's request queue beside a thread that polls it. All that both touch is read
 * and written atomically, and kicks are left out where the device does not want them, as a driver
 * on another processor would.
 */
#ifndef TESTS_WIRE_POLLED_H
#define TESTS_WIRE_POLLED_H

#include <sched.h>
#include <stdatomic.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "iommu_driver.h"

#define EVENT_IDX (1ull << VIRTIO_RING_F_EVENT_IDX)
#define SIZE	  256
#define PLACES	  128 /* requests in flight at most */
#define PAGE	  0x1000ull
#define NO_END	  20 /* seconds: nobody has seen the request */

struct polled {
	struct rig rig;
	cpu_set_t processors; /* as they were when we came */
	bool event_idx;
	struct vring_desc *desc;
	u16 *avail, *used; /* flags, idx, ring */
	u16 idx;
	/* The same of a packed ring, with the driver's and the device's events. */
	bool packed;
	struct vring_packed_desc *packed_desc;
	u32 *driver_event, *device_event;
	u16 used_idx; /* requests that came back */
	atomic_bool enough;
	u64 kicks;
	u32 random;
};

/* The device polls with @mode, and up to @poll_us. The driver has its own processor, if it can. */
void polled_create(struct polled *p, enum virtio_poll_mode mode, u64 poll_us, u64 features);
void polled_destroy(struct polled *p);
/* After a restart: the rings are those of a new queue. Attaches endpoint A to a domain. */
void polled_meet_device(struct polled *p);
struct virtio_poll polled_counters(const struct polled *p);
/* Returns its number. */
int polled_stay_on_one_processor(void);

/* Lay a request of one page out in the @n-th place that is free, without showing it. */
void polled_lay_out_map(struct polled *p, unsigned n, u64 page);
void polled_lay_out_unmap(struct polled *p, unsigned n, u64 page);
/* Show @count of them; and kick, if the device wants it. */
void polled_show(struct polled *p, u16 count);
void polled_offer(struct polled *p, u16 count);
/* Whether it wants a kick for the last @added. */
bool polled_kick_is_wanted(const struct polled *p, u16 added);
void polled_kick(struct polled *p);
/* AVAIL and USED of request @idx in a packed ring. */
u16 polled_packed_flags(u16 idx, bool available);

/* Whether all that was shown is answered. */
bool polled_is_answered(struct polled *p);
bool polled_answered_within(struct polled *p, unsigned ms);
/* The status of the request that was the @nth before the last. */
u8 polled_status(struct polled *p, unsigned nth);

#endif
