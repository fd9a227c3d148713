/* SPDX-License-Identifier: BSD-2-Clause */
/* vfio/container.c: a domain's mirror in the host's IOMMU. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../vfio/container.h"
#include "../../vfio/sys.h"
#include "test.h"
#include "vfio_fake.h"
#include "vmm/memory.h"
#include "vmm/slot.h"
#include "vmm/vm.h"

static const struct range ram[] = { { 0, 4 * MIB - 1 }, { GIB, GIB + 4 * MIB - 1 } };

static struct vm vm;
static struct vfio_container *container;
static int group;

/* Another device's registers: one page at BAR. */
#define BAR 0xd0000000
static char registers[4096] __attribute__((aligned(4096)));
static struct vfio_peers peers;
static struct vfio_pages pages;

int page_slot_map(struct vm *of, struct page_slot *slot, gpa_t gpa, void *host, u64 size)
{
	return -ENOSYS;
}

void page_slot_unmap(struct vm *of, struct page_slot *slot)
{
}

static void open_container(void)
{
	assert_int_equal(vfio_container_open(&container, &vfio_host_paths, "vfio x", NULL), 0);
	assert_int_equal(vfio_container_attach(container, group, "vfio x", NULL), 0);
	assert_int_equal(vfio_container_learn(container, NULL), 0);
	container->vm = &vm;
	vfio_peers_init(&peers);
	vfio_container_join(container, &peers);
	vfio_container_enter(container);
}

static int start(void **state)
{
	vfio_fake_init();
	vfio_fake_device("0000:00:04.0", 4);
	assert_int_equal(memory_create(&vm.memory, NULL, ram, ARRAY_SIZE(ram), NULL), 0);
	group = vfio_sys_open("/dev/vfio/4");
	assert_true(group >= 0);
	open_container();
	return 0;
}

static int stop(void **state)
{
	vfio_sys_close(group);
	vfio_container_close(container);
	memory_destroy(vm.memory);
	vfio_fake_end();
	return 0;
}

static int map(iova_t start_at, u64 len, gpa_t gpa, u32 access, bool mmio)
{
	const struct dma_mapping m = { start_at, start_at + len - 1, gpa, access, mmio };

	return container->listener.ops->map(&container->listener, &m);
}

static int unmap(iova_t start_at, u64 len, bool mmio)
{
	const struct dma_mapping m = { start_at, start_at + len - 1, 0, DMA_READ, mmio };

	return container->listener.ops->unmap(&container->listener, &m);
}

TEST_WITH(a_mapping_leads_to_the_guests_page_with_its_rights, start, stop)
{
	const struct fake_map *m;

	assert_int_equal(map(0x10000, 0x2000, GIB + 0x1000, DMA_READ, false), 0);
	m = vfio_fake_find(0, 0x11000);
	assert_non_null(m);
	assert_int_equal(m->host, (uintptr_t)memory_host(vm.memory, GIB + 0x1000, 1));
	assert_int_equal(m->flags, VFIO_DMA_MAP_FLAG_READ);
	assert_int_equal(map(0x20000, 0x1000, 0, DMA_WRITE, false), 0);
	assert_int_equal(vfio_fake_find(0, 0x20000)->flags, VFIO_DMA_MAP_FLAG_WRITE);
	assert_int_equal(unmap(0x10000, 0x2000, false), 0);
	assert_null(vfio_fake_find(0, 0x10000));
	assert_non_null(vfio_fake_find(0, 0x20000));
}

TEST_WITH(a_mapping_that_leaves_ram_is_refused_whole, start, stop)
{
	assert_int_equal(map(0x10000, 0x2000, 4 * MIB - 0x1000, DMA_READ, false), -EFAULT);
	assert_int_equal(map(0x10000, 0x1000, 16 * MIB, DMA_READ, false), -EFAULT);
	assert_int_equal(map(0, 0, 0, DMA_READ, false), -EFAULT); /* all 2^64 */
	assert_int_equal(vfio_fake.containers[0].map_count, 0);
	assert_int_equal(container->refused, 3);
}

TEST_WITH(an_unmapping_that_the_host_refuses_is_an_error, start, stop)
{
	assert_int_equal(map(0x10000, 0x1000, 0, DMA_READ, false), 0);
	vfio_fake.refuse_request = VFIO_IOMMU_UNMAP_DMA;
	vfio_fake.refuse_error = -EIO;
	assert_int_equal(unmap(0x10000, 0x1000, false), -EIO);
	assert_non_null(vfio_fake_find(0, 0x10000));
	vfio_fake.refuse_request = 0;
	assert_int_equal(unmap(0x10000, 0x1000, false), 0);
	assert_null(vfio_fake_find(0, 0x10000));
}

TEST_WITH(a_full_table_is_said_and_recovers, start, stop)
{
	vfio_fake.map_limit = 1;
	assert_int_equal(map(0x10000, 0x1000, 0, DMA_READ, false), 0);
	assert_int_equal(map(0x20000, 0x1000, 0, DMA_READ, false), -ENOSPC);
	assert_int_equal(unmap(0x10000, 0x1000, false), 0);
	assert_int_equal(map(0x20000, 0x1000, 0, DMA_READ, false), 0);
}

TEST_WITH(the_hosts_windows_are_refused, start, stop)
{
	assert_int_equal(map(0xfee00000, 0x1000, 0, DMA_READ, false), -EINVAL);
}

