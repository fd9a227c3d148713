/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio 1.4, "PCI Device Layout": identity, structures, common and device configuration. */
#include <errno.h>

#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include "test.h"
#include "pci_driver.h"
#include "virtio/pci.h"

#define F(bit) (1ULL << (bit))
#define OWN                                                                                        \
	(F(VIRTIO_F_VERSION_1) | F(VIRTIO_RING_F_INDIRECT_DESC) | F(VIRTIO_RING_F_EVENT_IDX) |     \
	 F(VIRTIO_F_RING_RESET) | F(VIRTIO_F_RING_PACKED) | F(VIRTIO_F_NOTIFICATION_DATA) |        \
	 F(VIRTIO_F_NOTIF_CONFIG_DATA) | F(3))
#define COMMON_LAST 64

static int setup_as(void **state, u32 endpoint)
{
	static struct pci_bench bench;

	pci_bench_setup(&bench, endpoint, false);
	*state = &bench;
	return 0;
}

static int setup(void **state)
{
	return setup_as(state, DEVICE_NO_ENDPOINT);
}

static int setup_endpoint(void **state)
{
	return setup_as(state, BENCH_SLOT << 3);
}

static int teardown(void **state)
{
	pci_bench_teardown(*state);
	return 0;
}

static u64 get(struct pci_bench *bench, u32 offset, unsigned len)
{
	return pci_bench_get(bench, offset, len);
}

static void put(struct pci_bench *bench, u32 offset, u64 value, unsigned len)
{
	pci_bench_put(bench, offset, value, len);
}

static u64 device_get(struct pci_bench *bench, u32 offset, unsigned len)
{
	return pci_driver_get(&bench->driver, &bench->driver.device, offset, len);
}

static void device_put(struct pci_bench *bench, u32 offset, u64 value, unsigned len)
{
	pci_driver_put(&bench->driver, &bench->driver.device, offset, value, len);
}

/* ---- identity, structures ---- */

TEST_WITH(the_function_says_that_it_is_a_modern_virtio_device, setup, teardown)
{
	struct pci_bench *bench = *state;
	struct vm *vm = bench->vm;

	assert_int_equal(pci_rig_read(vm, BENCH_SLOT, PCI_VENDOR_ID, 2), 0x1af4);
	assert_int_equal(pci_rig_read(vm, BENCH_SLOT, PCI_DEVICE_ID, 2), 0x1040 + ECHO_ID);
	assert_int_equal(pci_rig_read(vm, BENCH_SLOT, PCI_REVISION_ID, 1), 1);
	assert_true(pci_rig_read(vm, BENCH_SLOT, PCI_SUBSYSTEM_ID, 2) >= 0x40);
	assert_int_equal(pci_rig_read(vm, BENCH_SLOT, PCI_CLASS_REVISION, 4) >> 8, 0xff0000);
	assert_int_equal(pci_rig_read(vm, BENCH_SLOT, PCI_INTERRUPT_PIN, 1), 1);
	assert_string_equal(bench->vm->devices.prev
				    ? list_entry(vm->devices.prev, struct device, node)->info.name
				    : "",
			    "echo");
}

static void assert_inside(struct pci_bench *bench, const struct pci_structure *structure, u32 align,
			  u32 length)
{
	assert_int_equal(structure->bar, 4);
	assert_int_equal(structure->offset % align, 0);
	assert_true(structure->length >= length);
	assert_true(structure->offset + structure->length <= 0x4000);
}

TEST_WITH(every_structure_is_aligned_and_large_enough, setup, teardown)
{
	struct pci_bench *bench = *state;
	const struct pci_driver *driver = &bench->driver;

	assert_inside(bench, &driver->common, 4, 60);
	assert_inside(bench, &driver->isr, 1, 1);
	assert_inside(bench, &driver->device, 4, sizeof(bench->echo->config));
	assert_int_equal(driver->notify_step, 4);
	assert_inside(bench, &driver->notify, 2, (ECHO_QUEUES - 1) * driver->notify_step + 2);
	assert_int_equal(get(bench, VIRTIO_PCI_COMMON_NUMQ, 2), ECHO_QUEUES);
}

