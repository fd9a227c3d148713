/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a driver may put its rings, and what a queue remembers when it is stopped. Behind the
 * IOMMU each page of the device's addresses is a mapping of its own and none is beside its
 * neighbour in memory, so that whatever crosses a page is in two places.
 */
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>

#include "test.h"
#include "echo.h"
#include "iommu_driver.h"

#define SIZE	    16
#define SLOT	    1
#define QUEUE_RESET 0x0c0
#define RINGS	    0x10000
#define IN	    0x100000
#define OUT	    0x101000

/* ---- behind the IOMMU ---- */

#define DOMAIN 3
#define PAGE   4096ull
#define PAGES  16
#define IOVA   0x7000000000ull
#define GPA    0x200000ull

/* Places that lie across the end of a page wherever that is legal. */
#define DESC  (IOVA + 1 * PAGE - 128)
#define AVAIL (IOVA + 3 * PAGE - 18)
#define USED  (IOVA + 5 * PAGE)
#define TABLE (IOVA + 7 * PAGE - 8)
#define FROM  (IOVA + 9 * PAGE - 3)
#define TO    (IOVA + 11 * PAGE - 5)

struct bench {
	struct rig rig;
	struct echo *echo;
	iova_t used;
	u16 seen; /* used elements that were checked */
};

static gpa_t gpa_of(iova_t iova)
{
	return GPA + (PAGES - 1 - (iova - IOVA) / PAGE) * PAGE + iova % PAGE;
}

/* Bytes of the driver's, at a device's address. */
static void put(struct bench *bench, iova_t iova, const void *data, unsigned len)
{
	for (unsigned i = 0; i < len; i++)
		wire_write(bench->rig.vm, gpa_of(iova + i), (const u8 *)data + i, 1);
}

static u64 get(struct bench *bench, iova_t iova, unsigned len)
{
	u64 value = 0;

	for (unsigned i = 0; i < len; i++)
		wire_read(bench->rig.vm, gpa_of(iova + i), (u8 *)&value + i, 1);
	return le64toh(value);
}

static int setup(void **state)
{
	static struct bench bench;
	struct device_resource slot;

	memset(&bench, 0, sizeof(bench));
	rig_create(&bench.rig, NULL);
	bench.echo = echo_alloc(bench.rig.vm);
	bench.echo->device.space = bench.rig.a;
	bench.echo->device.kick_on_vcpu = true;
	wire_slot(SLOT, &slot);
	assert_int_equal(
		virtio_mmio_create(bench.rig.vm, &bench.echo->device, &slot, ENDPOINT_A, false), 0);
	rig_start(&bench.rig, ALL_FEATURES);
	assert_int_equal(rig_attach(&bench.rig, DOMAIN, ENDPOINT_A, 0), 0);
	for (unsigned i = 0; i < PAGES; i++) {
		const iova_t page = IOVA + i * PAGE;

		assert_int_equal(rig_map(&bench.rig, DOMAIN, page, page + PAGE - 1, gpa_of(page),
					 READ_WRITE),
				 0);
	}
	*state = &bench;
	return 0;
}

static int teardown(void **state)
{
	rig_destroy(&((struct bench *)*state)->rig);
	return 0;
}

static void enable(struct bench *bench, u64 features, iova_t used)
{
	const u64 areas[] = { DESC, AVAIL, used };
	static const u32 at[] = { VIRTIO_MMIO_QUEUE_DESC_LOW, VIRTIO_MMIO_QUEUE_AVAIL_LOW,
				  VIRTIO_MMIO_QUEUE_USED_LOW };
	struct vm *vm = bench->rig.vm;

	bench->used = used;
	bench->seen = 0;
	wire_fill(vm, GPA, 0, PAGES * PAGE);
	assert_true(wire_negotiate(vm, SLOT, features | 1ull << VIRTIO_F_ACCESS_PLATFORM));
	wire_reg_write(vm, SLOT, VIRTIO_MMIO_QUEUE_SEL, 0);
	wire_reg_write(vm, SLOT, VIRTIO_MMIO_QUEUE_NUM, SIZE);
	for (unsigned i = 0; i < ARRAY_SIZE(at); i++) {
		wire_reg_write(vm, SLOT, at[i], areas[i]);
		wire_reg_write(vm, SLOT, at[i] + 4, areas[i] >> 32);
	}
	wire_reg_write(vm, SLOT, VIRTIO_MMIO_QUEUE_READY, 1);
	wire_driver_ok(vm, SLOT);
}

static void put_desc(struct bench *bench, iova_t at, u64 address, u32 len, u16 flags, u16 next)
{
	struct vring_desc desc = { htole64(address), htole32(len), htole16(flags), htole16(next) };

	put(bench, at, &desc, sizeof(desc));
}