TEST_WITH(a_doorbell_stays_out_of_the_hosts_table, start, stop)
{
	assert_int_equal(map(0x8020000, 0x1000, 0x8020000, DMA_WRITE, true), 0);
	assert_int_equal(vfio_fake.map_calls, 0);
	assert_int_equal(unmap(0x8020000, 0x1000, true), 0);
}

TEST_WITH(a_peers_registers_are_mapped_if_the_host_can, start, stop)
{
	pages = (struct vfio_pages){
		.device = "vfio y", .gpa = BAR, .size = sizeof(registers), .host = registers
	};
	list_init(&pages.node);
	vfio_peers_show(&peers, &pages);
	assert_int_equal(map(0x30000, 0x1000, BAR, DMA_READ | DMA_WRITE, true), 0);
	assert_int_equal(vfio_fake_find(0, 0x30000)->host, (uintptr_t)registers);
	assert_int_equal(unmap(0x30000, 0x1000, true), 0);
	vfio_fake.fail_map_at = 1;
	vfio_fake.fail_map_error = -EFAULT;
	assert_int_equal(map(0x30000, 0x1000, BAR, DMA_READ, true), 0);
	assert_null(vfio_fake_find(0, 0x30000));
	assert_int_equal(unmap(0x30000, 0x1000, true), 0);
	/* All 2^64, as registers: there are none. */
	assert_int_equal(map(0, 0, 0, DMA_READ, true), 0);
	assert_int_equal(unmap(0, 0, true), 0);
}

TEST_WITH(bypass_maps_all_ram_or_none, start, stop)
{
	struct dma_listener *listener = &container->listener;

	assert_int_equal(listener->ops->bypass(listener), 0);
	assert_int_equal(vfio_fake_find(0, GIB)->host, (uintptr_t)memory_host(vm.memory, GIB, 1));
	assert_int_equal(vfio_fake.containers[0].map_count, 2);
	listener->ops->clear(listener);
	assert_int_equal(vfio_fake.containers[0].map_count, 0);
	vfio_fake.fail_map_at = 2;
	vfio_fake.fail_map_error = -ENOMEM;
	assert_int_equal(listener->ops->bypass(listener), -ENOMEM);
	assert_int_equal(vfio_fake.containers[0].map_count, 0);
}

TEST_WITH(clearing_is_one_call_where_the_host_knows_all, start, stop)
{
	struct dma_listener *listener = &container->listener;

	for (unsigned i = 0; i < 32; i++)
		assert_int_equal(map(0x100000 * i, 0x1000, 0, DMA_READ, false), 0);
	listener->ops->clear(listener);
	assert_int_equal(vfio_fake.unmap_calls, 1);
	assert_int_equal(vfio_fake.clears, 1);
	assert_int_equal(vfio_fake.containers[0].map_count, 0);
}

TEST_WITH(clearing_is_two_calls_where_it_does_not, start, stop)
{
	struct dma_listener *listener = &container->listener;

	vfio_fake.ranges[vfio_fake.range_count++] = (struct range){ UINT64_MAX - 0xffff,
								    UINT64_MAX };
	container->unmap_all = false;
	vfio_fake.no_unmap_all = true;
	assert_int_equal(map(0, 0x1000, 0, DMA_READ, false), 0);
	assert_int_equal(map(UINT64_MAX - 0xfff, 0x1000, 0, DMA_READ, false), 0);
	listener->ops->clear(listener);
	assert_int_equal(vfio_fake.unmap_calls, 2);
	assert_int_equal(vfio_fake.containers[0].map_count, 0);
}

TEST_WITH(a_move_is_checked_for_room_and_truth, start, stop)
{
	struct dma_listener *listener = &container->listener;

	vfio_fake.map_limit = 10;
	assert_int_equal(map(0, 0x1000, 0, DMA_READ, false), 0);
	assert_int_equal(listener->ops->check(listener, 9), 0);
	assert_int_equal(listener->ops->check(listener, 10), -ENOSPC);
	vfio_fake.no_avail = true;
	assert_int_equal(listener->ops->check(listener, 10), 0);
	vfio_fake.ranges[0].last = 0xfedeffff;
	assert_int_equal(listener->ops->check(listener, 0), -ESTALE);
}

TEST_WITH(when_all_its_devices_are_gone_nothing_can_fail, start, stop)
{
	struct dma_listener *listener = &container->listener;
	unsigned calls = vfio_fake.map_calls;

	container->devices = 0;
	assert_int_equal(map(0xfee00000, 0x1000, 0, DMA_READ, false), 0);
	assert_int_equal(unmap(0xfee00000, 0x1000, false), 0);
	assert_int_equal(listener->ops->check(listener, UINT64_MAX), 0);
	assert_int_equal(listener->ops->bypass(listener), 0);
	listener->ops->clear(listener);
	assert_int_equal(vfio_fake.map_calls, calls);
	assert_int_equal(vfio_fake.unmap_calls, 0);
}

TEST_WITH(a_host_without_type1_or_remapping_is_told_of, start, stop)
{
	struct vfio_container *other;
	struct error err = { "" };

	vfio_fake.no_type1 = true;
	assert_int_equal(vfio_container_open(&other, &vfio_host_paths, "vfio y", &err), -ENOTSUP);
	assert_string_equal(err.text, "vfio y: the host's VFIO has no type1 IOMMU: "
				      "modprobe vfio_iommu_type1");
	vfio_fake.attach_error = -EPERM;
	err.text[0] = '\0';
	assert_int_equal(vfio_container_attach(container, group, "vfio y", &err), -EPERM);
	assert_non_null(strstr(err.text, "parameters/allow_unsafe_interrupts"));
}
