/* SPDX-License-Identifier: BSD-2-Clause */
/* vfio/vfio.h: opening devices, what stops it, and that nothing is left then. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "../../vfio/binding.h"
#include "test.h"
#include "util/keeper.h"
#include "vfio/vfio.h"
#include "vfio_fake.h"
#include "vfio_tree.h"
#include "vmm/irq.h"
#include "vmm/memory.h"
#include "vmm/slot.h"
#include "vmm/vm.h"

static struct vfio_tree tree;
static struct vfio *vfio;
static struct error err;
static unsigned bound, released;
static int bind_error;
static struct vfio_problem problem; /* what vfio_check() finds; what[0] == 0: nothing */

/* ---- vfio/bind.h, and the checks, which have tests of their own ---- */

int vfio_bind_check(const struct vfio_paths *paths, const struct vfio_address *address,
		    struct error *error)
{
	return 1;
}

int vfio_bind_locked(const struct vfio_paths *paths, const struct vfio_address *address,
		     struct error *error)
{
	bound += !bind_error;
	return bind_error ? error_set(error, bind_error, "does not bind") : 1;
}

int vfio_release_locked(const struct vfio_paths *paths, const struct vfio_address *address,
			struct error *error)
{
	/* By now the device must be closed. */
	for (unsigned i = 0; i < FAKE_GROUPS; i++)
		assert_false(vfio_fake.groups[i].open);
	released++;
	return 0;
}

int vfio_check(const struct vfio_paths *paths, const struct vfio_address *address, u64 ram_bytes,
	       struct vfio_problem problems[VFIO_MAX_PROBLEMS], struct error *error)
{
	for (unsigned i = 0; i < FAKE_GROUPS; i++)
		assert_false(vfio_fake.groups[i].open);
	problems[0] = problem;
	return !!problem.what[0];
}

/* ---- util/keeper.h, which has tests of its own: here it undoes things in this process ---- */

struct keeper {
	const struct keeper_kind *kinds[3];
	char data[3][KEEPER_DATA];
	int fds[3][KEEPER_FILES];
	unsigned count;
};

static struct keeper keeper;

int keeper_create(struct keeper **out, const struct keeper_kind *const *kinds)
{
	return -ENOSYS;
}

int keeper_add(struct keeper *to, const struct keeper_note *note, struct error *error)
{
	to->kinds[to->count] = note->kind;
	memcpy(to->data[to->count], note->data, note->kind->size);
	memcpy(to->fds[to->count], note->fds, sizeof(note->fds));
	return to->count++;
}

int keeper_undo(struct keeper *of, int id, struct error *error)
{
	const struct keeper_kind *kind = id < 0 ? NULL : of->kinds[id];

	if (!kind)
		return 0;
	of->kinds[id] = NULL;
	return kind->undo(of->data[id], of->fds[id], error);
}

void keeper_drop(struct keeper *of, int id)
{
	of->kinds[id] = NULL;
}

void keeper_amend(struct keeper *of, int id, const void *data)
{
}

void keeper_seal(struct keeper *of)
{
}

void keeper_destroy(struct keeper *of)
{
}

/* ---- */

static int start(void **state)
{
	vfio_fake_init();
	vfio_fake_device("0000:00:04.0", 4);
	vfio_fake_device("0000:00:05.0", 5);
	vfio_fake_device("0000:00:05.1", 5);
	vfio_tree_create(&tree);
	vfio_tree_vfio(&tree);
	vfio_tree_device(&tree, "0000:00:04.0", "0x010802", "vfio-pci", 4);
	vfio_tree_device(&tree, "0000:00:05.0", "0x020000", "vfio-pci", 5);
	vfio_tree_device(&tree, "0000:00:05.1", "0x020000", "vfio-pci", 5);
	err.text[0] = '\0';
	vfio = NULL;
	bound = released = 0;
	keeper = (struct keeper){ 0 };
	bind_error = 0;
	problem.what[0] = '\0';
	return 0;
}

static int stop(void **state)
{
	vfio_close(vfio);
	vfio_tree_destroy(&tree);
	vfio_fake_end();
	assert_int_equal(bound, released);
	return 0;
}

static int open_request(const struct vfio_want *wants, unsigned count, bool translated)
{
	const struct vfio_request request = { &tree.paths, wants, count, translated, &keeper };

	return vfio_open(&vfio, &request, &err);
}

