/* SPDX-License-Identifier: BSD-2-Clause */
/* vfio/peers.c: registers that devices reach by DMA, of two devices in groups of their own. */
#include <stdio.h>
#include <unistd.h>

#include "catch.h"
#include "vfio/vfio.h"
#include "vfio_machine.h"
#include "vfio_tree.h"
#include "test.h"

#define DEVICES 2
#define SIZE	0x4000
#define IOVA	0x10000000

static const char *const names[DEVICES] = { "0000:00:04.0", "0000:00:05.0" };
static struct vfio_tree tree;
static struct vfio *vfio;
static struct fake_device *fakes[DEVICES];

/* ---- the guest ---- */

static u16 bdf(unsigned n)
{
	return (n + 1) << 3;
}

static void command(unsigned n, u16 value)
{
	pci_config_write(vm.pci, bdf(n), PCI_COMMAND, value, 2);
}

static gpa_t bar(unsigned n)
{
	return pci_config_read(vm.pci, bdf(n), PCI_BASE_ADDRESS_0, 4) & ~0xfu;
}

static int guest_map(unsigned n, iova_t iova, gpa_t gpa, u64 len)
{
	const struct dma_mapping m = { iova, iova + len - 1, gpa, DMA_READ | DMA_WRITE, true };
	struct dma_listener *listener = vfio_listener(vfio, n);

	return listener->ops->map(listener, &m);
}

static int guest_unmap(unsigned n, iova_t iova, u64 len)
{
	const struct dma_mapping m = { iova, iova + len - 1, 0, DMA_READ, true };
	struct dma_listener *listener = vfio_listener(vfio, n);

	return listener->ops->unmap(listener, &m);
}

/* ---- the host ---- */

static void make_fake(unsigned n, u16 vendor)
{
	struct fake_device *fake = vfio_fake_device(names[n], 4 + n);

	fake->config[PCI_VENDOR_ID] = vendor;
	fake->irq_counts[VFIO_PCI_REQ_IRQ_INDEX] = 1;
	vfio_fake_region(fake, 0, SIZE, VFIO_REGION_INFO_FLAG_MMAP);
	fakes[n] = fake;
	vfio_tree_device(&tree, names[n], "0x010802", "vfio-pci", 4 + n);
	vfio_tree_file(&tree, "", "dev/vfio/%u", 4 + n);
}

/* What the host maps for @container at @iova is @offset into the registers of device @n. */
static bool reaches(unsigned container_n, iova_t iova, unsigned n, u64 offset)
{
	const struct fake_map *map = vfio_fake_find(container_n, iova);

	return map &&
	       map->host + (iova - map->iova) == (uintptr_t)fakes[n]->regions[0].memory + offset;
}

static unsigned count_of(unsigned container_n)
{
	return vfio_fake.containers[container_n].map_count;
}

static void host_recalls(unsigned n)
{
	u64 one = 1;

	assert_int_equal(write(fakes[n]->request_fd, &one, sizeof(one)), sizeof(one));
	assert_int_equal(loop_poll(vm.loop, 0), 1);
	assert_false(fakes[n]->open);
}

static void furnish(void)
{
	vfio = NULL;
	vfio_fake_init();
	vfio_tree_create(&tree);
	vfio_tree_vfio(&tree);
	make_fake(0, 0x1111);
	make_fake(1, 0x2222);
}

/* With both devices on the bus, decoding. */
static void begin(bool translated, bool no_p2p)
{
	struct vfio_want wants[DEVICES];
	const struct vfio_request request = { &tree.paths, wants, DEVICES, translated, NULL };
	struct error err = { "" };

	for (unsigned n = 0; n < DEVICES; n++)
		wants[n] = (struct vfio_want){ .address = vfio_tree_address(names[n]),
					       .no_p2p = no_p2p && n == 0 };
	machine_vm();
	if (vfio_open(&vfio, &request, &err) || vfio_plug(vfio, &vm, &err))
		fail_msg("%s", err.text);
	for (unsigned n = 0; n < DEVICES; n++)
		if (vfio_add(vfio, n, vm.pci, n + 1, 0, &vm.identity.space, bdf(n), &err))
			fail_msg("%s", err.text);
	assert_int_equal(pci_bus_place_bars(vm.pci, &err), 0);
	for (unsigned n = 0; n < DEVICES; n++)
		command(n, PCI_COMMAND_MEMORY);
}

static int start(void **state)
{
	furnish();
	return 0;
}