TEST_WITH(capabilities_say_their_length_and_cannot_be_written, setup, teardown)
{
	struct pci_bench *bench = *state;
	const struct pci_driver *driver = &bench->driver;
	const struct pci_structure *all[] = { &driver->common, &driver->notify, &driver->isr,
					      &driver->device };

	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
		u8 size = i == 1 ? 20 : 16;

		assert_int_equal(pci_rig_read(bench->vm, BENCH_SLOT, all[i]->at + 2, 1), size);
		for (unsigned j = 0; j < size; j += 4) {
			u32 before = pci_rig_read(bench->vm, BENCH_SLOT, all[i]->at + j, 4);

			pci_rig_write(bench->vm, BENCH_SLOT, all[i]->at + j, ~before, 4);
			assert_int_equal(pci_rig_read(bench->vm, BENCH_SLOT, all[i]->at + j, 4),
					 before);
		}
	}
	assert_int_equal(pci_rig_read(bench->vm, BENCH_SLOT, driver->window.at + 2, 1), 20);
}

/* ---- widths ---- */

TEST_WITH(fields_answer_accesses_of_their_own_width_alone, setup, teardown)
{
	struct pci_bench *bench = *state;
	static const unsigned widths[] = { 1, 2, 4, 8 };

	for (unsigned i = 0; i < ARRAY_SIZE(widths); i++) {
		unsigned len = widths[i];

		assert_int_equal(get(bench, VIRTIO_PCI_COMMON_NUMQ, len),
				 len == 2 ? ECHO_QUEUES : 0);
		put(bench, VIRTIO_PCI_COMMON_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE, len);
		assert_int_equal(pci_driver_status(&bench->driver), len == 1);
		put(bench, VIRTIO_PCI_COMMON_STATUS, 0, 1);
		put(bench, VIRTIO_PCI_COMMON_Q_SELECT, 1, len);
		assert_int_equal(get(bench, VIRTIO_PCI_COMMON_Q_SELECT, 2), len == 2);
		put(bench, VIRTIO_PCI_COMMON_Q_SELECT, 0, 2);
		put(bench, VIRTIO_PCI_COMMON_Q_DESCLO, 0x1000, len);
		assert_int_equal(get(bench, VIRTIO_PCI_COMMON_Q_DESCLO, 4), len == 4 ? 0x1000 : 0);
		put(bench, VIRTIO_PCI_COMMON_Q_DESCLO, 0, 4);
	}
	assert_int_equal(get(bench, VIRTIO_PCI_COMMON_NUMQ + 1, 1), 0);
	assert_int_equal(get(bench, VIRTIO_PCI_COMMON_Q_SIZE + 1, 2), 0);
}

TEST_WITH(both_halves_of_an_address_are_fields_of_their_own, setup, teardown)
{
	struct pci_bench *bench = *state;
	static const u32 fields[] = { VIRTIO_PCI_COMMON_Q_DESCLO, VIRTIO_PCI_COMMON_Q_AVAILLO,
				      VIRTIO_PCI_COMMON_Q_USEDLO };

	for (unsigned i = 0; i < ARRAY_SIZE(fields); i++) {
		put(bench, fields[i] + 4, 0x89abcdef, 4);
		put(bench, fields[i], 0x01234567, 4);
		assert_int_equal(get(bench, fields[i], 4), 0x01234567);
		assert_int_equal(get(bench, fields[i] + 4, 4), 0x89abcdef);
	}
	assert_true(bench->echo->queues[0].device_area == 0x89abcdef01234567);
}

static void hammer(struct pci_bench *bench)
{
	static const u64 values[] = { UINT64_MAX, 0x80000000, 1, 256, 0xffff, 0 };
	u64 bar = pci_rig_bar(bench->vm, BENCH_SLOT, 4);

	for (u64 at = bar; at<bar + 0x4000; at += at - bar> COMMON_LAST ? 61 : 1) {
		for (unsigned i = 0; i < ARRAY_SIZE(values); i++) {
			put(bench, VIRTIO_PCI_COMMON_Q_SELECT, values[i], 2);
			for (unsigned len = 1; len <= 8; len *= 2) {
				pci_rig_store(bench->vm, at, values[i], len);
				pci_rig_load(bench->vm, at, len);
			}
		}
	}
}

TEST_WITH(every_register_survives_every_value, setup, teardown)
{
	struct pci_bench *bench = *state;

	hammer(bench);
	pci_bench_up(bench, 0);
	pci_bench_vectors(bench);
	hammer(bench);
	pci_bench_up(bench, F(VIRTIO_F_RING_RESET));
	pci_bench_echoes(bench);
}

/* ---- features, status ---- */

