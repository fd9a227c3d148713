/* SPDX-License-Identifier: BSD-2-Clause */
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "bootparams.h"
#include "util/range.h"
#include "util/unpack.h"
#include "vmlinux.h"

#define PHDRS_MAX 64
/* Linux's Documentation/arch/x86/x86_64/mm.rst: the kernel's text mapping begins here. */
#define TEXT_MAP 0xffffffff80000000ULL
#define HEAD	 16 /* of packed data, by which it is known */

/* What came out of the payload. */
struct vmlinux {
	u8 *data;
	u64 size;
	u64 elf_size; /* relocations follow */
	Elf64_Ehdr ehdr;
	u64 start;	/* physical */
	u64 image_size; /* from there, as far as the file fills it */
};

/* ---- the payload ---- */

/*
 * The last four bytes are the size of what comes out: gzip's own, or put there by the kernel's
 * build (scripts/Makefile.lib, "size_append"). A kernel has room for all that its decompressor
 * writes.
 */
static int find_payload(const struct arch_image *image, struct packed *packed, u64 *size)
{
	const struct image_segment *segment = &image->segments[0];
	u64 offset = bp_get32(image->header, BP_PAYLOAD_OFFSET);
	u64 length = bp_get32(image->header, BP_PAYLOAD_LENGTH);
	u8 head[HEAD], tail[sizeof(le32)];
	int ret;

	if (offset > segment->file_size || length > segment->file_size - offset ||
	    length < HEAD + sizeof(tail))
		return -EINVAL;
	offset += segment->offset;
	ret = image_read(image, offset, head, sizeof(head));
	if (!ret)
		ret = image_read(image, offset + length - sizeof(tail), tail, sizeof(tail));
	if (ret)
		return ret;
	*size = bp_get32(tail, 0);
	packed->pack = unpack_kind(head);
	packed->offset = offset;
	packed->size = packed->pack == PACK_GZIP ? length : length - sizeof(tail);
	if (packed->pack == PACK_NONE)
		return -EOPNOTSUPP;
	return *size < sizeof(Elf64_Ehdr) || *size > bp_get32(image->header, BP_INIT_SIZE) ||
			       *size > BOOT_IMAGE_MAX
		       ? -EINVAL
		       : 0;
}

static int unpack_payload(const struct arch_image *image, struct boot_image *file, u64 *size)
{
	struct packed packed;
	u64 produced;
	int ret = find_payload(image, &packed, size);

	if (!ret)
		ret = boot_image_alloc(file, *size);
	if (!ret)
		ret = unpack(&packed, image->fd, file->data, *size, &produced);
	if (ret == -ENOSPC || ret == -ENODATA || (!ret && produced != *size))
		return -EINVAL;
	return ret;
}

/* ---- the ELF file ---- */

/* A copy of the @n-th of a table of @entry_size bytes each; false if the file has not that many. */
static bool get_row(const struct vmlinux *v, u64 table, u64 n, void *row, size_t row_size)
{
	u64 at;

	if (__builtin_add_overflow(table, n * row_size, &at) || at > v->size ||
	    row_size > v->size - at)
		return false;
	memcpy(row, v->data + at, row_size);
	return true;
}

/* The file reaches to the end of this part at least. */
static bool reach(struct vmlinux *v, u64 offset, u64 size)
{
	if (offset > v->size || size > v->size - offset)
		return false;
	v->elf_size = MAX(v->elf_size, offset + size);
	return true;
}

static bool take_header(struct vmlinux *v)
{
	Elf64_Ehdr *ehdr = &v->ehdr;

	memcpy(ehdr, v->data, sizeof(*ehdr));
	return !memcmp(ehdr->e_ident, ELFMAG, SELFMAG) && ehdr->e_ident[EI_CLASS] == ELFCLASS64 &&
	       ehdr->e_ident[EI_DATA] == ELFDATA2LSB && ehdr->e_machine == EM_X86_64 &&
	       ehdr->e_phentsize == sizeof(Elf64_Phdr) && ehdr->e_phnum <= PHDRS_MAX &&
	       (!ehdr->e_shnum || ehdr->e_shentsize == sizeof(Elf64_Shdr)) &&
	       reach(v, ehdr->e_phoff, ehdr->e_phnum * sizeof(Elf64_Phdr)) &&
	       reach(v, ehdr->e_shoff, ehdr->e_shnum * sizeof(Elf64_Shdr));
}

