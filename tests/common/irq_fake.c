/* SPDX-License-Identifier: BSD-2-Clause */
/* The real one wants KVM and an architecture. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmocka_all.h"
#include "irq_fake.h"

struct irq_line {
	struct irq *irq;
	u32 gsi;
};

void irq_fake_init(struct irq *irq, unsigned room)
{
	assert_true(room <= IRQ_FAKE_ROUTES);
	memset(irq, 0, sizeof(*irq));
	irq->room = room;
	for (unsigned i = 0; i < IRQ_FAKE_ROUTES; i++)
		irq->routes[i].fd = -1;
	for (unsigned i = 0; i < IRQ_FAKE_PINS; i++)
		irq->pin_fds[i] = -1;
}

void irq_fake_send(struct irq *irq, const struct msi_message *msi)
{
	irq->messages[irq->delivered++ % IRQ_FAKE_MESSAGES] = *msi;
}

/* KVM takes what is signalled at once; we, when a test or a change of the route asks. */
static void collect(struct irq *irq, const struct irq_fake_route *route)
{
	u64 count;

	if (route->fd < 0 || read(route->fd, &count, sizeof(count)) != sizeof(count))
		return;
	while (count--)
		irq_fake_send(irq, &route->msi);
}

unsigned irq_fake_run(struct irq *irq)
{
	for (unsigned i = 0; i < irq->room; i++) {
		if (irq->routes[i].used)
			collect(irq, &irq->routes[i]);
	}
	return irq->delivered;
}

unsigned irq_fake_routes(const struct irq *irq)
{
	unsigned count = 0;

	for (unsigned i = 0; i < irq->room; i++)
		count += irq->routes[i].used;
	return count;
}

/* ---- vmm/irq.h ---- */

int irq_create(struct irq **irq, const struct vm *vm)
{
	return -ENOSYS;
}

void irq_destroy(struct irq *irq)
{
}

int irq_line_create(struct irq_line **out, struct irq *irq, u32 gsi, enum irq_trigger trigger)
{
	struct irq_line *line = calloc(1, sizeof(*line));

	if (!line)
		return -ENOMEM;
	assert_true(gsi < IRQ_FAKE_PINS);
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

static struct irq_fake_route *route_of(struct irq *irq, u32 gsi)
{
	assert_true(gsi >= IRQ_FAKE_FIRST && gsi < IRQ_FAKE_FIRST + IRQ_FAKE_ROUTES);
	assert_true(irq->routes[gsi - IRQ_FAKE_FIRST].used);
	return &irq->routes[gsi - IRQ_FAKE_FIRST];
}

int irq_route_msi(struct irq *irq, const struct msi_message *msi, u32 *gsi)
{
	irq->asked++;
	for (unsigned i = 0; i < irq->room; i++) {
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
	struct irq_fake_route *route = route_of(irq, gsi);

	collect(irq, route);
	route->msi = *msi;
	irq->changes++;
	return 0;
}

void irq_free_route(struct irq *irq, u32 gsi)
{
	struct irq_fake_route *route = route_of(irq, gsi);

	assert_int_equal(route->fd, -1);
	route->used = false;
	irq->changes++;
}

int irq_attach_fd(struct irq *irq, u32 gsi, int fd, int resample_fd)
{
	int *at = gsi < IRQ_FAKE_PINS ? &irq->pin_fds[gsi] : &route_of(irq, gsi)->fd;

	assert_int_equal(*at, -1);
	*at = fd;
	return 0;
}

void irq_detach_fd(struct irq *irq, u32 gsi, int fd)
{
	int *at = gsi < IRQ_FAKE_PINS ? &irq->pin_fds[gsi] : &route_of(irq, gsi)->fd;

	assert_int_equal(*at, fd);
	if (gsi >= IRQ_FAKE_PINS)
		collect(irq, route_of(irq, gsi));
	*at = -1;
}
