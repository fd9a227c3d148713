/* SPDX-License-Identifier: BSD-2-Clause */
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../x86/bootparams.h"
#include "../../x86/image.h"
#include "test.h"
#include "vmm/memory.h"

#define KERNEL_SIZE 0x8000
#define CODE_AT	    (5 * 512)
/* "Details of Header Fields": payload_offset, from the protected-mode code, and payload_length. */
#define PAYLOAD_OFFSET 0x248
#define PAYLOAD_LENGTH 0x24c

struct file {
	u8 data[KERNEL_SIZE];
	size_t size;
	char path[32];
	struct error err;
};

static const struct range ram = { 0, 256 * MIB - 1 };

/* A bzImage as Linux 6 makes them. */
static void make_bzimage(struct file *file)
{
	u8 *data = file->data;

	memset(file, 0, sizeof(*file));
	file->size = CODE_AT + 0x1000;
	data[BP_SETUP_SECTS] = 4;
	bp_put32(data, BP_SYSSIZE, 0x100);
	bp_put16(data, BP_BOOT_FLAG, 0xaa55);
	data[0x201] = 0x6a;
	memcpy(data + BP_MAGIC, "HdrS", 4);
	bp_put16(data, BP_VERSION, 0x020f);
	data[BP_LOADFLAGS] = LOADED_HIGH;
	bp_put16(data, BP_XLOADFLAGS, 1);
	bp_put32(data, BP_INITRD_ADDR_MAX, 0x7fffffff);
	bp_put32(data, BP_KERNEL_ALIGNMENT, 0x200000);
	bp_put32(data, BP_CMDLINE_SIZE, 100);
	bp_put64(data, BP_PREF_ADDRESS, 0x1000000);
	bp_put32(data, BP_INIT_SIZE, 0x2000000);
	memset(data + CODE_AT, 0x90, 0x1000);
}

/* An ELF file of one segment at 2 MiB, and a note that says where PVH begins. */
static void make_elf(struct file *file)
{
	Elf64_Ehdr ehdr = {
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_entry = 0x200010,
		.e_phoff = 64,
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 2,
	};
	Elf64_Phdr phdrs[2] = {
		{ PT_LOAD, 7, 0x1000, 0xffffffff80200000, 0x200000, 0x100, 0x2000, 0x1000 },
		{ PT_NOTE, 4, 0x800, 0, 0, 20, 20, 4 },
	};
	static const u8 note[20] = { 4, 0, 0,	0,   4,	  0, 0,	   0, 18,  0,
				     0, 0, 'X', 'e', 'n', 0, 0x40, 0, 0x20 };

	memset(file, 0, sizeof(*file));
	file->size = 0x1100;
	memcpy(file->data, &ehdr, sizeof(ehdr));
	memcpy(file->data + 64, phdrs, sizeof(phdrs));
	memcpy(file->data + 0x800, note, sizeof(note));
	memset(file->data + 0x1000, 0x90, 0x100);
}

static Elf64_Ehdr *ehdr_of(struct file *file)
{
	return (Elf64_Ehdr *)file->data;
}

static Elf64_Phdr *phdr_of(struct file *file, unsigned n)
{
	return (Elf64_Phdr *)(file->data + 64) + n;
}

static int open_file(struct file *file, struct arch_image **image)
{
	int fd, ret;

	strcpy(file->path, "/tmp/lkvm-test-XXXXXX");
	fd = mkstemp(file->path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, file->data, file->size), file->size);
	close(fd);
	file->err.text[0] = 0;
	ret = arch_image_open(image, file->path, &file->err);
	unlink(file->path);
	return ret;
}

static void refuses(struct file *file, const char *word)
{
	struct arch_image *image = NULL;

	if (open_file(file, &image) != -EINVAL)
		fail_msg("taken, though it is \"%s\"", word);
	if (!strstr(file->err.text, word))
		fail_msg("\"%s\" does not say \"%s\"", file->err.text, word);
}

static struct arch_image *opens(struct file *file)
{
	struct arch_image *image = NULL;

	if (open_file(file, &image))
		fail_msg("%s", file->err.text);
	return image;
}

