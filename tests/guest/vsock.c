/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Connects to port 52 of the host, sends a message, and is off the moment after: the host gets it
 * all the same, as it was given to the device.
 */
#include <linux/virtio_vsock.h>

#include "virtio.h"

#define VIRTIO_VSOCK 19
#define RINGS(n)     (0x800000UL + (n)*0x10000)
#define BUFFER	     0x900000UL
#define PACKET	     0x910000UL
#define BUFFER_SIZE  4096
#define GUEST_PORT   1000
#define HOST_PORT    52

static const char text[] = "the last word";

void *memset(void *to, int value, unsigned long len);

void *memset(void *to, int value, unsigned long len)
{
	for (unsigned long i = 0; i < len; i++)
		((volatile u8 *)to)[i] = value;
	return to;
}

static void start(u64 slot)
{
	virtio_negotiate(slot, 1 << VIRTIO_VSOCK_F_SEQPACKET);
	for (u32 queue = 0; queue < 3; queue++)
		virtio_set_queue(slot, queue, VIRTIO_SIZE, RINGS(queue));
	virtio_go(slot);
}

static void offer(u64 slot, u32 queue, u16 n, u64 address, u32 len, u16 flags)
{
	volatile u64 *descriptor = (volatile u64 *)RINGS(queue);
	volatile u16 *avail = (volatile u16 *)(RINGS(queue) + 0x1000);

	descriptor[0] = address;
	descriptor[1] = len | (u64)flags << 32;
	avail[2 + n % VIRTIO_SIZE] = 0;
	avail[1] = n + 1;
	write32(slot + 0x50, queue);
}

static void send(u64 slot, u16 n, u16 op, u32 flags, const char *data, u32 len)
{
	struct virtio_vsock_hdr *header = (struct virtio_vsock_hdr *)PACKET;

	*header = (struct virtio_vsock_hdr){
		.src_cid = read32(slot + 0x100),
		.dst_cid = 2,
		.src_port = GUEST_PORT,
		.dst_port = HOST_PORT,
		.len = len,
		.type = VIRTIO_VSOCK_TYPE_SEQPACKET,
		.op = op,
		.flags = flags,
		.buf_alloc = 0x10000,
	};
	for (u32 i = 0; i < len; i++)
		((volatile char *)(header + 1))[i] = data[i];
	offer(slot, 1, n, PACKET, sizeof(*header) + len, 0);
}

void guest_main(const u8 *boot_params)
{
	volatile struct virtio_vsock_hdr *answer = (struct virtio_vsock_hdr *)BUFFER;
	u64 slot = virtio_find(VIRTIO_VSOCK);

	if (!slot) {
		put("no vsock\n");
		return;
	}
	start(slot);
	offer(slot, 0, 0, BUFFER, BUFFER_SIZE, VIRTIO_WRITABLE);
	send(slot, 0, VIRTIO_VSOCK_OP_REQUEST, 0, "", 0);
	while (*(volatile u16 *)(RINGS(0) + 0x2002) == 0)
		asm volatile("pause");
	if (answer->op != VIRTIO_VSOCK_OP_RESPONSE) {
		put("refused\n");
		return;
	}
	put("connected\n");
	send(slot, 1, VIRTIO_VSOCK_OP_RW, VIRTIO_VSOCK_SEQ_EOM, text, sizeof(text) - 1);
}
