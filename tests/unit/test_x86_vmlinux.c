/* SPDX-License-Identifier: BSD-2-Clause */
/* What is unpacked of a bzImage, where it goes and how it is moved; and bzImages that lie. */
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../x86/bootparams.h"
#include "../../x86/layout.h"
#include "../../x86/vmlinux.h"
#include "test.h"
#include "vmlinux_rig.h"
#include "vmm/arch.h"
#include "vmm/memory.h"

#define NEED RIG_INIT_SIZE

static const struct range ram = { 0, 256 * MIB - 1 };

static struct arch_image *open_rig(const struct vmlinux_rig *rig)
{
	struct arch_image *image = NULL;
	struct error err = { "" };
	char path[64];
	int fd = vmlinux_rig_open(rig);

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (arch_image_open(&image, path, &err))
		fail_msg("%s", err.text);
	close(fd);
	return image;
}

static int unpack_rig(const struct vmlinux_rig *rig, struct boot_image *out)
{
	struct arch_image *image = open_rig(rig);
	int ret;

	*out = (struct boot_image){ 0 };
	ret = arch_image_unpack(image, out);
	arch_image_close(image);
	return ret;
}

static void check_moved(const struct boot_image *out, bool minus, u64 delta)
{
	assert_int_equal(bp_get32(out->data, RIG_AT32), (u32)(RIG_VALUE32 + delta));
	assert_int_equal(bp_get32(out->data, RIG_AT_MINUS),
			 (u32)(minus ? RIG_MINUS - delta : RIG_MINUS));
	assert_true(bp_get64(out->data, RIG_AT64) == RIG_VALUE64 + delta);
}

static void check_image(const struct boot_image *out, unsigned tables)
{
	assert_int_equal(out->size, RIG_IMAGE);
	assert_int_equal(out->words[VMLINUX_START], RIG_START);
	assert_int_equal(out->words[VMLINUX_ENTRY], RIG_ENTRY);
	assert_int_equal(out->words[VMLINUX_ADD32], tables ? 1 : 0);
	assert_int_equal(out->words[VMLINUX_SUBTRACT], tables == 3 ? 1 : 0);
	assert_int_equal(out->words[VMLINUX_ADD64], tables ? 1 : 0);
	assert_false(out->proved);
	check_moved(out, true, 0);
}

TEST(a_vmlinux_is_unpacked_whatever_it_is_packed_with)
{
	static const enum pack packs[] = { PACK_GZIP, PACK_ZSTD, PACK_XZ, PACK_LZMA, PACK_LZ4 };
	struct vmlinux_rig rig;
	struct boot_image out;

	vmlinux_rig_create(&rig, 3);
	for (unsigned i = 0; i < ARRAY_SIZE(packs); i++) {
		vmlinux_rig_pack(&rig, packs[i]);
		assert_int_equal(unpack_rig(&rig, &out), 0);
		check_image(&out, 3);
		boot_image_free(&out);
	}
	vmlinux_rig_destroy(&rig);
}

TEST(a_vmlinux_in_a_format_without_a_library_is_left_to_its_own_code)
{
	struct vmlinux_rig rig;
	struct boot_image out;

	vmlinux_rig_create(&rig, 3);
	vmlinux_rig_pack(&rig, PACK_NONE);
	assert_int_equal(unpack_rig(&rig, &out), -EOPNOTSUPP);
	vmlinux_rig_destroy(&rig);
}

TEST(a_vmlinux_is_moved_by_its_relocations_of_every_kind)
{
	const unsigned tables[] = { 3, 2 };
	struct vmlinux_rig rig;
	struct boot_image out;

	for (unsigned i = 0; i < ARRAY_SIZE(tables); i++) {
		vmlinux_rig_create(&rig, tables[i]);
		vmlinux_rig_pack(&rig, PACK_ZSTD);
		assert_int_equal(unpack_rig(&rig, &out), 0);
		check_image(&out, tables[i]);
		assert_int_equal(
			vmlinux_relocate(out.data, out.size, out.words, out.list, 0x1e00000), 0);
		check_moved(&out, tables[i] == 3, 0x1e00000);
		boot_image_free(&out);
		vmlinux_rig_destroy(&rig);
	}
}

