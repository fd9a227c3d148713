/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The smallest driver of a modern virtio-rng (virtio 1.2, "Virtio Over PCI Bus", "Split
 * Virtqueues", "Entropy Device"): one queue of one buffer, no interrupt.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include "vfio-user.h"

/* In the memory: the ring's three parts. */
enum { DESCRIPTORS = 0x4000, AVAILABLE = 0x5000, USED = 0x6000 };

struct rng {
	const char *bdf;
	volatile struct virtio_pci_common_cfg *common;
	volatile uint16_t *notify;
};

/* Where the structure @type is; NULL: nowhere. *@cap: its capability. */
static volatile char *find_structure(int device, const char *bdf, unsigned type, unsigned *cap)
{
	unsigned at = device_read_config(device, PCI_CAPABILITY_LIST, 1);

	for (; at; at = device_read_config(device, at + PCI_CAP_LIST_NEXT, 1)) {
		unsigned bar;

		if (device_read_config(device, at, 1) != PCI_CAP_ID_VNDR ||
		    device_read_config(device, at + VIRTIO_PCI_CAP_CFG_TYPE, 1) != type)
			continue;
		*cap = at;
		bar = device_read_config(device, at + VIRTIO_PCI_CAP_BAR, 1);
		return (volatile char *)device_map_bar(device, bdf, bar) +
		       device_read_config(device, at + VIRTIO_PCI_CAP_OFFSET, 4);
	}
	errno = ENODEV;
	fail(bdf, "it is not a modern virtio device");
}

static void write64(volatile uint32_t *low, volatile uint32_t *high, uint64_t value)
{
	*low = value;
	*high = value >> 32;
}

/* "Device Initialization". */
static void bring_up(struct rng *rng, int device)
{
	unsigned cap;

	rng->common = (volatile void *)find_structure(device, rng->bdf, VIRTIO_PCI_CAP_COMMON_CFG,
						      &cap);
	rng->common->device_status = 0;
	while (rng->common->device_status)
		;
	rng->common->device_status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;
	/* VERSION_1 and ACCESS_PLATFORM are both in the upper half. */
	rng->common->guest_feature_select = 0;
	rng->common->guest_feature = 0;
	rng->common->guest_feature_select = 1;
	rng->common->guest_feature = 1u << (VIRTIO_F_VERSION_1 - 32) |
				     1u << (VIRTIO_F_ACCESS_PLATFORM - 32);
	rng->common->device_status |= VIRTIO_CONFIG_S_FEATURES_OK;
	if (!(rng->common->device_status & VIRTIO_CONFIG_S_FEATURES_OK))
		fail(rng->bdf, "it is not translated: it refuses the features");
	rng->common->queue_select = 0;
	rng->common->queue_size = 1;
	write64(&rng->common->queue_desc_lo, &rng->common->queue_desc_hi, IOVA + DESCRIPTORS);
	write64(&rng->common->queue_avail_lo, &rng->common->queue_avail_hi, IOVA + AVAILABLE);
	write64(&rng->common->queue_used_lo, &rng->common->queue_used_hi, IOVA + USED);
	rng->common->queue_enable = 1;
	rng->notify = (volatile void *)find_structure(device, rng->bdf, VIRTIO_PCI_CAP_NOTIFY_CFG,
						      &cap);
	rng->notify += rng->common->queue_notify_off *
		       device_read_config(device, cap + VIRTIO_PCI_NOTIFY_CAP_MULT, 4) / 2;
	rng->common->device_status |= VIRTIO_CONFIG_S_DRIVER_OK;
}

bool rng_fill(int device, const char *bdf, char *memory, unsigned offset, unsigned len)
{
	struct vring_desc *descriptor = (void *)(memory + DESCRIPTORS);
	volatile struct vring_avail *available = (void *)(memory + AVAILABLE);
	volatile struct vring_used *used = (void *)(memory + USED);
	struct rng rng = { .bdf = bdf };

	memset(memory + DESCRIPTORS, 0, 3 * 4096);
	bring_up(&rng, device);
	*descriptor = (struct vring_desc){ IOVA + offset, len, VRING_DESC_F_WRITE, 0 };
	available->ring[0] = 0;
	__sync_synchronize();
	available->idx = 1;
	__sync_synchronize();
	*rng.notify = 0;
	for (int tries = 0; tries < 3000 && !used->idx; tries++)
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	return used->idx == 1 && used->ring[0].len == len;
}
