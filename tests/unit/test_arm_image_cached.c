/* SPDX-License-Identifier: BSD-2-Clause */
/* An Image that was unpacked in an earlier run. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "../../arm/image.h"
#include "test.h"
#include "vmm/arch.h"
#include "vmm/boot_image.h"
#include "vmm/memory.h"

#define FILE_SIZE  50001 /* of the Image */
#define IMAGE_SIZE 100000
#define RAM	   (8 * MIB)

static const struct range ram = { 0x80000000, 0x80000000 + RAM - 1 };

struct rig {
	u8 kernel[FILE_SIZE];
	int fd; /* packed */
	u64 packed_size;
	struct arch_image *image;
	struct boot_entry entry;
};

static void make_kernel(struct rig *rig)
{
	for (unsigned i = 0; i < FILE_SIZE; i++)
		rig->kernel[i] = i / 4096 % 3 ? i * 2654435761u >> 20 : 0;
	memset(rig->kernel, 0, 64);
	memcpy(rig->kernel + 16, (const u8[]){ IMAGE_SIZE & 255, IMAGE_SIZE >> 8 & 255, 1 }, 3);
	memcpy(rig->kernel + 56, "ARM\x64", 4);
	rig->kernel[FILE_SIZE - 1] = 0xee;
}

static void pack(struct rig *rig)
{
	u8 packed[FILE_SIZE * 2];
	z_stream z = { .next_in = rig->kernel,
		       .avail_in = FILE_SIZE,
		       .next_out = packed,
		       .avail_out = sizeof(packed) };

	assert_int_equal(deflateInit2(&z, 1, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY),
			 Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	rig->packed_size = z.total_out;
	rig->fd = memfd_create("Image.gz", MFD_CLOEXEC);
	assert_int_equal(write(rig->fd, packed, rig->packed_size), rig->packed_size);
}

static void open_image(struct rig *rig)
{
	struct error err = { "" };
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", rig->fd);
	if (arch_image_open(&rig->image, path, &err))
		fail_msg("%s", err.text);
}

static int setup(void **state)
{
	static struct rig rig;
	struct boot_image out = { 0 };
	int fd = memfd_create("entry", MFD_CLOEXEC);
	u64 sum;

	make_kernel(&rig);
	pack(&rig);
	open_image(&rig);
	assert_int_equal(arch_image_unpack(rig.image, &out), 0);
	assert_true(out.proved);
	assert_int_equal(boot_kernel_sum(rig.fd, rig.packed_size, &sum), 0);
	assert_int_equal(boot_image_write(&out, rig.fd, rig.packed_size, sum, fd), 0);
	boot_image_free(&out);
	assert_int_equal(boot_entry_open(&rig.entry, fd, rig.fd, rig.packed_size), 0);
	*state = &rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	arch_image_close(rig->image);
	boot_entry_close(&rig->entry);
	close(rig->fd);
	return 0;
}

static int load(struct rig *rig, struct guest_memory **memory)
{
	struct error err = { "" };

	assert_int_equal(memory_create(memory, NULL, &ram, 1, NULL), 0);
	assert_int_equal(arch_image_plan(rig->image, &ram, 1, 0, "", &err), 0);
	return arch_image_load(rig->image, *memory, -1, &err);
}

static void check_loaded(struct rig *rig, struct guest_memory *memory)
{
	static const u8 zeros[IMAGE_SIZE - FILE_SIZE];
	const u8 *at = memory_host(memory, rig->image->entry, IMAGE_SIZE);

	assert_memory_equal(at, rig->kernel, FILE_SIZE);
	assert_memory_equal(at + FILE_SIZE, zeros, sizeof(zeros));
	memory_destroy(memory);
}

TEST_WITH(an_image_of_the_cache_is_the_one_that_was_packed, setup, teardown)
{
	struct rig *rig = *state;
	struct guest_memory *memory;
	u64 size;
	int fd;

	assert_true(arch_image_is_packed(rig->image, &fd, &size));
	assert_int_equal(size, rig->packed_size);
	assert_int_equal(arch_image_use(rig->image, &rig->entry), 0);
	assert_int_equal(load(rig, &memory), 0);
	check_loaded(rig, memory);
}

TEST_WITH(after_one_that_is_damaged_its_file_is_loaded, setup, teardown)
{
	struct rig *rig = *state;
	struct guest_memory *memory;

	assert_int_equal(pwrite(rig->entry.fd, "X", 1, lseek(rig->entry.fd, 0, SEEK_END) - 9), 1);
	assert_int_equal(arch_image_use(rig->image, &rig->entry), 0);
	assert_int_equal(load(rig, &memory), -EILSEQ);
	memory_destroy(memory);
	assert_int_equal(arch_image_use(rig->image, NULL), 0);
	assert_int_equal(load(rig, &memory), 0);
	check_loaded(rig, memory);
}

TEST_WITH(an_entry_that_is_larger_than_the_kernel_is_refused, setup, teardown)
{
	struct rig *rig = *state;
	struct boot_entry other = rig->entry;

	other.size += 4096;
	assert_int_equal(arch_image_use(rig->image, &other), -EINVAL);
}

TEST_WITH(what_is_packed_and_damaged_is_not_kept, setup, teardown)
{
	struct rig *rig = *state;
	struct boot_image out = { 0 };

	assert_int_equal(pwrite(rig->fd, "XXXX", 4, rig->packed_size / 2), 4);
	assert_int_equal(arch_image_unpack(rig->image, &out), -EINVAL);
	assert_null(out.data);
}
