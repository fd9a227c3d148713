/* SPDX-License-Identifier: BSD-2-Clause */
/* Kicks that say more: virtio 1.4, "Driver Notifications", VIRTIO_F_NOTIFICATION_DATA. */
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_pci.h>

#include "test.h"
#include "echo.h"
#include "pci_driver.h"

#define SIZE	    16
#define RINGS(n)    (0x10000 + (n)*0x10000)
#define F(bit)	    (1ULL << (bit))
#define DATA	    F(VIRTIO_F_NOTIFICATION_DATA)
#define PACKED	    F(VIRTIO_F_RING_PACKED)
#define CONFIG_DATA F(VIRTIO_F_NOTIF_CONFIG_DATA)

static const struct wire_segment pair[] = { { 0x100000, 8, false }, { 0x200000, 8, true } };

/* ---- on MMIO: one register for all queues ---- */

struct bench {
	struct vm *vm;
	struct echo *echo;
	struct wire_queue queues[ECHO_QUEUES];
};

static int setup(void **state)
{
	static struct bench bench;

	memset(&bench, 0, sizeof(bench));
	bench.vm = wire_create();
	bench.echo = echo_create(bench.vm, 0, DEVICE_NO_ENDPOINT, false);
	*state = &bench;
	return 0;
}

static int teardown(void **state)
{
	wire_destroy(((struct bench *)*state)->vm);
	return 0;
}

static void bring_up(struct bench *bench, u64 features)
{
	assert_true(wire_negotiate(bench->vm, 0, features));
	for (unsigned i = 0; i < ECHO_QUEUES; i++)
		wire_queue_init(&bench->queues[i], bench->vm, 0, i, SIZE, RINGS(i));
	wire_driver_ok(bench->vm, 0);
}

static void poll(struct bench *bench)
{
	for (unsigned i = 0; i < 4; i++)
		loop_poll(bench->vm->loop, 0);
}

/* Several times round the ring, so that all the values that a kick may have come. */
static void both_queues_work(struct bench *bench)
{
	for (unsigned i = 0; i < 3 * SIZE; i++) {
		struct wire_queue *queue = &bench->queues[i % ECHO_QUEUES];

		wire_add(queue, pair, 2);
		wire_kick(queue);
		assert_true(wire_used(queue, NULL, NULL));
	}
}

TEST_WITH(a_kick_on_mmio_may_say_how_far_the_driver_is, setup, teardown)
{
	struct bench *bench = *state;
	static const u64 features[] = { DATA, DATA | PACKED };

	for (unsigned i = 0; i < ARRAY_SIZE(features); i++) {
		bring_up(bench, features[i]);
		both_queues_work(bench);
		/* What it says is not relied on; a queue that there is not is nobody's. */
		wire_add(&bench->queues[1], pair, 2);
		wire_reg_write(bench->vm, 0, VIRTIO_MMIO_QUEUE_NOTIFY, 0xffff0002);
		poll(bench);
		assert_false(wire_has_used(&bench->queues[1]));
		wire_reg_write(bench->vm, 0, VIRTIO_MMIO_QUEUE_NOTIFY, 0xdead0001);
		assert_true(wire_used(&bench->queues[1], NULL, NULL));
	}
}

TEST_WITH(without_the_feature_all_of_the_value_is_the_queue, setup, teardown)
{
	struct bench *bench = *state;

	bring_up(bench, 0);
	wire_add(&bench->queues[1], pair, 2);
	wire_reg_write(bench->vm, 0, VIRTIO_MMIO_QUEUE_NOTIFY, 0x10001);
	poll(bench);
	assert_false(wire_has_used(&bench->queues[1]));
	both_queues_work(bench);
}

TEST_WITH(one_ioevent_takes_the_kicks_of_all_queues_on_mmio, setup, teardown)
{
	struct bench *bench = *state;

	wire_allow_ioevents();
	bring_up(bench, DATA);
	assert_int_equal(wire_ioevents(), 1);
	both_queues_work(bench);
	/* Each kick leaves one, and none has come to the register. */
	bench->echo->kicks = 0;
	wire_add(&bench->queues[1], pair, 2);
	assert_true(wire_ioevent(WIRE_MMIO + VIRTIO_MMIO_QUEUE_NOTIFY, 4, 0x12340001));
	assert_true(wire_used(&bench->queues[1], NULL, NULL));
	assert_int_equal(bench->echo->kicks, ECHO_QUEUES);
}

TEST_WITH(drivers_may_follow_each_other_with_the_feature_and_without, setup, teardown)
{
	struct bench *bench = *state;
	static const u64 features[] = { 0, DATA, 0, DATA | PACKED, PACKED, DATA };

	wire_allow_ioevents();
	for (unsigned i = 0; i < ARRAY_SIZE(features); i++) {
		bring_up(bench, features[i]);
		assert_int_equal(wire_ioevents(), i ? 1 : ECHO_QUEUES);
		both_queues_work(bench);
	}
}