TEST(an_offset_that_leads_out_of_the_kernel_moves_nothing_there)
{
	struct vmlinux_rig rig;
	struct boot_image out;

	vmlinux_rig_create(&rig, 3);
	vmlinux_rig_pack(&rig, PACK_ZSTD);
	for (unsigned n = 0; n < 3; n++) {
		assert_int_equal(unpack_rig(&rig, &out), 0);
		out.list[n] = out.size - 3;
		assert_int_equal(
			vmlinux_relocate(out.data, out.size, out.words, out.list, 0x200000),
			-EILSEQ);
		boot_image_free(&out);
	}
	vmlinux_rig_destroy(&rig);
}

/* ---- files that lie ---- */

/* A number of @width bytes at @at of the ELF file that no vmlinux has. */
struct lie {
	const char *what;
	size_t at;
	unsigned width;
	u64 value;
};

#define EHDR(field) offsetof(Elf64_Ehdr, field), sizeof(((Elf64_Ehdr *)0)->field)
#define PHDR(field) 64 + offsetof(Elf64_Phdr, field), sizeof(((Elf64_Phdr *)0)->field)
#define SHDR(field)                                                                                \
	0x6000 - sizeof(Elf64_Shdr) + offsetof(Elf64_Shdr, field), sizeof(((Elf64_Shdr *)0)->field)
#define WORD(n) 0x6000 + 4 * (n), 4

static const struct lie lies[] = {
	{ "no ELF file", EHDR(e_ident), 0 },
	{ "another machine's", EHDR(e_machine), EM_AARCH64 },
	{ "program headers of another size", EHDR(e_phentsize), 32 },
	{ "more program headers than any kernel", EHDR(e_phnum), 65 },
	{ "no program headers", EHDR(e_phnum), 0 },
	{ "program headers outside", EHDR(e_phoff), 0x5fff0 },
	{ "program headers at the end of numbers", EHDR(e_phoff), -8ULL },
	{ "section headers of another size", EHDR(e_shentsize), 8 },
	{ "section headers outside", EHDR(e_shoff), 0x7000 },
	{ "section headers at the end of numbers", EHDR(e_shoff), -64ULL },
	{ "more section headers than bytes", EHDR(e_shnum), 0xffff },
	{ "an entry below the kernel", EHDR(e_entry), RIG_START - 1 },
	{ "an entry behind the kernel", EHDR(e_entry), RIG_START + RIG_IMAGE },
	{ "a segment outside the file", PHDR(p_offset), 0x60000 },
	{ "a segment at the end of numbers", PHDR(p_offset), -16ULL },
	{ "a segment longer than the file", PHDR(p_filesz), 0x1000000 },
	{ "a segment with more in the file than in memory", PHDR(p_memsz), 0x800 },
	{ "a segment below the kernel", PHDR(p_paddr), RIG_START - 0x1000 },
	{ "a segment above the kernel's memory", PHDR(p_paddr), RIG_START + RIG_INIT_SIZE },
	{ "a segment at the end of numbers in memory", PHDR(p_paddr), -0x1000ULL },
	{ "a segment that fills all numbers", PHDR(p_memsz), -1ULL },
	{ "a segment whose addresses differ", PHDR(p_vaddr), RIG_VIRTUAL + 0x1000 },
	{ "a section outside", SHDR(sh_offset), 0x7000 },
	{ "relocations that no zero precedes", WORD(0), 0x81000100 },
	{ "a table too many", WORD(1), 0 },
	{ "a relocation below the kernel", WORD(1), 0x80ffffff },
	{ "a relocation below all kernels", WORD(1), 0x7fffffff },
	{ "a 64-bit relocation across the end", WORD(1), 0x81004ff9 },
	{ "a 32-bit relocation across the end", WORD(5), 0x81004ffd },
	{ "a relocation behind the end", WORD(3), 0x81005000 },
	{ "a relocation at the end of numbers", WORD(5), 0xffffffff },
};

TEST(numbers_of_a_vmlinux_that_lie_are_found_out)
{
	struct boot_image out;

	for (unsigned i = 0; i < ARRAY_SIZE(lies); i++) {
		struct vmlinux_rig rig;
		int ret;

		vmlinux_rig_create(&rig, 3);
		memcpy(rig.elf + lies[i].at, &lies[i].value, MIN(lies[i].width, 8u));
		/* A section that is one. */
		if (lies[i].at >= 0x6000 - sizeof(Elf64_Shdr) && lies[i].at < 0x6000)
			rig.elf[0x6000 - sizeof(Elf64_Shdr) + offsetof(Elf64_Shdr, sh_type)] =
				SHT_PROGBITS;
		vmlinux_rig_pack(&rig, PACK_ZSTD);
		ret = unpack_rig(&rig, &out);
		if (ret != -EINVAL)
			fail_msg("%s: %d", lies[i].what, ret);
		assert_null(out.data);
		vmlinux_rig_destroy(&rig);
	}
}

