/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A driver of virtio-console with ports: finds port 1 by the control queues, says its name, writes
 * to it, and sends back what comes in there, up to a 'q'.
 */
#include "virtio.h"

#define RINGS(n)   (0x800000UL + (n)*0x10000)
#define BUFFER(n)  (0xa00000UL + (n)*0x1000)
#define QUEUES	   6
#define MULTIPORT  2 /* feature bit 1 */
#define CONTROL_RX 2
#define CONTROL_TX 3
#define PORT_RX	   4
#define PORT_TX	   5

enum {
	DEVICE_READY,
	PORT_ADD,
	PORT_REMOVE,
	PORT_READY,
	CONSOLE_PORT,
	RESIZE,
	PORT_OPEN,
	PORT_NAME
};

static u64 slot;
static u16 offered[QUEUES];

static void start(void)
{
	virtio_negotiate(slot, MULTIPORT);
	for (u32 queue = 0; queue < QUEUES; queue++)
		virtio_set_queue(slot, queue, VIRTIO_SIZE, RINGS(queue));
	virtio_go(slot);
}

/* The buffer of the queue, of @len bytes, there and back: how many were written. */
static u32 exchange(u32 queue, u32 len, int writable)
{
	volatile u64 *descriptor = (volatile u64 *)RINGS(queue);
	volatile u16 *avail = (volatile u16 *)(RINGS(queue) + 0x1000);
	volatile u16 *used = (volatile u16 *)(RINGS(queue) + 0x2000);

	descriptor[0] = BUFFER(queue);
	descriptor[1] = len | (u64)(writable ? VIRTIO_WRITABLE : 0) << 32;
	avail[2 + offered[queue] % VIRTIO_SIZE] = 0;
	avail[1] = ++offered[queue];
	write32(slot + 0x50, queue);
	while (used[1] != offered[queue])
		;
	return *(volatile u32 *)(RINGS(queue) + 0x2004 + 8 * ((offered[queue] - 1) % VIRTIO_SIZE) +
				 4);
}

static void tell(u32 id, u16 event, u16 value)
{
	volatile u32 *message = (volatile u32 *)BUFFER(CONTROL_TX);

	message[0] = id;
	message[1] = event | (u32)value << 16;
	exchange(CONTROL_TX, 8, 0);
}

/* The next message; its bytes after the header are printed. */
static void hear(u16 event)
{
	volatile u32 *message = (volatile u32 *)BUFFER(CONTROL_RX);
	u32 len = exchange(CONTROL_RX, 128, 1);

	if (message[0] != 1 || (u16)message[1] != event)
		put("WRONG\n");
	if (event == PORT_NAME) {
		put("the port is called ");
		put_bytes((const void *)(BUFFER(CONTROL_RX) + 8), len - 8);
		put("\n");
	}
}

static void write_port(const char *text)
{
	u32 len = 0;

	for (; text[len]; len++)
		((volatile char *)BUFFER(PORT_TX))[len] = text[len];
	exchange(PORT_TX, len, 0);
}

void guest_main(const u8 *boot_params)
{
	int ended = 0;

	slot = virtio_find(VIRTIO_CONSOLE);
	if (!slot) {
		put("no ports\n");
		return;
	}
	start();
	tell(0, DEVICE_READY, 1);
	hear(PORT_ADD);
	tell(1, PORT_READY, 1);
	hear(PORT_NAME);
	hear(PORT_OPEN);
	tell(1, PORT_OPEN, 1);
	write_port("hello\n");
	while (!ended) {
		u32 len = exchange(PORT_RX, 64, 1);

		for (u32 i = 0; i < len; i++) {
			((volatile char *)BUFFER(PORT_TX))[i] = ((volatile char *)BUFFER(
				PORT_RX))[i];
			ended |= ((volatile char *)BUFFER(PORT_RX))[i] == 'q';
		}
		exchange(PORT_TX, len, 0);
	}
	put("done\n");
}