static int open_wants(unsigned count, bool auto_bind, bool translated)
{
	static const char *const names[] = { "0000:00:04.0", "0000:00:05.0", "0000:00:05.1" };
	struct vfio_want wants[3];

	for (unsigned i = 0; i < count; i++)
		wants[i] = (struct vfio_want){ vfio_tree_address(names[i]), auto_bind };
	return open_request(wants, count, translated);
}

static void open_containers(unsigned expected)
{
	unsigned open = 0;

	for (unsigned i = 0; i < FAKE_CONTAINERS; i++)
		open += vfio_fake.containers[i].open;
	assert_int_equal(open, expected);
}

TEST_WITH(untranslated_groups_share_a_container, start, stop)
{
	assert_int_equal(open_wants(3, false, false), 0);
	open_containers(1);
	assert_int_equal(vfio_count(vfio), 3);
	assert_string_equal(vfio_name(vfio, 0), "vfio 0000:00:04.0");
	assert_null(vfio_listener(vfio, 0));
}

TEST_WITH(translated_groups_have_one_each, start, stop)
{
	assert_int_equal(open_wants(3, false, true), 0);
	open_containers(2);
	assert_int_equal(vfio_group_of(vfio, 0), 0);
	assert_int_equal(vfio_group_of(vfio, 1), 1);
	assert_int_equal(vfio_group_of(vfio, 2), 1);
	assert_ptr_equal(vfio_listener(vfio, 1), vfio_listener(vfio, 2));
	assert_ptr_not_equal(vfio_listener(vfio, 0), vfio_listener(vfio, 1));
	assert_int_equal(vfio_hosts(vfio)[0].page_size_mask, 0x40201000);
}

TEST_WITH(vectors_are_counted_up_to_what_kvm_routes, start, stop)
{
	vfio_fake.devices[0].irq_counts[VFIO_PCI_MSIX_IRQ_INDEX] = 65;
	vfio_fake.devices[0].irq_counts[VFIO_PCI_MSI_IRQ_INDEX] = 1;
	vfio_fake.devices[1].irq_counts[VFIO_PCI_MSI_IRQ_INDEX] = 8;
	assert_int_equal(open_wants(2, false, false), 0);
	assert_int_equal(vfio_vectors(vfio), 65 + 8);
	vfio_close(vfio);
	vfio_fake.devices[0].irq_counts[VFIO_PCI_MSIX_IRQ_INDEX] = 2048;
	assert_int_equal(open_wants(2, false, false), 0);
	assert_int_equal(vfio_vectors(vfio), IRQ_MAX_ROUTES);
}

TEST_WITH(what_was_bound_is_released_after_all_is_closed, start, stop)
{
	assert_int_equal(open_wants(2, true, false), 0);
	assert_int_equal(bound, 2);
	vfio_close(vfio);
	vfio = NULL;
	assert_int_equal(released, 2);
}

TEST_WITH(what_does_not_bind_leaves_nothing_bound, start, stop)
{
	bind_error = -EIO;
	assert_int_equal(open_wants(2, true, false), -EIO);
	assert_string_equal(err.text, "does not bind");
}

TEST_WITH(what_the_check_finds_is_said_with_its_remedy, start, stop)
{
	problem = (struct vfio_problem){ true, "no IOMMU translates it", "switch it on" };
	assert_int_equal(open_wants(1, true, false), -ENODEV);
	assert_string_equal(err.text, "vfio 0000:00:04.0: no IOMMU translates it: switch it on");
	strcpy(problem.what, "0000:00:04.0 is driven by nvme");
	err.text[0] = '\0';
	assert_int_equal(open_wants(1, false, false), -ENODEV);
	assert_string_equal(err.text, "vfio 0000:00:04.0 is driven by nvme: switch it on");
}

TEST_WITH(a_warning_stops_nothing, start, stop)
{
	problem = (struct vfio_problem){ false, "no reset", "none" };
	assert_int_equal(open_wants(1, false, false), 0);
}

TEST_WITH(a_group_that_is_not_viable_names_its_members, start, stop)
{
	vfio_fake.groups[1].not_viable = true;
	vfio_tree_device(&tree, "0000:00:05.2", "0x020000", "e1000e", 5);
	assert_int_equal(open_wants(3, true, true), -EBUSY);
	assert_non_null(strstr(err.text, "0000:00:05.0 (vfio-pci), 0000:00:05.1 (vfio-pci), "
					 "0000:00:05.2 (e1000e)"));
	open_containers(0);
}

TEST_WITH(a_group_in_use_is_said, start, stop)
{
	vfio_fake.groups[0].open_error = -EBUSY;
	assert_int_equal(open_wants(1, false, false), -EBUSY);
	assert_non_null(strstr(err.text, "0000:00:04.0 is in use: its group 4 is open in"));
}

