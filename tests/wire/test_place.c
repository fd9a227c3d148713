/* SPDX-License-Identifier: BSD-2-Clause */
/* Places, and the toy of tests/toy in them: on both transports, in front of an IOMMU and behind it.
 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <stdlib.h>

#include "test.h"
#include "iommu_driver.h"
#include "pci_driver.h"
#include "virtio/place.h"
#include "vmm/counters.h"

#define TOY_ID 0x3f
#define RINGS  0x60000
#define DATA   0x100000
#define DOMAIN 1

extern const struct device_class toy_class;

static int mmio_slot(unsigned n, struct device_resource *slot)
{
	if (n >= WIRE_SLOTS)
		return -ENOSPC;
	wire_slot(n, slot);
	return 0;
}

static int translator_add(void *arg, struct vm *vm, u32 endpoint, const struct device_want *want,
			  struct dma_space **space, struct error *err)
{
	static const struct dma_limits limits = {
		.page_size_mask = 0x1000,
		.aperture = { 0, UINT64_MAX },
	};
	struct rig *rig = arg;

	return viommu_add_endpoint(rig->viommu, endpoint, want->name, &limits, NULL, space, err);
}

static const struct device_translator translator = { .add = translator_add };

static struct rig rig;
static struct device_host host;
static void *toy, *second;

/* A machine whose IOMMU sits in slot 0 and is in front of what comes later. */
static int set_up(void **state)
{
	static const struct device_want iommu = { .name = "iommu", .is_iommu = true };
	static char word[] = "hello";
	struct device_place place;

	rig_create(&rig, NULL);
	pci_rig_create(rig.vm);
	host = (struct device_host){ .vm = rig.vm,
				     .bus = DEVICE_BUS_MMIO,
				     .mmio_resource = mmio_slot };
	assert_int_equal(device_place(&host, &iommu, &place, NULL), 0);
	assert_int_equal(place.endpoint, DEVICE_NO_ENDPOINT);
	assert_ptr_equal(place.space, &rig.vm->identity.space);
	/* The rig has made two endpoints of its own, with the first platform IDs. */
	host.platform_endpoints = 2;
	toy = calloc(1, toy_class.state_size);
	assert_non_null(toy);
	assert_int_equal(option_set(toy_class.options, toy, word, NULL), 0);
	return 0;
}

static int tear_down(void **state)
{
	rig_destroy(&rig);
	free(toy);
	free(second);
	second = NULL;
	return 0;
}

static void add_toy(enum device_bus bus, bool translated)
{
	host.bus = bus;
	host.translator = translated ? &translator : NULL;
	host.translator_arg = &rig;
	assert_int_equal(toy_class.create(toy, &host, NULL), 0);
	assert_int_equal(pci_bus_place_bars(rig.vm->pci, NULL), 0);
	rig_start(&rig, ALL_FEATURES);
}

/* All that the toy reaches is below 2 MiB: mapped as it is. */
static void let_in(u32 endpoint)
{
	assert_int_equal(rig_attach(&rig, DOMAIN, endpoint, 0), VIRTIO_IOMMU_S_OK);
	assert_int_equal(rig_map(&rig, DOMAIN, 0, 2 * MIB - 1, 0, READ_WRITE), VIRTIO_IOMMU_S_OK);
}

static void expect_line(struct counters_text *text, const char *line)
{
	assert_string_equal(line, "virtio-toy: buffers=1");
}

static void expect_word(struct wire_queue *queue, u32 len)
{
	struct counters_text counted = { .line = expect_line };
	char text[6] = "";

	assert_int_equal(len, 5);
	wire_read(rig.vm, DATA, text, 5);
	assert_string_equal(text, "hello");
	counters_text_begin(&counted);
	toy_class.report(toy, &counted.counters);
	counters_text_end(&counted);
}

static void on_mmio(bool translated)
{
	const struct wire_segment buffer = { DATA, 64, true };
	struct wire_queue queue;
	u32 len;

	add_toy(DEVICE_BUS_MMIO, translated);
	assert_int_equal(wire_reg_read(rig.vm, 1, VIRTIO_MMIO_DEVICE_ID), TOY_ID);
	if (translated)
		let_in(DEVICE_PLATFORM_ENDPOINT + 2);
	assert_true(wire_negotiate(rig.vm, 1, translated ? 1ULL << VIRTIO_F_ACCESS_PLATFORM : 0));
	wire_queue_init(&queue, rig.vm, 1, 0, 16, RINGS);
	wire_driver_ok(rig.vm, 1);
	wire_add(&queue, &buffer, 1);
	wire_kick(&queue);
	assert_true(wire_used(&queue, NULL, &len));
	expect_word(&queue, len);
}

static void on_pci(bool translated)
{
	const struct wire_segment buffer = { DATA, 64, true };
	struct pci_driver driver;
	struct wire_queue queue;
	u32 len;

	add_toy(DEVICE_BUS_PCI, translated);
	pci_driver_find(&driver, rig.vm, 1);
	if (translated)
		let_in(1 << 3);
	assert_true(
		pci_driver_negotiate(&driver, translated ? 1ULL << VIRTIO_F_ACCESS_PLATFORM : 0));
	pci_driver_queue(&driver, &queue, 0, 16, RINGS);
	pci_driver_ok(&driver);
	wire_add(&queue, &buffer, 1);
	pci_driver_kick(&driver, &queue);
	assert_true(pci_driver_used(&driver, &queue, &len));
	expect_word(&queue, len);
}

TEST_WITH(a_device_works_on_mmio, set_up, tear_down)
{
	on_mmio(false);
}

