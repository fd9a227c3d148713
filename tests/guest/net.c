/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A driver of virtio-net, the smallest there can be: asks for an address (DHCP), for the router's
 * (ARP), pings it, and sends datagrams to its port 47777, which come back. Says what came.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>

#include "guest.h"
#include "memory.h"

#define SLOTS	 0xfe000000UL
#define STEP	 0x1000
#define COUNT	 13
#define NET	 1 /* VIRTIO_ID_NET */
#define SIZE	 32
#define BUFFER	 2048
#define HEADER	 12
#define PATIENCE 300000
#define ROUNDS	 50
#define LONG	 1400
#define PORT	 47777

struct queue {
	struct vring_desc desc[SIZE] __attribute__((aligned(4096)));
	u16 avail[4 + SIZE];
	u32 used[1 + 2 * SIZE + 1] __attribute__((aligned(4096)));
	u16 taken;
};

static struct queue rx, tx;
static u8 buffers[SIZE][BUFFER], out[BUFFER];
static u64 base;
static u8 mac[6], router_mac[6];
static const u8 everybody[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
static const u8 self[] = { 192, 168, 33, 15 }, router[] = { 192, 168, 33, 1 };
static u8 *frame; /* behind the header, received */
static u32 frame_len;

static int same(const u8 *a, const u8 *b, u32 len)
{
	for (u32 i = 0; i < len; i++) {
		if (a[i] != b[i])
			return 0;
	}
	return 1;
}

static void put_number(u32 n)
{
	if (n >= 10)
		put_number(n / 10);
	put_char('0' + n % 10);
}

/* ---- the device ---- */

static void start_queue(u32 index, struct queue *queue)
{
	write32(base + VIRTIO_MMIO_QUEUE_SEL, index);
	write32(base + VIRTIO_MMIO_QUEUE_NUM, SIZE);
	write32(base + VIRTIO_MMIO_QUEUE_DESC_LOW, (u64)queue->desc);
	write32(base + VIRTIO_MMIO_QUEUE_AVAIL_LOW, (u64)queue->avail);
	write32(base + VIRTIO_MMIO_QUEUE_USED_LOW, (u64)queue->used);
	write32(base + VIRTIO_MMIO_QUEUE_READY, 1);
}

static void add(struct queue *queue, u16 n, void *at, u32 len, u16 flags)
{
	volatile u16 *index = &queue->avail[1];

	queue->desc[n] = (struct vring_desc){ (u64)at, len, flags, 0 };
	queue->avail[2 + *index % SIZE] = n;
	asm volatile("mfence" : : : "memory");
	*index += 1;
	asm volatile("mfence" : : : "memory");
}

static void kick(u32 index)
{
	write32(base + VIRTIO_MMIO_QUEUE_NOTIFY, index);
}

static int used(struct queue *queue)
{
	return ((volatile u16 *)queue->used)[1] != queue->taken;
}

static int find(void)
{
	for (u32 i = 0; i < COUNT; i++) {
		base = SLOTS + i * STEP;
		if (read32(base) == 0x74726976 && read32(base + VIRTIO_MMIO_DEVICE_ID) == NET)
			return 1;
	}
	return 0;
}

static int begin(void)
{
	write32(base + VIRTIO_MMIO_STATUS, 0);
	write32(base + VIRTIO_MMIO_STATUS, 3);
	/* VIRTIO_F_VERSION_1, and VIRTIO_F_ACCESS_PLATFORM where it is. */
	write32(base + VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	write32(base + VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	write32(base + VIRTIO_MMIO_DRIVER_FEATURES,
		1 | (read32(base + VIRTIO_MMIO_DEVICE_FEATURES) & 2));
	write32(base + VIRTIO_MMIO_STATUS, 11);
	if (!(read32(base + VIRTIO_MMIO_STATUS) & 8))
		return 0;
	start_queue(0, &rx);
	start_queue(1, &tx);
	write32(base + VIRTIO_MMIO_STATUS, 15);
	for (u16 i = 0; i < SIZE; i++)
		add(&rx, i, buffers[i], BUFFER, VRING_DESC_F_WRITE);
	kick(0);
	for (u32 i = 0; i < 6; i++)
		mac[i] = *(volatile u8 *)(base + VIRTIO_MMIO_CONFIG + i);
	return 1;
}

/* ---- frames ---- */

static void send(u32 len)
{
	add(&tx, 0, out, HEADER + len, 0);
	kick(1);
	while (!used(&tx))
		;
	tx.taken++;
}

static void ethernet(const u8 *to, u16 type)
{
	memset(out, 0, sizeof(out));
	memcpy(out + HEADER, to, 6);
	memcpy(out + HEADER + 6, mac, 6);
	out[HEADER + 12] = type >> 8;
	out[HEADER + 13] = type;
}

static u16 sum(const u8 *data, u32 len)
{
	u32 total = 0;

	for (u32 i = 0; i < len; i++)
		total += i % 2 ? data[i] : data[i] << 8;
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return ~total;
}

static void set16(u8 *at, u16 value)
{
	at[0] = value >> 8;
	at[1] = value;
}

/* The payload of @len bytes is at out + HEADER + 34. */
static void send_ip(const u8 *from, const u8 *to, u8 protocol, u32 len)
{
	u8 *ip = out + HEADER + 14;

	ip[0] = 0x45;
	set16(ip + 2, 20 + len);
	ip[8] = 64;
	ip[9] = protocol;
	memcpy(ip + 12, from, 4);
	memcpy(ip + 16, to, 4);
	set16(ip + 10, sum(ip, 20));
	send(34 + len);
}

static void send_udp(const u8 *from, const u8 *to, u16 source, u16 port, u32 len)
{
	u8 *udp = out + HEADER + 34;

	set16(udp, source);
	set16(udp + 2, port);
	set16(udp + 4, 8 + len);
	send_ip(from, to, 17, 8 + len);
}

/* Give the last one back, and have the next: 0 if none comes for long. */
static int receive(void)
{
	static int held = -1;

	if (held >= 0) {
		add(&rx, held, buffers[held], BUFFER, VRING_DESC_F_WRITE);
		kick(0);
	}
	held = -1;
	for (u32 wait = 0; wait < PATIENCE; wait++) {
		volatile u32 *element = &rx.used[1 + 2 * (rx.taken % SIZE)];

		if (!used(&rx)) {
			asm volatile("pause");
			continue;
		}
		rx.taken++;
		held = element[0] % SIZE;
		frame = buffers[held] + HEADER;
		frame_len = element[1] - HEADER;
		return 1;
	}
	return 0;
}

/* An ARP request for our address is answered. */
static void answer_arp(void)
{
	u8 asker[10];

	if (frame[12] != 8 || frame[13] != 6 || frame[21] != 1 || !same(frame + 38, self, 4))
		return;
	memcpy(asker, frame + 22, 10);
	ethernet(asker, 0x0806);
	memcpy(out + HEADER + 14, (const u8[]){ 0, 1, 8, 0, 6, 4, 0, 2 }, 8);
	memcpy(out + HEADER + 22, mac, 6);
	memcpy(out + HEADER + 28, self, 4);
	memcpy(out + HEADER + 32, asker, 10);
	send(42);
}

static int expect(int (*is)(void))
{
	while (receive()) {
		if (is())
			return 1;
		answer_arp();
	}
	return 0;
}

static int is_offer(void)
{
	return frame[12] == 8 && frame[13] == 0 && frame[23] == 17 && frame[37] == 68;
}

static int is_arp_reply(void)
{
	return frame[12] == 8 && frame[13] == 6 && frame[21] == 2 && same(frame + 28, router, 4);
}

static int is_pong(void)
{
	return frame[12] == 8 && frame[13] == 0 && frame[23] == 1 && frame[34] == 0;
}

static int is_udp(void)
{
	return frame[12] == 8 && frame[13] == 0 && frame[23] == 17 && frame[35] == (PORT & 0xff) &&
	       frame[34] == PORT >> 8;
}

/* ---- what it does ---- */

static void dhcp(void)
{
	static const u8 nobody[4];
	u8 *request = out + HEADER + 42;

	ethernet(everybody, 0x0800);
	request[0] = request[1] = 1;
	request[2] = 6;
	memcpy(request + 28, mac, 6);
	memcpy(request + 236, (const u8[]){ 99, 130, 83, 99, 53, 1, 1, 255 }, 8);
	send_udp(nobody, everybody, 68, 67, 300);
	if (!expect(is_offer)) {
		put("no offer\n");
		return;
	}
	put("offer ");
	for (u32 i = 0; i < 4; i++) {
		put_number(frame[58 + i]);
		put(i < 3 ? "." : "\n");
	}
}

static int meet(void)
{
	ethernet(everybody, 0x0806);
	memcpy(out + HEADER + 14, (const u8[]){ 0, 1, 8, 0, 6, 4, 0, 1 }, 8);
	memcpy(out + HEADER + 22, mac, 6);
	memcpy(out + HEADER + 28, self, 4);
	memcpy(out + HEADER + 38, router, 4);
	send(42);
	if (!expect(is_arp_reply))
		return 0;
	memcpy(router_mac, frame + 22, 6);
	put("router found\n");
	return 1;
}

static void ping(void)
{
	u32 came = 0;

	for (u32 i = 0; i < ROUNDS; i++) {
		u8 *icmp = out + HEADER + 34;

		ethernet(router_mac, 0x0800);
		icmp[0] = 8;
		set16(icmp + 6, i);
		memset(icmp + 8, i, 56);
		set16(icmp + 2, sum(icmp, 64));
		send_ip(self, router, 1, 64);
		if (!expect(is_pong))
			break;
		came += frame[41] == i && frame[42 + 55] == i;
	}
	put("pongs ");
	put_number(came);
	put("\n");
}

/* What is in the @i-th datagram; out may have been used for an answer since it was sent. */
static int whole(u32 i)
{
	for (u32 n = 0; n < LONG; n++) {
		if (frame[42 + n] != (u8)(n * 7 + i))
			return 0;
	}
	return frame_len == 42 + LONG;
}

/* Long ones, each of other bytes. */
static void echo(void)
{
	u32 came = 0;

	for (u32 i = 0; i < ROUNDS; i++) {
		u8 *data = out + HEADER + 42;

		ethernet(router_mac, 0x0800);
		for (u32 n = 0; n < LONG; n++)
			data[n] = n * 7 + i;
		send_udp(self, router, 5000, PORT, LONG);
		if (!expect(is_udp))
			break;
		came += whole(i);
	}
	put("echoes ");
	put_number(came);
	put("\n");
}

void guest_main(const u8 *boot_params)
{
	if (!find() || !begin()) {
		put("no network\n");
		return;
	}
	put("carrier ");
	put_number(read32(base + VIRTIO_MMIO_CONFIG + 4) >> 16 & 1);
	put("\n");
	dhcp();
	if (!meet()) {
		put("no router\n");
		return;
	}
	echo();
	ping();
	put("the end\n");
}