/* One request, its descriptors in the ring's table or in one of its own, and its answer. */
static void serve(struct bench *bench, bool indirect)
{
	const u16 n = bench->seen % SIZE, head = indirect ? n : n & ~1;
	const iova_t table = indirect ? TABLE : DESC + head * sizeof(struct vring_desc);
	const iova_t element = bench->used + 4 + 8 * n;
	u8 sent[8];
	u16 idx = htole16(bench->seen + 1), entry = htole16(head);

	for (unsigned i = 0; i < sizeof(sent); i++)
		sent[i] = bench->seen * 3 + i + 1;
	put(bench, FROM, sent, sizeof(sent));
	put_desc(bench, table, FROM, sizeof(sent), VRING_DESC_F_NEXT, indirect ? 1 : head + 1);
	put_desc(bench, table + sizeof(struct vring_desc), TO, sizeof(sent), VRING_DESC_F_WRITE, 0);
	if (indirect)
		put_desc(bench, DESC + head * sizeof(struct vring_desc), TABLE,
			 2 * sizeof(struct vring_desc), VRING_DESC_F_INDIRECT, 0);
	put(bench, AVAIL + 4 + 2 * n, &entry, sizeof(entry));
	put(bench, AVAIL + 2, &idx, sizeof(idx));
	wire_reg_write(bench->rig.vm, SLOT, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	bench->seen++;
	assert_false(wire_needs_reset(bench->rig.vm, SLOT));
	assert_int_equal(get(bench, bench->used + 2, 2), bench->seen);
	assert_int_equal(get(bench, element, 4), head);
	assert_int_equal(get(bench, element + 4, 4), sizeof(sent));
	assert_int_equal(get(bench, TO, 8), le64toh(*(u64 *)sent));
	put(bench, TO, (u8[8]){ 0 }, 8);
}

TEST_WITH(a_used_ring_may_lie_anywhere_that_is_aligned_to_4, setup, teardown)
{
	/* In front of the end of a page: an element's two fields, the index, the event index. */
	static const unsigned before[] = { 0x40, 0x8, 0x4, 0xc, 4 + 8 * SIZE, 8 + 8 * SIZE, 0 };
	struct bench *bench = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(before); i++) {
		enable(bench, 0, USED - before[i]);
		for (unsigned n = 0; n < 3 * SIZE; n++)
			serve(bench, false);
	}
}

TEST_WITH(event_indices_may_lie_on_another_page_than_their_ring, setup, teardown)
{
	static const unsigned before[] = { 4 + 8 * SIZE, 0x40, 2 };
	struct bench *bench = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(before); i++) {
		enable(bench, 1ull << VIRTIO_RING_F_EVENT_IDX, (USED - before[i]) & ~3ull);
		for (unsigned n = 0; n < 2 * SIZE; n++) {
			serve(bench, false);
			assert_int_equal(get(bench, bench->used + 4 + 8 * SIZE, 2), bench->seen);
		}
	}
}

TEST_WITH(an_indirect_table_may_lie_anywhere, setup, teardown)
{
	struct bench *bench = *state;

	enable(bench, 1ull << VIRTIO_RING_F_INDIRECT_DESC, USED - 0x40);
	for (unsigned n = 0; n < 2 * SIZE; n++)
		serve(bench, true);
}

