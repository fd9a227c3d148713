/* SPDX-License-Identifier: BSD-2-Clause */
/* A shared folder over virtio-fs or virtio-9p, on each transport, and a driver that asks. */
#ifndef TESTS_WIRE_FOLDER_RIG_H
#define TESTS_WIRE_FOLDER_RIG_H

#include "iommu_driver.h"
#include "pci_driver.h"
#include "virtio/device.h"

#define FOLDER_SLOT   2	       /* on MMIO */
#define FOLDER_RINGS  0x100000 /* of queue n, 0x10000 each */
#define FOLDER_IN     0x200000 /* of message n, 0x1000 each */
#define FOLDER_OUT    0x280000
#define FOLDER_LAST   0x2fffff /* of these, which are mapped in the domain */
#define FOLDER_DOMAIN 7
#define FOLDER_QUEUES 3 /* of virtio-fs; virtio-9p has one */

enum folder_place { FOLDER_ON_MMIO, FOLDER_ON_PCI, FOLDER_BEHIND_IOMMU };

struct folder_rig {
	struct vm *vm;
	struct rig iommu; /* FOLDER_BEHIND_IOMMU */
	struct virtio_device *device;
	struct pci_driver pci; /* pci.vm NULL: by MMIO */
	bool is_9p, has_iommu;
	struct wire_queue queues[FOLDER_QUEUES];
	char base[64];
	int fd;	 /* base/shared, which is the folder */
	u32 len; /* of the last answer */
	u8 answer[4096];
};

/* *@state is the rig, with the queues up; but the protocol has not begun. */
int folder_rig_setup(void **state, enum folder_place place, bool is_9p);
int folder_rig_teardown(void **state);
/* Remove the host's files alone. */
int folder_rig_remove_files(struct folder_rig *rig);
/* Reset the device, and set its queues up again. */
void folder_rig_bring_up(struct folder_rig *rig);

/* Message @n with @room for its answer, not kicked. */
void folder_rig_add(struct folder_rig *rig, unsigned queue, unsigned n, const void *message,
		    u32 len, u32 room);
void folder_rig_kick(struct folder_rig *rig, unsigned queue);
/* Wait for an answer; its length. */
bool folder_rig_used(struct folder_rig *rig, unsigned queue, u32 *len);
/* All three: the answer is rig->answer. */
void folder_rig_ask(struct folder_rig *rig, unsigned queue, const void *message, u32 len, u32 room);
/* Whether the file has this text on the host. */
bool folder_rig_holds(struct folder_rig *rig, const char *name, const char *text);

#endif
