/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vmm/irq.h"
#include "vmm/msi.h"

void msi_vector_init(struct msi_vector *vector, struct dma_space *space, u32 device_id)
{
	*vector = (struct msi_vector){ .space = space, .device_id = device_id, .fd = -1 };
	list_init(&vector->node);
}

static void vector_untie(struct msi_vector *vector)
{
	if (vector->tied)
		irq_detach_fd(vector->space->irq, vector->gsi, vector->fd);
	vector->tied = false;
}

/* What has been signalled and not taken; the eventfd does not block. */
static bool vector_drain(struct msi_vector *vector)
{
	u64 count;

	return read(vector->fd, &count, sizeof(count)) == sizeof(count);
}

static void vector_raise(struct msi_vector *vector)
{
	u64 one = 1;

	/* It can fail by overflow alone: then it is raised already. */
	if (write(vector->fd, &one, sizeof(one)) < 0) {
	}
}

/* KVM takes what is signalled once it is tied: what was pending is signalled again. */
static int vector_tie(struct msi_vector *vector)
{
	bool pending;
	int ret;

	if (vector->tied)
		return 0;
	pending = vector_drain(vector);
	ret = irq_attach_fd(vector->space->irq, vector->gsi, vector->fd, -1);
	vector->tied = !ret;
	if (pending)
		vector_raise(vector);
	return ret;
}

static int vector_route(struct msi_vector *vector, const struct msi_message *msi)
{
	struct irq *irq = vector->space->irq;
	int ret;

	if (!vector->routed) {
		ret = irq_route_msi(irq, msi, &vector->gsi);
		vector->routed = !ret;
	} else if (msi->address == vector->route.address && msi->data == vector->route.data) {
		return 0; /* each change hands KVM the whole table */
	} else {
		ret = irq_update_route(irq, vector->gsi, msi);
	}
	if (!ret)
		vector->route = *msi;
	return ret;
}

/* ---- a host that has no more to give ---- */

static bool vector_may_ask(const struct msi_vector *vector)
{
	return !(vector->refused & (vector->refused - 1));
}

/* Keep account of what the host said, or, if it was not asked, would say. */
static int vector_answered(struct msi_vector *vector, int ret)
{
	if (ret && !vector->refused)
		irq_say_refused(vector->space->irq, vector->device_id, ret);
	vector->refused = ret ? vector->refused + 1 : 0;
	return ret;
}

static int vector_open(struct msi_vector *vector)
{
	if (vector->fd >= 0)
		return 0;
	if (vector_may_ask(vector))
		vector->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	else
		errno = EMFILE;
	return vector_answered(vector, vector->fd < 0 ? -errno : 0);
}

/* As the guest and the space want it now. A masked vector keeps its route: it will be back. */
static int vector_update(struct msi_vector *vector)
{
	struct msi_message msi = { .data = vector->data, .device_id = vector->device_id };
	struct dma_space *space = vector->space;
	int ret;

	if (!vector->programmed || vector->masked ||
	    space->ops->resolve_msi(space, vector->address, false, &msi.address)) {
		vector_untie(vector);
		return 0;
	}
	ret = vector_may_ask(vector) ? vector_route(vector, &msi) : -ENOSPC;
	if (!ret)
		ret = vector_tie(vector);
	if (ret)
		vector_untie(vector);
	return vector_answered(vector, ret);
}

int msi_vector_program(struct msi_vector *vector, iova_t address, u32 data, bool masked)
{
	int ret = vector_open(vector);

	if (ret)
		return ret;
	if (!vector->programmed)
		list_add_tail(&vector->space->vectors, &vector->node);
	vector->programmed = true;
	vector->address = address;
	vector->data = data;
	vector->masked = masked;
	return vector_update(vector);
}

void msi_vector_disable(struct msi_vector *vector)
{
	vector->refused = 0;
	if (!vector->programmed)
		return;
	vector->programmed = false;
	list_del(&vector->node);
	vector_untie(vector);
	if (vector->routed)
		irq_free_route(vector->space->irq, vector->gsi);
	vector->routed = false;
	vector_drain(vector);
}

void msi_vector_destroy(struct msi_vector *vector)
{
	msi_vector_disable(vector);
	if (vector->fd >= 0)
		close(vector->fd);
	vector->fd = -1;
}

void msi_vector_signal(struct msi_vector *vector)
{
	gpa_t doorbell;

	if (!vector->programmed)
		return;
	/* Not masked and not tied: it leads nowhere, or the host had no route to give. */
	if (!vector->tied && !vector->masked &&
	    vector->space->ops->resolve_msi(vector->space, vector->address, true, &doorbell))
		return;
	vector_raise(vector);
}

bool msi_vector_pending(const struct msi_vector *vector)
{
	struct pollfd pollfd = { .fd = vector->fd, .events = POLLIN };

	return vector->programmed && !vector->tied && poll(&pollfd, 1, 0) == 1;
}

void msi_vector_resolve(struct msi_vector *vector)
{
	vector_update(vector);
}