TEST(relocations_that_are_cut_are_found_out)
{
	struct vmlinux_rig rig;
	struct boot_image out;

	vmlinux_rig_create(&rig, 3);
	for (unsigned cut = 1; cut < 4; cut++) {
		rig.elf_len--;
		vmlinux_rig_pack(&rig, PACK_ZSTD);
		assert_int_equal(unpack_rig(&rig, &out), -EINVAL);
	}
	vmlinux_rig_destroy(&rig);
}

/* @at of the bzImage. */
static int unpack_changed(struct vmlinux_rig *rig, size_t at, u32 value)
{
	struct boot_image out;
	int ret;

	vmlinux_rig_pack(rig, PACK_ZSTD);
	bp_put32(rig->file, at, value);
	ret = unpack_rig(rig, &out);
	boot_image_free(&out);
	return ret;
}

TEST(a_payload_that_is_not_where_the_header_says_is_found_out)
{
	struct vmlinux_rig rig;
	u32 length, size;

	vmlinux_rig_create(&rig, 3);
	vmlinux_rig_pack(&rig, PACK_ZSTD);
	length = bp_get32(rig.file, BP_PAYLOAD_LENGTH);
	size = rig.elf_len;
	assert_int_equal(unpack_changed(&rig, BP_PAYLOAD_OFFSET, 0xffffffff), -EINVAL);
	assert_int_equal(unpack_changed(&rig, BP_PAYLOAD_OFFSET, 0x10), -EOPNOTSUPP);
	assert_int_equal(unpack_changed(&rig, BP_PAYLOAD_LENGTH, 0xffffffff), -EINVAL);
	assert_int_equal(unpack_changed(&rig, BP_PAYLOAD_LENGTH, 8), -EINVAL);
	/* What is cut off has the size. */
	assert_int_not_equal(unpack_changed(&rig, BP_PAYLOAD_LENGTH, length - 4), 0);
	assert_int_equal(unpack_changed(&rig, BP_INIT_SIZE, size - 1), -EINVAL);
	vmlinux_rig_destroy(&rig);
}

TEST(a_payload_of_another_size_than_it_says_is_found_out)
{
	const s32 errors[] = { -1, 1, 0x100000, -0x5000 };
	struct vmlinux_rig rig;

	vmlinux_rig_create(&rig, 3);
	for (unsigned i = 0; i < ARRAY_SIZE(errors); i++) {
		vmlinux_rig_pack(&rig, PACK_ZSTD);
		assert_int_equal(unpack_changed(&rig, rig.len - 4, rig.elf_len + errors[i]),
				 -EINVAL);
	}
	vmlinux_rig_destroy(&rig);
}

/* ---- where it goes ---- */

struct use {
	struct vmlinux_rig rig;
	struct boot_image out;
	struct boot_entry entry;
	struct arch_image *image;
};

static void use_create(struct use *use, unsigned tables)
{
	vmlinux_rig_create(&use->rig, tables);
	vmlinux_rig_pack(&use->rig, PACK_ZSTD);
	assert_int_equal(unpack_rig(&use->rig, &use->out), 0);
	use->entry = (struct boot_entry){ .fd = -1,
					  .size = use->out.size,
					  .list_count = use->out.list_count };
	memcpy(use->entry.words, use->out.words, sizeof(use->entry.words));
	use->image = open_rig(&use->rig);
	assert_int_equal(arch_image_use(use->image, &use->entry), 0);
}

static void use_destroy(struct use *use)
{
	arch_image_close(use->image);
	boot_image_free(&use->out);
	vmlinux_rig_destroy(&use->rig);
}

static void plan(struct use *use, u64 initrd_size, const char *cmdline)
{
	struct error err = { "" };

	if (arch_image_plan(use->image, &ram, 1, initrd_size, cmdline, &err))
		fail_msg("%s", err.text);
}

static u64 start_of(const struct use *use)
{
	return use->image->segments[0].memory.start;
}

static bool stays(const struct use *use)
{
	return start_of(use) == RIG_START && !use->image->virtual_shift;
}

