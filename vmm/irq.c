/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "util/log.h"
#include "vmm/arch.h"
#include "vmm/irq.h"
#include "vmm/vm.h"

/* KVM keeps GSIs below KVM_MAX_IRQ_ROUTES; the pins of all our controllers lie below this. */
#define IRQ_FIRST_ROUTE 256

#define LINE_NO_FD -2 /* the host had none to give, and is not asked at each edge */

struct irq {
	const struct vm *vm; /* borrowed */
	u32 pins;	     /* entries of the controllers' own at the head of the table */
	u32 count;	     /* of all entries */
	u32 used[IRQ_MAX_ROUTES / 32]; /* MSI GSIs, from IRQ_FIRST_ROUTE */
	u8 asserted[IRQ_FIRST_ROUTE];  /* of each pin: lines that are set */
	struct kvm_irq_routing *table; /* NULL until the first MSI route */
	struct log_limit log;
};

struct irq_line {
	struct irq *irq;
	u32 gsi;
	enum irq_trigger trigger;
	bool level;
	int fd; /* an irqfd, -1 until the first edge; LINE_NO_FD */
};

int irq_create(struct irq **out, const struct vm *vm)
{
	struct irq *irq = calloc(1, sizeof(*irq));

	if (!irq)
		return -ENOMEM;
	irq->vm = vm;
	*out = irq;
	return 0;
}

void irq_destroy(struct irq *irq)
{
	if (!irq)
		return;
	free(irq->table);
	free(irq);
}

int irq_line_create(struct irq_line **out, struct irq *irq, u32 gsi, enum irq_trigger trigger)
{
	struct irq_line *line = calloc(1, sizeof(*line));

	if (!line)
		return -ENOMEM;
	line->irq = irq;
	line->gsi = gsi;
	line->trigger = trigger;
	line->fd = -1;
	*out = line;
	return 0;
}

void irq_line_destroy(struct irq_line *line)
{
	if (!line)
		return;
	if (line->fd >= 0) {
		irq_detach_fd(line->irq, line->gsi, line->fd);
		close(line->fd);
	}
	free(line);
}

static void set_pin(struct irq *irq, u32 gsi, bool level)
{
	struct kvm_irq_level arg = { .irq = arch_irq_line_number(gsi), .level = level };

	ioctl(irq->vm->fd, KVM_IRQ_LINE, &arg);
}

static void line_ioctl(struct irq_line *line, bool level)
{
	set_pin(line->irq, line->gsi, level);
}

/* The eventfd through which KVM takes edges; without one, edges go by ioctl. */
static void line_make_irqfd(struct irq_line *line)
{
	line->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (line->fd < 0) {
		line->fd = LINE_NO_FD;
	} else if (irq_attach_fd(line->irq, line->gsi, line->fd, -1)) {
		close(line->fd);
		line->fd = LINE_NO_FD;
	}
}

void irq_line_pulse(struct irq_line *line)
{
	u64 one = 1;

	if (line->fd == -1)
		line_make_irqfd(line);
	if (line->fd >= 0 && write(line->fd, &one, sizeof(one)) == sizeof(one))
		return;
	line_ioctl(line, true);
	line_ioctl(line, false);
}

void irq_line_set(struct irq_line *line, bool level)
{
	u8 *asserted = &line->irq->asserted[line->gsi % IRQ_FIRST_ROUTE];

	if (line->level == level)
		return;
	line->level = level;
	*asserted += level ? 1 : -1;
	/* KVM keeps one level of ours for a pin: lines that share it are an OR here. */
	if (*asserted == level)
		line_ioctl(line, level);
}

/*
 * The table that replaces KVM's default one, which has all pins: ours must have
 * them too. From here on each change hands KVM the whole table.
 */
static int table_create(struct irq *irq)
{
	irq->pins = arch_irq_pins(NULL, 0);
	irq->table = calloc(1, sizeof(*irq->table) + (irq->pins + IRQ_MAX_ROUTES) *
							     sizeof(irq->table->entries[0]));
	if (!irq->table)
		return -ENOMEM;
	irq->count = arch_irq_pins(irq->table->entries, irq->pins);
	return 0;
}

static int table_commit(struct irq *irq)
{
	irq->table->nr = irq->count;
	return ioctl(irq->vm->fd, KVM_SET_GSI_ROUTING, irq->table) ? -errno : 0;
}

static struct kvm_irq_routing_entry *table_find(struct irq *irq, u32 gsi)
{
	for (u32 i = irq->pins; irq->table && i < irq->count; i++) {
		if (irq->table->entries[i].gsi == gsi)
			return &irq->table->entries[i];
	}
	return NULL;
}