/* Where it is virtually follows from where it is physically, but for per-CPU variables at 0. */
static bool check_segment(struct vmlinux *v, const Elf64_Phdr *phdr, u64 room)
{
	u64 at = phdr->p_paddr - v->start;

	if (phdr->p_paddr < v->start || at > room || phdr->p_memsz > room - at ||
	    phdr->p_filesz > phdr->p_memsz || !reach(v, phdr->p_offset, phdr->p_filesz) ||
	    (phdr->p_vaddr >= TEXT_MAP && phdr->p_vaddr - TEXT_MAP != phdr->p_paddr))
		return false;
	v->image_size = MAX(v->image_size, at + phdr->p_filesz);
	return true;
}

static bool check_segments(struct vmlinux *v, u64 room)
{
	Elf64_Phdr phdr;

	for (unsigned i = 0; i < v->ehdr.e_phnum; i++) {
		if (!get_row(v, v->ehdr.e_phoff, i, &phdr, sizeof(phdr)))
			return false;
		if (phdr.p_type == PT_LOAD && phdr.p_memsz && !check_segment(v, &phdr, room))
			return false;
	}
	return true;
}

static bool check_sections(struct vmlinux *v)
{
	Elf64_Shdr shdr;

	for (unsigned i = 0; i < v->ehdr.e_shnum; i++) {
		if (!get_row(v, v->ehdr.e_shoff, i, &shdr, sizeof(shdr)))
			return false;
		if (shdr.sh_type != SHT_NOBITS && shdr.sh_type != SHT_NULL &&
		    !reach(v, shdr.sh_offset, shdr.sh_size))
			return false;
	}
	return true;
}

static int parse_elf(struct vmlinux *v, const struct arch_image *image)
{
	u64 room = bp_get32(image->header, BP_INIT_SIZE);

	v->start = bp_get64(image->header, BP_PREF_ADDRESS);
	if (!take_header(v) || !check_segments(v, room) || !check_sections(v))
		return -EINVAL;
	return v->ehdr.e_entry < v->start || v->ehdr.e_entry - v->start >= v->image_size ? -EINVAL
											 : 0;
}

static int lay_out(const struct vmlinux *v, struct boot_image *out)
{
	Elf64_Phdr phdr;
	int ret = boot_image_alloc(out, v->image_size);

	for (unsigned i = 0; i < v->ehdr.e_phnum && !ret; i++) {
		get_row(v, v->ehdr.e_phoff, i, &phdr, sizeof(phdr));
		if (phdr.p_type == PT_LOAD && phdr.p_memsz)
			memcpy(out->data + (phdr.p_paddr - v->start), v->data + phdr.p_offset,
			       phdr.p_filesz);
	}
	if (ret)
		return ret;
	out->words[VMLINUX_START] = v->start;
	out->words[VMLINUX_ENTRY] = v->ehdr.e_entry - v->start;
	return 0;
}

/* ---- relocations ---- */

/*
 * What the kernel's build appends (arch/x86/tools/relocs.c) are tables of 32-bit numbers, each
 * after a zero: virtual addresses, extended by their sign, of 64-bit numbers, of 32-bit ones that
 * shrink, of 32-bit ones. Since 6.15 there is none that shrinks. The ELF file's end tells where
 * they begin, and the zeroes how many there are.
 */
#define TABLES_MAX 3

struct table {
	u64 first, count; /* in words, behind the ELF file */
};

static u32 word_at(const struct vmlinux *v, u64 n)
{
	return bp_get32(v->data + v->elf_size, n * sizeof(u32));
}

static int find_tables(const struct vmlinux *v, struct table *tables, unsigned *count)
{
	u64 size = v->size - v->elf_size;

	*count = 0;
	if (size % sizeof(u32) || (size && word_at(v, 0)))
		return -EINVAL;
	for (u64 n = 0; n < size / sizeof(u32); n++) {
		if (word_at(v, n))
			tables[*count - 1].count++;
		else if (*count < TABLES_MAX)
			tables[(*count)++] = (struct table){ .first = n + 1 };
		else
			return -EINVAL;
	}
	return *count == 1 ? -EINVAL : 0;
}

