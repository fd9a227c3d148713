/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an endpoint's device remembers of translations (its IOTLB) is never more than the
 * IOMMU would answer now, and is looked up again only where something changed.
 */
#include <errno.h>
#include <string.h>

#include "test.h"
#include "iommu_driver.h"

#define OK	VIRTIO_IOMMU_S_OK
#define PAGE_A	0x200000ull
#define PAGE_B	0x300000ull
#define BUFFER	0x7000000000ull
#define PAGE	4096ull
#define DOMAIN	1
#define ANOTHER 2

#define BYPASS_OFFSET 36

static struct rig the_rig;

static int start(void **state)
{
	rig_create(&the_rig, NULL);
	rig_start(&the_rig, ALL_FEATURES);
	*state = &the_rig;
	return rig_attach(&the_rig, DOMAIN, ENDPOINT_A, 0);
}

static int stop(void **state)
{
	rig_destroy(*state);
	return 0;
}

static u8 map_page(struct rig *rig, u32 domain, iova_t iova, gpa_t gpa, u32 flags)
{
	return rig_map(rig, domain, iova, iova + PAGE - 1, gpa, flags);
}

/* The first byte of both pages, so that what is read says from where. */
static void mark_pages(struct rig *rig)
{
	wire_fill(rig->vm, PAGE_A, 0xaa, PAGE);
	wire_fill(rig->vm, PAGE_B, 0xbb, PAGE);
}

/* What @space's device reads at @iova; -EFAULT. */
static int read_byte(struct dma_space *space, iova_t iova)
{
	u8 byte;
	int ret = dma_read(space, iova, &byte, 1);

	return ret ? ret : byte;
}

/* BUFFER is PAGE_A, and endpoint A's device knows it. */
static void begin(struct rig *rig)
{
	mark_pages(rig);
	assert_int_equal(map_page(rig, DOMAIN, BUFFER, PAGE_A, READ_WRITE), OK);
	assert_int_equal(read_byte(rig->a, BUFFER), 0xaa);
}

TEST_WITH(the_second_access_is_not_looked_up_again, start, stop)
{
	struct rig *rig = *state;
	u64 misses, translations;

	begin(rig);
	misses = rig->a->misses;
	translations = rig->a->translations;
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(rig_dma(rig->a, BUFFER + i, DMA_WRITE), 0);
	assert_int_equal(rig->a->misses, misses);
	assert_int_equal(rig->a->translations, translations + 100);
}

TEST_WITH(nothing_is_reached_after_unmap, start, stop)
{
	struct rig *rig = *state;
	u64 faults;

	begin(rig);
	faults = rig_counters(rig).faults;
	assert_int_equal(rig_unmap(rig, DOMAIN, BUFFER, BUFFER + PAGE - 1), OK);
	assert_int_equal(read_byte(rig->a, BUFFER), -EFAULT);
	assert_int_equal(rig_dma(rig->a, BUFFER, DMA_WRITE), -EFAULT);
	assert_int_equal(rig_counters(rig).faults, faults + 2);
}

TEST_WITH(an_unmap_of_everything_is_one_too, start, stop)
{
	struct rig *rig = *state;

	begin(rig);
	assert_int_equal(rig_unmap(rig, DOMAIN, 0, UINT64_MAX), OK);
	assert_int_equal(read_byte(rig->a, BUFFER), -EFAULT);
}

TEST_WITH(a_mapping_that_took_the_place_of_another_is_found, start, stop)
{
	struct rig *rig = *state;

	begin(rig);
	assert_int_equal(rig_unmap(rig, DOMAIN, BUFFER, BUFFER + PAGE - 1), OK);
	assert_int_equal(map_page(rig, DOMAIN, BUFFER, PAGE_B, READ_WRITE), OK);
	assert_int_equal(read_byte(rig->a, BUFFER), 0xbb);
}

TEST_WITH(a_large_mapping_is_forgotten_at_all_of_its_pages, start, stop)
{
	const iova_t last = BUFFER + 300 * PAGE - 1;
	struct rig *rig = *state;

	assert_int_equal(rig_map(rig, DOMAIN, BUFFER, last, PAGE_A, READ_WRITE), OK);
	for (iova_t iova = BUFFER; iova < last; iova += PAGE)
		assert_int_equal(rig_dma(rig->a, iova, DMA_READ), 0);
	assert_int_equal(rig_unmap(rig, DOMAIN, BUFFER, last), OK);
	for (iova_t iova = BUFFER; iova < last; iova += PAGE)
		assert_int_equal(rig_dma(rig->a, iova, DMA_READ), -EFAULT);
}

