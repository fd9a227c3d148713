/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>

#include "vmm/memory.h"
#include "walk.h"

/* "TCR_EL1" */
#define TCR_T0SZ(tcr) ((tcr)&0x3f)
#define TCR_T1SZ(tcr) ((tcr) >> 16 & 0x3f)
#define TCR_TG0(tcr)  ((tcr) >> 14 & 3)
#define TCR_TG1(tcr)  ((tcr) >> 30 & 3)

/* "VMSAv8-64 descriptor formats" */
#define ENTRY_VALID   1
#define ENTRY_TABLE   2 /* at the last level: a page */
#define ENTRY_ADDRESS 0x0000fffffffff000ULL
#define TTBR_ADDRESS  0x0000fffffffffffeULL
#define LAST_LEVEL    3
#define ADDRESS_BITS  48

/* Bits of an address within a page; 0: there is no such granule. The two fields differ. */
static unsigned granule_bits(const struct walk *walk, bool upper)
{
	static const u8 lower_bits[] = { 12, 16, 14, 0 }, upper_bits[] = { 0, 14, 12, 16 };

	return upper ? upper_bits[TCR_TG1(walk->tcr)] : lower_bits[TCR_TG0(walk->tcr)];
}

/* Where within its page, block or table the bits below @shift are not the entry's. */
static int walk_down(const struct guest_memory *memory, u64 table, u64 address, unsigned bits,
		     unsigned page, gpa_t *gpa)
{
	const unsigned stride = page - 3;
	unsigned levels = (bits - page + stride - 1) / stride;

	if (!levels || levels > 4)
		return -EFAULT;
	for (unsigned level = LAST_LEVEL + 1 - levels; level <= LAST_LEVEL; level++) {
		unsigned shift = page + stride * (LAST_LEVEL - level);
		unsigned top = MIN(bits - shift, stride);
		u64 index = address >> shift & ((1ULL << top) - 1);
		le64 raw;
		u64 entry;

		if (memory_read(memory, table + 8 * index, &raw, sizeof(raw)))
			return -EFAULT;
		entry = le64_to_cpu(raw);
		if (!(entry & ENTRY_VALID) || (level == LAST_LEVEL && !(entry & ENTRY_TABLE)))
			return -EFAULT;
		if (level < LAST_LEVEL && entry & ENTRY_TABLE) {
			table = entry & ENTRY_ADDRESS & ~((1ULL << page) - 1);
			continue;
		}
		*gpa = (entry & ENTRY_ADDRESS & ~((1ULL << shift) - 1)) |
		       (address & ((1ULL << shift) - 1));
		return 0;
	}
	return -EFAULT;
}

int walk_translate(const struct walk *walk, const struct guest_memory *memory, u64 address,
		   gpa_t *gpa)
{
	/* Bit 55 says which tables; what is above may be a tag. */
	bool upper = address >> 55 & 1;
	unsigned size = upper ? TCR_T1SZ(walk->tcr) : TCR_T0SZ(walk->tcr);
	unsigned page = granule_bits(walk, upper), bits = 64 - size;

	if (!walk->enabled) {
		*gpa = address;
		return 0;
	}
	if (!page || bits > ADDRESS_BITS || bits <= page)
		return -EFAULT;
	return walk_down(memory, (upper ? walk->ttbr1 : walk->ttbr0) & TTBR_ADDRESS,
			 address & ((1ULL << bits) - 1), bits, page, gpa);
}