static int add_table(const struct vmlinux *v, const struct table *table, unsigned width,
		     struct boot_image *out)
{
	for (u64 n = 0; n < table->count; n++) {
		u64 address = (s64)(s32)word_at(v, table->first + n);
		u64 offset = address - TEXT_MAP - v->start;

		if (address < TEXT_MAP || offset > out->size - width)
			return -EINVAL;
		out->list[out->list_count++] = offset;
	}
	return 0;
}

static int take_relocations(const struct vmlinux *v, struct boot_image *out)
{
	struct table tables[TABLES_MAX] = { { 0 } };
	unsigned count;
	int ret = find_tables(v, tables, &count);

	/* A kernel without any does not move. */
	if (ret || !count)
		return ret;
	out->list = malloc(v->size - v->elf_size);
	if (!out->list)
		return -ENOMEM;
	if (count == 2) {
		tables[2] = tables[1];
		tables[1] = (struct table){ 0 };
	}
	out->words[VMLINUX_ADD32] = tables[2].count;
	out->words[VMLINUX_SUBTRACT] = tables[1].count;
	out->words[VMLINUX_ADD64] = tables[0].count;
	ret = add_table(v, &tables[2], sizeof(u32), out);
	if (!ret)
		ret = add_table(v, &tables[1], sizeof(u32), out);
	return ret ? ret : add_table(v, &tables[0], sizeof(u64), out);
}

int vmlinux_unpack(const struct arch_image *image, struct boot_image *out)
{
	struct boot_image file = { 0 };
	struct vmlinux v = { NULL };
	int ret = unpack_payload(image, &file, &v.size);

	v.data = file.data;
	if (!ret)
		ret = parse_elf(&v, image);
	if (!ret)
		ret = lay_out(&v, out);
	if (!ret)
		ret = take_relocations(&v, out);
	boot_image_free(&file);
	if (ret)
		boot_image_free(out);
	return ret;
}

/* ---- when it is used ---- */

bool vmlinux_words_fit(const struct arch_image *image, const u64 *words, u64 size, u64 list_count)
{
	return image->entry_kind == ENTRY_LONG && size &&
	       size <= align_up(bp_get32(image->header, BP_INIT_SIZE), BOOT_IMAGE_PAGE) &&
	       words[VMLINUX_START] == bp_get64(image->header, BP_PREF_ADDRESS) &&
	       words[VMLINUX_ENTRY] < size && words[VMLINUX_ADD32] <= list_count &&
	       words[VMLINUX_SUBTRACT] <= list_count && words[VMLINUX_ADD64] <= list_count &&
	       words[VMLINUX_ADD32] + words[VMLINUX_SUBTRACT] + words[VMLINUX_ADD64] == list_count;
}

static int add32(u8 *data, u64 size, const u32 *list, u64 count, u32 delta)
{
	for (u64 n = 0; n < count; n++) {
		if (list[n] > size - sizeof(u32))
			return -EILSEQ;
		bp_put32(data, list[n], bp_get32(data, list[n]) + delta);
	}
	return 0;
}

static int add64(u8 *data, u64 size, const u32 *list, u64 count, u64 delta)
{
	for (u64 n = 0; n < count; n++) {
		if (list[n] > size - sizeof(u64))
			return -EILSEQ;
		bp_put64(data, list[n], bp_get64(data, list[n]) + delta);
	}
	return 0;
}

int vmlinux_relocate(u8 *data, u64 size, const u64 *words, const u32 *list, u64 delta)
{
	int ret;

	if (!list)
		return 0;
	ret = add32(data, size, list, words[VMLINUX_ADD32], delta);
	list += words[VMLINUX_ADD32];
	if (!ret)
		ret = add32(data, size, list, words[VMLINUX_SUBTRACT], -delta);
	list += words[VMLINUX_SUBTRACT];
	return ret ? ret : add64(data, size, list, words[VMLINUX_ADD64], delta);
}

u64 vmlinux_random_shift(u64 start, u64 end, u64 need, u64 align)
{
	u64 random, slots;

	if (start > end || need > end - start)
		return 0;
	slots = (end - start - need) / align + 1;
	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return 0;
	/* Of so few slots none is more likely than another by more than one in 2^50. */
	return random % slots * align;
}