TEST(a_missing_kernel_is_named)
{
	struct error err = { "" };
	struct arch_image *image;

	assert_int_equal(arch_image_open(&image, "/nonexistent/kernel", &err), -ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent/kernel"));
	assert_int_equal(arch_image_open(&image, "/tmp", &err), -EISDIR);
}

TEST(a_fifo_is_refused_without_waiting)
{
	char dir[] = "/tmp/lkvm-test-XXXXXX", path[64];
	struct error err = { "" };
	struct arch_image *image;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/fifo", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(arch_image_open(&image, path, &err), -EINVAL);
	unlink(path);
	rmdir(dir);
}

TEST(a_file_that_is_no_kernel_is_refused)
{
	static struct file file;

	make_bzimage(&file);
	file.size = 0;
	refuses(&file, "empty");
	file.size = 100;
	refuses(&file, "no Linux kernel");
	make_bzimage(&file);
	file.data[BP_MAGIC] = 'X';
	refuses(&file, "no Linux kernel");
	make_bzimage(&file);
	bp_put16(file.data, BP_BOOT_FLAG, 0);
	refuses(&file, "no Linux kernel");
	make_bzimage(&file);
	memcpy(file.data, "\x1f\x8b", 2);
	refuses(&file, "gzip");
}

TEST(a_kernel_of_another_architecture_is_named)
{
	static struct file file;

	make_bzimage(&file);
	memcpy(file.data + 0x38, "ARM\x64", 4);
	refuses(&file, "arm64");
	make_elf(&file);
	ehdr_of(&file)->e_machine = EM_AARCH64;
	refuses(&file, "arm64");
	ehdr_of(&file)->e_machine = EM_386;
	refuses(&file, "32-bit x86");
}

TEST(a_truncated_bzimage_is_refused)
{
	static struct file file;

	make_bzimage(&file);
	file.size -= 16;
	refuses(&file, "truncated");
	file.size = CODE_AT;
	refuses(&file, "truncated");
	make_bzimage(&file);
	bp_put32(file.data, BP_SYSSIZE, UINT32_MAX);
	refuses(&file, "truncated");
	bp_put32(file.data, BP_SYSSIZE, 0);
	refuses(&file, "truncated");
	make_bzimage(&file);
	file.data[BP_SETUP_SECTS] = 255;
	refuses(&file, "truncated");
}

TEST(a_kernel_without_64_bit_entry_is_refused)
{
	static struct file file;

	make_bzimage(&file);
	bp_put16(file.data, BP_XLOADFLAGS, 0);
	refuses(&file, "64-bit");
	make_bzimage(&file);
	bp_put16(file.data, BP_VERSION, 0x020b);
	refuses(&file, "64-bit");
	/* A header that ends before xloadflags has none, whatever stands there. */
	make_bzimage(&file);
	file.data[0x201] = 0x20;
	refuses(&file, "64-bit");
}

TEST(absurd_addresses_in_a_bzimage_are_refused)
{
	static const u64 addresses[] = { 0, 0xff000, 0x1000001, 0xfffffffffff00000, UINT64_MAX };
	static struct file file;

	for (unsigned i = 0; i < ARRAY_SIZE(addresses); i++) {
		make_bzimage(&file);
		bp_put64(file.data, BP_PREF_ADDRESS, addresses[i]);
		refuses(&file, "damaged");
	}
	make_bzimage(&file);
	bp_put32(file.data, BP_KERNEL_ALIGNMENT, 3);
	refuses(&file, "damaged");
}

TEST(a_bzimage_goes_to_its_preferred_address)
{
	static struct file file;
	struct arch_image *image;

	make_bzimage(&file);
	image = opens(&file);
	assert_int_equal(image->entry_kind, ENTRY_LONG);
	assert_int_equal(image->entry, 0x1000200);
	assert_int_equal(image->segment_count, 1);
	assert_int_equal(image->segments[0].offset, CODE_AT);
	assert_int_equal(image->segments[0].file_size, 0x1000);
	assert_int_equal(image->segments[0].memory.last, 0x2ffffff);
	arch_image_close(image);
}

TEST(the_plan_keeps_the_limits_of_the_kernel)
{
	static struct file file;
	struct error err = { "" };
	struct arch_image *image;
	struct range small = { 0, 32 * MIB - 1 };
	char cmdline[102];

	make_bzimage(&file);
	bp_put32(file.data, BP_INITRD_ADDR_MAX, 0x7ffffff);
	image = opens(&file);
	memset(cmdline, 'a', 101);
	cmdline[101] = 0;
	assert_int_equal(arch_image_plan(image, &ram, 1, 0, cmdline, &err), -EINVAL);
	assert_int_equal(arch_image_plan(image, &ram, 1, 0, cmdline + 1, &err), 0);
	assert_int_equal(arch_image_plan(image, &small, 1, 0, "", &err), -EINVAL);
	/* init_size ends at 48 MiB, the initrd may reach 128. */
	assert_int_equal(arch_image_plan(image, &ram, 1, 80 * MIB, "", &err), 0);
	assert_int_equal(image->initrd, 48 * MIB);
	assert_int_equal(arch_image_plan(image, &ram, 1, 80 * MIB + 1, "", &err), -EINVAL);
	assert_int_equal(arch_image_plan(image, &ram, 1, UINT64_MAX, "", &err), -EINVAL);
	assert_int_equal(arch_image_plan(image, &ram, 1, 5000, "", &err), 0);
	assert_int_equal(image->initrd, 128 * MIB - 8192);
	arch_image_close(image);
}

TEST(what_helps_an_initrd_that_does_not_fit_is_said)
{
	const struct range most = { 0, 3 * GIB - 1 };
	struct arch_image *image;
	struct file file;

	make_bzimage(&file);
	assert_int_equal(open_file(&file, &image), 0);
	assert_int_equal(arch_image_plan(image, &ram, 1, 300 * MIB, "", &file.err), -EINVAL);
	/* init_size ends at 48 MiB. */
	assert_non_null(strstr(file.err.text, "give --mem 348 or more"));
	assert_int_equal(
		arch_image_plan(image, &(struct range){ 0, 348 * MIB - 1 }, 1, 300 * MIB, "", NULL),
		0);
	assert_int_equal(
		arch_image_plan(image, &(struct range){ 0, 347 * MIB - 1 }, 1, 300 * MIB, "", NULL),
		-EINVAL);
	file.err.text[0] = '\0';
	assert_int_equal(arch_image_plan(image, &ram, 1, 2 * GIB, "", &file.err), -EINVAL);
	assert_non_null(strstr(file.err.text, "2048 MiB, where this kernel stops"));
	assert_non_null(strstr(file.err.text, "more --mem does not help"));
	assert_int_equal(arch_image_plan(image, &most, 1, 2 * GIB, "", NULL), -EINVAL);
	assert_int_equal(arch_image_plan(image, &most, 1, 2000 * MIB, "", NULL), 0);
	arch_image_close(image);
}

/* It is the guest's own code that unpacks it: no format is ours to know. */
TEST(a_bzimage_opens_whatever_it_is_packed_with)
{
	static const struct {
		u8 magic[6];
		u8 len;
	} packs[] = {
		{ { 0x1f, 0x8b, 8 }, 3 },		 /* gzip */
		{ { 'B', 'Z', 'h', '9' }, 4 },		 /* bzip2 */
		{ { 0x5d, 0, 0 }, 3 },			 /* lzma */
		{ { 0xfd, '7', 'z', 'X', 'Z', 0 }, 6 },	 /* xz */
		{ { 0x89, 'L', 'Z', 'O', 0, 0x0d }, 6 }, /* lzo */
		{ { 0x02, 0x21, 0x4c, 0x18 }, 4 },	 /* lz4 */
		{ { 0x28, 0xb5, 0x2f, 0xfd }, 4 },	 /* zstd */
		{ { 0x7f, 'E', 'L', 'F', 2, 1 }, 6 },	 /* not at all */
	};

	for (unsigned i = 0; i < ARRAY_SIZE(packs); i++) {
		struct arch_image *image;
		struct file file;

		make_bzimage(&file);
		bp_put32(file.data, PAYLOAD_OFFSET, 0x400);
		bp_put32(file.data, PAYLOAD_LENGTH, 0x800);
		memcpy(file.data + CODE_AT + 0x400, packs[i].magic, packs[i].len);
		if (open_file(&file, &image))
			fail_msg("%s", file.err.text);
		assert_int_equal(image->entry_kind, ENTRY_LONG);
		arch_image_close(image);
	}
}

TEST(loading_copies_kernel_and_initrd_to_their_places)
{
	static struct file file;
	struct guest_memory *memory;
	struct arch_image *image;
	char byte = 0;
	int initrd;

	make_elf(&file);
	image = opens(&file);
	initrd = memfd_create("initrd", MFD_CLOEXEC);
	assert_int_equal(write(initrd, "hello", 5), 5);
	assert_int_equal(memory_create(&memory, NULL, &ram, 1, NULL), 0);
	assert_int_equal(arch_image_plan(image, &ram, 1, 5, "", NULL), 0);
	assert_int_equal(arch_image_load(image, memory, initrd, NULL), 0);
	assert_memory_equal(memory_host(memory, image->initrd, 5), "hello", 5);
	assert_int_equal(memory_read(memory, 0x2000ff, &byte, 1), 0);
	assert_int_equal((u8)byte, 0x90);
	assert_int_equal(memory_read(memory, 0x200100, &byte, 1), 0);
	assert_int_equal(byte, 0);
	close(initrd);
	arch_image_close(image);
	memory_destroy(memory);
}

TEST(an_elf_file_with_the_note_starts_by_pvh)
{
	static struct file file;
	struct arch_image *image;

	make_elf(&file);
	image = opens(&file);
	assert_int_equal(image->entry_kind, ENTRY_PVH);
	assert_int_equal(image->entry, 0x200040);
	arch_image_close(image);

	make_elf(&file);
	file.data[0x808]++; /* another note */
	image = opens(&file);
	assert_int_equal(image->entry_kind, ENTRY_LONG);
	assert_int_equal(image->entry, 0x200010);
	arch_image_close(image);
}

TEST(notes_with_absurd_sizes_are_passed_over)
{
	static const u32 sizes[] = { 0, 5, 0x7fffffff, 0xfffffffc, 0xffffffff };
	static struct file file;

	for (unsigned i = 0; i < ARRAY_SIZE(sizes) * 2; i++) {
		struct arch_image *image;

		make_elf(&file);
		bp_put32(file.data, 0x800 + (i & 1) * 4, sizes[i / 2]);
		image = opens(&file);
		assert_int_equal(image->entry_kind, ENTRY_LONG);
		arch_image_close(image);
	}
}

TEST(elf_segments_beyond_file_or_memory_are_refused)
{
	static struct file file;

	make_elf(&file);
	file.size--;
	refuses(&file, "truncated");
	make_elf(&file);
	phdr_of(&file, 0)->p_offset = UINT64_MAX;
	refuses(&file, "truncated");
	make_elf(&file);
	phdr_of(&file, 0)->p_filesz = UINT64_MAX;
	refuses(&file, "truncated");
	make_elf(&file);
	phdr_of(&file, 0)->p_memsz = 0x10;
	refuses(&file, "segment");
	make_elf(&file);
	phdr_of(&file, 0)->p_memsz = UINT64_MAX;
	refuses(&file, "segment");
	make_elf(&file);
	phdr_of(&file, 0)->p_paddr = 0x1000;
	refuses(&file, "segment");
	make_elf(&file);
	phdr_of(&file, 1)->p_filesz = 0x10000;
	refuses(&file, "truncated");
}

TEST(elf_headers_with_nonsense_are_refused)
{
	static struct file file;

	make_elf(&file);
	file.size = 40;
	refuses(&file, "truncated");
	make_elf(&file);
	ehdr_of(&file)->e_phoff = UINT64_MAX - 8;
	refuses(&file, "truncated");
	make_elf(&file);
	ehdr_of(&file)->e_phoff = file.size - 60;
	refuses(&file, "truncated");
	make_elf(&file);
	ehdr_of(&file)->e_phnum = 0xffff;
	refuses(&file, "program headers");
	make_elf(&file);
	ehdr_of(&file)->e_phnum = 0;
	refuses(&file, "program headers");
	make_elf(&file);
	ehdr_of(&file)->e_phentsize = 1;
	refuses(&file, "program headers");
	make_elf(&file);
	ehdr_of(&file)->e_type = ET_REL;
	refuses(&file, "no kernel");
	make_elf(&file);
	ehdr_of(&file)->e_phnum = 1;
	ehdr_of(&file)->e_entry = 0x100000;
	refuses(&file, "entry point");
}
