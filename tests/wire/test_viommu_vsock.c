/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio-vsock behind the IOMMU: packets go where buffers are mapped when they are used. */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/virtio_config.h>

#include "test.h"
#include "iommu_driver.h"
#include "virtio/mmio.h"
#include "vsock_rig.h"

#define SLOT	2
#define RINGS	0x100000 /* of the three queues, mapped onto themselves */
#define LAST	0x12ffff
#define BUFFER	0x7000000000ull /* to the device: a buffer, and a packet of the guest's */
#define PACKET	0x7000010000ull
#define PAGE_A	0x200000
#define PAGE_B	0x280000
#define PACKETS 0x300000
#define DOMAIN	7

static struct rig rig;
static struct vsock_rig vsock;

static int setup(void **state)
{
	const struct viommu_config config = { 0 };
	struct device_resource slot;

	rig_create(&rig, &config);
	vsock_rig_device(&vsock, rig.vm, 16, rig.a);
	vsock.slot = SLOT;
	vsock.rings = RINGS;
	wire_slot(SLOT, &slot);
	assert_int_equal(virtio_mmio_create(rig.vm, vsock.device, &slot, ENDPOINT_A, false), 0);
	rig_start(&rig, ALL_FEATURES);
	assert_int_equal(rig_attach(&rig, DOMAIN, ENDPOINT_A, 0), 0);
	assert_int_equal(rig_map(&rig, DOMAIN, RINGS, LAST, RINGS, READ_WRITE), 0);
	assert_int_equal(rig_map(&rig, DOMAIN, PACKET, PACKET + 0xffff, PACKETS, READ_ONLY), 0);
	vsock_rig_up(&vsock, 1ull << VIRTIO_F_ACCESS_PLATFORM);
	return 0;
}

static int teardown(void **state)
{
	rig_destroy(&rig);
	vsock_rig_clean(&vsock);
	return 0;
}

static void map(gpa_t page)
{
	assert_int_equal(rig_map(&rig, DOMAIN, BUFFER, BUFFER + 0xfff, page, READ_WRITE), 0);
}

static void offer(void)
{
	struct wire_segment segment = { BUFFER, RIG_BUFFER, true };

	wire_add(&vsock.rx, &segment, 1);
	wire_kick(&vsock.rx);
}

static void send_packet(u16 op, const char *text)
{
	struct virtio_vsock_hdr header = {
		.src_cid = cpu_to_le64(CID),
		.dst_cid = cpu_to_le64(2),
		.src_port = cpu_to_le32(GUEST),
		.dst_port = cpu_to_le32(HOST),
		.len = cpu_to_le32(strlen(text)),
		.type = cpu_to_le16(VIRTIO_VSOCK_TYPE_STREAM),
		.op = cpu_to_le16(op),
		.buf_alloc = cpu_to_le32(0x10000),
	};
	struct wire_segment segment = { PACKET, sizeof(header) + strlen(text), false };

	wire_write(rig.vm, PACKETS, &header, sizeof(header));
	if (*text)
		wire_write(rig.vm, PACKETS + sizeof(header), text, strlen(text));
	wire_add(&vsock.tx, &segment, 1);
	wire_kick(&vsock.tx);
	assert_true(wire_used(&vsock.tx, NULL, NULL));
}

static u16 answer_at(gpa_t page, void *data, u32 len)
{
	struct virtio_vsock_hdr header;
	u32 used;

	assert_true(wire_used(&vsock.rx, NULL, &used));
	assert_int_equal(used, sizeof(header) + len);
	wire_read(rig.vm, page, &header, sizeof(header));
	assert_int_equal(le32_to_cpu(header.len), len);
	if (len)
		wire_read(rig.vm, page + sizeof(header), data, len);
	return le16_to_cpu(header.op);
}

TEST_WITH(packets_are_where_the_guest_has_mapped_them, setup, teardown)
{
	int listener = vsock_rig_listen(&vsock, HOST, SOCK_STREAM), fd;
	char data[8];

	map(PAGE_A);
	offer();
	send_packet(VIRTIO_VSOCK_OP_REQUEST, "");
	assert_int_equal(answer_at(PAGE_A, NULL, 0), VIRTIO_VSOCK_OP_RESPONSE);
	fd = vsock_rig_accept(listener);
	send_packet(VIRTIO_VSOCK_OP_RW, "mapped");
	vsock_rig_reads(&vsock, fd, "mapped");
	/* The device has the buffer, and the guest moves it. */
	offer();
	vsock_rig_settle(&vsock);
	assert_int_equal(rig_unmap(&rig, DOMAIN, BUFFER, BUFFER + 0xfff), 0);
	map(PAGE_B);
	assert_int_equal(send(fd, "moved", 5, 0), 5);
	assert_int_equal(answer_at(PAGE_B, data, 5), VIRTIO_VSOCK_OP_RW);
	assert_memory_equal(data, "moved", 5);
	close(fd);
	close(listener);
}

TEST_WITH(a_buffer_that_is_not_mapped_loses_no_packet, setup, teardown)
{
	int listener = vsock_rig_listen(&vsock, HOST, SOCK_STREAM);
	u32 used;

	offer();
	send_packet(VIRTIO_VSOCK_OP_REQUEST, "");
	assert_true(wire_used(&vsock.rx, NULL, &used));
	assert_int_equal(used, 0);
	map(PAGE_A);
	offer();
	assert_int_equal(answer_at(PAGE_A, NULL, 0), VIRTIO_VSOCK_OP_RESPONSE);
	assert_false(wire_needs_reset(rig.vm, SLOT));
	close(listener);
}