TEST_WITH(a_refused_unmap_takes_nothing_away, start, stop)
{
	struct rig *rig = *state;

	assert_int_equal(rig_map(rig, DOMAIN, BUFFER, BUFFER + 2 * PAGE - 1, PAGE_A, READ_WRITE),
			 OK);
	assert_int_equal(rig_dma(rig->a, BUFFER, DMA_READ), 0);
	assert_int_equal(rig_unmap(rig, DOMAIN, BUFFER, BUFFER + PAGE - 1), VIRTIO_IOMMU_S_RANGE);
	assert_int_equal(rig_dma(rig->a, BUFFER, DMA_READ), 0);
}

TEST_WITH(an_unmap_leaves_what_devices_know_of_other_pages_and_domains, start, stop)
{
	struct rig *rig = *state;
	u64 a, b;

	begin(rig);
	assert_int_equal(map_page(rig, DOMAIN, BUFFER + PAGE, PAGE_B, READ_WRITE), OK);
	assert_int_equal(rig_attach(rig, ANOTHER, ENDPOINT_B, 0), OK);
	assert_int_equal(map_page(rig, ANOTHER, BUFFER + PAGE, PAGE_B, READ_WRITE), OK);
	assert_int_equal(read_byte(rig->b, BUFFER + PAGE), 0xbb);
	a = rig->a->misses;
	b = rig->b->generation;
	assert_int_equal(rig_unmap(rig, DOMAIN, BUFFER + PAGE, BUFFER + 2 * PAGE - 1), OK);
	assert_int_equal(read_byte(rig->a, BUFFER), 0xaa);
	assert_int_equal(rig->a->misses, a);
	assert_int_equal(rig->b->generation, b);
	assert_int_equal(read_byte(rig->b, BUFFER + PAGE), 0xbb);
}

TEST_WITH(an_unmap_is_for_all_devices_of_its_domain, start, stop)
{
	struct rig *rig = *state;

	begin(rig);
	assert_int_equal(rig_attach(rig, DOMAIN, ENDPOINT_B, 0), OK);
	assert_int_equal(read_byte(rig->b, BUFFER), 0xaa);
	assert_int_equal(rig_unmap(rig, DOMAIN, BUFFER, BUFFER + PAGE - 1), OK);
	assert_int_equal(read_byte(rig->a, BUFFER), -EFAULT);
	assert_int_equal(read_byte(rig->b, BUFFER), -EFAULT);
}

TEST_WITH(nothing_is_reached_after_detach, start, stop)
{
	struct rig *rig = *state;

	begin(rig);
	assert_int_equal(rig_detach(rig, DOMAIN, ENDPOINT_A), OK);
	assert_int_equal(read_byte(rig->a, BUFFER), -EFAULT);
}

TEST_WITH(another_domain_has_other_mappings, start, stop)
{
	struct rig *rig = *state;

	begin(rig);
	assert_int_equal(rig_attach(rig, ANOTHER, ENDPOINT_B, 0), OK);
	assert_int_equal(map_page(rig, ANOTHER, BUFFER, PAGE_B, READ_WRITE), OK);
	assert_int_equal(rig_attach(rig, ANOTHER, ENDPOINT_A, 0), OK);
	assert_int_equal(read_byte(rig->a, BUFFER), 0xbb);
}

TEST_WITH(into_a_bypass_domain_and_out_of_it_again, start, stop)
{
	struct rig *rig = *state;

	begin(rig);
	assert_int_equal(rig_attach(rig, ANOTHER, ENDPOINT_A, VIRTIO_IOMMU_ATTACH_F_BYPASS), OK);
	assert_int_equal(read_byte(rig->a, BUFFER), -EFAULT);
	assert_int_equal(read_byte(rig->a, PAGE_B), 0xbb);
	assert_int_equal(rig_attach(rig, DOMAIN, ENDPOINT_A, 0), OK);
	assert_int_equal(read_byte(rig->a, PAGE_B), -EFAULT);
}

TEST_WITH(nothing_is_reached_after_a_reset, start, stop)
{
	struct rig *rig = *state;

	begin(rig);
	rig_restart(rig, ALL_FEATURES);
	assert_int_equal(read_byte(rig->a, BUFFER), -EFAULT);
}

TEST_WITH(bypass_that_is_switched_off_is_over, start, stop)
{
	struct rig *rig = *state;

	mark_pages(rig);
	wire_config_write(rig->vm, 0, BYPASS_OFFSET, 1, 1);
	assert_int_equal(read_byte(rig->b, PAGE_A), 0xaa);
	wire_config_write(rig->vm, 0, BYPASS_OFFSET, 0, 1);
	assert_int_equal(read_byte(rig->b, PAGE_A), -EFAULT);
}