/* The route of @pin, for another GSI: a message that KVM does not know as one. */
static void entry_set_pin(struct kvm_irq_routing_entry *entry, const struct irq *irq, u32 pin)
{
	for (u32 i = 0; i < irq->pins; i++) {
		if (irq->table->entries[i].gsi != pin)
			continue;
		entry->type = irq->table->entries[i].type;
		entry->u = irq->table->entries[i].u;
	}
}

static void entry_set(struct irq *irq, struct kvm_irq_routing_entry *entry, u32 gsi,
		      const struct msi_message *msi)
{
	u32 pin;

	memset(entry, 0, sizeof(*entry));
	entry->gsi = gsi;
	if (arch_msi_pin(irq->vm, msi, &pin)) {
		entry_set_pin(entry, irq, pin);
		return;
	}
	entry->type = KVM_IRQ_ROUTING_MSI;
	entry->flags = arch_msi_has_device_id ? KVM_MSI_VALID_DEVID : 0;
	entry->u.msi.address_lo = msi->address;
	entry->u.msi.address_hi = msi->address >> 32;
	entry->u.msi.data = msi->data;
	entry->u.msi.devid = msi->device_id;
}

static int gsi_allocate(struct irq *irq, u32 *gsi)
{
	for (u32 i = 0; i < IRQ_MAX_ROUTES; i++) {
		if (irq->used[i / 32] & (1u << (i % 32)))
			continue;
		irq->used[i / 32] |= 1u << (i % 32);
		*gsi = IRQ_FIRST_ROUTE + i;
		return 0;
	}
	return -ENOSPC;
}

static void gsi_free(struct irq *irq, u32 gsi)
{
	u32 i = gsi - IRQ_FIRST_ROUTE;

	irq->used[i / 32] &= ~(1u << (i % 32));
}

int irq_route_msi(struct irq *irq, const struct msi_message *msi, u32 *gsi)
{
	int ret = irq->table ? 0 : table_create(irq);

	if (!ret)
		ret = gsi_allocate(irq, gsi);
	if (ret)
		return ret;
	entry_set(irq, &irq->table->entries[irq->count++], *gsi, msi);
	ret = table_commit(irq);
	if (ret) {
		irq->count--;
		gsi_free(irq, *gsi);
	}
	return ret;
}

int irq_update_route(struct irq *irq, u32 gsi, const struct msi_message *msi)
{
	struct kvm_irq_routing_entry *entry = table_find(irq, gsi);
	struct kvm_irq_routing_entry before;
	int ret;

	if (!entry)
		return -ENOENT;
	before = *entry;
	entry_set(irq, entry, gsi, msi);
	ret = table_commit(irq);
	if (ret)
		*entry = before;
	return ret;
}

void irq_free_route(struct irq *irq, u32 gsi)
{
	struct kvm_irq_routing_entry *entry = table_find(irq, gsi);

	if (!entry)
		return;
	*entry = irq->table->entries[--irq->count];
	gsi_free(irq, gsi);
	table_commit(irq); /* a smaller table of what KVM had: it has no reason to refuse */
}

static const char *refusal_remedy(int error)
{
	switch (error) {
	case -EMFILE:
		return ": raise the limit of open files (ulimit -n)";
	case -ENOSPC:
		return ": the guest uses more vectors than KVM is given routes for";
	default:
		return "";
	}
}

void irq_say_refused(struct irq *irq, u32 device_id, int error)
{
	log_limited(&irq->log, LOG_WARNING,
		    "PCI device %02x.%u of the guest: no interrupt for one of its vectors: %s%s",
		    device_id >> 3 & 0x1f, device_id & 7, strerror(-error), refusal_remedy(error));
}

int irq_attach_fd(struct irq *irq, u32 gsi, int fd, int resample_fd)
{
	struct kvm_irqfd arg = {
		.fd = fd,
		.gsi = gsi,
		.flags = resample_fd >= 0 ? KVM_IRQFD_FLAG_RESAMPLE : 0,
		.resamplefd = resample_fd >= 0 ? resample_fd : 0,
	};

	return ioctl(irq->vm->fd, KVM_IRQFD, &arg) ? -errno : 0;
}

void irq_detach_fd(struct irq *irq, u32 gsi, int fd)
{
	struct kvm_irqfd arg = { .fd = fd, .gsi = gsi, .flags = KVM_IRQFD_FLAG_DEASSIGN };

	ioctl(irq->vm->fd, KVM_IRQFD, &arg);
}
