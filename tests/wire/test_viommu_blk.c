/* SPDX-License-Identifier: BSD-2-Clause */
/* A disk behind the IOMMU: what it reads and writes is what is mapped, and nothing else. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>

#include "test.h"
#include "disk/disk.h"
#include "iommu_driver.h"
#include "virtio/blk.h"
#include "virtio/mmio.h"

#define DISK_SLOT 2
#define RINGS	  0x100000 /* and header and status: mapped onto themselves */
#define HEADER	  0x120000
#define STATUS	  0x121000
#define RINGS_END 0x12ffff
#define PAGE_A	  0x200000 /* where a buffer's page may be */
#define PAGE_B	  0x300000
#define BUFFER	  0x7000005000ull /* what the device is told; not in the TLB slots of the rings */
#define LAST	  (BUFFER + 4095)
#define DOMAIN	  7

struct bench {
	struct rig rig;
	struct wire_queue queue;
	char path[64];
	int fd;
	u8 image[8192];
};

static int setup(void **state)
{
	const struct viommu_config config = { 0 };
	struct bench *bench = calloc(1, sizeof(*bench));
	struct disk_options options = { 0 };
	struct virtio_device *device;
	struct device_resource slot;
	struct disk *disk;

	strcpy(bench->path, "/var/tmp/lkvm-test-XXXXXX");
	bench->fd = mkstemp(bench->path);
	for (unsigned i = 0; i < sizeof(bench->image); i++)
		bench->image[i] = i * 7 + (i >> 8);
	assert_int_equal(write(bench->fd, bench->image, sizeof(bench->image)), 8192);
	rig_create(&bench->rig, &config);
	assert_int_equal(disk_open(&disk, bench->path, &options, NULL), 0);
	assert_int_equal(virtio_blk_create(&device, disk, NULL, bench->rig.vm->loop, bench->rig.a),
			 0);
	wire_slot(DISK_SLOT, &slot);
	assert_int_equal(virtio_mmio_create(bench->rig.vm, device, &slot, ENDPOINT_A, false), 0);
	rig_start(&bench->rig, ALL_FEATURES);
	*state = bench;
	return 0;
}

static int teardown(void **state)
{
	struct bench *bench = *state;

	rig_destroy(&bench->rig);
	close(bench->fd);
	unlink(bench->path);
	free(bench);
	return 0;
}

static void start_disk(struct bench *bench)
{
	struct vm *vm = bench->rig.vm;

	assert_true(wire_negotiate(vm, DISK_SLOT, 1ull << VIRTIO_F_ACCESS_PLATFORM));
	wire_queue_init(&bench->queue, vm, DISK_SLOT, 0, 16, RINGS);
	wire_driver_ok(vm, DISK_SLOT);
}

static void attach_disk(struct bench *bench)
{
	assert_int_equal(rig_attach(&bench->rig, DOMAIN, ENDPOINT_A, 0), 0);
	assert_int_equal(rig_map(&bench->rig, DOMAIN, RINGS, RINGS_END, RINGS, READ_WRITE), 0);
	start_disk(bench);
}

/* One page of the disk's beginning, to or from BUFFER; the request's status. */
static u8 transfer(struct bench *bench, u32 type)
{
	struct virtio_blk_outhdr header = { .type = htole32(type) };
	struct wire_segment parts[] = { { HEADER, sizeof(header), false },
					{ BUFFER, 4096, type == VIRTIO_BLK_T_IN },
					{ STATUS, 1, true } };
	u8 status = 0xee;

	wire_write(bench->rig.vm, HEADER, &header, sizeof(header));
	wire_write(bench->rig.vm, STATUS, &status, 1);
	wire_add(&bench->queue, parts, 3);
	wire_kick(&bench->queue);
	if (wire_used(&bench->queue, NULL, NULL))
		wire_read(bench->rig.vm, STATUS, &status, 1);
	return status;
}

static bool holds_the_disk(struct bench *bench, gpa_t page)
{
	u8 data[4096];

	wire_read(bench->rig.vm, page, data, sizeof(data));
	return !memcmp(data, bench->image, sizeof(data));
}

TEST_WITH(a_disk_reads_to_where_its_buffer_is_mapped, setup, teardown)
{
	struct bench *bench = *state;

	assert_true(wire_features(bench->rig.vm, DISK_SLOT) >> VIRTIO_F_ACCESS_PLATFORM & 1);
	attach_disk(bench);
	assert_int_equal(rig_map(&bench->rig, DOMAIN, BUFFER, LAST, PAGE_A, READ_WRITE), 0);
	assert_int_equal(transfer(bench, VIRTIO_BLK_T_IN), VIRTIO_BLK_S_OK);
	assert_true(holds_the_disk(bench, PAGE_A));
	assert_true(rig_counters(&bench->rig).translations > 0);
}

