/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The registers (virtio 1.4, "Virtio Over MMIO"), friendly and hostile drivers both.
 *
 * One file, though long: it goes through one table of registers in its order.
 */
#include <errno.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>

#include "test.h"
#include "echo.h"

#define RINGS	    0x10000
#define RINGS_2	    0x30000
#define IN	    0x100000
#define OUT	    0x200000
#define SIZE	    16
#define QUEUE_RESET 0xc0
#define F(bit)	    (1ULL << (bit))
#define OWN                                                                                        \
	(F(VIRTIO_F_VERSION_1) | F(VIRTIO_RING_F_INDIRECT_DESC) | F(VIRTIO_RING_F_EVENT_IDX) |     \
	 F(VIRTIO_F_RING_RESET) | F(VIRTIO_F_RING_PACKED) | F(VIRTIO_F_NOTIFICATION_DATA) | F(3))

static const struct wire_segment pair[] = { { IN, 8, false }, { OUT, 8, true } };

struct bench {
	struct vm *vm;
	struct echo *echo;
	struct wire_queue queue;
	unsigned destroyed;
};

static int setup_as(void **state, u32 endpoint, bool kick_on_vcpu)
{
	static struct bench bench;

	memset(&bench, 0, sizeof(bench));
	bench.vm = wire_create();
	bench.echo = echo_create(bench.vm, 0, endpoint, kick_on_vcpu);
	bench.echo->destroyed = &bench.destroyed;
	*state = &bench;
	return 0;
}

static int setup(void **state)
{
	return setup_as(state, DEVICE_NO_ENDPOINT, false);
}

static int setup_endpoint(void **state)
{
	return setup_as(state, DEVICE_PLATFORM_ENDPOINT, false);
}

static int setup_vcpu(void **state)
{
	return setup_as(state, DEVICE_NO_ENDPOINT, true);
}

static int teardown(void **state)
{
	struct bench *bench = *state;

	wire_destroy(bench->vm);
	assert_int_equal(bench->destroyed, 1);
	return 0;
}

static u32 get(struct bench *bench, u32 offset)
{
	return wire_reg_read(bench->vm, 0, offset);
}

static void put(struct bench *bench, u32 offset, u32 value)
{
	wire_reg_write(bench->vm, 0, offset, value);
}

static void bring_up(struct bench *bench, u64 features)
{
	assert_true(wire_negotiate(bench->vm, 0, features));
	wire_queue_init(&bench->queue, bench->vm, 0, 0, SIZE, RINGS);
	wire_driver_ok(bench->vm, 0);
}

static void echoes(struct bench *bench)
{
	wire_add(&bench->queue, pair, 2);
	wire_kick(&bench->queue);
	assert_true(wire_used(&bench->queue, NULL, NULL));
}

static void poll(struct bench *bench)
{
	for (unsigned i = 0; i < 4; i++)
		loop_poll(bench->vm->loop, 0);
}

/* ---- identity, widths ---- */

TEST_WITH(the_identity_registers_say_version_2, setup, teardown)
{
	struct bench *bench = *state;

	assert_int_equal(get(bench, VIRTIO_MMIO_MAGIC_VALUE), 0x74726976);
	assert_int_equal(get(bench, VIRTIO_MMIO_VERSION), 2);
	assert_int_equal(get(bench, VIRTIO_MMIO_DEVICE_ID), ECHO_ID);
}

TEST_WITH(registers_answer_32_bit_aligned_accesses_only, setup, teardown)
{
	struct bench *bench = *state;
	static const unsigned widths[] = { 1, 2, 8 };
	u64 value;

	for (unsigned i = 0; i < ARRAY_SIZE(widths); i++) {
		u64 status = VIRTIO_CONFIG_S_ACKNOWLEDGE;

		value = 0;
		assert_true(bus_read(bench->vm->mmio, WIRE_MMIO, &value, widths[i]));
		assert_int_equal(value, 0);
		bus_write(bench->vm->mmio, WIRE_MMIO + VIRTIO_MMIO_STATUS, &status, widths[i]);
		assert_int_equal(wire_status(bench->vm, 0), 0);
	}
	value = 0;
	bus_read(bench->vm->mmio, WIRE_MMIO + 2, &value, 4);
	assert_int_equal(value, 0);
}

