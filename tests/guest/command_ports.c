/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Plays the init of a one-shot run over ports of virtio-console (oneshot/protocol.h), with a
 * command that copies standard input to standard output, says "e" on standard error and ends with
 * status 7. With "do=R" in the command line it resets the device while the command runs, and
 * switches off.
 */
#include "../../include/oneshot/protocol.h"
#include "memory.h"
#include "virtio.h"

#define RINGS(n)   (0x800000UL + (n)*0x10000)
#define BUFFER(n)  (0xa00000UL + (n)*0x1000)
#define PORTS	   (ONESHOT_CHANNELS + 1) /* one more may be the user's */
#define QUEUES	   (2 * (PORTS + 2))
#define MULTIPORT  2 /* feature bit 1 */
#define CONTROL_RX 2
#define CONTROL_TX 3
#define ROOM	   0x1000
/* Of port n, from 1. */
#define RX(n) (2 * (n) + 2)
#define TX(n) (2 * (n) + 3)

enum { DEVICE_READY, PORT_ADD, PORT_READY = 3, PORT_OPEN = 6, PORT_NAME };

static u64 slot;
static u16 offered[QUEUES], seen[QUEUES];
static u32 port_of[ONESHOT_CHANNELS]; /* 0: not named yet */
static u8 is_open[PORTS + 1];

/* ---- queues of one buffer ---- */

static void offer(u32 queue, u32 len, int writable)
{
	volatile u64 *descriptor = (volatile u64 *)RINGS(queue);
	volatile u16 *avail = (volatile u16 *)(RINGS(queue) + 0x1000);

	descriptor[0] = BUFFER(queue);
	descriptor[1] = len | (u64)(writable ? VIRTIO_WRITABLE : 0) << 32;
	avail[2 + offered[queue] % VIRTIO_SIZE] = 0;
	avail[1] = ++offered[queue];
	write32(slot + 0x50, queue);
}

static int has_used(u32 queue)
{
	return *(volatile u16 *)(RINGS(queue) + 0x2002) != seen[queue];
}

/* What is there: how many bytes were written. */
static u32 take_used(u32 queue)
{
	return *(volatile u32 *)(RINGS(queue) + 0x2004 + 8 * (seen[queue]++ % VIRTIO_SIZE) + 4);
}

static void send(u32 queue, const void *data, u32 len)
{
	memcpy((void *)BUFFER(queue), data, len);
	offer(queue, len, 0);
	while (!has_used(queue))
		;
	take_used(queue);
}

/* ---- the ports ---- */

static void tell_device(u32 id, u32 event, u32 value)
{
	const u32 message[2] = { id, event | value << 16 };

	send(CONTROL_TX, message, sizeof(message));
}

static int is_name(const char *name, u32 len, const char *wanted)
{
	for (u32 i = 0; i < len; i++) {
		if (!wanted[i] || name[i] != wanted[i])
			return 0;
	}
	return !wanted[len];
}

static void take_name(u32 port, const char *name, u32 len)
{
	static const char *const names[] = { ONESHOT_PORT_CONTROL, ONESHOT_PORT_STDIN,
					     ONESHOT_PORT_STDOUT, ONESHOT_PORT_STDERR };

	for (u32 i = 0; i < ONESHOT_CHANNELS; i++) {
		if (is_name(name, len, names[i]))
			port_of[i] = port;
	}
}

static void hear_device(void)
{
	volatile u32 *message = (volatile u32 *)BUFFER(CONTROL_RX);
	u32 len, id, event, value;

	if (!has_used(CONTROL_RX))
		return;
	len = take_used(CONTROL_RX);
	id = message[0];
	event = message[1] & 0xffff;
	value = message[1] >> 16;
	if (event == PORT_NAME)
		take_name(id, (const char *)BUFFER(CONTROL_RX) + 8, len - 8);
	offer(CONTROL_RX, 128, 1);
	if (event == PORT_ADD)
		tell_device(id, PORT_READY, 1);
	else if (event == PORT_OPEN && id <= PORTS)
		is_open[id] = value;
}

static void connect(void)
{
	virtio_negotiate(slot, MULTIPORT);
	for (u32 queue = 0; queue < QUEUES; queue++)
		virtio_set_queue(slot, queue, VIRTIO_SIZE, RINGS(queue));
	virtio_go(slot);
	offer(CONTROL_RX, 128, 1);
	tell_device(0, DEVICE_READY, 1);
	for (u32 i = 0; i < ONESHOT_CHANNELS; i++) {
		while (!port_of[i] || !is_open[port_of[i]])
			hear_device();
	}
	for (u32 i = 0; i < ONESHOT_CHANNELS; i++) {
		offer(RX(port_of[i]), ROOM, 1);
		tell_device(port_of[i], PORT_OPEN, 1);
	}
}

static void write(u32 channel, const void *data, u32 len)
{
	send(TX(port_of[channel]), data, len);
}

static void close(u32 channel)
{
	tell_device(port_of[channel], PORT_OPEN, 0);
}

/* ---- what init does ---- */

static void tell(u32 type, u32 value)
{
	struct oneshot_message message = { .type = type, .value = value };

	write(ONESHOT_CONTROL, &message, sizeof(message));
}

static void copy_input(void)
{
	u32 queue = RX(port_of[ONESHOT_STDIN]);

	while (is_open[port_of[ONESHOT_STDIN]] || has_used(queue)) {
		hear_device();
		if (!has_used(queue))
			continue;
		write(ONESHOT_STDOUT, (const void *)BUFFER(queue), take_used(queue));
		offer(queue, ROOM, 1);
	}
}

static void wait_for_bye(void)
{
	u32 queue = RX(port_of[ONESHOT_CONTROL]), heard = 0, type = 0;

	while (type != ONESHOT_BYE) {
		u32 len;

		while (!has_used(queue))
			;
		len = take_used(queue);
		for (u32 i = 0; i < len; i++, heard++) {
			if (heard % sizeof(struct oneshot_message) == 0)
				type = ((const volatile u8 *)BUFFER(queue))[i];
		}
		offer(queue, ROOM, 1);
	}
}

static int shall_reset(const u8 *boot_params)
{
	const char *text = (const char *)(u64) * (const u32 *)(boot_params + 0x228);

	for (; *text; text++) {
		if (text[0] == 'd' && text[1] == 'o' && text[2] == '=' && text[3] == 'R')
			return 1;
	}
	return 0;
}

void guest_main(const u8 *boot_params)
{
	slot = virtio_find(VIRTIO_CONSOLE);
	if (!slot) {
		put("no ports\n");
		return;
	}
	connect();
	tell(ONESHOT_READY, ONESHOT_VERSION);
	tell(ONESHOT_STARTED, 0);
	if (shall_reset(boot_params)) {
		write32(slot + 0x70, 0);
		return;
	}
	copy_input();
	write(ONESHOT_STDERR, "e\n", 2);
	close(ONESHOT_STDOUT);
	close(ONESHOT_STDERR);
	tell(ONESHOT_EXITED, 7);
	wait_for_bye();
}
