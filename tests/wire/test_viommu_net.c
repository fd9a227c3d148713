/* SPDX-License-Identifier: BSD-2-Clause */
/* A network behind the IOMMU: frames go where buffers are mapped when they come. */
#include <string.h>

#include <sys/socket.h>

#include <linux/virtio_config.h>

#include "test.h"
#include "iommu_driver.h"
#include "net_rig.h"
#include "virtio/mmio.h"

#define NET_SLOT 2
#define RINGS	 0x100000 /* 64 KiB each, mapped onto themselves */
#define LAST	 0x12ffff
#define PAGE_A	 0x200000 /* where a buffer's page may be */
#define PAGE_B	 0x300000
#define BUFFER	 0x7000005000ull
#define DOMAIN	 7

static struct rig rig;
static struct fake_net *network;
static struct wire_queue rx, tx;
static bool closed;
static u8 frame[60];

static int setup(void **state)
{
	const struct viommu_config config = { 0 };
	struct virtio_net_options options = { .number = 0 };
	struct virtio_device *device;
	struct device_resource slot;

	rig_create(&rig, &config);
	network = fake_net_create(1, false, 0);
	network->closed = &closed;
	assert_int_equal(
		virtio_net_create(&device, &network->backend, &options, rig.vm->loop, rig.a), 0);
	wire_slot(NET_SLOT, &slot);
	assert_int_equal(virtio_mmio_create(rig.vm, device, &slot, ENDPOINT_A, false), 0);
	rig_start(&rig, ALL_FEATURES);
	assert_int_equal(rig_attach(&rig, DOMAIN, ENDPOINT_A, 0), 0);
	assert_int_equal(rig_map(&rig, DOMAIN, RINGS, LAST, RINGS, READ_WRITE), 0);
	assert_true(
		wire_negotiate(rig.vm, NET_SLOT,
			       1ull << VIRTIO_F_ACCESS_PLATFORM | 1ull << VIRTIO_NET_F_MRG_RXBUF));
	wire_queue_init(&rx, rig.vm, NET_SLOT, 0, 16, RINGS);
	wire_queue_init(&tx, rig.vm, NET_SLOT, 1, 16, RINGS + 0x10000);
	wire_driver_ok(rig.vm, NET_SLOT);
	net_frame(frame, sizeof(frame), net_rig_mac, 1);
	return 0;
}

static int teardown(void **state)
{
	rig_destroy(&rig);
	assert_true(closed);
	return 0;
}

static void map(gpa_t page)
{
	assert_int_equal(rig_map(&rig, DOMAIN, BUFFER, BUFFER + 4095, page, READ_WRITE), 0);
}

static void unmap(void)
{
	assert_int_equal(rig_unmap(&rig, DOMAIN, BUFFER, BUFFER + 4095), 0);
}

static void offer(void)
{
	struct wire_segment segment = { BUFFER, 2048, true };

	wire_add(&rx, &segment, 1);
	wire_kick(&rx);
	/* The device has taken it, and knows where it is. */
	while (loop_poll(rig.vm->loop, 0) > 0)
		;
}

static void arrive(void)
{
	assert_int_equal(send(network->peer[0], frame, sizeof(frame), 0), sizeof(frame));
}

static bool has_frame(gpa_t page)
{
	u8 data[sizeof(frame)];

	wire_read(rig.vm, page + NET_HEADER, data, sizeof(data));
	return !memcmp(data, frame, sizeof(frame));
}

TEST_WITH(a_frame_is_received_through_the_mapping, setup, teardown)
{
	u32 len;

	map(PAGE_A);
	offer();
	arrive();
	assert_true(wire_used(&rx, NULL, &len));
	assert_int_equal(len, NET_HEADER + sizeof(frame));
	assert_true(has_frame(PAGE_A));
}

TEST_WITH(a_buffer_that_moves_while_it_waits_is_filled_where_it_is_now, setup, teardown)
{
	map(PAGE_A);
	offer();
	unmap();
	map(PAGE_B);
	arrive();
	assert_true(wire_used(&rx, NULL, NULL));
	assert_true(has_frame(PAGE_B));
	assert_false(has_frame(PAGE_A));
}

TEST_WITH(a_buffer_that_is_unmapped_while_it_waits_is_given_back_empty, setup, teardown)
{
	u64 faults = rig_counters(&rig).faults;
	u32 len;

	map(PAGE_A);
	offer();
	unmap();
	arrive();
	assert_true(wire_used(&rx, NULL, &len));
	assert_int_equal(len, 0);
	assert_false(has_frame(PAGE_A));
	assert_true(rig_counters(&rig).faults > faults);
	/* The frame comes with the next buffer that is there. */
	map(PAGE_B);
	offer();
	assert_true(wire_used(&rx, NULL, NULL));
	assert_true(has_frame(PAGE_B));
}

TEST_WITH(a_frame_is_sent_from_where_it_is_mapped_or_lost, setup, teardown)
{
	struct wire_segment segment = { BUFFER, NET_HEADER + sizeof(frame), false };
	u8 data[100];

	map(PAGE_A);
	wire_write(rig.vm, PAGE_A + NET_HEADER, frame, sizeof(frame));
	wire_add(&tx, &segment, 1);
	wire_kick(&tx);
	assert_true(wire_used(&tx, NULL, NULL));
	assert_int_equal(recv(network->peer[0], data, sizeof(data), 0), sizeof(frame));
	assert_memory_equal(data, frame, sizeof(frame));
	unmap();
	wire_add(&tx, &segment, 1);
	wire_kick(&tx);
	assert_true(wire_used(&tx, NULL, NULL));
	assert_int_equal(recv(network->peer[0], data, sizeof(data), 0), -1);
}