TEST_WITH(what_may_be_read_may_not_be_written_for_that, start, stop)
{
	struct rig *rig = *state;

	assert_int_equal(map_page(rig, DOMAIN, BUFFER, PAGE_A, READ_ONLY), OK);
	assert_int_equal(rig_dma(rig->a, BUFFER, DMA_READ), 0);
	assert_int_equal(rig_dma(rig->a, BUFFER, DMA_WRITE), -EFAULT);
	assert_int_equal(map_page(rig, DOMAIN, BUFFER + PAGE, PAGE_B, WRITE_ONLY), OK);
	assert_int_equal(rig_dma(rig->a, BUFFER + PAGE, DMA_WRITE), 0);
	assert_int_equal(rig_dma(rig->a, BUFFER + PAGE, DMA_READ), -EFAULT);
	assert_int_equal(rig_dma(rig->a, BUFFER + PAGE, DMA_WRITE), 0);
}

TEST_WITH(a_buffer_may_cross_mappings_that_are_known, start, stop)
{
	struct rig *rig = *state;
	u8 bytes[2 * PAGE];

	begin(rig);
	assert_int_equal(map_page(rig, DOMAIN, BUFFER + PAGE, PAGE_B, READ_ONLY), OK);
	assert_int_equal(read_byte(rig->a, BUFFER + PAGE), 0xbb);
	assert_int_equal(dma_read(rig->a, BUFFER + 1, bytes, 2 * PAGE - 1), 0);
	assert_int_equal(bytes[PAGE - 2], 0xaa);
	assert_int_equal(bytes[PAGE - 1], 0xbb);
	/* The second one refuses, however well the first is known. */
	assert_int_equal(dma_write(rig->a, BUFFER + 1, bytes, 2 * PAGE - 1), -EFAULT);
	assert_int_equal(dma_read(rig->a, BUFFER + 1, bytes, 2 * PAGE), -EFAULT);
}

TEST_WITH(a_mapping_that_leaves_ram_is_known_as_far_as_ram_goes, start, stop)
{
	const iova_t edge = BUFFER + 2 * PAGE;
	struct rig *rig = *state;
	u8 bytes[2];

	assert_int_equal(rig_map(rig, DOMAIN, BUFFER, BUFFER + 4 * PAGE - 1, WIRE_RAM - 2 * PAGE,
				 READ_WRITE),
			 OK);
	assert_int_equal(rig_dma(rig->a, edge - 1, DMA_READ), 0);
	assert_int_equal(dma_read(rig->a, edge - 1, bytes, 2), -EFAULT);
	assert_int_equal(rig_dma(rig->a, edge, DMA_READ), -EFAULT);
}

TEST_WITH(registers_are_not_known_as_memory, start, stop)
{
	struct rig *rig = *state;

	assert_int_equal(map_page(rig, DOMAIN, BUFFER, PAGE_A, MMIO_WRITE), OK);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(rig_dma(rig->a, BUFFER, DMA_WRITE), -EFAULT);
}

TEST_WITH(a_map_is_seen_where_an_access_was_refused_before, start, stop)
{
	struct rig *rig = *state;

	assert_int_equal(read_byte(rig->a, BUFFER), -EFAULT);
	begin(rig);
}

/* The sanitizers': not every compiler brings the header that has it, nor every build them. */
int __attribute__((weak))
__sanitizer_install_malloc_and_free_hooks(void (*allocated)(const volatile void *, size_t),
					  void (*freed)(const volatile void *));

static unsigned allocations;

static void count_allocation(const volatile void *block, size_t size)
{
	allocations++;
}

static void count_free(const volatile void *block)
{
}

TEST_WITH(maps_and_unmaps_allocate_nothing, start, stop)
{
	struct rig *rig = *state;

	if (!__sanitizer_install_malloc_and_free_hooks)
		skip();
	begin(rig);
	assert_int_equal(rig_unmap(rig, DOMAIN, BUFFER, BUFFER + PAGE - 1), OK);
	assert_true(__sanitizer_install_malloc_and_free_hooks(count_allocation, count_free));
	allocations = 0;
	for (unsigned i = 0; i < 600; i++) {
		assert_int_equal(map_page(rig, DOMAIN, BUFFER, PAGE_A, READ_WRITE), OK);
		assert_int_equal(rig_unmap(rig, DOMAIN, BUFFER, BUFFER + PAGE - 1), OK);
	}
	assert_int_equal(allocations, 0);
}
