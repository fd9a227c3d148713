/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ELF64 kernels: a vmlinux, or anything else that says where it wants to be.
 * With Xen's PHYS32_ENTRY note it is started by the PVH protocol ("x86/HVM
 * direct boot ABI"), else at e_entry as a bzImage would be.
 */
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bootparams.h"
#include "image.h"
#include "layout.h"

#define XEN_PHYS32_ENTRY 18
#define NOTES_MAX	 (64 * KIB)
#define PHDRS_MAX	 64
/* What a vmlinux, which has no setup header, is known to take. */
#define ELF_INITRD_MAX	0x7fffffff
#define ELF_CMDLINE_MAX 2047

static const char *machine_name(unsigned machine)
{
	switch (machine) {
	case EM_AARCH64:
		return "arm64";
	case EM_386:
		return "32-bit x86";
	case EM_ARM:
		return "32-bit Arm";
	case EM_RISCV:
		return "RISC-V";
	default:
		return "a foreign machine";
	}
}

static int check_header(const struct arch_image *image, const Elf64_Ehdr *ehdr, struct error *err)
{
	if (image->file_size < sizeof(*ehdr))
		return error_set(err, -EINVAL, "%s is truncated: it ends in its ELF header",
				 image->path);
	if (ehdr->e_ident[EI_DATA] != ELFDATA2LSB || ehdr->e_machine != EM_X86_64)
		return error_set(err, -EINVAL,
				 "%s: this ELF file is for %s; an x86 guest needs an x86-64 kernel",
				 image->path, machine_name(ehdr->e_machine));
	if (ehdr->e_ident[EI_CLASS] != ELFCLASS64 || ehdr->e_type != ET_EXEC)
		return error_set(err, -EINVAL,
				 "%s: this ELF file is no kernel: not a 64-bit executable linked "
				 "to fixed addresses",
				 image->path);
	if (ehdr->e_phentsize != sizeof(Elf64_Phdr) || !ehdr->e_phnum || ehdr->e_phnum > PHDRS_MAX)
		return error_set(err, -EINVAL,
				 "%s: this ELF file has %u program headers of %u bytes; "
				 "no kernel has",
				 image->path, ehdr->e_phnum, ehdr->e_phentsize);
	return 0;
}

static int check_phdr(const struct arch_image *image, const Elf64_Phdr *phdr, struct error *err)
{
	if (phdr->p_offset > image->file_size || phdr->p_filesz > image->file_size - phdr->p_offset)
		return error_set(err, -EINVAL,
				 "%s is truncated: a segment of it lies beyond the end of the file",
				 image->path);
	return 0;
}

static int add_segment(struct arch_image *image, const Elf64_Phdr *phdr, struct error *err)
{
	struct image_segment *segment = &image->segments[image->segment_count];

	if (!phdr->p_memsz)
		return 0;
	if (image->segment_count == IMAGE_MAX_SEGMENTS)
		return error_set(err, -EINVAL, "%s has more than %d segments", image->path,
				 IMAGE_MAX_SEGMENTS);
	if (phdr->p_paddr < LAYOUT_KERNEL_MIN || phdr->p_filesz > phdr->p_memsz ||
	    !range_make(phdr->p_paddr, phdr->p_memsz, &segment->memory))
		return error_set(err, -EINVAL,
				 "%s: a segment wants physical address 0x%llx, %llu bytes; "
				 "kernels lie above 1 MiB",
				 image->path, (unsigned long long)phdr->p_paddr,
				 (unsigned long long)phdr->p_memsz);
	segment->offset = phdr->p_offset;
	segment->file_size = phdr->p_filesz;
	image->segment_count++;
	return 0;
}

/*
 * One step through a note segment: the note at *at. False at its end, or where
 * its sizes make no sense.
 */