TEST_WITH(every_register_survives_every_value, setup, teardown)
{
	struct bench *bench = *state;
	static const u32 values[] = { ~0u, 0x80000000, 1, 256, 0xffff, 0 };

	for (u32 offset = 0; offset < VIRTIO_MMIO_SIZE; offset += 4) {
		for (unsigned i = 0; i < ARRAY_SIZE(values); i++) {
			put(bench, offset, values[i]);
			get(bench, offset);
		}
	}
	bring_up(bench, 0);
	for (u32 offset = 0; offset < VIRTIO_MMIO_SIZE; offset += 4) {
		for (unsigned i = 0; i < ARRAY_SIZE(values); i++) {
			put(bench, VIRTIO_MMIO_QUEUE_SEL, values[i]);
			put(bench, offset, values[i]);
			get(bench, offset);
		}
	}
	bring_up(bench, 0);
	echoes(bench);
}

TEST_WITH(shared_memory_regions_are_absent, setup, teardown)
{
	struct bench *bench = *state;

	put(bench, VIRTIO_MMIO_SHM_SEL, 0);
	assert_int_equal(get(bench, VIRTIO_MMIO_SHM_LEN_LOW), ~0u);
	assert_int_equal(get(bench, VIRTIO_MMIO_SHM_LEN_HIGH), ~0u);
	assert_int_equal(get(bench, VIRTIO_MMIO_SHM_BASE_LOW), ~0u);
	assert_int_equal(get(bench, VIRTIO_MMIO_SHM_BASE_HIGH), ~0u);
}

/* ---- features and status ---- */

TEST_WITH(the_transport_offers_its_own_features, setup, teardown)
{
	struct bench *bench = *state;

	assert_int_equal(wire_features(bench->vm, 0), OWN);
	put(bench, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 2);
	assert_int_equal(get(bench, VIRTIO_MMIO_DEVICE_FEATURES), 0);
	assert_true(wire_negotiate(bench->vm, 0, OWN));
	assert_int_equal(bench->echo->device.accepted, OWN);
}

TEST_WITH(an_endpoint_insists_on_access_platform, setup_endpoint, teardown)
{
	struct bench *bench = *state;

	assert_int_equal(wire_features(bench->vm, 0), OWN | F(VIRTIO_F_ACCESS_PLATFORM));
	assert_false(wire_negotiate(bench->vm, 0, 0));
	assert_true(wire_negotiate(bench->vm, 0, F(VIRTIO_F_ACCESS_PLATFORM)));
}

static void accept(struct bench *bench, u32 sel, u32 value)
{
	put(bench, VIRTIO_MMIO_DRIVER_FEATURES_SEL, sel);
	put(bench, VIRTIO_MMIO_DRIVER_FEATURES, value);
}

static bool features_ok(struct bench *bench)
{
	put(bench, VIRTIO_MMIO_STATUS, 3);
	put(bench, VIRTIO_MMIO_STATUS, 3 | VIRTIO_CONFIG_S_FEATURES_OK);
	return wire_status(bench->vm, 0) & VIRTIO_CONFIG_S_FEATURES_OK;
}

TEST_WITH(a_driver_without_version_1_is_refused, setup, teardown)
{
	struct bench *bench = *state;

	accept(bench, 0, 1 << 3);
	assert_false(features_ok(bench));
	accept(bench, 1, 1);
	assert_true(features_ok(bench));
}

TEST_WITH(features_that_were_not_offered_are_refused, setup, teardown)
{
	struct bench *bench = *state;

	assert_false(wire_negotiate(bench->vm, 0, 1));
	assert_false(wire_negotiate(bench->vm, 0, F(63)));
	assert_false(wire_negotiate(bench->vm, 0, F(VIRTIO_F_ACCESS_PLATFORM)));
	put(bench, VIRTIO_MMIO_STATUS, 0);
	accept(bench, 2, 1);
	accept(bench, 0, 0);
	accept(bench, 1, 1);
	assert_false(features_ok(bench));
	assert_true(wire_negotiate(bench->vm, 0, 0));
}

TEST_WITH(features_are_settled_by_features_ok, setup, teardown)
{
	struct bench *bench = *state;

	assert_true(wire_negotiate(bench->vm, 0, 0));
	accept(bench, 0, ~0u);
	accept(bench, 1, ~0u);
	wire_driver_ok(bench->vm, 0);
	assert_int_equal(bench->echo->device.accepted, F(VIRTIO_F_VERSION_1));
}