TEST_WITH(another_mapping_makes_it_read_elsewhere, setup, teardown)
{
	struct bench *bench = *state;

	attach_disk(bench);
	assert_int_equal(rig_map(&bench->rig, DOMAIN, BUFFER, LAST, PAGE_A, READ_WRITE), 0);
	assert_int_equal(rig_unmap(&bench->rig, DOMAIN, BUFFER, LAST), 0);
	assert_int_equal(rig_map(&bench->rig, DOMAIN, BUFFER, LAST, PAGE_B, READ_WRITE), 0);
	assert_int_equal(transfer(bench, VIRTIO_BLK_T_IN), VIRTIO_BLK_S_OK);
	assert_false(holds_the_disk(bench, PAGE_A));
	assert_true(holds_the_disk(bench, PAGE_B));
}

TEST_WITH(without_a_mapping_the_read_fails_and_the_fault_is_reported, setup, teardown)
{
	struct bench *bench = *state;
	struct virtio_iommu_fault event;

	attach_disk(bench);
	rig_offer_event(&bench->rig, sizeof(event));
	assert_int_equal(transfer(bench, VIRTIO_BLK_T_IN), VIRTIO_BLK_S_IOERR);
	assert_int_equal(rig_event(&bench->rig, &event), sizeof(event));
	assert_int_equal(event.reason, VIRTIO_IOMMU_FAULT_R_MAPPING);
	assert_int_equal(le32toh(event.endpoint), ENDPOINT_A);
	assert_int_equal(le32toh(event.flags),
			 VIRTIO_IOMMU_FAULT_F_WRITE | VIRTIO_IOMMU_FAULT_F_ADDRESS);
	assert_int_equal(le64toh(event.address), BUFFER);
	/* It is that request's trouble alone. */
	assert_false(wire_needs_reset(bench->rig.vm, DISK_SLOT));
	assert_int_equal(rig_map(&bench->rig, DOMAIN, BUFFER, LAST, PAGE_A, READ_WRITE), 0);
	assert_int_equal(transfer(bench, VIRTIO_BLK_T_IN), VIRTIO_BLK_S_OK);
}

TEST_WITH(a_read_only_page_can_be_written_to_disk_and_not_read_into, setup, teardown)
{
	struct bench *bench = *state;
	u8 data[4096];

	attach_disk(bench);
	assert_int_equal(rig_map(&bench->rig, DOMAIN, BUFFER, LAST, PAGE_A, READ_ONLY), 0);
	wire_fill(bench->rig.vm, PAGE_A, 0x5a, 4096);
	assert_int_equal(transfer(bench, VIRTIO_BLK_T_IN), VIRTIO_BLK_S_IOERR);
	assert_false(holds_the_disk(bench, PAGE_A));
	assert_int_equal(transfer(bench, VIRTIO_BLK_T_OUT), VIRTIO_BLK_S_OK);
	assert_int_equal(pread(bench->fd, data, sizeof(data), 0), sizeof(data));
	assert_int_equal(data[0], 0x5a);
	assert_int_equal(data[4095], 0x5a);
}

TEST_WITH(a_disk_that_nobody_attached_stops_at_its_first_access, setup, teardown)
{
	struct bench *bench = *state;
	struct virtio_iommu_fault event;

	start_disk(bench);
	rig_offer_event(&bench->rig, sizeof(event));
	assert_int_equal(transfer(bench, VIRTIO_BLK_T_IN), 0xee);
	assert_int_equal(rig_event(&bench->rig, &event), sizeof(event));
	assert_int_equal(event.reason, VIRTIO_IOMMU_FAULT_R_DOMAIN);
	assert_int_equal(le32toh(event.endpoint), ENDPOINT_A);
	assert_true(wire_needs_reset(bench->rig.vm, DISK_SLOT));
	/* The IOMMU goes on, and so does the disk after its reset. */
	attach_disk(bench);
	assert_int_equal(rig_map(&bench->rig, DOMAIN, BUFFER, LAST, PAGE_A, READ_WRITE), 0);
	assert_int_equal(transfer(bench, VIRTIO_BLK_T_IN), VIRTIO_BLK_S_OK);
	assert_true(holds_the_disk(bench, PAGE_A));
}

TEST_WITH(rings_that_were_unmapped_are_not_used_again, setup, teardown)
{
	struct bench *bench = *state;
	struct rig *rig = &bench->rig;

	/* Header, buffer and status stay mapped: it is the rings alone that go. */
	assert_int_equal(rig_attach(rig, DOMAIN, ENDPOINT_A, 0), 0);
	assert_int_equal(rig_map(rig, DOMAIN, RINGS, HEADER - 1, RINGS, READ_WRITE), 0);
	assert_int_equal(rig_map(rig, DOMAIN, HEADER, RINGS_END, HEADER, READ_WRITE), 0);
	assert_int_equal(rig_map(rig, DOMAIN, BUFFER, LAST, PAGE_A, READ_WRITE), 0);
	start_disk(bench);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(transfer(bench, VIRTIO_BLK_T_IN), VIRTIO_BLK_S_OK);
	assert_int_equal(rig_unmap(rig, DOMAIN, RINGS, HEADER - 1), 0);
	assert_int_equal(transfer(bench, VIRTIO_BLK_T_IN), 0xee);
	assert_true(wire_needs_reset(rig->vm, DISK_SLOT));
	assert_false(wire_has_used(&bench->queue));
}
