/* SPDX-License-Identifier: BSD-2-Clause */
#include "test.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "../../arm/image.h"
#include "vmm/arch.h"
#include "vmm/memory.h"

#define KERNEL_FILE  (300 * KIB) /* as the PE header of the kernel below says */
#define KERNEL_SIZE  (400 * KIB) /* with .bss */
#define OFFSET_TEXT  8
#define OFFSET_SIZE  16
#define OFFSET_FLAGS 24
#define OFFSET_PE    64

static char path[] = "/tmp/lkvm-test-image-XXXXXX";

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

/* A kernel with one PE section that ends at the end of the file, and recognisable content. */
static u8 *make_kernel(void)
{
	u8 *kernel = malloc(KERNEL_FILE);

	for (u32 i = 0; i < KERNEL_FILE; i++)
		kernel[i] = i ^ (i >> 8) ^ (i >> 16);
	memset(kernel, 0, 4096);
	memcpy(kernel, "MZ", 2);
	put(kernel + OFFSET_SIZE, KERNEL_SIZE, 8);
	put(kernel + OFFSET_FLAGS, 0xa, 8);
	memcpy(kernel + 56, "ARM\x64", 4);
	put(kernel + 60, OFFSET_PE, 4);
	memcpy(kernel + OFFSET_PE, "PE\0\0", 4);
	put(kernel + OFFSET_PE + 6, 1, 2);   /* sections */
	put(kernel + OFFSET_PE + 20, 16, 2); /* the optional header's size */
	put(kernel + OFFSET_PE + 40 + 16, KERNEL_FILE - 4096, 4);
	put(kernel + OFFSET_PE + 40 + 20, 4096, 4);
	return kernel;
}

static void write_file(const void *data, size_t len)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, len, file), len);
	fclose(file);
}

static void write_gzip(const void *data, size_t len)
{
	gzFile file = gzopen(path, "wb1");

	assert_non_null(file);
	assert_int_equal(gzwrite(file, data, len), len);
	assert_int_equal(gzclose(file), Z_OK);
}

static void cut_file(off_t less)
{
	int fd = open(path, O_RDWR);

	assert_int_equal(ftruncate(fd, lseek(fd, 0, SEEK_END) - less), 0);
	close(fd);
}

static void assert_refused(const char *why)
{
	struct arch_image *image = NULL;
	struct error err = { "" };

	assert_int_equal(arch_image_open(&image, path, &err), -EINVAL);
	assert_null(image);
	if (!strstr(err.text, why))
		fail_msg("\"%s\" does not say \"%s\"", err.text, why);
	assert_non_null(strstr(err.text, path));
}

static struct arch_image *assert_opens(void)
{
	struct arch_image *image;
	struct error err = { "" };

	if (arch_image_open(&image, path, &err))
		fail_msg("%s", err.text);
	return image;
}

