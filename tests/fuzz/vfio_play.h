/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of fuzz_vfio.c share: one input's play. */
#ifndef TESTS_FUZZ_VFIO_PLAY_H
#define TESTS_FUZZ_VFIO_PLAY_H

#include <linux/pci_regs.h>

#include "../../vfio/container.h"
#include "../../vfio/device.h"
#include "../../vfio/group.h"
#include "../../vfio/sys.h"
#include "input.h"
#include "pci_judge.h"
#include "pci_toy.h"
#include "vfio_fake.h"

#define LINES 4

struct play {
	struct vm *vm;
	struct judge judge;
	struct door_space doors;
	struct vfio_peers peers;
	struct vfio_container *container;
	struct vfio_group group;
	struct vfio_device *device;
	struct fake_device *hardware;
	u8 header[PCI_STD_HEADER_SIZEOF]; /* the hardware's, when it was opened */
	unsigned slots_left;		  /* of KVM's */
	int intx_fds[LINES];		  /* tied to the wires; -1: none */
	unsigned fail_in;		  /* for alloc_fail(), in the next act */
	bool holey; /* the host may have refused an interrupt, or there was no memory */
};

/* Those that stand for KVM and for the kernel are not told whose they are: there is one. */
extern struct play play;

static inline bool over(u64 a, u64 a_size, u64 b, u64 b_size)
{
	return a < b + b_size && b < a + a_size;
}

/* ---- vfio_hardware.c: KVM, the kernel, and hardware that says anything ---- */

void take_hardware(struct input *in);
/* How much of BAR @n has memory behind it, however large it says that it is. */
u64 play_memory(unsigned n);

/* ---- vfio_check.c: the judge ---- */

/* What must be true of the device. */
void check_device(void);

#endif
