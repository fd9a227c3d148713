/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <sanitizer/asan_interface.h>
#include <sys/mman.h>

#include "guard.h"
#include "shim.h"

/* Smaller ones are somebody else's. */
#define RAM_MIN (8 * MIB)

/* What memory.c mapped last: the linker sends its mmap() and munmap() here (--wrap). */
static char *mapping;
static u64 mapping_size;

int __real_munmap(void *address, size_t size);
int __wrap_munmap(void *address, size_t size);
void *__real_mmap(void *address, size_t size, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap(void *address, size_t size, int prot, int flags, int fd, off_t offset);

void *__wrap_mmap(void *address, size_t size, int prot, int flags, int fd, off_t offset)
{
	void *at = MAP_FAILED;

	errno = ENOMEM;
	if (!alloc_fails_now())
		at = __real_mmap(address, size, prot, flags, fd, offset);
	if (at != MAP_FAILED && size > RAM_MIN) {
		mapping = at;
		mapping_size = size;
	}
	return at;
}

void guard_raise(const struct guest_memory *memory)
{
	struct range range;
	char *start = memory_range(memory, 0, &range);
	char *end = memory_range(memory, memory_count(memory) - 1, &range);

	end += range.last - range.start + 1;

	fuzz_check(start >= mapping && end <= mapping + mapping_size);
	__asan_poison_memory_region(mapping, start - mapping);
	__asan_poison_memory_region(end, mapping + mapping_size - end);
}

/* The walls go with what they are around: whatever comes there next is not ours. */
int __wrap_munmap(void *address, size_t size)
{
	__asan_unpoison_memory_region(address, size);
	return __real_munmap(address, size);
}