TEST_WITH(a_driver_may_settle_features_and_begin_in_one_write, setup, teardown)
{
	struct bench *bench = *state;
	const u32 at_once = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
			    VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK;

	wire_allow_ioevents();
	bring_up(bench, 0);
	wire_reg_write(bench->vm, 0, VIRTIO_MMIO_STATUS, 0);
	wire_reg_write(bench->vm, 0, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	wire_reg_write(bench->vm, 0, VIRTIO_MMIO_DRIVER_FEATURES,
		       (F(VIRTIO_F_VERSION_1) | DATA) >> 32);
	wire_reg_write(bench->vm, 0, VIRTIO_MMIO_STATUS, at_once);
	assert_int_equal(wire_status(bench->vm, 0), at_once);
	for (unsigned i = 0; i < ECHO_QUEUES; i++) {
		wire_queue_init(&bench->queues[i], bench->vm, 0, i, SIZE, RINGS(i));
		bench->queues[i].features |= DATA;
	}
	both_queues_work(bench);
	assert_int_equal(wire_ioevents(), 1);
}

/* ---- on PCI: an address for each queue ---- */

static int setup_pci(void **state)
{
	static struct pci_bench bench;

	pci_bench_setup(&bench, DEVICE_NO_ENDPOINT, false);
	*state = &bench;
	return 0;
}

static int teardown_pci(void **state)
{
	pci_bench_teardown(*state);
	return 0;
}

static void pci_up(struct pci_bench *bench, struct wire_queue *second, u64 features)
{
	assert_true(pci_driver_negotiate(&bench->driver, features));
	pci_driver_queue(&bench->driver, &bench->queue, 0, SIZE, RINGS(0));
	pci_driver_queue(&bench->driver, second, 1, SIZE, RINGS(1));
	pci_driver_ok(&bench->driver);
}

static void pci_queues_work(struct pci_bench *bench, struct wire_queue *second)
{
	for (unsigned i = 0; i < 3 * SIZE; i++) {
		struct wire_queue *queue = i % 2 ? second : &bench->queue;

		wire_add(queue, pair, 2);
		pci_driver_kick(&bench->driver, queue);
		assert_true(pci_driver_used(&bench->driver, queue, NULL));
	}
}

TEST_WITH(kicks_on_pci_are_as_was_agreed, setup_pci, teardown_pci)
{
	struct pci_bench *bench = *state;
	static struct wire_queue second;
	static const u64 features[] = { 0,	     DATA,
					PACKED,	     DATA | PACKED,
					CONFIG_DATA, CONFIG_DATA | DATA | PACKED };

	for (unsigned i = 0; i < 2 * ARRAY_SIZE(features); i++) {
		if (i == ARRAY_SIZE(features))
			wire_allow_ioevents();
		pci_up(bench, &second, features[i % ARRAY_SIZE(features)]);
		pci_queues_work(bench, &second);
	}
	/* An ioevent for each queue, whatever is written there. */
	assert_true(wire_ioevents() <= ECHO_QUEUES);
}

TEST_WITH(a_kick_on_pci_of_another_width_or_queue_is_none, setup_pci, teardown_pci)
{
	struct pci_bench *bench = *state;
	static struct wire_queue second;
	static const struct {
		u64 features;
		u32 value;
		unsigned len;
	} bad[] = { { 0, 1, 4 },    { 0, 1, 1 },    { 0, 0, 2 },	  { 0, 0x101, 2 },
		    { DATA, 1, 2 }, { DATA, 1, 1 }, { DATA, 0x10000, 4 }, { DATA, 0xffff, 4 } };

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		pci_up(bench, &second, bad[i].features);
		wire_add(&second, pair, 2);
		pci_driver_put(&bench->driver, &bench->driver.notify, bench->driver.notify_step,
			       bad[i].value, bad[i].len);
		pci_bench_poll(bench);
		assert_false(wire_has_used(&second));
		pci_driver_kick(&bench->driver, &second);
		assert_true(pci_driver_used(&bench->driver, &second, NULL));
	}
}

TEST_WITH(queue_notify_data_is_what_a_kick_has_for_the_queue, setup_pci, teardown_pci)
{
	struct pci_bench *bench = *state;
	static struct wire_queue second;
	u32 data;

	pci_up(bench, &second, CONFIG_DATA);
	pci_bench_put(bench, VIRTIO_PCI_COMMON_Q_SELECT, 1, 2);
	data = pci_bench_get(bench, VIRTIO_PCI_COMMON_Q_NDATA, 2);
	/* It is read-only, and of its own width. */
	pci_bench_put(bench, VIRTIO_PCI_COMMON_Q_NDATA, 0x7777, 2);
	assert_int_equal(pci_bench_get(bench, VIRTIO_PCI_COMMON_Q_NDATA, 2), data);
	assert_int_equal(pci_bench_get(bench, VIRTIO_PCI_COMMON_Q_NDATA, 4), 0);
	wire_add(&second, pair, 2);
	pci_driver_put(&bench->driver, &bench->driver.notify, bench->driver.notify_step, data, 2);
	assert_true(pci_driver_used(&bench->driver, &second, NULL));
	/* No queue, no data. */
	pci_bench_put(bench, VIRTIO_PCI_COMMON_Q_SELECT, ECHO_QUEUES, 2);
	assert_int_equal(pci_bench_get(bench, VIRTIO_PCI_COMMON_Q_NDATA, 2), 0);
}

TEST_WITH(there_is_room_for_a_kick_of_32_bits, setup_pci, teardown_pci)
{
	struct pci_bench *bench = *state;

	/* "cap.length >= queue_notify_off * notify_off_multiplier + 4" */
	for (u32 i = 0; i < ECHO_QUEUES; i++) {
		pci_bench_put(bench, VIRTIO_PCI_COMMON_Q_SELECT, i, 2);
		assert_true(pci_bench_get(bench, VIRTIO_PCI_COMMON_Q_NOFF, 2) *
					    bench->driver.notify_step +
				    4 <=
			    bench->driver.notify.length);
	}
}
