/* SPDX-License-Identifier: BSD-2-Clause */
/* A device for tests of rings and registers: it writes back what it reads. */
#ifndef TESTS_WIRE_ECHO_H
#define TESTS_WIRE_ECHO_H

#include "virtio/mmio.h"
#include "wire.h"

#define ECHO_QUEUES 2
#define ECHO_ID	    42
#define ECHO_BYTES  65536

struct echo {
	struct virtio_device device;
	struct virtq queues[ECHO_QUEUES];
	bool keep;	 /* take chains, give none back */
	unsigned budget; /* chains per kick; 0: all there are */
	bool fill;	 /* give chains back, but do not let the driver see them */
	int start_result;
	bool busy; /* resets are not over before the loop clears it */
	unsigned starts, kicks, resets, queue_resets, served, faults;
	unsigned moved;	     /* times that its interrupts may have moved */
	unsigned *destroyed; /* counted there */
	struct virtq_chain last;
	u8 config[16];
	u8 data[ECHO_BYTES];
};

/* In @slot; the machine owns it. */
struct echo *echo_create(struct vm *vm, unsigned slot, u32 endpoint, bool kick_on_vcpu);
/* The same before it has a transport, freed by echo_free(). */
struct echo *echo_alloc(struct vm *vm);
void echo_free(struct echo *echo);

#endif
