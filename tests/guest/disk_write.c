/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes to its disk for ever, a sector at a time. */
#include "virtio.h"

#define HEADER 0x900000UL
#define DATA   0x901000UL
#define STATUS 0x902000UL

void guest_main(const u8 *boot_params)
{
	u64 slot = virtio_find(VIRTIO_BLOCK);

	put("writing\n");
	virtio_start(slot, 0);
	write32(HEADER, 1); /* OUT */
	virtio_describe(0, HEADER, 16, VIRTIO_NEXT);
	virtio_describe(1, DATA, 512, VIRTIO_NEXT);
	virtio_describe(2, STATUS, 1, VIRTIO_WRITABLE);
	for (u16 n = 0;; n++) {
		virtio_offer(slot, 0, n);
		while (virtio_used() != (u16)(n + 1))
			asm volatile("pause");
		if (!n)
			put("written\n");
	}
}