static int stop(void **state)
{
	while (!list_empty(&vm.devices)) {
		struct device *last = list_entry(vm.devices.prev, struct device, node);

		list_del(&last->node);
		last->ops->destroy(last);
	}
	assert_int_equal(slots_shown, 0);
	vfio_close(vfio);
	bus_destroy(vm.ports);
	bus_destroy(vm.mmio);
	loop_destroy(vm.loop);
	memory_destroy(vm.memory);
	pthread_mutex_destroy(&vm.lock);
	vfio_tree_destroy(&tree);
	vfio_fake_end();
	return 0;
}

/* ---- without an IOMMU for the guest ---- */

TEST_WITH(without_an_iommu_devices_reach_all_registers_at_the_guests_addresses, start, stop)
{
	begin(false, false);
	assert_true(reaches(0, bar(0), 0, 0));
	assert_true(reaches(0, bar(1) + SIZE - 1, 1, SIZE - 1));
	assert_int_equal(vfio_fake_find(0, bar(0))->flags,
			 VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE);
	assert_int_equal(count_of(0), 3); /* and RAM */
}

TEST_WITH(they_follow_the_bar, start, stop)
{
	gpa_t before;

	begin(false, false);
	before = bar(0);
	command(0, 0);
	assert_null(vfio_fake_find(0, before));
	pci_config_write(vm.pci, bdf(0), PCI_BASE_ADDRESS_0, MMIO32 + 32 * MIB, 4);
	command(0, PCI_COMMAND_MEMORY);
	assert_null(vfio_fake_find(0, before));
	assert_true(reaches(0, MMIO32 + 32 * MIB, 0, 0));
}

TEST_WITH(what_the_host_does_not_map_is_left_out, start, stop)
{
	vfio_fake.ranges[0].last = MMIO32 - 1;
	begin(false, false);
	assert_int_equal(count_of(0), 1);
}

TEST_WITH(with_p2p_off_nobody_reaches_a_devices_registers, start, stop)
{
	begin(false, true);
	assert_null(vfio_fake_find(0, bar(0)));
	assert_true(reaches(0, bar(1), 1, 0));
}

TEST_WITH(a_recalled_device_is_unmapped_for_all_before_it_is_given_back, start, stop)
{
	gpa_t at;

	begin(false, false);
	at = bar(0);
	host_recalls(0); /* the fake looks when it is closed */
	assert_null(vfio_fake_find(0, at));
	assert_true(reaches(0, bar(1), 1, 0));
}

/* ---- behind the guest's IOMMU ---- */

TEST_WITH(behind_an_iommu_devices_reach_what_the_guest_maps, start, stop)
{
	begin(true, false);
	assert_int_equal(count_of(0) + count_of(1), 0);
	assert_int_equal(guest_map(1, IOVA, bar(0) + 0x1000, 0x2000), 0);
	assert_true(reaches(1, IOVA, 0, 0x1000));
	assert_int_equal(count_of(0), 0);
	assert_int_equal(guest_unmap(1, IOVA, 0x2000), 0);
	assert_int_equal(count_of(1), 0);
	/* What is forgotten does not come back with the BAR. */
	command(0, 0);
	command(0, PCI_COMMAND_MEMORY);
	assert_int_equal(count_of(1), 0);
}

TEST_WITH(a_guest_need_not_say_that_a_mapping_leads_to_registers, start, stop)
{
	struct dma_mapping m = { IOVA, IOVA + 0xfff, 0, DMA_READ, false };
	struct dma_listener *listener;

	begin(true, false);
	listener = vfio_listener(vfio, 1);
	m.gpa = bar(0) + 0x1000;
	assert_int_equal(listener->ops->map(listener, &m), 0);
	assert_true(reaches(1, IOVA, 0, 0x1000));
	command(0, 0);
	assert_int_equal(count_of(1), 0);
	assert_int_equal(listener->ops->map(listener, &m), -EFAULT);
	command(0, PCI_COMMAND_MEMORY);
	assert_true(reaches(1, IOVA, 0, 0x1000));
	assert_int_equal(listener->ops->unmap(listener, &m), 0);
	command(0, 0);
	command(0, PCI_COMMAND_MEMORY);
	assert_int_equal(count_of(1), 0);
}

