/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupts, from a device to KVM's in-kernel interrupt controller.
 *
 * A wired line is a GSI: pins of the IOAPIC on x86, SPIs (number minus 32) on
 * arm64. Edge lines are pulsed through an irqfd, which any thread may write;
 * level lines are set and cleared. An MSI is a message: sent at once, or given
 * a GSI of its own by a route so that an irqfd can carry it.
 */
#ifndef VMM_IRQ_H
#define VMM_IRQ_H

#include "util/types.h"

/* MSI routes at a time: fewer than KVM takes, and more than guests use. */
#define IRQ_MAX_ROUTES 1024

struct irq;	 /* the machine's interrupt routing: one per VM */
struct irq_line; /* one device's wire */

enum irq_trigger { IRQ_EDGE, IRQ_LEVEL };

struct msi_message {
	u64 address; /* as the interrupt controller sees it, already translated */
	u32 data;
	u32 device_id; /* what the ITS calls DeviceID; ignored on x86 */
};

struct kvm_irq_routing_entry;

struct vm;
/*
 * @vm: borrowed; its fd is there. KVM's default routing stays in force until the
 * first irq_route_msi(): a machine without MSI routes never pays for one.
 */
int irq_create(struct irq **irq, const struct vm *vm);
void irq_destroy(struct irq *irq);

/* A line to @gsi. Creates nothing in the kernel before its first use. -ENOMEM. */
int irq_line_create(struct irq_line **line, struct irq *irq, u32 gsi, enum irq_trigger trigger);
void irq_line_destroy(struct irq_line *line);

/* Signal an edge. VM lock held (the irqfd is made at the first call). */
void irq_line_pulse(struct irq_line *line);
/*
 * Drive a line by its level. VM lock held. Setting what is set costs nothing. A pin is high while
 * one of its lines is.
 */
void irq_line_set(struct irq_line *line, bool level);

/*
 * A GSI whose interrupt is @msi, for an irqfd. irq_update_route() changes it
 * in place with no interrupt lost; irq_free_route() gives the GSI back. VM lock
 * held. -ENOSPC: KVM has no more routes.
 */
int irq_route_msi(struct irq *irq, const struct msi_message *msi, u32 *gsi);
int irq_update_route(struct irq *irq, u32 gsi, const struct msi_message *msi);
void irq_free_route(struct irq *irq, u32 gsi);

/*
 * Say that the host has no eventfd or route for a vector of @device_id, and what would help:
 * -EMFILE, -ENOSPC, or another -errno. Rate limited. VM lock held.
 */
void irq_say_refused(struct irq *irq, u32 device_id, int error);

/* Tie an eventfd (borrowed) to a GSI, or untie it. @resample_fd: -1, or signalled at the guest's
 * EOI. */
int irq_attach_fd(struct irq *irq, u32 gsi, int fd, int resample_fd);
void irq_detach_fd(struct irq *irq, u32 gsi, int fd);

#endif