TEST(a_kernel_goes_to_aligned_addresses_of_chance)
{
	unsigned same_place = 0, same_shift = 0;
	u64 place = 0, shift = 0;
	struct use use;

	use_create(&use, 3);
	for (unsigned n = 0; n < 200; n++) {
		const struct arch_image *image = use.image;

		assert_int_equal(arch_image_use(use.image, &use.entry), 0);
		plan(&use, 20 * MIB, "quiet");
		assert_true(image->moved);
		assert_true(is_aligned(start_of(&use), 0x200000));
		assert_true(is_aligned(image->virtual_shift, 0x200000));
		assert_true(start_of(&use) >= RIG_START);
		assert_true(start_of(&use) + NEED <= image->initrd);
		assert_true(RIG_START + image->virtual_shift + NEED <= GIB);
		assert_int_equal(image->entry, start_of(&use) + RIG_ENTRY);
		same_place += place == start_of(&use);
		same_shift += shift == image->virtual_shift;
		place = start_of(&use);
		shift = image->virtual_shift;
	}
	/* Of 107 and 501: that chance has it so is less likely than 1 in 10^15. */
	assert_true(same_place < 30);
	assert_true(same_shift < 15);
	use_destroy(&use);
}

TEST(a_kernel_stays_where_it_is_linked_to_if_it_is_told_so_or_cannot_move)
{
	struct use use;

	use_create(&use, 3);
	plan(&use, 0, "quiet nokaslr");
	assert_true(stays(&use) && !use.image->moved);
	plan(&use, 0, "nokaslr");
	assert_true(stays(&use) && !use.image->moved);
	use_destroy(&use);
	use_create(&use, 0);
	for (unsigned n = 0; n < 20; n++) {
		plan(&use, 0, "quiet");
		assert_true(stays(&use) && !use.image->moved);
	}
	use_destroy(&use);
}

TEST(a_kernel_stays_out_of_the_way_of_memory_that_its_user_reserves)
{
	static const char *const words[] = { "mem=200M", "quiet memmap=64M$0x8000000",
					     "hugepagesz=1G hugepages=2" };
	struct use use;

	use_create(&use, 3);
	for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
		for (unsigned n = 0; n < 20; n++) {
			plan(&use, 0, words[i]);
			assert_int_equal(start_of(&use), RIG_START);
			assert_true(use.image->moved);
		}
	}
	use_destroy(&use);
}

TEST(words_of_the_command_line_are_whole_words)
{
	struct use use;

	use_create(&use, 3);
	plan(&use, 0, "xnokaslr nokaslrx x=nokaslr nokaslr=1 xmem=1");
	assert_true(use.image->moved);
	use_destroy(&use);
}

TEST(five_levels_are_for_kernels_that_have_them_and_users_who_do_not_mind)
{
	struct use use;

	use_create(&use, 3);
	plan(&use, 0, "quiet");
	assert_true(use.image->five_levels);
	plan(&use, 0, "quiet no5lvl");
	assert_false(use.image->five_levels);
	bp_put16(use.image->header, BP_XLOADFLAGS, 0x3f);
	plan(&use, 0, "quiet");
	assert_false(use.image->five_levels);
	use_destroy(&use);
}

TEST(a_kernel_whose_file_is_used_after_all_is_as_it_was)
{
	struct image_segment segment;
	struct use use;
	u64 entry;

	use_create(&use, 3);
	segment = use.image->packed_segment;
	entry = use.image->packed_entry;
	plan(&use, 20 * MIB, "quiet");
	assert_int_equal(arch_image_use(use.image, NULL), 0);
	plan(&use, 20 * MIB, "quiet");
	assert_memory_equal(&segment, &use.image->segments[0], sizeof(segment));
	assert_int_equal(use.image->entry, entry);
	assert_false(use.image->moved || use.image->five_levels);
	use_destroy(&use);
}

TEST(an_entry_that_is_not_this_kernels_is_refused)
{
	struct use use;

	use_create(&use, 3);
	for (unsigned word = 0; word <= VMLINUX_ADD64; word++) {
		struct boot_entry other = use.entry;

		other.words[word] += 1ULL << 32;
		assert_int_equal(arch_image_use(use.image, &other), -EINVAL);
	}
	use.entry.size = RIG_INIT_SIZE + 4096;
	assert_int_equal(arch_image_use(use.image, &use.entry), -EINVAL);
	use_destroy(&use);
}