TEST_WITH(the_transport_offers_its_own_features, setup, teardown)
{
	struct pci_bench *bench = *state;

	assert_true(pci_driver_features(&bench->driver) == OWN);
	put(bench, VIRTIO_PCI_COMMON_DFSELECT, 2, 4);
	assert_int_equal(get(bench, VIRTIO_PCI_COMMON_DF, 4), 0);
	assert_true(pci_driver_negotiate(&bench->driver, OWN));
	assert_true(bench->echo->device.accepted == OWN);
}

TEST_WITH(what_the_driver_accepted_reads_back_by_halves, setup, teardown)
{
	struct pci_bench *bench = *state;

	put(bench, VIRTIO_PCI_COMMON_GFSELECT, 0, 4);
	put(bench, VIRTIO_PCI_COMMON_GF, 8, 4);
	put(bench, VIRTIO_PCI_COMMON_GFSELECT, 1, 4);
	put(bench, VIRTIO_PCI_COMMON_GF, 1, 4);
	assert_int_equal(get(bench, VIRTIO_PCI_COMMON_GF, 4), 1);
	assert_int_equal(get(bench, VIRTIO_PCI_COMMON_GFSELECT, 4), 1);
	put(bench, VIRTIO_PCI_COMMON_GFSELECT, 0, 4);
	assert_int_equal(get(bench, VIRTIO_PCI_COMMON_GF, 4), 8);
	put(bench, VIRTIO_PCI_COMMON_GFSELECT, ~0u, 4);
	assert_int_equal(get(bench, VIRTIO_PCI_COMMON_GF, 4), 0);
}

TEST_WITH(an_endpoint_insists_on_access_platform, setup_endpoint, teardown)
{
	struct pci_bench *bench = *state;

	assert_true(pci_driver_features(&bench->driver) == (OWN | F(VIRTIO_F_ACCESS_PLATFORM)));
	assert_false(pci_driver_negotiate(&bench->driver, 0));
	assert_true(pci_driver_negotiate(&bench->driver, F(VIRTIO_F_ACCESS_PLATFORM)));
	assert_int_equal(list_entry(bench->vm->devices.prev, struct device, node)->info.endpoint,
			 BENCH_SLOT << 3);
}

TEST_WITH(features_that_were_not_offered_are_refused, setup, teardown)
{
	struct pci_bench *bench = *state;

	assert_false(pci_driver_negotiate(&bench->driver, 1));
	assert_false(pci_driver_negotiate(&bench->driver, F(VIRTIO_F_SR_IOV)));
	assert_true(pci_driver_negotiate(&bench->driver, 0));
}