TEST(a_file_that_is_missing_is_said_to_be_so)
{
	struct arch_image *image;
	struct error err = { "" };

	assert_int_equal(arch_image_open(&image, "/nonexistent/Image", &err), -ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent/Image: No such file"));
}

TEST(an_empty_file_is_refused)
{
	write_file("", 0);
	assert_refused("empty");
}

TEST(a_folder_is_refused)
{
	struct arch_image *image;
	struct error err = { "" };

	assert_int_equal(arch_image_open(&image, "/tmp", &err), -EISDIR);
	assert_non_null(strstr(err.text, "is a directory; give a file"));
}

TEST(a_file_shorter_than_a_header_is_truncated)
{
	u8 *kernel = make_kernel();

	write_file(kernel, 63);
	assert_refused("truncated");
	free(kernel);
}

TEST(a_kernel_without_its_last_byte_is_truncated)
{
	u8 *kernel = make_kernel();

	write_file(kernel, KERNEL_FILE - 1);
	assert_refused("truncated");
	free(kernel);
}

TEST(a_text_file_is_no_kernel)
{
	char text[1024];

	memset(text, 'x', sizeof(text));
	write_file(text, sizeof(text));
	assert_refused("not an arm64 Linux kernel");
}

TEST(a_bzimage_is_an_x86_kernel)
{
	u8 data[1024] = { 0 };

	memcpy(data + 0x202, "HdrS", 4);
	write_file(data, sizeof(data));
	assert_refused("this is an x86 kernel");
}

TEST(elf_files_are_told_by_their_machine)
{
	u8 data[128] = ELFMAG;

	put(data + 18, EM_X86_64, 2);
	write_file(data, sizeof(data));
	assert_refused("this is an x86 kernel");
	put(data + 18, EM_AARCH64, 2);
	write_file(data, sizeof(data));
	assert_refused("give arch/arm64/boot/Image");
	put(data + 18, EM_RISCV, 2);
	write_file(data, sizeof(data));
	assert_refused("another machine");
}

TEST(a_big_endian_kernel_is_refused)
{
	u8 *kernel = make_kernel();

	kernel[OFFSET_FLAGS] |= 1;
	write_file(kernel, KERNEL_FILE);
	assert_refused("big-endian");
	free(kernel);
}

TEST(a_kernel_that_tells_no_size_is_too_old)
{
	u8 *kernel = make_kernel();

	put(kernel + OFFSET_SIZE, 0, 8);
	write_file(kernel, KERNEL_FILE);
	assert_refused("too old");
	free(kernel);
}

TEST(a_gzip_file_cut_anywhere_is_refused)
{
	u8 *kernel = make_kernel();

	write_gzip(kernel, KERNEL_FILE);
	cut_file(1);
	assert_refused("truncated");
	cut_file(1000);
	assert_refused("truncated");
	write_file("\x1f\x8b", 2);
	assert_refused("truncated");
	free(kernel);
}

TEST(what_a_gzip_file_holds_is_checked_like_a_plain_one)
{
	char text[1024];

	memset(text, 'x', sizeof(text));
	write_gzip(text, sizeof(text));
	assert_refused("not an arm64 Linux kernel");
	write_file("\x1f\x8b\xff\xff\xff\xff\xff\xff", 8);
	assert_refused("damaged");
}

/* ---- plan and load ---- */

static const struct range ram = { 0x80000000, 0x80000000 + 16 * MIB - 1 };

static struct guest_memory *make_memory(void)
{
	struct guest_memory *memory;

	assert_int_equal(memory_create(&memory, NULL, &ram, 1, NULL), 0);
	return memory;
}

static void assert_loads(struct arch_image *image, const u8 *kernel)
{
	struct guest_memory *memory = make_memory();
	struct error err = { "" };

	assert_int_equal(arch_image_plan(image, &ram, 1, 0, "", &err), 0);
	if (arch_image_load(image, memory, -1, &err))
		fail_msg("%s", err.text);
	assert_memory_equal(memory_host(memory, image->entry, KERNEL_FILE), kernel, KERNEL_FILE);
	memory_destroy(memory);
	arch_image_close(image);
}

TEST(a_kernel_is_loaded_where_its_header_wants)
{
	u8 *kernel = make_kernel();
	struct arch_image *image;

	put(kernel + OFFSET_TEXT, 0x80000, 8);
	write_file(kernel, KERNEL_FILE);
	image = assert_opens();
	assert_int_equal(arch_image_plan(image, &ram, 1, 0, "", NULL), 0);
	assert_int_equal(image->entry, 0x80080000);
	assert_loads(image, kernel);
	free(kernel);
}

TEST(a_gzip_kernel_arrives_decompressed)
{
	u8 *kernel = make_kernel();

	write_gzip(kernel, KERNEL_FILE);
	assert_loads(assert_opens(), kernel);
	free(kernel);
}

TEST(a_gzip_kernel_cannot_write_past_the_size_in_its_header)
{
	struct guest_memory *memory = make_memory();
	u8 *big = calloc(1, 8 * MIB);
	u8 *kernel = make_kernel();
	struct arch_image *image;
	struct error err = { "" };
	int fd;

	memcpy(big, kernel, KERNEL_FILE);
	memset(big + KERNEL_SIZE, 0xee, 8 * MIB - KERNEL_SIZE);
	write_gzip(big, 8 * MIB);
	/* The trailer lies about the size. */
	put(kernel, KERNEL_FILE, 4);
	fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, kernel, 4, lseek(fd, 0, SEEK_END) - 4), 4);
	close(fd);
	image = assert_opens();
	assert_int_equal(arch_image_plan(image, &ram, 1, 0, "", NULL), 0);
	assert_int_equal(arch_image_load(image, memory, -1, &err), -ENOSPC);
	assert_non_null(strstr(err.text, "damaged"));
	assert_int_equal(*(u8 *)memory_host(memory, image->entry + KERNEL_SIZE, 1), 0);
	arch_image_close(image);
	memory_destroy(memory);
	free(kernel);
	free(big);
}

