/* SPDX-License-Identifier: BSD-2-Clause */
/* Packed arm64 kernels as distributions ship them, whole and damaged: gzip, and EFI zboot. */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "../../arm/image.h"
#include "vmm/arch.h"
#include "vmm/memory.h"

#define KERNEL_FILE  (300 * KIB) /* as the PE header of the kernel below says */
#define KERNEL_SIZE  (400 * KIB) /* with .bss */
#define OFFSET_SIZE  16
#define OFFSET_PE    64
#define ZBOOT_OFFSET 8 /* of the payload's offset; its size and the type follow */
#define ZBOOT_SIZE   12
#define ZBOOT_TYPE   24
#define ZBOOT_HEAD   0x1000
#define FILE_MAX     (1 * MIB)
#define UNTOUCHED    0xee
#define BOMB	     (16 * MIB)
#define RAM	     (4 * MIB)

static char path[] = "/tmp/lkvm-test-packed-XXXXXX";
static const struct range ram = { 0x80000000, 0x80000000 + RAM - 1 };

/* A file in the making. */
struct file {
	u8 bytes[FILE_MAX];
	size_t len;
};

static struct file file;
static u8 kernel[KERNEL_FILE];

static int setup(void **state)
{
	int fd = mkstemp(path);

	return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
	return unlink(path);
}

static void put(u8 *at, u64 value, unsigned len)
{
	for (unsigned i = 0; i < len; i++)
		at[i] = value >> (8 * i);
}

/* A kernel with one PE section that ends at the end of the file, and content that packs badly. */
static void make_kernel(void)
{
	u32 random = 1;

	for (u32 i = 0; i < KERNEL_FILE; i++) {
		random = random * 1103515245 + 12345;
		kernel[i] = i & 64 ? random >> 16 : i >> 8;
	}
	memset(kernel, 0, 4096);
	memcpy(kernel, "MZ", 2);
	put(kernel + OFFSET_SIZE, KERNEL_SIZE, 8);
	put(kernel + 24, 0xa, 8);
	memcpy(kernel + 56, "ARM\x64", 4);
	put(kernel + 60, OFFSET_PE, 4);
	memcpy(kernel + OFFSET_PE, "PE\0\0", 4);
	put(kernel + OFFSET_PE + 6, 1, 2);
	put(kernel + OFFSET_PE + 20, 16, 2);
	put(kernel + OFFSET_PE + 40 + 16, KERNEL_FILE - 4096, 4);
	put(kernel + OFFSET_PE + 40 + 20, 4096, 4);
}

/* ---- making files ---- */

static void append(const void *data, size_t len)
{
	assert_true(len <= FILE_MAX - file.len);
	memcpy(file.bytes + file.len, data, len);
	file.len += len;
}

