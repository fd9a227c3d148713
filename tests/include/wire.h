/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A fake machine and a fake driver: devices are driven through their real
 * registers and real rings in real guest memory, without KVM. Interrupts are
 * counted, ioeventfds refused (so kicks arrive as register writes) unless a
 * test allows them. One machine at a time.
 *
 * RAM is [0, WIRE_RAM) and [4 GiB, 4 GiB + WIRE_RAM): two ranges, so that a
 * buffer can run off an edge. The fake driver uses physical addresses; a test
 * that translates maps what it needs first.
 */
#ifndef TESTS_WIRE_H
#define TESTS_WIRE_H

#include "util/types.h"
#include "virtio/device.h"
#include "vmm/vm.h"

#define WIRE_RAM   (4 * MIB)
#define WIRE_HIGH  (4 * GIB)
#define WIRE_SLOTS 4
#define WIRE_GSI   5	      /* of slot 0; the next ones follow */
#define WIRE_MMIO  0x0a000000 /* slot 0; the next ones follow, 0x200 bytes each */

/* A machine as devices see it; asserts on failure. */
struct vm *wire_create(void);
/* Destroys the devices too. */
void wire_destroy(struct vm *vm);
void wire_slot(unsigned n, struct device_resource *resource);
/* Accept ioeventfds from now on, as KVM would; and how many there are. */
void wire_allow_ioevents(void);
unsigned wire_ioevents(void);
/* What KVM does with a write before it leaves the kernel: true if it signalled an eventfd instead.
 */
bool wire_ioevent(gpa_t address, unsigned len, u32 value);

/* Interrupts pulsed on @gsi, or raised there; and MSIs sent, by message or irqfd, since the start.
 */
unsigned wire_interrupts(u32 gsi);
struct msi_message;
unsigned wire_msis(struct msi_message *last);
/* Send one by message. */
void wire_send_msi(struct irq *irq, const struct msi_message *msi);
/* Whether a level line is high now, and how many MSI routes there are. */
bool wire_level(u32 gsi);
unsigned wire_routes(void);

/* A register of the device in @slot, as a guest sees it. */
u32 wire_reg_read(struct vm *vm, unsigned slot, u32 offset);
void wire_reg_write(struct vm *vm, unsigned slot, u32 offset, u32 value);
/* Configuration space, any width 1..4. */
u32 wire_config_read(struct vm *vm, unsigned slot, u32 offset, unsigned len);
void wire_config_write(struct vm *vm, unsigned slot, u32 offset, u32 value, unsigned len);

/* 64 bits of offered features. */
u64 wire_features(struct vm *vm, unsigned slot);
/*
 * Reset, ACKNOWLEDGE, DRIVER, @features (plus VERSION_1), FEATURES_OK. Returns
 * whether the device kept FEATURES_OK.
 */
bool wire_negotiate(struct vm *vm, unsigned slot, u64 features);
/* Then queues, then this. */
void wire_driver_ok(struct vm *vm, unsigned slot);
u8 wire_status(struct vm *vm, unsigned slot);
bool wire_needs_reset(struct vm *vm, unsigned slot);

/*
 * One queue of the fake driver. Its rings are at these guest addresses: of a packed one the
 * descriptors, the driver's and the device's event suppression.
 */
struct wire_queue {
	struct vm *vm;
	unsigned slot, index;
	u64 features; /* as negotiated: the layout depends on them */
	u16 size;
	gpa_t desc, avail, used;
	u16 next_desc; /* split, free-running: descriptors are reused round robin */
	u16 avail_idx;
	u16 last_used;
	bool keep_used_event; /* wire_used() leaves the ring's used_event alone */
	/* Of a packed ring: where the next chain begins, and where the next one comes back. */
	u16 avail_at, used_at;
	bool avail_wrap, used_wrap;
	/* Chains in flight, by head (split) or buffer ID (packed: no two have the same). */
	struct wire_chain {
		u16 count; /* descriptors in the ring */
		u32 writable;
	} chains[VIRTQ_MAX_SIZE];
	/* In the order in which they were made available, if the device keeps it. */
	u16 order[VIRTQ_MAX_SIZE], first, pending;
	bool in_batch; /* a used entry was read that gives back more than one */
	u32 batch_last, batch_len;
};

bool wire_is_packed(const struct wire_queue *queue);
/* What a kick of the queue writes, as negotiated. */
u32 wire_kick_value(const struct wire_queue *queue);
/*
 * Features that a driver takes besides those that it was told, if they are offered: what the
 * environment's WIRE_RING says, "packed", "ordered" (and split) or "packed-ordered". So the tests
 * of whole devices run on each layout; those of a layout itself do not.
 */
u64 wire_wanted_features(u64 offered);

/* Set queue @index up with @size entries, its rings at @base (needs 64 KiB there). */
void wire_queue_init(struct wire_queue *queue, struct vm *vm, unsigned slot, unsigned index,
		     u16 size, gpa_t base);

struct wire_segment {
	u64 address;
	u32 len;
	bool writable;
};

/* Write descriptors for a chain and make it available; returns its head. No kick. */
u16 wire_add(struct wire_queue *queue, const struct wire_segment *segments, unsigned count);
/* The same through an indirect table at @table. */
u16 wire_add_indirect(struct wire_queue *queue, const struct wire_segment *segments, unsigned count,
		      gpa_t table);
/*
 * One descriptor, raw; and the head of a chain into the avail ring, raw. Of a packed ring the
 * descriptor is not available before it is published, and @next is its buffer ID.
 */
void wire_set_desc(struct wire_queue *queue, u16 n, u64 address, u32 len, u16 flags, u16 next);
void wire_publish(struct wire_queue *queue, u16 head);
/* Make something available that breaks the rules, in either layout. */
void wire_break_ring(struct wire_queue *queue);
void wire_kick(struct wire_queue *queue);
/* Run the loop until a used element comes (for at most 5 s): its head and length. false: none. */
bool wire_used(struct wire_queue *queue, u16 *head, u32 *len);
/* Whether there is one now, without waiting. */
bool wire_has_used(struct wire_queue *queue);

/* Guest memory, asserting that it exists. */
void wire_write(struct vm *vm, gpa_t gpa, const void *data, u64 len);
void wire_read(struct vm *vm, gpa_t gpa, void *data, u64 len);
void wire_fill(struct vm *vm, gpa_t gpa, u8 value, u64 len);

#endif
