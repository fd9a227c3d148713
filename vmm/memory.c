/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/memory.h"
#include "vmm/memory_file.h"

struct memory_slot {
	struct range range;
	char *host;
};

struct guest_memory {
	void *mapping; /* all of it, one mapping, with room to align base */
	u64 mapping_size;
	char *base;
	u64 size;
	bool is_file; /* of huge pages, which are all there */
	bool huge;    /* memory_use_huge_pages() */
	bool small;   /* memory_use_small_pages() */
	unsigned count;
	struct memory_slot slots[MEMORY_MAX_RANGES];
};

/*
 * One mapping: the ranges follow each other in it. Anonymous, not a memfd: kernels
 * give shared memory no huge pages unless somebody asked for it
 * (transparent_hugepage/shmem_enabled is "never"), and with small ones a guest takes
 * 512 times the faults: a stock kernel's boot is 20% slower.
 */
static int map_anonymous(struct guest_memory *memory, struct error *err)
{
	u64 room = memory->size + MEMORY_HUGE_PAGE;
	char *base = mmap(NULL, room, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (base == MAP_FAILED)
		return error_set(err, -errno, "cannot map %llu MiB of guest memory: %s",
				 (unsigned long long)(memory->size / MIB), strerror(errno));
	memory->mapping = base;
	memory->mapping_size = room;
	/* A huge page is one in the guest's addresses and in ours. */
	memory->base = (char *)align_up((uintptr_t)base, MEMORY_HUGE_PAGE);
	return 0;
}

/* Shared: a private mapping takes a second page for each that is written. */
static int map_file(struct guest_memory *memory, const struct memory_file *file, struct error *err)
{
	char *base = mmap(NULL, memory->size, PROT_READ | PROT_WRITE, MAP_SHARED, file->fd, 0);

	if (base == MAP_FAILED)
		return error_set(err, -errno, "cannot map %llu MiB of huge pages: %s",
				 (unsigned long long)(memory->size / MIB), strerror(errno));
	memory->mapping = memory->base = base;
	memory->mapping_size = memory->size;
	memory->is_file = true;
	return 0;
}

static int map_ram(struct guest_memory *memory, const struct memory_file *file, struct error *err)
{
	int ret = file ? map_file(memory, file, err) : map_anonymous(memory, err);

	if (ret)
		return ret;
	/* A core dump of ours is about us; a fork must not copy the guest. */
	madvise(memory->base, memory->size, MADV_DONTDUMP);
	madvise(memory->base, memory->size, MADV_DONTFORK);
	return 0;
}

int memory_create(struct guest_memory **out, const struct memory_file *file,
		  const struct range *ranges, unsigned count, struct error *err)
{
	struct guest_memory *memory;
	u64 offset = 0;
	int ret;

	if (!count || count > MEMORY_MAX_RANGES)
		return error_set(err, -EINVAL, "guest memory in %u ranges", count);
	memory = calloc(1, sizeof(*memory));
	if (!memory)
		return error_set(err, -ENOMEM, "out of memory");
	memory->count = count;
	for (unsigned i = 0; i < count; i++)
		memory->size += ranges[i].last - ranges[i].start + 1;
	ret = map_ram(memory, file, err);
	if (ret) {
		memory_destroy(memory);
		return ret;
	}
	for (unsigned i = 0; i < count; i++) {
		memory->slots[i].range = ranges[i];
		memory->slots[i].host = memory->base + offset;
		offset += ranges[i].last - ranges[i].start + 1;
	}
	*out = memory;
	return 0;
}

void memory_destroy(struct guest_memory *memory)
{
	if (!memory)
		return;
	if (memory->mapping)
		munmap(memory->mapping, memory->mapping_size);
	free(memory);
}

void memory_use_huge_pages(struct guest_memory *memory)
{
	if (memory->is_file)
		return;
	/* It is advice: a host without huge pages goes on without. */
	madvise(memory->base, memory->size, MADV_HUGEPAGE);
	memory->huge = true;
}

void memory_use_small_pages(struct guest_memory *memory, bool small)
{
	if (!memory->huge || memory->small == small)
		return;
	madvise(memory->base, memory->size, small ? MADV_NOHUGEPAGE : MADV_HUGEPAGE);
	memory->small = small;
}

static u64 give_back(const struct memory_slot *slot, gpa_t start, gpa_t last)
{
	u64 page = sysconf(_SC_PAGESIZE);
	uintptr_t from = align_up((uintptr_t)slot->host + (start - slot->range.start), page);
	uintptr_t to = align_down((uintptr_t)slot->host + (last - slot->range.start) + 1, page);

	if (from >= to || madvise((void *)from, to - from, MADV_DONTNEED))
		return 0;
	return to - from;
}

u64 memory_give_back(const struct guest_memory *memory, gpa_t gpa, u64 len)
{
	struct range range;
	u64 total = 0;

	if (memory->is_file || !range_make(gpa, len, &range))
		return 0;
	for (unsigned i = 0; i < memory->count; i++) {
		const struct range *ram = &memory->slots[i].range;

		if (range_overlaps(range.start, range.last, ram->start, ram->last))
			total += give_back(&memory->slots[i], MAX(range.start, ram->start),
					   MIN(range.last, ram->last));
	}
	return total;
}

unsigned memory_count(const struct guest_memory *memory)
{
	return memory->count;
}

void *memory_range(const struct guest_memory *memory, unsigned n, struct range *range)
{
	*range = memory->slots[n].range;
	return memory->slots[n].host;
}

void *memory_run(const struct guest_memory *memory, gpa_t gpa, u64 len, u64 *run)
{
	for (unsigned i = 0; len && i < memory->count; i++) {
		const struct memory_slot *slot = &memory->slots[i];

		if (gpa >= slot->range.start && gpa <= slot->range.last) {
			*run = MIN(len - 1, slot->range.last - gpa) + 1;
			return slot->host + (gpa - slot->range.start);
		}
	}
	return NULL;
}

void *memory_host(const struct guest_memory *memory, gpa_t gpa, u64 len)
{
	u64 run;
	void *host = memory_run(memory, gpa, len, &run);

	return host && run == len ? host : NULL;
}

int memory_read(const struct guest_memory *memory, gpa_t gpa, void *data, u64 len)
{
	const void *host = memory_host(memory, gpa, len);

	if (!host)
		return -EFAULT;
	memcpy(data, host, len);
	return 0;
}

int memory_write(const struct guest_memory *memory, gpa_t gpa, const void *data, u64 len)
{
	void *host = memory_host(memory, gpa, len);

	if (!host)
		return -EFAULT;
	memcpy(host, data, len);
	return 0;
}
