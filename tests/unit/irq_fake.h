/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm/irq.h for tests that have no KVM: routes and eventfds tied to them, and wires. */
#ifndef TESTS_UNIT_IRQ_FAKE_H
#define TESTS_UNIT_IRQ_FAKE_H

#include "vmm/irq.h"

#define IRQ_FAKE_ROUTES	  4
#define IRQ_FAKE_FIRST	  100 /* GSI of the first route */
#define IRQ_FAKE_MESSAGES 16
#define IRQ_FAKE_PINS	  256

struct irq_fake_route {
	bool used;
	struct msi_message msi;
	int fd; /* -1: none tied */
};

struct irq {
	struct irq_fake_route routes[IRQ_FAKE_ROUTES];
	unsigned changes;   /* of the routing table */
	unsigned asked;	    /* for a route */
	unsigned refusals;  /* that were said */
	unsigned delivered; /* messages that reached the guest */
	struct msi_message messages[IRQ_FAKE_MESSAGES];
	int lines; /* that exist */
	enum irq_trigger trigger[IRQ_FAKE_PINS];
	bool level[IRQ_FAKE_PINS];
	unsigned rises[IRQ_FAKE_PINS]; /* of the level, and pulses */
};

void irq_fake_init(struct irq *irq);
/* What KVM does by itself: deliver what is signalled on tied eventfds. Returns irq->delivered. */
unsigned irq_fake_run(struct irq *irq);

#endif