TEST_WITH(a_mapping_may_lead_to_registers_of_several_devices_and_to_none, start, stop)
{
	begin(true, false);
	assert_int_equal(guest_map(1, IOVA, MMIO32, 64 * MIB), 0);
	assert_int_equal(count_of(1), 2);
	assert_true(reaches(1, IOVA + (bar(0) - MMIO32), 0, 0));
	assert_true(reaches(1, IOVA + (bar(1) - MMIO32), 1, 0));
	assert_int_equal(guest_unmap(1, IOVA, 64 * MIB), 0);
	assert_int_equal(count_of(1), 0);
}

TEST_WITH(a_mapping_that_the_hosts_table_has_no_room_for_is_refused_whole, start, stop)
{
	begin(true, false);
	vfio_fake.map_limit = 1;
	assert_int_equal(guest_map(1, IOVA, MMIO32, 64 * MIB), -ENOSPC);
	assert_int_equal(count_of(1), 0);
	command(0, 0);
	command(0, PCI_COMMAND_MEMORY);
	assert_int_equal(count_of(1), 0);
}

TEST_WITH(registers_that_sleep_are_unmapped_and_come_back, start, stop)
{
	begin(true, false);
	assert_int_equal(guest_map(1, IOVA, bar(0), SIZE), 0);
	command(0, 0);
	assert_int_equal(count_of(1), 0);
	command(0, PCI_COMMAND_MEMORY);
	assert_true(reaches(1, IOVA, 0, 0));
}

TEST_WITH(with_p2p_off_a_mapping_to_a_devices_registers_leads_nowhere, start, stop)
{
	begin(true, true);
	assert_int_equal(guest_map(1, IOVA, bar(0), SIZE), 0);
	assert_int_equal(count_of(1), 0);
	assert_int_equal(guest_unmap(1, IOVA, SIZE), 0);
}

TEST_WITH(what_reached_a_recalled_device_reaches_it_no_more_as_is_said_once, start, stop)
{
	char text[4096], *at;
	gpa_t was;

	begin(true, false);
	was = bar(0);
	assert_int_equal(guest_map(1, IOVA, was, 0x1000), 0);
	assert_int_equal(guest_map(1, IOVA + 0x1000, was + 0x1000, 0x1000), 0);
	catch_stderr();
	host_recalls(0);
	caught_stderr(text, sizeof(text));
	assert_int_equal(count_of(1), 0);
	at = strstr(text, "vfio 0000:00:05.0: registers of vfio 0000:00:04.0 that the guest "
			  "mapped for it are gone");
	assert_non_null(at);
	assert_null(strstr(strchr(at, '\n'), "are gone"));
	/* Later as well. */
	assert_int_equal(guest_map(1, IOVA + 0x2000, was, SIZE), 0);
	assert_int_equal(count_of(1), 0);
	assert_int_equal(guest_unmap(1, IOVA, 0x1000), 0);
}

TEST_WITH(a_recalled_device_reaches_nothing_of_its_peers, start, stop)
{
	begin(true, false);
	assert_int_equal(guest_map(0, IOVA, bar(1), SIZE), 0);
	assert_int_equal(count_of(0), 1);
	host_recalls(0);
	assert_int_equal(count_of(0), 0);
	/* And what happens to them does not concern it. */
	command(1, 0);
	command(1, PCI_COMMAND_MEMORY);
	assert_int_equal(count_of(0), 0);
}

TEST_WITH(an_endpoint_in_bypass_reaches_all_registers_until_it_is_attached, start, stop)
{
	struct dma_listener *listener;

	begin(true, false);
	listener = vfio_listener(vfio, 1);
	assert_int_equal(listener->ops->bypass(listener), 0);
	assert_true(reaches(1, bar(0), 0, 0));
	listener->ops->clear(listener);
	assert_int_equal(count_of(1), 0);
	command(0, 0);
	command(0, PCI_COMMAND_MEMORY);
	assert_int_equal(count_of(1), 0);
}

TEST_WITH(a_guest_that_maps_registers_without_end_costs_bounded_memory, start, stop)
{
	begin(true, false);
	for (unsigned n = 0; n < VFIO_MAX_MMIO_MAPPINGS + 100; n++)
		assert_int_equal(guest_map(1, IOVA + n * 0x1000, 0x1000, 0x1000), 0);
	/* There is no place for one more, which leads to registers: it is left out. */
	assert_int_equal(guest_map(1, 0x1000, bar(0), 0x1000), 0);
	assert_int_equal(count_of(1), 0);
	assert_int_equal(guest_unmap(1, IOVA, 0x1000), 0);
	assert_int_equal(guest_map(1, IOVA, bar(0), 0x1000), 0);
	assert_true(reaches(1, IOVA, 0, 0));
}