TEST(a_damaged_gzip_kernel_does_not_load)
{
	struct guest_memory *memory = make_memory();
	u8 *kernel = make_kernel();
	struct arch_image *image;
	struct error err = { "" };
	u8 byte;
	int fd;

	write_gzip(kernel, KERNEL_FILE);
	fd = open(path, O_RDWR);
	/* In the checksum. */
	assert_int_equal(pread(fd, &byte, 1, lseek(fd, 0, SEEK_END) - 8), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, lseek(fd, 0, SEEK_END) - 8), 1);
	close(fd);
	image = assert_opens();
	assert_int_equal(arch_image_plan(image, &ram, 1, 0, "", NULL), 0);
	assert_int_equal(arch_image_load(image, memory, -1, &err), -EINVAL);
	assert_non_null(strstr(err.text, "damaged"));
	arch_image_close(image);
	memory_destroy(memory);
	free(kernel);
}

TEST(kernel_device_tree_and_initrd_do_not_overlap)
{
	struct guest_memory *memory = make_memory();
	u8 *kernel = make_kernel();
	struct arch_image *image;
	int fd = memfd_create("initrd", 0);

	write_file(kernel, KERNEL_FILE);
	image = assert_opens();
	assert_int_equal(pwrite(fd, "initrd", 6, 0), 6);
	assert_int_equal(arch_image_plan(image, &ram, 1, 6, "quiet", NULL), 0);
	assert_string_equal(image->cmdline, "quiet");
	assert_int_equal(image->entry, ram.start);
	assert_int_equal(image->dtb % (2 * MIB), 0);
	assert_true(image->dtb >= image->entry + KERNEL_SIZE);
	assert_true(image->initrd >= image->dtb + IMAGE_DTB_SIZE);
	assert_true(image->initrd + 6 <= ram.last);
	assert_int_equal(arch_image_load(image, memory, fd, NULL), 0);
	assert_memory_equal(memory_host(memory, image->initrd, 6), "initrd", 6);
	arch_image_close(image);
	memory_destroy(memory);
	close(fd);
	free(kernel);
}

TEST(a_kernel_that_does_not_fit_is_refused)
{
	const u64 sizes[] = { 14 * MIB + 1, 1ULL << 40, UINT64_MAX, UINT64_MAX - 4 * KIB };
	u8 *kernel = make_kernel();

	put(kernel + OFFSET_TEXT, 0x80000, 8);
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct arch_image *image;
		struct error err = { "" };

		put(kernel + OFFSET_SIZE, sizes[i], 8);
		write_file(kernel, KERNEL_FILE);
		image = assert_opens();
		assert_int_equal(arch_image_plan(image, &ram, 1, 0, "", &err), -EINVAL);
		assert_non_null(strstr(err.text, "-m"));
		arch_image_close(image);
	}
	free(kernel);
}

TEST(an_initrd_fits_to_the_last_byte_and_not_beyond)
{
	u8 *kernel = make_kernel();
	struct error err = { "" };
	struct arch_image *image;

	write_file(kernel, KERNEL_FILE);
	image = assert_opens();
	assert_int_equal(arch_image_plan(image, &ram, 1, 12 * MIB, "", NULL), 0);
	assert_int_equal(arch_image_plan(image, &ram, 1, 12 * MIB + 1, "", &err), -EINVAL);
	assert_non_null(strstr(err.text, "initrd"));
	assert_int_equal(arch_image_plan(image, &ram, 1, UINT64_MAX, "", NULL), -EINVAL);
	arch_image_close(image);
	free(kernel);
}