static void append_gzip(const void *data, size_t len)
{
	z_stream z = { .next_in = (void *)data,
		       .avail_in = len,
		       .next_out = file.bytes + file.len,
		       .avail_out = FILE_MAX - file.len };

	assert_int_equal(deflateInit2(&z, 1, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY),
			 Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	file.len += z.total_out;
	deflateEnd(&z);
}

static void append_zstd(const void *data, size_t len)
{
	size_t got = ZSTD_compress(file.bytes + file.len, FILE_MAX - file.len, data, len, 1);

	assert_false(ZSTD_isError(got));
	file.len += got;
}

static void begin_zboot(const char *type)
{
	memset(file.bytes, 0, ZBOOT_HEAD);
	file.len = ZBOOT_HEAD;
	memcpy(file.bytes, "MZ\0\0zimg", 8);
	put(file.bytes + ZBOOT_OFFSET, ZBOOT_HEAD, 4);
	snprintf((char *)file.bytes + ZBOOT_TYPE, 32, "%s", type);
}

static void end_zboot(void)
{
	put(file.bytes + ZBOOT_SIZE, file.len - ZBOOT_HEAD, 4);
}

static void make_zboot(const char *type)
{
	u8 size[4];

	begin_zboot(type);
	if (!strcmp(type, "gzip")) {
		append_gzip(kernel, KERNEL_FILE);
		end_zboot();
		return;
	}
	append_zstd(kernel, KERNEL_FILE);
	end_zboot();
	/* What is no gzip has the size behind it, which is not part of the payload. */
	put(size, KERNEL_FILE, 4);
	append(size, 4);
}

static void make_gzip(void)
{
	file.len = 0;
	append_gzip(kernel, KERNEL_FILE);
}

static void write_file(void)
{
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	assert_int_equal(fwrite(file.bytes, 1, file.len, out), file.len);
	fclose(out);
}

/* ---- and using them ---- */

static void assert_refused(const char *why)
{
	struct arch_image *image = NULL;
	struct error err = { "" };

	write_file();
	assert_int_equal(arch_image_open(&image, path, &err), -EINVAL);
	assert_null(image);
	if (!strstr(err.text, why))
		fail_msg("\"%s\" does not say \"%s\"", err.text, why);
}

/* Open, plan and load; *status is the first error's. What was planned is where RAM may differ. */
static struct guest_memory *load(struct arch_image **image, int *status)
{
	struct guest_memory *memory;
	struct error err = { "" };

	assert_int_equal(memory_create(&memory, NULL, &ram, 1, NULL), 0);
	memset(memory_host(memory, ram.start, RAM), UNTOUCHED, RAM);
	*image = NULL;
	*status = arch_image_open(image, path, &err);
	if (!*status)
		*status = arch_image_plan(*image, &ram, 1, 0, "", &err);
	if (!*status)
		*status = arch_image_load(*image, memory, -1, &err);
	/* Each failure has its line. */
	assert_int_equal(!*status, !err.text[0]);
	return memory;
}

static bool is_untouched(struct guest_memory *memory, u64 start, u64 end)
{
	const u8 *bytes = memory_host(memory, ram.start, RAM);

	if (start == end)
		return true;
	return bytes[start] == UNTOUCHED &&
	       !memcmp(bytes + start, bytes + start + 1, end - start - 1);
}

static void assert_loads(void)
{
	struct guest_memory *memory;
	struct arch_image *image;
	int status;

	write_file();
	memory = load(&image, &status);
	assert_int_equal(status, 0);
	assert_memory_equal(memory_host(memory, image->entry, KERNEL_FILE), kernel, KERNEL_FILE);
	assert_true(is_untouched(memory, KERNEL_FILE, RAM));
	arch_image_close(image);
	memory_destroy(memory);
}

TEST(a_gzip_kernel_with_padding_behind_it_loads)
{
	static const u8 zeros[4096];

	make_gzip();
	append(zeros, sizeof(zeros));
	assert_loads();
}

TEST(a_gzip_kernel_with_a_device_tree_behind_it_loads)
{
	make_gzip();
	append("\xd0\x0d\xfe\xed and what a device tree holds", 33);
	assert_loads();
}

TEST(a_gzip_kernel_loads_whatever_the_last_four_bytes_are)
{
	u8 size[4];

	make_gzip();
	/* Not the true size, and one that could be. */
	put(size, KERNEL_FILE + 16, 4);
	append(size, 4);
	assert_loads();
}

TEST(an_efi_zboot_kernel_of_gzip_loads)
{
	make_zboot("gzip");
	assert_loads();
	append("a signature", 11);
	assert_loads();
}

TEST(an_efi_zboot_kernel_of_zstd_loads)
{
	make_zboot("zstd");
	assert_loads();
	make_zboot("zstd22");
	assert_loads();
	append("a signature", 11);
	assert_loads();
}

TEST(without_the_size_behind_it_too)
{
	make_zboot("zstd");
	file.len -= 4;
	assert_loads();
	make_zboot("zstd");
	put(file.bytes + file.len - 4, UINT32_MAX, 4);
	assert_loads();
}

TEST(another_compression_is_named_as_the_reason)
{
	make_zboot("gzip");
	memset(file.bytes + ZBOOT_TYPE, 0, 32);
	memcpy(file.bytes + ZBOOT_TYPE, "xzkern", 6);
	assert_refused("neither gzip nor zstd");
	memset(file.bytes + ZBOOT_TYPE, 0xff, 32);
	assert_refused("neither gzip nor zstd");
}

TEST(a_zboot_header_that_points_astray_is_refused)
{
	static const u32 far[] = { FILE_MAX, INT32_MAX, UINT32_MAX - 1, UINT32_MAX };

	for (unsigned i = 0; i < ARRAY_SIZE(far); i++) {
		make_zboot("gzip");
		put(file.bytes + ZBOOT_OFFSET, far[i], 4);
		assert_refused("truncated");
		make_zboot("zstd");
		put(file.bytes + ZBOOT_SIZE, far[i], 4);
		assert_refused("truncated");
	}
	make_zboot("gzip");
	put(file.bytes + ZBOOT_OFFSET, 0, 4);
	assert_refused("damaged");
	make_zboot("gzip");
	put(file.bytes + ZBOOT_SIZE, 0, 4);
	assert_refused("damaged");
	begin_zboot("gzip");
	file.len = 20;
	assert_refused("truncated");
}

TEST(a_payload_of_another_format_is_damaged)
{
	make_zboot("gzip");
	memset(file.bytes + ZBOOT_TYPE, 0, 32);
	memcpy(file.bytes + ZBOOT_TYPE, "zstd", 4);
	assert_refused("damaged");
	make_zboot("zstd");
	memset(file.bytes + ZBOOT_TYPE, 0, 32);
	memcpy(file.bytes + ZBOOT_TYPE, "gzip", 4);
	assert_refused("damaged");
}

TEST(a_zboot_kernel_that_was_packed_once_more_says_so)
{
	static struct file inner;

	make_zboot("gzip");
	inner = file;
	file.len = 0;
	append_gzip(inner.bytes, inner.len);
	assert_refused("packed once more");
}

TEST(what_unpacks_to_more_than_its_header_says_is_refused_before_ram_is_touched)
{
	u8 *bomb = calloc(1, BOMB);

	assert_non_null(bomb);
	memcpy(bomb, kernel, 4096);
	file.len = 0;
	append_gzip(bomb, BOMB);
	assert_refused("more in it than its header says");
	begin_zboot("zstd");
	append_zstd(bomb, BOMB);
	end_zboot();
	assert_refused("more in it than its header says");
	free(bomb);
}

/* Whatever it is, it is refused with a line, or loaded; RAM behind what was planned is as it was.
 */
static void assert_harmless(bool must_fail)
{
	struct guest_memory *memory;
	struct arch_image *image;
	int status;

	write_file();
	memory = load(&image, &status);
	if (must_fail)
		assert_int_not_equal(status, 0);
	if (!image || image->entry < ram.start)
		assert_true(is_untouched(memory, 0, RAM));
	else
		assert_true(is_untouched(
			memory, MIN(image->entry - ram.start + image->image_size, (u64)RAM), RAM));
	arch_image_close(image);
	memory_destroy(memory);
}

TEST(a_kernel_cut_anywhere_is_refused)
{
	static const char *const types[] = { "gzip", "zstd" };

	for (unsigned i = 0; i < ARRAY_SIZE(types); i++) {
		size_t whole;

		make_zboot(types[i]);
		/* The size behind the payload is no loss. */
		whole = ZBOOT_HEAD + le32_to_cpu(*(le32 *)(file.bytes + ZBOOT_SIZE));
		for (size_t len = 1; len < whole; len += len < 64 ? 1 : 7919) {
			file.len = len;
			assert_harmless(true);
		}
		file.len = whole - 1;
		assert_harmless(true);
	}
	make_gzip();
	for (size_t len = file.len - 1; len > 9; len = len * 9 / 10) {
		file.len = len;
		assert_harmless(true);
	}
}

TEST(a_damaged_kernel_is_refused_or_loaded_and_does_no_harm)
{
	static const char *const types[] = { "gzip", "zstd", NULL };
	u32 random = 42;

	static struct file whole[3];

	for (unsigned i = 0; i < 3; i++) {
		if (types[i])
			make_zboot(types[i]);
		else
			make_gzip();
		whole[i] = file;
	}
	for (unsigned i = 0; i < 300; i++) {
		const char *type = types[i % 3];
		size_t span;

		file = whole[i % 3];
		/* In the headers mostly. */
		span = i % 2	       ? file.len
		       : type && i % 4 ? 64
				       : MIN(file.len, (size_t)ZBOOT_HEAD + 64);
		for (unsigned n = 0; n <= i % 5; n++) {
			random = random * 1103515245 + 12345;
			file.bytes[(random >> 8) % span] = random >> 4;
		}
		assert_harmless(false);
	}
}

static int begin(void **state)
{
	make_kernel();
	return setup(state);
}

TEST_PROGRAM(begin, teardown)
