/* SPDX-License-Identifier: BSD-2-Clause */
/* Has a virtio console print a GiB, one descriptor, and resets it right away. */
#include "virtio.h"

void guest_main(const u8 *boot_params)
{
	u64 slot = virtio_find(VIRTIO_CONSOLE);

	virtio_start(slot, 1);
	virtio_describe(0, 0x1000000, 0x40000000, 0);
	virtio_offer(slot, 1, 0);
	write32(slot + 0x70, 0);
	while (read32(slot + 0x70))
		;
}