TEST_WITH(a_host_that_does_not_remap_interrupts_is_said, start, stop)
{
	vfio_fake.set_iommu_error = -EPERM;
	assert_int_equal(open_wants(2, true, true), -EPERM);
	assert_non_null(strstr(err.text, "parameters/allow_unsafe_interrupts"));
}

TEST_WITH(a_device_is_passed_once, start, stop)
{
	struct vfio_want wants[2] = { { vfio_tree_address("0000:00:04.0"), true },
				      { vfio_tree_address("0000:00:04.0"), false } };

	assert_int_equal(open_request(wants, 2, false), -EINVAL);
	assert_string_equal(err.text, "vfio 0000:00:04.0: passed twice");
}

TEST_WITH(a_device_without_a_reset_of_its_own_is_reset_with_its_bus, start, stop)
{
	struct fake_device *devices = vfio_fake.devices;
	struct vm vm = { .fd = -1 };

	devices[1].no_reset = devices[2].no_reset = true;
	devices[1].hot_reset = devices[2].hot_reset = true;
	assert_int_equal(open_wants(3, false, true), 0);
	assert_int_equal(vfio_plug(vfio, &vm, &err), 0);
	assert_int_equal(devices[1].hot_resets, 1);
	vfio_close(vfio);
	vfio = NULL;
	assert_int_equal(devices[1].hot_resets, 2);
}

TEST_WITH(a_bus_that_others_are_on_is_not_reset, start, stop)
{
	struct fake_device *devices = vfio_fake.devices;
	struct vm vm = { .fd = -1 };

	devices[0].no_reset = true;
	for (unsigned i = 0; i < 3; i++)
		devices[i].hot_reset = true;
	assert_int_equal(open_wants(1, false, true), 0);
	assert_int_equal(vfio_plug(vfio, &vm, &err), 0);
	assert_int_equal(devices[0].hot_resets, 0);
}

TEST_WITH(ram_over_a_hole_is_refused_with_both_ranges, start, stop)
{
	const struct range ram[] = { { 0, GIB - 1 }, { 0xfe000000, 0x1ffffffff } };

	assert_int_equal(open_wants(1, false, false), 0);
	assert_int_equal(vfio_check_ram(vfio, ram, 1, true, &err), 0);
	assert_int_equal(vfio_check_ram(vfio, ram, 2, false, &err), 0);
	assert_int_equal(vfio_check_ram(vfio, ram, 2, true, &err), -ENOSPC);
	assert_non_null(strstr(err.text, "0xfe000000-0x1ffffffff"));
	assert_non_null(strstr(err.text, "0xfee00000-0xfeefffff"));
	assert_non_null(strstr(err.text, "vfio 0000:00:04.0"));
}

TEST_WITH(plugging_maps_all_ram_where_nothing_translates, start, stop)
{
	static const struct range ram[] = { { 0, MIB - 1 }, { GIB, GIB + MIB - 1 } };
	struct vm vm = { .fd = -1 };

	assert_int_equal(memory_create(&vm.memory, NULL, ram, 2, NULL), 0);
	assert_int_equal(open_wants(3, false, false), 0);
	assert_int_equal(vfio_plug(vfio, &vm, &err), 0);
	assert_int_equal(vfio_fake.containers[0].map_count, 2);
	assert_int_equal(vfio_fake_find(0, GIB)->host, (uintptr_t)memory_host(vm.memory, GIB, 1));
	vfio_close(vfio);
	vfio = NULL;
	memory_destroy(vm.memory);
}

TEST_WITH(memory_that_cannot_be_locked_is_said_when_plugged, start, stop)
{
	static const struct range ram[] = { { 0, MIB - 1 }, { GIB, GIB + MIB - 1 } };
	struct vm vm = { .fd = -1 };

	assert_int_equal(memory_create(&vm.memory, NULL, ram, 2, NULL), 0);
	assert_int_equal(open_wants(1, false, false), 0);
	vfio_fake.fail_map_at = 2;
	vfio_fake.fail_map_error = -ENOMEM;
	assert_int_equal(vfio_plug(vfio, &vm, &err), -ENOMEM);
	assert_non_null(strstr(err.text, "ulimit -l"));
	assert_int_equal(vfio_fake.containers[0].map_count, 0);
	vfio_close(vfio);
	vfio = NULL;
	memory_destroy(vm.memory);
}
