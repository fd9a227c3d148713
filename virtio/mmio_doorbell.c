/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>

#include "mmio_state.h"
#include "vmm/ioevent.h"
#include "vmm/vm.h"

bool mmio_live(const struct mmio *mmio)
{
	return mmio->virtio->status & VIRTIO_CONFIG_S_DRIVER_OK &&
	       !virtio_device_is_broken(mmio->virtio);
}

static void serve(struct mmio *mmio, unsigned index)
{
	/* QueueReady 0 means: no access to the queue. */
	if (mmio_live(mmio) && mmio->virtio->queues[index].ready)
		mmio->virtio->ops->kick(mmio->virtio, index);
}

static void doorbell_rang(struct loop_source *source, u32 events)
{
	struct mmio_doorbell *doorbell = container_of(source, struct mmio_doorbell, source);
	u64 count;

	if (read(source->fd, &count, sizeof(count)) == sizeof(count))
		serve(doorbell->mmio, doorbell->index);
}

int mmio_doorbell_open(struct mmio_doorbell *doorbell)
{
	struct mmio *mmio = doorbell->mmio;
	int ret, fd;

	if (doorbell->source.fd >= 0)
		return 0;
	fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	doorbell->source = (struct loop_source){ fd, EPOLLIN, doorbell_rang };
	ret = loop_add(mmio->vm->loop, &doorbell->source);
	if (ret) {
		doorbell->source.fd = -1;
		close(fd);
		return ret;
	}
	/* Without an ioevent the writes come to mmio_notified(): slower, not worse. */
	if (!mmio->virtio->kick_on_vcpu &&
	    ioevent_add(mmio->vm, mmio->region.start + VIRTIO_MMIO_QUEUE_NOTIFY, doorbell->index,
			fd))
		log_debug("%s: kicks of queue %u leave the kernel: no ioeventfd",
			  mmio->virtio->name, doorbell->index);
	return 0;
}

void mmio_doorbell_silence(struct mmio_doorbell *doorbell)
{
	u64 count;

	/* It is non-blocking: nothing to read is fine. */
	if (doorbell->source.fd >= 0 && read(doorbell->source.fd, &count, sizeof(count)) < 0) {
	}
}

/*
 * The ioevent is left to KVM, which has its own hold on the eventfd and drops it with the
 * VM: to remove one costs a grace period, 8 ms measured, and devices live as long as the VM.
 */
void mmio_doorbell_close(struct mmio_doorbell *doorbell)
{
	if (doorbell->source.fd < 0)
		return;
	loop_remove(doorbell->mmio->vm->loop, &doorbell->source);
	close(doorbell->source.fd);
	doorbell->source.fd = -1;
}

void mmio_doorbell_ring(struct mmio_doorbell *doorbell)
{
	u64 one = 1;

	/* Can fail only by overflow, and then it has rung already. */
	if (doorbell->source.fd >= 0 && write(doorbell->source.fd, &one, sizeof(one)) < 0) {
	}
}

void mmio_notified(struct mmio *mmio, u32 queue)
{
	if (queue >= mmio->virtio->queue_count || !mmio_live(mmio))
		return;
	if (mmio->virtio->kick_on_vcpu)
		serve(mmio, queue);
	else
		mmio_doorbell_ring(&mmio->doorbells[queue]);
}