TEST(an_initrd_stays_within_32_gib_of_the_kernel)
{
	const struct range huge = { 0x80000000, 0x80000000 + 64 * GIB - 1 };
	u8 *kernel = make_kernel();
	struct arch_image *image;

	write_file(kernel, KERNEL_FILE);
	image = assert_opens();
	assert_int_equal(arch_image_plan(image, &huge, 1, 31 * GIB, "", NULL), 0);
	assert_int_equal(arch_image_plan(image, &huge, 1, 32 * GIB, "", NULL), -EINVAL);
	arch_image_close(image);
	free(kernel);
}

TEST(a_command_line_longer_than_the_kernel_takes_is_refused)
{
	char line[ARCH_MAX_CMDLINE + 2];
	u8 *kernel = make_kernel();
	struct error err = { "" };
	struct arch_image *image;

	memset(line, 'x', sizeof(line));
	line[ARCH_MAX_CMDLINE + 1] = '\0';
	write_file(kernel, KERNEL_FILE);
	image = assert_opens();
	assert_int_equal(arch_image_plan(image, &ram, 1, 0, line, &err), -EINVAL);
	assert_non_null(strstr(err.text, "2048 characters"));
	line[ARCH_MAX_CMDLINE] = '\0';
	assert_int_equal(arch_image_plan(image, &ram, 1, 0, line, NULL), 0);
	arch_image_close(image);
	free(kernel);
}

TEST(the_header_tells_the_size_of_pages)
{
	/* Bits 1 and 2; bit 3 is about where the kernel may go. */
	static const u64 sizes[] = { 0, 4 * KIB, 16 * KIB, 64 * KIB };

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		u8 *kernel = make_kernel();
		struct arch_image *image;

		put(kernel + OFFSET_FLAGS, 8 | i << 1, 8);
		write_file(kernel, KERNEL_FILE);
		image = assert_opens();
		assert_int_equal(arch_image_page_size(image), sizes[i]);
		arch_image_close(image);
		free(kernel);
	}
}

TEST_PROGRAM(setup, teardown)

/* A file of zeroes whose name says that it is a flat binary. */
static struct arch_image *opens_flat(char *flat, size_t size)
{
	struct arch_image *image;
	struct error err = { "" };

	snprintf(flat, size, "%s.flat", path);
	assert_int_equal(link(path, flat), 0);
	if (arch_image_open(&image, flat, &err))
		fail_msg("%s", err.text);
	unlink(flat);
	return image;
}

TEST(a_flat_binary_is_taken_by_its_name)
{
	const struct range large = { 2 * GIB, 2 * GIB + 256 * MIB - 1 };
	static const u8 code[100000] = { 1, 2, 3 };
	struct arch_image *image;
	struct error err = { "" };
	char flat[200];

	write_file(code, sizeof(code));
	assert_refused("not an arm64 Linux kernel");
	image = opens_flat(flat, sizeof(flat));
	assert_int_equal(arch_image_plan(image, &large, 1, 5 * MIB, "x", &err), 0);
	assert_int_equal(image->entry, 2 * GIB + 0x80000);
	/* Its variables are behind it, where nothing of ours may be. */
	assert_true(image->dtb >= image->entry + sizeof(code) + 8 * MIB);
	assert_true(image->initrd > image->dtb);
	arch_image_close(image);
}

TEST(a_short_flat_binary_is_one_too)
{
	struct arch_image *image;
	char flat[200];

	write_file("\x00", 1);
	image = opens_flat(flat, sizeof(flat));
	assert_int_equal(image->image_size, 1);
	arch_image_close(image);
}

TEST(a_kernel_is_no_flat_binary_whatever_its_name)
{
	char elf[64] = "\177ELF", flat[200];
	struct arch_image *image;
	struct error err = { "" };

	write_file(elf, sizeof(elf));
	snprintf(flat, sizeof(flat), "%s.flat", path);
	assert_int_equal(link(path, flat), 0);
	assert_int_equal(arch_image_open(&image, flat, &err), -EINVAL);
	unlink(flat);
}