TEST_WITH(status_only_grows_until_it_is_reset, setup, teardown)
{
	struct bench *bench = *state;

	put(bench, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	put(bench, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_DRIVER);
	assert_int_equal(wire_status(bench->vm, 0), 3);
	put(bench, VIRTIO_MMIO_STATUS, 3 | VIRTIO_CONFIG_S_NEEDS_RESET | 0x30);
	assert_int_equal(wire_status(bench->vm, 0), 3);
	put(bench, VIRTIO_MMIO_STATUS, 3 | VIRTIO_CONFIG_S_FAILED);
	assert_int_equal(wire_status(bench->vm, 0), 3 | VIRTIO_CONFIG_S_FAILED);
	put(bench, VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(wire_status(bench->vm, 0), 0);
	assert_int_equal(bench->echo->resets, 1);
}

TEST_WITH(driver_ok_needs_features_ok, setup, teardown)
{
	struct bench *bench = *state;

	put(bench, VIRTIO_MMIO_STATUS, 3 | VIRTIO_CONFIG_S_DRIVER_OK);
	assert_int_equal(wire_status(bench->vm, 0), 3);
	assert_int_equal(bench->echo->starts, 0);
	bring_up(bench, 0);
	assert_int_equal(bench->echo->starts, 1);
	wire_driver_ok(bench->vm, 0);
	assert_int_equal(bench->echo->starts, 1);
}

TEST_WITH(a_device_that_cannot_start_asks_for_a_reset, setup, teardown)
{
	struct bench *bench = *state;

	bench->echo->start_result = -EIO;
	bring_up(bench, 0);
	assert_true(wire_needs_reset(bench->vm, 0));
	bench->echo->start_result = 0;
	bring_up(bench, 0);
	echoes(bench);
}

/* ---- queues ---- */

TEST_WITH(a_queue_that_does_not_exist_has_size_0_and_ignores_writes, setup, teardown)
{
	struct bench *bench = *state;

	bring_up(bench, F(VIRTIO_F_RING_RESET));
	for (u32 sel = ECHO_QUEUES; sel; sel = sel << 4 | 2) {
		put(bench, VIRTIO_MMIO_QUEUE_SEL, sel);
		assert_int_equal(get(bench, VIRTIO_MMIO_QUEUE_NUM_MAX), 0);
		put(bench, VIRTIO_MMIO_QUEUE_NUM, SIZE);
		put(bench, VIRTIO_MMIO_QUEUE_DESC_LOW, RINGS);
		put(bench, VIRTIO_MMIO_QUEUE_READY, 1);
		put(bench, QUEUE_RESET, 1);
		assert_int_equal(get(bench, VIRTIO_MMIO_QUEUE_READY), 0);
		put(bench, VIRTIO_MMIO_QUEUE_NOTIFY, sel);
		if (sel >> 28)
			break;
	}
	echoes(bench);
	assert_int_equal(bench->echo->queue_resets, 0);
}

TEST_WITH(queues_of_impossible_size_are_refused, setup, teardown)
{
	struct bench *bench = *state;
	static const u32 bad[] = { 0, 3, 17, 2048, 0x10000, 0x10010, ~0u };

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_true(wire_negotiate(bench->vm, 0, 0));
		put(bench, VIRTIO_MMIO_QUEUE_NUM, SIZE);
		put(bench, VIRTIO_MMIO_QUEUE_NUM, bad[i]);
		put(bench, VIRTIO_MMIO_QUEUE_READY, 1);
		assert_int_equal(get(bench, VIRTIO_MMIO_QUEUE_READY), 0);
		assert_true(wire_needs_reset(bench->vm, 0));
	}
}

TEST_WITH(a_ready_queue_keeps_its_layout, setup, teardown)
{
	struct bench *bench = *state;

	bring_up(bench, 0);
	put(bench, VIRTIO_MMIO_QUEUE_NUM, 2);
	put(bench, VIRTIO_MMIO_QUEUE_DESC_LOW, 0xdead0000);
	put(bench, VIRTIO_MMIO_QUEUE_AVAIL_HIGH, 0xdead0000);
	put(bench, VIRTIO_MMIO_QUEUE_USED_HIGH, 0xdead0000);
	echoes(bench);
}

TEST_WITH(a_queue_waits_for_features_ok, setup, teardown)
{
	struct bench *bench = *state;

	put(bench, VIRTIO_MMIO_QUEUE_NUM, SIZE);
	put(bench, VIRTIO_MMIO_QUEUE_READY, 1);
	assert_int_equal(get(bench, VIRTIO_MMIO_QUEUE_READY), 0);
	assert_false(wire_needs_reset(bench->vm, 0));
}

TEST_WITH(rings_may_lie_above_4_gib, setup, teardown)
{
	struct bench *bench = *state;

	assert_true(wire_negotiate(bench->vm, 0, 0));
	wire_queue_init(&bench->queue, bench->vm, 0, 1, SIZE, WIRE_HIGH + RINGS);
	wire_driver_ok(bench->vm, 0);
	echoes(bench);
}

TEST_WITH(a_kick_before_driver_ok_is_served_after_it, setup, teardown)
{
	struct bench *bench = *state;

	assert_true(wire_negotiate(bench->vm, 0, 0));
	wire_queue_init(&bench->queue, bench->vm, 0, 0, SIZE, RINGS);
	wire_add(&bench->queue, pair, 2);
	wire_kick(&bench->queue);
	poll(bench);
	assert_int_equal(bench->echo->kicks, 0);
	assert_int_equal(wire_interrupts(WIRE_GSI), 0);
	wire_driver_ok(bench->vm, 0);
	poll(bench);
	assert_true(wire_used(&bench->queue, NULL, NULL));
	/* A reset forgets it. */
	put(bench, VIRTIO_MMIO_STATUS, 0);
	assert_true(wire_negotiate(bench->vm, 0, 0));
	wire_queue_init(&bench->queue, bench->vm, 0, 0, SIZE, RINGS);
	wire_add(&bench->queue, pair, 2);
	wire_kick(&bench->queue);
	poll(bench);
	put(bench, VIRTIO_MMIO_STATUS, 0);
	assert_true(wire_negotiate(bench->vm, 0, 0));
	wire_queue_init(&bench->queue, bench->vm, 0, 0, SIZE, RINGS);
	wire_add(&bench->queue, pair, 2);
	wire_driver_ok(bench->vm, 0);
	poll(bench);
	assert_false(wire_used(&bench->queue, NULL, NULL));
}

TEST_WITH(a_queue_that_is_not_ready_is_not_touched, setup, teardown)
{
	struct bench *bench = *state;

	bring_up(bench, 0);
	echoes(bench);
	wire_add(&bench->queue, pair, 2);
	wire_kick(&bench->queue);
	put(bench, VIRTIO_MMIO_QUEUE_READY, 0);
	assert_int_equal(get(bench, VIRTIO_MMIO_QUEUE_READY), 0);
	poll(bench);
	wire_kick(&bench->queue);
	put(bench, VIRTIO_MMIO_QUEUE_NOTIFY, 1);
	poll(bench);
	assert_int_equal(bench->echo->served, 1);
	assert_false(wire_has_used(&bench->queue));
	assert_false(wire_needs_reset(bench->vm, 0));
}

TEST_WITH(queue_reset_stops_one_queue_and_it_starts_afresh, setup, teardown)
{
	struct bench *bench = *state;
	struct wire_queue other;

	assert_true(wire_negotiate(bench->vm, 0, F(VIRTIO_F_RING_RESET)));
	wire_queue_init(&other, bench->vm, 0, 1, SIZE, RINGS_2);
	wire_queue_init(&bench->queue, bench->vm, 0, 0, SIZE, RINGS);
	wire_driver_ok(bench->vm, 0);
	echoes(bench);
	echoes(bench);
	put(bench, QUEUE_RESET, 1);
	assert_int_equal(get(bench, QUEUE_RESET), 0);
	assert_int_equal(get(bench, VIRTIO_MMIO_QUEUE_READY), 0);
	assert_int_equal(bench->echo->queue_resets, 1);
	assert_false(wire_has_used(&bench->queue));
	wire_add(&other, pair, 2);
	wire_kick(&other);
	assert_true(wire_used(&other, NULL, NULL));
	wire_queue_init(&bench->queue, bench->vm, 0, 0, 2 * SIZE, RINGS);
	echoes(bench);
}

TEST_WITH(queue_reset_does_nothing_unless_negotiated, setup, teardown)
{
	struct bench *bench = *state;

	bring_up(bench, 0);
	put(bench, QUEUE_RESET, 1);
	assert_int_equal(bench->echo->queue_resets, 0);
	echoes(bench);
}

/* ---- kicks ---- */

TEST_WITH(ioevents_are_added_at_driver_ok_and_once, setup, teardown)
{
	struct bench *bench = *state;
	struct wire_queue other;

	wire_allow_ioevents();
	assert_true(wire_negotiate(bench->vm, 0, 0));
	wire_queue_init(&bench->queue, bench->vm, 0, 0, SIZE, RINGS);
	assert_int_equal(wire_ioevents(), 0);
	wire_driver_ok(bench->vm, 0);
	assert_int_equal(wire_ioevents(), 1); /* the ready queue alone */
	echoes(bench);
	wire_queue_init(&other, bench->vm, 0, 1, SIZE, RINGS_2);
	assert_int_equal(wire_ioevents(), 2);
	put(bench, VIRTIO_MMIO_STATUS, 0);
	bring_up(bench, 0);
	echoes(bench);
	assert_int_equal(wire_ioevents(), 2);
}

TEST_WITH(a_doorbell_that_rings_after_a_reset_is_not_heard, setup, teardown)
{
	struct bench *bench = *state;

	wire_allow_ioevents();
	bring_up(bench, 0);
	echoes(bench);
	wire_add(&bench->queue, pair, 2);
	wire_kick(&bench->queue);
	put(bench, VIRTIO_MMIO_STATUS, 0);
	wire_kick(&bench->queue);
	poll(bench);
	assert_int_equal(bench->echo->kicks, 1);
	bring_up(bench, 0);
	poll(bench);
	assert_int_equal(bench->echo->kicks, 1);
	echoes(bench);
}

TEST_WITH(a_kick_without_ioevents_is_served_by_the_loop, setup, teardown)
{
	struct bench *bench = *state;

	bring_up(bench, 0);
	assert_int_equal(wire_ioevents(), 0);
	wire_add(&bench->queue, pair, 2);
	wire_kick(&bench->queue);
	assert_int_equal(bench->echo->kicks, 0);
	assert_true(wire_used(&bench->queue, NULL, NULL));
}

TEST_WITH(a_kick_on_the_vcpu_is_served_before_the_write_returns, setup_vcpu, teardown)
{
	struct bench *bench = *state;

	wire_allow_ioevents();
	bring_up(bench, 0);
	assert_int_equal(wire_ioevents(), 0);
	wire_add(&bench->queue, pair, 2);
	wire_kick(&bench->queue);
	assert_true(wire_has_used(&bench->queue));
}

TEST_WITH(a_kick_that_waits_in_the_loop_does_not_survive_a_reset, setup, teardown)
{
	struct bench *bench = *state;

	bring_up(bench, 0);
	wire_add(&bench->queue, pair, 2);
	wire_kick(&bench->queue);
	put(bench, VIRTIO_MMIO_STATUS, 0);
	poll(bench);
	assert_int_equal(bench->echo->kicks, 0);
}

/* ---- interrupts ---- */

TEST_WITH(interrupt_status_is_held_until_acknowledged, setup, teardown)
{
	struct bench *bench = *state;

	bring_up(bench, 0);
	echoes(bench);
	virtio_device_config_changed(&bench->echo->device);
	assert_int_equal(get(bench, VIRTIO_MMIO_INTERRUPT_STATUS), 3);
	assert_int_equal(get(bench, VIRTIO_MMIO_INTERRUPT_STATUS), 3);
	put(bench, VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_VRING);
	assert_int_equal(get(bench, VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_CONFIG);
	put(bench, VIRTIO_MMIO_INTERRUPT_ACK, ~0u);
	assert_int_equal(get(bench, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	assert_int_equal(wire_interrupts(WIRE_GSI), 2);
	echoes(bench);
	put(bench, VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(get(bench, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
}

TEST_WITH(a_configuration_change_makes_a_new_generation, setup, teardown)
{
	struct bench *bench = *state;
	u32 generation = get(bench, VIRTIO_MMIO_CONFIG_GENERATION);

	virtio_device_config_changed(&bench->echo->device);
	assert_int_equal(get(bench, VIRTIO_MMIO_CONFIG_GENERATION), generation + 1);
	assert_int_equal(wire_interrupts(WIRE_GSI), 0); /* before DRIVER_OK */
	bring_up(bench, 0);
	virtio_device_config_changed(&bench->echo->device);
	assert_int_equal(get(bench, VIRTIO_MMIO_CONFIG_GENERATION), generation + 2);
	assert_int_equal(wire_interrupts(WIRE_GSI), 1);
}

TEST_WITH(a_broken_device_heeds_nothing_but_its_reset, setup, teardown)
{
	struct bench *bench = *state;

	bring_up(bench, 0);
	virtio_device_broken(&bench->echo->device, "a test said so");
	virtio_device_broken(&bench->echo->device, "and again");
	assert_int_equal(wire_interrupts(WIRE_GSI), 1);
	wire_add(&bench->queue, pair, 2);
	wire_kick(&bench->queue);
	poll(bench);
	put(bench, VIRTIO_MMIO_QUEUE_READY, 0);
	assert_int_equal(get(bench, VIRTIO_MMIO_QUEUE_READY), 1);
	wire_config_write(bench->vm, 0, 0, 0xff, 1);
	assert_int_equal(wire_config_read(bench->vm, 0, 0, 1), 0x10);
	put(bench, VIRTIO_MMIO_STATUS, 0xff);
	assert_int_equal(wire_status(bench->vm, 0), 0x4f);
	put(bench, VIRTIO_MMIO_INTERRUPT_ACK, ~0u);
	assert_int_equal(get(bench, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	assert_int_equal(bench->echo->kicks, 0);
	bring_up(bench, 0);
	echoes(bench);
}

/* ---- configuration space ---- */

TEST_WITH(configuration_space_takes_widths_1_2_and_4_inside_it, setup, teardown)
{
	struct bench *bench = *state;
	u64 wide = 0;

	assert_int_equal(wire_config_read(bench->vm, 0, 3, 1), 0x13);
	assert_int_equal(wire_config_read(bench->vm, 0, 2, 2), 0x1312);
	assert_int_equal(wire_config_read(bench->vm, 0, 12, 4), 0x1f1e1d1c);
	assert_int_equal(wire_config_read(bench->vm, 0, 1, 2), 0);
	assert_int_equal(wire_config_read(bench->vm, 0, 16, 1), 0);
	assert_int_equal(wire_config_read(bench->vm, 0, 0xfc, 4), 0);
	bus_read(bench->vm->mmio, WIRE_MMIO + VIRTIO_MMIO_CONFIG, &wide, 8);
	assert_int_equal(wide, 0);
	wire_config_write(bench->vm, 0, 4, 0xaabbccdd, 4);
	assert_int_equal(wire_config_read(bench->vm, 0, 4, 4), 0xaabbccdd);
	wire_config_write(bench->vm, 0, 16, ~0u, 4);
	wire_config_write(bench->vm, 0, 14, ~0u, 4);
	assert_int_equal(wire_config_read(bench->vm, 0, 12, 4), 0x1f1e1d1c);
}

/* ---- life ---- */

TEST_WITH(two_devices_cannot_share_a_slot, setup, teardown)
{
	struct bench *bench = *state;
	struct echo *second = echo_alloc(bench->vm);
	struct device_resource slot;

	wire_slot(0, &slot);
	assert_int_equal(
		virtio_mmio_create(bench->vm, &second->device, &slot, DEVICE_NO_ENDPOINT, false),
		-EEXIST);
	echo_free(second);
}

TEST_WITH(a_destroyed_device_is_reset_first, setup, teardown)
{
	struct bench *bench = *state;
	struct device *device = list_entry(bench->vm->devices.next, struct device, node);
	unsigned resets;

	assert_string_equal(device->info.name, "echo");
	assert_int_equal(device->info.kind, DEVICE_VIRTIO_MMIO);
	assert_int_equal(device->info.resource.gsi, WIRE_GSI);
	assert_int_equal(device->info.endpoint, DEVICE_NO_ENDPOINT);
	wire_allow_ioevents();
	bring_up(bench, 0);
	resets = bench->echo->resets;
	wire_add(&bench->queue, pair, 2);
	wire_kick(&bench->queue);
	assert_int_equal(bench->echo->resets, resets);
	/* The rest is the teardown's: nothing may be left, nobody called. */
}
