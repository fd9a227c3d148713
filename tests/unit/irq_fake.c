/* SPDX-License-Identifier: BSD-2-Clause */
/* The real one wants KVM and an architecture. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "irq_fake.h"

struct irq_line {
	struct irq *irq;
	u32 gsi;
};

void irq_fake_init(struct irq *irq)
{
	memset(irq, 0, sizeof(*irq));
	for (unsigned i = 0; i < IRQ_FAKE_ROUTES; i++)
		irq->routes[i].fd = -1;
}

static void deliver(struct irq *irq, const struct msi_message *msi)
{
	irq->messages[irq->delivered++ % IRQ_FAKE_MESSAGES] = *msi;
}

unsigned irq_fake_run(struct irq *irq)
{
	for (unsigned i = 0; i < IRQ_FAKE_ROUTES; i++) {
		const struct irq_fake_route *route = &irq->routes[i];
		u64 count;

		if (route->used && route->fd >= 0 &&
		    read(route->fd, &count, sizeof(count)) == sizeof(count))
			deliver(irq, &route->msi);
	}
	return irq->delivered;
}

int irq_line_create(struct irq_line **out, struct irq *irq, u32 gsi, enum irq_trigger trigger)
{
	struct irq_line *line = calloc(1, sizeof(*line));

	if (!line || gsi >= IRQ_FAKE_PINS) {
		free(line);
		return -ENOMEM;
	}
	*line = (struct irq_line){ irq, gsi };
	irq->trigger[gsi] = trigger;
	irq->lines++;
	*out = line;
	return 0;
}

void irq_line_destroy(struct irq_line *line)
{
	if (line)
		line->irq->lines--;
	free(line);
}

void irq_line_pulse(struct irq_line *line)
{
	line->irq->rises[line->gsi]++;
}

void irq_line_set(struct irq_line *line, bool level)
{
	line->irq->rises[line->gsi] += level && !line->irq->level[line->gsi];
	line->irq->level[line->gsi] = level;
}

void irq_say_refused(struct irq *irq, u32 device_id, int error)
{
	irq->refusals++;
}

int irq_route_msi(struct irq *irq, const struct msi_message *msi, u32 *gsi)
{
	irq->asked++;
	for (unsigned i = 0; i < IRQ_FAKE_ROUTES; i++) {
		if (irq->routes[i].used)
			continue;
		irq->routes[i] = (struct irq_fake_route){ true, *msi, -1 };
		irq->changes++;
		*gsi = IRQ_FAKE_FIRST + i;
		return 0;
	}
	return -ENOSPC;
}

int irq_update_route(struct irq *irq, u32 gsi, const struct msi_message *msi)
{
	irq->routes[gsi - IRQ_FAKE_FIRST].msi = *msi;
	irq->changes++;
	return 0;
}

void irq_free_route(struct irq *irq, u32 gsi)
{
	irq->routes[gsi - IRQ_FAKE_FIRST].used = false;
	irq->changes++;
}

int irq_attach_fd(struct irq *irq, u32 gsi, int fd, int resample_fd)
{
	irq->routes[gsi - IRQ_FAKE_FIRST].fd = fd;
	return 0;
}

void irq_detach_fd(struct irq *irq, u32 gsi, int fd)
{
	irq->routes[gsi - IRQ_FAKE_FIRST].fd = -1;
}
