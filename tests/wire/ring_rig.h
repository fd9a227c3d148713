/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A device that echoes, and a driver that may write its ring by hand: for tests of a ring's layout.
 * A second device beside it shows that what one driver does is no other's concern.
 */
#ifndef TESTS_WIRE_RING_RIG_H
#define TESTS_WIRE_RING_RIG_H

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "echo.h"

#define RINGS 0x10000  /* of the queue under test */
#define IN    0x100000 /* what the driver sends: 256 bytes are not zero */
#define OUT   0x200000
#define TABLE 0x300000 /* an indirect one */
#define SIZE  16       /* of a queue */

#define PACKED	 (1ull << VIRTIO_F_RING_PACKED)
#define INDIRECT (1ull << VIRTIO_RING_F_INDIRECT_DESC)
#define EVENT	 (1ull << VIRTIO_RING_F_EVENT_IDX)
#define IN_ORDER (1ull << VIRTIO_F_IN_ORDER)

/* A packed ring's descriptors. */
#define NEXT	 VRING_DESC_F_NEXT
#define WRITE	 VRING_DESC_F_WRITE
#define TABLE_OF VRING_DESC_F_INDIRECT
#define AVAIL	 (1 << VRING_PACKED_DESC_F_AVAIL)
#define USED	 (1 << VRING_PACKED_DESC_F_USED)

struct ring_rig {
	struct vm *vm;
	u64 layout; /* PACKED or 0 */
	struct echo *echo, *other;
	struct wire_queue queue, other_queue;
};

/* 8 bytes that are read and 8 that are written. */
extern const struct wire_segment ring_rig_pair[2];

/*
 * Fixtures: *state is the rig, with the queue up. Of one layout, with the features that are named;
 * ring_rig_setup() takes a split ring's, and its size.
 */
int ring_rig_setup(void **state, u64 features, u16 size);
int ring_rig_split(void **state);
int ring_rig_split_indirect(void **state);
int ring_rig_packed(void **state);
int ring_rig_packed_indirect(void **state);
int ring_rig_packed_event(void **state);
int ring_rig_packed_order(void **state);
int ring_rig_teardown(void **state);

/* Reset the device, and set its queue up with @features and its layout's. */
void ring_rig_bring_up(struct ring_rig *rig, u64 features, u16 size);
/* Set the rings down anywhere: the descriptors, the driver's area and the device's. */
void ring_rig_place(struct ring_rig *rig, u64 desc, u64 driver, u64 device);
/* Make ring_rig_pair available; returns its head. No kick. */
u16 ring_rig_add(struct ring_rig *rig);
/* Descriptor @at of a packed ring, or of a table, as it is. */
void ring_rig_put(struct ring_rig *rig, gpa_t table, u16 at, u64 address, u32 len, u16 id,
		  u16 flags);
/* What the loop has to do now. */
void ring_rig_poll(struct ring_rig *rig);

/* A kick, and the chain comes back with @len bytes (512 at the most) of IN at OUT. */
void ring_rig_echoes(struct ring_rig *rig, struct wire_queue *queue, unsigned len);
/* A kick, and the device stops. The other works on; a reset brings the first one back. */
void ring_rig_stops(struct ring_rig *rig);

#endif
