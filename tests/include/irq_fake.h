/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/irq.h without KVM: wires, routes for messages, and eventfds tied to both. Tests look into the
 * structure. What is asked of it is judged: a route that is used, an eventfd that is tied once.
 */
#ifndef TESTS_IRQ_FAKE_H
#define TESTS_IRQ_FAKE_H

#include "vmm/irq.h"

#define IRQ_FAKE_PINS	  256
#define IRQ_FAKE_FIRST	  IRQ_FAKE_PINS /* GSI of the first route */
#define IRQ_FAKE_ROUTES	  64
#define IRQ_FAKE_MESSAGES 16

struct irq_fake_route {
	bool used;
	struct msi_message msi;
	int fd; /* -1: none tied */
};

struct irq {
	unsigned room; /* how many routes there may be */
	struct irq_fake_route routes[IRQ_FAKE_ROUTES];
	unsigned changes;				/* of the routing table */
	unsigned asked;					/* for a route */
	unsigned refusals;				/* that were said */
	unsigned delivered;				/* messages that reached the guest */
	struct msi_message messages[IRQ_FAKE_MESSAGES]; /* the n-th at n % IRQ_FAKE_MESSAGES */
	int lines;					/* that exist */
	enum irq_trigger trigger[IRQ_FAKE_PINS];
	bool level[IRQ_FAKE_PINS];
	unsigned rises[IRQ_FAKE_PINS]; /* of the level, and pulses */
	int pin_fds[IRQ_FAKE_PINS];    /* -1: none tied */
};

/* With room for @room routes. */
void irq_fake_init(struct irq *irq, unsigned room);
/* What KVM does by itself: deliver what is signalled on tied eventfds. Returns irq->delivered. */
unsigned irq_fake_run(struct irq *irq);
/* Deliver a message that is sent without a route. */
void irq_fake_send(struct irq *irq, const struct msi_message *msi);
/* How many routes are used. */
unsigned irq_fake_routes(const struct irq *irq);

#endif
