/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test.h"
#include "vmm/dma.h"
#include "vmm/memory.h"
#include "vmm/memory_file.h"

static const struct range ranges[] = { { 0, MIB - 1 }, { 4 * GIB, 4 * GIB + MIB - 1 } };

static int setup(void **state)
{
	return memory_create((struct guest_memory **)state, NULL, ranges, 2, NULL);
}

static int teardown(void **state)
{
	memory_destroy(*state);
	return 0;
}

TEST_WITH(ranges_are_where_they_were_asked, setup, teardown)
{
	struct guest_memory *memory = *state;

	assert_int_equal(memory_count(memory), 2);
	assert_non_null(memory_host(memory, 0, MIB));
	assert_non_null(memory_host(memory, 4 * GIB, MIB));
	assert_null(memory_host(memory, MIB, 1));
	assert_null(memory_host(memory, 4 * GIB - 1, 1));
}

TEST_WITH(nothing_reaches_past_a_range, setup, teardown)
{
	struct guest_memory *memory = *state;
	u8 byte = 1;

	assert_null(memory_host(memory, MIB - 1, 2));
	assert_null(memory_host(memory, 0, UINT64_MAX));
	assert_null(memory_host(memory, UINT64_MAX, 1));
	assert_null(memory_host(memory, UINT64_MAX - 1, 4));
	assert_null(memory_host(memory, 0, 0));
	assert_int_equal(memory_write(memory, MIB - 1, "ab", 2), -EFAULT);
	assert_int_equal(memory_read(memory, MIB - 1, &byte, 1), 0);
	assert_int_equal(byte, 0); /* nothing of the refused write */
}

TEST_WITH(identity_space_maps_ram_and_nothing_else, setup, teardown)
{
	struct dma_identity identity;
	struct iovec iov[2];

	dma_identity_init(&identity, *state, NULL);
	assert_int_equal(dma_map_iov(&identity.space, 0, MIB, DMA_READ, iov, 2), 1);
	assert_int_equal(iov[0].iov_len, MIB);
	assert_int_equal(dma_map_iov(&identity.space, 0, 0, DMA_READ, iov, 2), 0);
	assert_int_equal(dma_map_iov(&identity.space, 0, MIB + 1, DMA_READ, iov, 2), -EFAULT);
	assert_int_equal(dma_map_iov(&identity.space, UINT64_MAX, 2, DMA_READ, iov, 2), -EFAULT);
	assert_null(dma_object(&identity.space, MIB - 1, 2, DMA_WRITE));
	assert_true(identity.space.faults > 0);
}

TEST_WITH(holds_cover_their_segments_exactly, setup, teardown)
{
	struct dma_segment segments[] = { { 0x1000, 0x1000 }, { 0x5000, 1 } };
	struct dma_hold hold = { .segments = segments, .count = 2 };
	struct dma_identity identity;

	dma_identity_init(&identity, *state, NULL);
	assert_false(dma_space_held(&identity.space, 0, UINT64_MAX));
	dma_hold(&identity.space, &hold);
	assert_true(dma_space_held(&identity.space, 0x1fff, 0x1fff));
	assert_false(dma_space_held(&identity.space, 0x2000, 0x4fff));
	assert_true(dma_space_held(&identity.space, 0x5000, 0x5000));
	assert_false(dma_space_held(&identity.space, 0x5001, UINT64_MAX));
	dma_drop(&identity.space, &hold);
	assert_false(dma_space_held(&identity.space, 0, UINT64_MAX));
}

TEST_WITH(holds_are_told_from_those_that_come_later, setup, teardown)
{
	struct dma_segment segment = { 0x1000, 0x1000 };
	struct dma_hold holds[3];
	struct dma_identity identity;
	struct dma_space *space = &identity.space;

	dma_identity_init(&identity, *state, NULL);
	for (unsigned i = 0; i < 3; i++) {
		holds[i] = (struct dma_hold){ .segments = &segment, .count = 1 };
		assert_int_equal(space->holds_put, i);
		assert_false(dma_space_held_before(space, 0));
		dma_hold(space, &holds[i]);
	}
	/* Of the first two the second goes last. */
	assert_true(dma_space_held_before(space, 2));
	dma_drop(space, &holds[0]);
	assert_true(dma_space_held_before(space, 2));
	dma_drop(space, &holds[1]);
	assert_false(dma_space_held_before(space, 2));
	assert_true(dma_space_held_before(space, 3));
	dma_drop(space, &holds[2]);
	assert_false(dma_space_held_before(space, UINT64_MAX));
}

TEST(memory_of_a_file_keeps_all_of_its_pages)
{
	const struct range ram = { 0, 16 * MIB - 1 };
	struct memory_file file = { .fd = memfd_create("ram", MFD_CLOEXEC) };
	struct guest_memory *memory;
	u32 value = 7;

	assert_int_equal(ftruncate(file.fd, 16 * MIB), 0);
	assert_int_equal(memory_create(&memory, &file, &ram, 1, NULL), 0);
	memory_file_close(&file);
	assert_int_equal(memory_write(memory, 8 * MIB, &value, sizeof(value)), 0);
	memory_use_huge_pages(memory);
	memory_use_small_pages(memory, true);
	assert_int_equal(memory_give_back(memory, 0, 16 * MIB), 0);
	value = 0;
	assert_int_equal(memory_read(memory, 8 * MIB, &value, sizeof(value)), 0);
	assert_int_equal(value, 7);
	memory_destroy(memory);
}

TEST(a_folder_that_has_no_huge_pages_is_refused)
{
	const struct range ram = { 0, 16 * MIB - 1 };
	struct error err = { "" };
	struct memory_file file;

	assert_int_equal(memory_file_create(&file, "/proc", &ram, 1, &err), -EINVAL);
	assert_non_null(
		strstr(err.text, "--hugetlbfs /proc: is not on a file system of huge pages"));
	assert_int_equal(file.fd, -1);
	err.text[0] = '\0';
	assert_int_equal(memory_file_create(&file, "/nowhere", &ram, 1, &err), -ENOENT);
}