TEST_WITH(a_device_works_on_pci, set_up, tear_down)
{
	on_pci(false);
}

TEST_WITH(a_device_works_on_mmio_behind_the_iommu, set_up, tear_down)
{
	on_mmio(true);
}

TEST_WITH(a_device_works_on_pci_behind_the_iommu, set_up, tear_down)
{
	on_pci(true);
}

/* ---- places ---- */

TEST_WITH(a_pci_place_has_its_address_for_an_endpoint_id, set_up, tear_down)
{
	const struct device_want want = { .name = "a" };
	const struct device_want beside = { .name = "b", .same_slot = true };
	struct device_place place;

	host.bus = DEVICE_BUS_PCI;
	host.translator = &translator;
	host.translator_arg = &rig;
	assert_int_equal(device_place(&host, &want, &place, NULL), 0);
	assert_int_equal(place.endpoint, 1 << 3);
	assert_int_equal(device_place(&host, &beside, &place, NULL), 0);
	assert_int_equal(place.pci_slot, 1);
	assert_int_equal(place.endpoint, 1 << 3 | 1);
	assert_int_equal(device_place(&host, &want, &place, NULL), 0);
	assert_int_equal(place.endpoint, 2 << 3);
	assert_ptr_not_equal(place.space, &rig.vm->identity.space);
	rig_start(&rig, ALL_FEATURES);
}

TEST_WITH(a_device_of_physical_addresses_is_not_behind_the_iommu, set_up, tear_down)
{
	static const struct device_want want = { .name = "a", .physical = true };
	static const enum device_bus buses[] = { DEVICE_BUS_PCI, DEVICE_BUS_MMIO };
	struct device_place place;

	host.translator = &translator;
	host.translator_arg = &rig;
	for (unsigned i = 0; i < ARRAY_SIZE(buses); i++) {
		host.bus = buses[i];
		assert_int_equal(device_place(&host, &want, &place, NULL), 0);
		assert_int_equal(place.endpoint, DEVICE_NO_ENDPOINT);
		assert_ptr_equal(place.space, &rig.vm->identity.space);
	}
	assert_int_equal(host.platform_endpoints, 2);
	rig_start(&rig, ALL_FEATURES);
}

TEST_WITH(places_that_are_out_are_refused_with_a_line, set_up, tear_down)
{
	const struct device_want want = { .name = "a" };
	unsigned mmio_places = device_places(&host, DEVICE_BUS_MMIO);
	unsigned pci_places = device_places(&host, DEVICE_BUS_PCI);
	struct error err = { "" };
	struct device_place place;

	assert_int_equal(mmio_places, WIRE_SLOTS);
	for (unsigned i = 1; i < mmio_places; i++)
		assert_int_equal(device_place(&host, &want, &place, NULL), 0);
	assert_int_equal(device_place(&host, &want, &place, &err), -ENOSPC);
	assert_string_equal(err.text, "a: this machine has no place left for it");
	host.bus = DEVICE_BUS_PCI;
	for (unsigned i = 0; i < pci_places; i++)
		assert_int_equal(device_place(&host, &want, &place, NULL), 0);
	assert_int_equal(device_place(&host, &want, &place, NULL), -ENOSPC);
	rig_start(&rig, ALL_FEATURES);
}

TEST_WITH(where_pci_is_crowded_devices_are_functions_of_a_slot, set_up, tear_down)
{
	const struct device_want want = { .name = "a" };
	const struct dma_limits limits = { .page_size_mask = 0x1000 };
	const struct device_want passed = { .name = "b", .limits = &limits };
	struct device_place place;

	host.bus = DEVICE_BUS_PCI;
	host.pci_is_crowded = true;
	host.translator = &translator;
	host.translator_arg = &rig;
	for (unsigned i = 0; i < 17; i++) {
		assert_int_equal(device_place(&host, &want, &place, NULL), 0);
		assert_int_equal(place.pci_slot, 1 + i / 8);
		assert_int_equal(place.pci_function, i % 8);
		assert_int_equal(place.endpoint, (1 + i / 8) << 3 | i % 8);
	}
	/* One that is passed has a slot of its own, and nothing else comes into it. */
	assert_int_equal(device_place(&host, &passed, &place, NULL), 0);
	assert_int_equal(place.pci_slot, 4);
	assert_int_equal(place.pci_function, 0);
	assert_int_equal(device_place(&host, &want, &place, NULL), 0);
	assert_int_equal(place.pci_slot, 5);
	assert_int_equal(place.pci_function, 0);
	rig_start(&rig, ALL_FEATURES);
}

static void toy_at(unsigned slot, unsigned function)
{
	const struct pci_function *there = pci_bus_find(rig.vm->pci, slot, function);

	assert_non_null(there);
	assert_int_equal(pci_bdf(there), slot << 3 | function);
	assert_int_equal(there->device.info.endpoint, slot << 3 | function);
}

TEST_WITH(functions_of_a_slot_are_devices_with_endpoints_of_their_own, set_up, tear_down)
{
	host.bus = DEVICE_BUS_PCI;
	host.pci_is_crowded = true;
	host.translator = &translator;
	host.translator_arg = &rig;
	assert_int_equal(toy_class.create(toy, &host, NULL), 0);
	second = calloc(1, toy_class.state_size);
	assert_non_null(second);
	assert_int_equal(toy_class.create(second, &host, NULL), 0);
	toy_at(1, 0);
	toy_at(1, 1);
	/* "Header Type": the guest looks at the others. */
	assert_int_equal(pci_rig_read(rig.vm, 1, 0x0e, 1), 0x80);
	rig_start(&rig, ALL_FEATURES);
}