static bool next_note(const u8 *notes, u64 size, u64 *at, Elf64_Nhdr *note, const u8 **name,
		      const u8 **desc)
{
	u64 name_at, desc_at, end;

	if (*at > size || size - *at < sizeof(*note))
		return false;
	memcpy(note, notes + *at, sizeof(*note));
	name_at = *at + sizeof(*note);
	desc_at = name_at + align_up(note->n_namesz, 4); /* 64-bit sums of 32-bit numbers */
	end = desc_at + note->n_descsz;
	if (end > size)
		return false;
	*name = notes + name_at;
	*desc = notes + desc_at;
	*at = align_up(end, 4);
	return true;
}

static void find_pvh_entry(struct arch_image *image, const u8 *notes, u64 size)
{
	const u8 *name, *desc;
	Elf64_Nhdr note;
	u64 at = 0;

	while (next_note(notes, size, &at, &note, &name, &desc)) {
		if (note.n_type != XEN_PHYS32_ENTRY || note.n_namesz != 4 ||
		    memcmp(name, "Xen", 4) || note.n_descsz < 4)
			continue;
		image->entry_kind = ENTRY_PVH;
		image->entry = bp_get32(desc, 0);
		return;
	}
}

static int read_notes(struct arch_image *image, const Elf64_Phdr *phdr, struct error *err)
{
	u8 *notes;
	int ret;

	/* A vmlinux has a few hundred bytes of them. */
	if (!phdr->p_filesz || phdr->p_filesz > NOTES_MAX || image->entry_kind == ENTRY_PVH)
		return 0;
	notes = malloc(phdr->p_filesz);
	if (!notes)
		return error_set(err, -ENOMEM, "out of memory");
	ret = image_read(image, phdr->p_offset, notes, phdr->p_filesz);
	if (!ret)
		find_pvh_entry(image, notes, phdr->p_filesz);
	else
		error_set(err, ret, "cannot read kernel %s: %s", image->path, strerror(-ret));
	free(notes);
	return ret;
}

static int read_phdr(struct arch_image *image, u64 offset, struct error *err)
{
	Elf64_Phdr phdr;
	int ret;

	if (image_read(image, offset, &phdr, sizeof(phdr)))
		return error_set(err, -EINVAL, "%s is truncated: its program headers are missing",
				 image->path);
	if (phdr.p_type != PT_LOAD && phdr.p_type != PT_NOTE)
		return 0;
	ret = check_phdr(image, &phdr, err);
	if (ret)
		return ret;
	return phdr.p_type == PT_LOAD ? add_segment(image, &phdr, err)
				      : read_notes(image, &phdr, err);
}

static bool entry_is_loaded(const struct arch_image *image)
{
	for (unsigned i = 0; i < image->segment_count; i++) {
		const struct range *memory = &image->segments[i].memory;

		if (image->entry >= memory->start && image->entry <= memory->last)
			return true;
	}
	return false;
}

int elf_parse(struct arch_image *image, const u8 *start, struct error *err)
{
	Elf64_Ehdr ehdr;
	int ret;

	memcpy(&ehdr, start, sizeof(ehdr));
	ret = check_header(image, &ehdr, err);
	if (ret)
		return ret;
	image->entry_kind = ENTRY_LONG;
	image->entry = ehdr.e_entry;
	image->initrd_max = ELF_INITRD_MAX;
	image->cmdline_max = ELF_CMDLINE_MAX;
	if (ehdr.e_phoff >= image->file_size)
		return error_set(err, -EINVAL, "%s is truncated: its program headers are missing",
				 image->path);
	for (unsigned i = 0; i < ehdr.e_phnum; i++) {
		ret = read_phdr(image, ehdr.e_phoff + i * sizeof(Elf64_Phdr), err);
		if (ret)
			return ret;
	}
	if (!entry_is_loaded(image))
		return error_set(err, -EINVAL,
				 "%s: its entry point 0x%llx lies in no segment (by physical "
				 "address)",
				 image->path, (unsigned long long)image->entry);
	return 0;
}