TEST_WITH(an_element_half_of_which_is_not_mapped_stops_the_device, setup, teardown)
{
	struct bench *bench = *state;
	const u16 idx = htole16(1);

	enable(bench, 0, USED - 8);
	assert_int_equal(rig_unmap(&bench->rig, DOMAIN, USED, USED + PAGE - 1), 0);
	put_desc(bench, DESC, FROM, 8, VRING_DESC_F_NEXT, 1);
	put_desc(bench, DESC + sizeof(struct vring_desc), TO, 8, VRING_DESC_F_WRITE, 0);
	put(bench, AVAIL + 2, &idx, sizeof(idx));
	wire_reg_write(bench->rig.vm, SLOT, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	assert_true(wire_needs_reset(bench->rig.vm, SLOT));
	assert_int_equal(get(bench, bench->used + 2, 2), 0);
}

/* ---- stopped, and started again ---- */

struct plain {
	struct vm *vm;
	struct echo *echo;
	struct wire_queue queue;
};

static int setup_plain(void **state)
{
	static struct plain plain;

	memset(&plain, 0, sizeof(plain));
	plain.vm = wire_create();
	plain.echo = echo_create(plain.vm, 0, DEVICE_NO_ENDPOINT, true);
	assert_true(wire_negotiate(plain.vm, 0, 1ull << VIRTIO_F_RING_RESET));
	wire_queue_init(&plain.queue, plain.vm, 0, 0, SIZE, RINGS);
	wire_driver_ok(plain.vm, 0);
	*state = &plain;
	return 0;
}

static int teardown_plain(void **state)
{
	wire_destroy(((struct plain *)*state)->vm);
	return 0;
}

static void echoes(struct plain *plain, unsigned times)
{
	struct wire_segment pair[] = { { IN, 64, false }, { OUT, 64, true } };

	while (times--) {
		wire_add(&plain->queue, pair, 2);
		wire_kick(&plain->queue);
		assert_true(wire_used(&plain->queue, NULL, NULL));
	}
}

/* "Virtqueue Configuration": the driver zeroes the queue's memory. */
static void begin_anew(struct plain *plain)
{
	wire_fill(plain->vm, RINGS, 0, 64 * KIB);
	plain->queue.next_desc = plain->queue.avail_idx = plain->queue.last_used = 0;
	wire_reg_write(plain->vm, 0, VIRTIO_MMIO_QUEUE_READY, 1);
}

TEST_WITH(a_queue_that_is_stopped_keeps_size_and_addresses, setup_plain, teardown_plain)
{
	struct plain *plain = *state;

	for (unsigned i = 0; i < 3; i++) {
		echoes(plain, SIZE + 3);
		wire_reg_write(plain->vm, 0, VIRTIO_MMIO_QUEUE_READY, 0);
		assert_int_equal(wire_reg_read(plain->vm, 0, VIRTIO_MMIO_QUEUE_READY), 0);
		begin_anew(plain);
		assert_int_equal(wire_reg_read(plain->vm, 0, VIRTIO_MMIO_QUEUE_READY), 1);
		assert_false(wire_needs_reset(plain->vm, 0));
	}
	echoes(plain, SIZE + 3);
}

TEST_WITH(a_stopped_queue_may_be_laid_out_anew_in_part, setup_plain, teardown_plain)
{
	struct plain *plain = *state;

	echoes(plain, 3);
	wire_reg_write(plain->vm, 0, VIRTIO_MMIO_QUEUE_READY, 0);
	wire_reg_write(plain->vm, 0, VIRTIO_MMIO_QUEUE_NUM, SIZE / 2);
	plain->queue.size = SIZE / 2;
	begin_anew(plain);
	echoes(plain, SIZE);
	assert_false(wire_needs_reset(plain->vm, 0));
}

TEST_WITH(a_queue_that_is_reset_forgets_them, setup_plain, teardown_plain)
{
	struct plain *plain = *state;

	echoes(plain, 3);
	wire_reg_write(plain->vm, 0, QUEUE_RESET, 1);
	assert_int_equal(plain->echo->queues[0].size, 0);
	assert_true(plain->echo->queues[0].desc_area == 0);
	begin_anew(plain);
	assert_true(wire_needs_reset(plain->vm, 0));
}

TEST_WITH(a_queue_of_1024_entries_takes_chains_of_1024, setup_plain, teardown_plain)
{
	static struct wire_segment parts[VIRTQ_MAX_SIZE];
	struct plain *plain = *state;
	u32 len;

	assert_int_equal(VIRTQ_MAX_SIZE, 1024);
	assert_true(wire_negotiate(plain->vm, 0, 0));
	wire_queue_init(&plain->queue, plain->vm, 0, 0, VIRTQ_MAX_SIZE, RINGS);
	wire_driver_ok(plain->vm, 0);
	for (unsigned i = 0; i < VIRTQ_MAX_SIZE; i++)
		parts[i] = (struct wire_segment){ i < 512 ? IN + i : OUT + i, 1, i >= 512 };
	for (unsigned i = 0; i < 3; i++) {
		wire_add(&plain->queue, parts, VIRTQ_MAX_SIZE);
		wire_kick(&plain->queue);
		assert_true(wire_used(&plain->queue, NULL, &len));
		assert_int_equal(len, 512);
	}
}

TEST_WITH(what_is_filled_is_seen_at_once_and_only_when_it_is_flushed, setup_plain, teardown_plain)
{
	struct wire_segment pair[] = { { IN, 64, false }, { OUT, 64, true } };
	struct plain *plain = *state;
	u32 len;

	/* Round the ring's end, too. */
	for (unsigned round = 0; round < 3 * SIZE; round++) {
		unsigned interrupts = wire_interrupts(WIRE_GSI);

		plain->echo->fill = true;
		for (unsigned i = 0; i < 3; i++)
			wire_add(&plain->queue, pair, 2);
		wire_kick(&plain->queue);
		assert_false(wire_has_used(&plain->queue));
		assert_int_equal(wire_interrupts(WIRE_GSI), interrupts);
		virtio_device_flush(&plain->echo->device, 0);
		virtio_device_interrupt(&plain->echo->device, 0);
		assert_int_equal(wire_interrupts(WIRE_GSI), interrupts + 1);
		for (unsigned i = 0; i < 3; i++) {
			assert_true(wire_used(&plain->queue, NULL, &len));
			assert_int_equal(len, 64);
		}
		assert_false(wire_has_used(&plain->queue));
	}
	/* What is pushed comes after what is filled, and shows it. */
	wire_add(&plain->queue, pair, 2);
	wire_kick(&plain->queue);
	plain->echo->fill = false;
	echoes(plain, 1);
	assert_true(wire_used(&plain->queue, NULL, NULL));
}