TEST_WITH(status_reads_0_when_the_reset_is_done, setup, teardown)
{
	struct pci_bench *bench = *state;

	pci_bench_up(bench, 0);
	put(bench, VIRTIO_PCI_COMMON_Q_SELECT, 1, 2);
	put(bench, VIRTIO_PCI_COMMON_STATUS, 0, 1);
	assert_int_equal(pci_driver_status(&bench->driver), 0);
	assert_int_equal(get(bench, VIRTIO_PCI_COMMON_Q_SELECT, 2), 0);
	assert_int_equal(get(bench, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	assert_int_equal(get(bench, VIRTIO_PCI_COMMON_Q_DESCLO, 4), 0);
	assert_int_equal(get(bench, VIRTIO_PCI_COMMON_GF, 4), 0);
	assert_int_equal(bench->echo->resets, 2);
	pci_bench_up(bench, 0);
	pci_bench_echoes(bench);
}

TEST_WITH(a_broken_device_heeds_nothing_but_its_reset, setup, teardown)
{
	struct pci_bench *bench = *state;

	pci_bench_up(bench, 0);
	virtio_device_broken(&bench->echo->device, "a test said so");
	assert_true(wire_level(BENCH_GSI));
	put(bench, VIRTIO_PCI_COMMON_Q_SELECT, 1, 2);
	assert_int_equal(get(bench, VIRTIO_PCI_COMMON_Q_SELECT, 2), 0);
	device_put(bench, 0, 0xff, 1);
	assert_int_equal(device_get(bench, 0, 1), 0x10);
	put(bench, VIRTIO_PCI_COMMON_STATUS, 0xff, 1);
	assert_int_equal(pci_driver_status(&bench->driver), 0x4f);
	pci_bench_up(bench, 0);
	assert_false(wire_level(BENCH_GSI));
	pci_bench_echoes(bench);
}

/* ---- queues ---- */

TEST_WITH(a_queue_that_does_not_exist_is_all_zero_and_ignores_writes, setup, teardown)
{
	struct pci_bench *bench = *state;
	static const u16 absent[] = { ECHO_QUEUES, 255, 0x8000, 0xffff };

	pci_bench_up(bench, F(VIRTIO_F_RING_RESET));
	for (unsigned i = 0; i < ARRAY_SIZE(absent); i++) {
		put(bench, VIRTIO_PCI_COMMON_Q_SELECT, absent[i], 2);
		put(bench, VIRTIO_PCI_COMMON_Q_SIZE, 16, 2);
		put(bench, VIRTIO_PCI_COMMON_Q_DESCLO, BENCH_RINGS, 4);
		put(bench, VIRTIO_PCI_COMMON_Q_MSIX, 0, 2);
		put(bench, VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
		put(bench, VIRTIO_PCI_COMMON_Q_RESET, 1, 2);
		assert_int_equal(get(bench, VIRTIO_PCI_COMMON_Q_SIZE, 2), 0);
		assert_int_equal(get(bench, VIRTIO_PCI_COMMON_Q_DESCLO, 4), 0);
		assert_int_equal(get(bench, VIRTIO_PCI_COMMON_Q_MSIX, 2), VIRTIO_MSI_NO_VECTOR);
		assert_int_equal(get(bench, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
		assert_int_equal(get(bench, VIRTIO_PCI_COMMON_Q_NOFF, 2), 0);
	}
	assert_int_equal(bench->echo->queue_resets, 0);
	pci_bench_echoes(bench);
}

TEST_WITH(queue_size_is_the_maximum_until_the_driver_chooses, setup, teardown)
{
	struct pci_bench *bench = *state;

	assert_int_equal(get(bench, VIRTIO_PCI_COMMON_Q_SIZE, 2), VIRTQ_MAX_SIZE);
	put(bench, VIRTIO_PCI_COMMON_Q_SIZE, 16, 2);
	assert_int_equal(get(bench, VIRTIO_PCI_COMMON_Q_SIZE, 2), 16);
	put(bench, VIRTIO_PCI_COMMON_STATUS, 0, 1);
	assert_int_equal(get(bench, VIRTIO_PCI_COMMON_Q_SIZE, 2), VIRTQ_MAX_SIZE);
}

TEST_WITH(queues_of_impossible_size_are_refused, setup, teardown)
{
	struct pci_bench *bench = *state;
	static const u16 bad[] = { 0, 3, 17, 2048, 0x8000, 0xffff };

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_true(pci_driver_negotiate(&bench->driver, 0));
		put(bench, VIRTIO_PCI_COMMON_Q_SIZE, bad[i], 2);
		/* "either a value of 0 or a power of 2" */
		assert_int_equal(get(bench, VIRTIO_PCI_COMMON_Q_SIZE, 2), 0);
		put(bench, VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
		assert_int_equal(get(bench, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
		assert_true(pci_driver_status(&bench->driver) & VIRTIO_CONFIG_S_NEEDS_RESET);
	}
}

TEST_WITH(an_enabled_queue_keeps_its_layout_and_stays_enabled, setup, teardown)
{
	struct pci_bench *bench = *state;

	pci_bench_up(bench, 0);
	put(bench, VIRTIO_PCI_COMMON_Q_SELECT, 0, 2);
	put(bench, VIRTIO_PCI_COMMON_Q_SIZE, 2, 2);
	for (u32 at = VIRTIO_PCI_COMMON_Q_DESCLO; at <= VIRTIO_PCI_COMMON_Q_USEDHI; at += 4)
		put(bench, at, 0xdead0000, 4);
	put(bench, VIRTIO_PCI_COMMON_Q_ENABLE, 0, 2);
	assert_int_equal(get(bench, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
	assert_int_equal(get(bench, VIRTIO_PCI_COMMON_Q_SIZE, 2), BENCH_SIZE);
	pci_bench_echoes(bench);
}

TEST_WITH(a_queue_waits_for_features_ok, setup, teardown)
{
	struct pci_bench *bench = *state;

	put(bench, VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
	assert_int_equal(get(bench, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
}

TEST_WITH(queue_reset_stops_one_queue_and_it_starts_afresh, setup, teardown)
{
	struct pci_bench *bench = *state;

	pci_bench_up(bench, F(VIRTIO_F_RING_RESET));
	pci_bench_vectors(bench);
	pci_bench_echoes(bench);
	put(bench, VIRTIO_PCI_COMMON_Q_SELECT, 0, 2);
	put(bench, VIRTIO_PCI_COMMON_Q_RESET, 1, 2);
	assert_int_equal(get(bench, VIRTIO_PCI_COMMON_Q_RESET, 2), 0);
	assert_int_equal(get(bench, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	assert_int_equal(get(bench, VIRTIO_PCI_COMMON_Q_SIZE, 2), VIRTQ_MAX_SIZE);
	assert_int_equal(get(bench, VIRTIO_PCI_COMMON_Q_MSIX, 2), VIRTIO_MSI_NO_VECTOR);
	assert_int_equal(bench->echo->queue_resets, 1);
	pci_driver_queue(&bench->driver, &bench->queue, 0, 8, BENCH_RINGS2);
	pci_bench_echoes(bench);
	put(bench, VIRTIO_PCI_COMMON_Q_SELECT, 1, 2);
	assert_int_equal(get(bench, VIRTIO_PCI_COMMON_Q_MSIX, 2), 2);
}

TEST_WITH(queue_reset_does_nothing_unless_negotiated, setup, teardown)
{
	struct pci_bench *bench = *state;

	pci_bench_up(bench, 0);
	put(bench, VIRTIO_PCI_COMMON_Q_RESET, 1, 2);
	assert_int_equal(bench->echo->queue_resets, 0);
	pci_bench_echoes(bench);
}

/* ---- device configuration ---- */

TEST_WITH(device_configuration_takes_widths_1_2_and_4_inside_it, setup, teardown)
{
	struct pci_bench *bench = *state;

	assert_int_equal(device_get(bench, 3, 1), 0x13);
	assert_int_equal(device_get(bench, 2, 2), 0x1312);
	assert_int_equal(device_get(bench, 12, 4), 0x1f1e1d1c);
	assert_int_equal(device_get(bench, 0, 8), 0);
	assert_int_equal(device_get(bench, 1, 2), 0);
	assert_int_equal(device_get(bench, 16, 1), 0);
	assert_int_equal(device_get(bench, 0xffc, 4), 0);
	device_put(bench, 4, 0xaabbccdd, 4);
	assert_int_equal(device_get(bench, 4, 4), 0xaabbccdd);
	device_put(bench, 16, ~0u, 4);
	device_put(bench, 14, ~0u, 4);
	assert_int_equal(device_get(bench, 12, 4), 0x1f1e1d1c);
}

TEST_WITH(the_generation_changes_for_who_read_a_changed_value, setup, teardown)
{
	struct pci_bench *bench = *state;
	u8 before = get(bench, VIRTIO_PCI_COMMON_CFGGENERATION, 1);

	device_get(bench, 0, 4);
	assert_int_equal(get(bench, VIRTIO_PCI_COMMON_CFGGENERATION, 1), before);
	/* 256 changes do not look like none. */
	for (unsigned i = 0; i < 256; i++)
		virtio_device_config_changed(&bench->echo->device);
	device_get(bench, 4, 4);
	assert_int_not_equal(get(bench, VIRTIO_PCI_COMMON_CFGGENERATION, 1), before);
	before = get(bench, VIRTIO_PCI_COMMON_CFGGENERATION, 1);
	device_get(bench, 8, 4);
	assert_int_equal(get(bench, VIRTIO_PCI_COMMON_CFGGENERATION, 1), before);
}

/* ---- life ---- */

TEST_WITH(two_devices_cannot_share_a_slot, setup, teardown)
{
	struct pci_bench *bench = *state;
	struct echo *second = echo_alloc(bench->vm);

	assert_int_equal(virtio_pci_create(bench->vm, bench->vm->pci, &second->device,
					   BENCH_SLOT << 3, DEVICE_NO_ENDPOINT),
			 -EEXIST);
	assert_null(second->device.transport);
	echo_free(second);
	pci_bench_up(bench, 0);
	pci_bench_echoes(bench);
}

TEST_WITH(a_destroyed_device_is_reset_first, setup, teardown)
{
	struct pci_bench *bench = *state;

	wire_allow_ioevents();
	pci_bench_up(bench, 0);
	pci_bench_vectors(bench);
	pci_bench_add(bench);
	pci_driver_kick(&bench->driver, &bench->queue);
	/* The rest is the teardown's: nothing may be left, nobody called. */
}
