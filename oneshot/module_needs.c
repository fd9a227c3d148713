/* SPDX-License-Identifier: BSD-2-Clause */
/* What a module says that it needs: depmod(8) reads the same. Of 64-bit ELF files, little endian.
 */
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "oneshot/modules.h"

#define NEEDS	  "depends="
#define NEEDS_LEN (sizeof(NEEDS) - 1)

struct file {
	const u8 *data;
	size_t len;
	Elf64_Ehdr head;
};

static bool copy(const struct file *file, u64 at, void *to, size_t len)
{
	if (at > file->len || len > file->len - at)
		return false;
	memcpy(to, file->data + at, len);
	return true;
}

/* Section @n, all of which is in the file. */
static bool read_section(const struct file *file, unsigned n, Elf64_Shdr *section)
{
	u64 at;

	return !__builtin_add_overflow(file->head.e_shoff, (u64)n * sizeof(*section), &at) &&
	       copy(file, at, section, sizeof(*section)) && section->sh_offset <= file->len &&
	       section->sh_size <= file->len - section->sh_offset;
}

static bool is_named(const struct file *file, const Elf64_Shdr *names, u32 at, const char *name)
{
	size_t len = strlen(name) + 1;

	return at <= names->sh_size && len <= names->sh_size - at &&
	       !memcmp(file->data + names->sh_offset + at, name, len);
}

/* Strings, each with its NUL: Linux, include/linux/moduleparam.h, __MODULE_INFO(). */
static char *find_needs(const char *text, size_t len)
{
	while (len) {
		size_t one = strnlen(text, len);

		if (one >= NEEDS_LEN && !memcmp(text, NEEDS, NEEDS_LEN))
			return strndup(text + NEEDS_LEN, one - NEEDS_LEN);
		text += MIN(one + 1, len);
		len -= MIN(one + 1, len);
	}
	return strdup("");
}

char *module_needs(const void *data, size_t len)
{
	struct file file = { data, len };
	Elf64_Shdr names, section;

	if (!copy(&file, 0, &file.head, sizeof(file.head)) ||
	    memcmp(file.head.e_ident, ELFMAG, SELFMAG) ||
	    file.head.e_ident[EI_CLASS] != ELFCLASS64 ||
	    file.head.e_ident[EI_DATA] != ELFDATA2LSB || file.head.e_shentsize != sizeof(section) ||
	    !read_section(&file, file.head.e_shstrndx, &names))
		return NULL;
	for (unsigned i = 0; i < file.head.e_shnum; i++) {
		if (read_section(&file, i, &section) &&
		    is_named(&file, &names, section.sh_name, ".modinfo"))
			return find_needs((const char *)file.data + section.sh_offset,
					  section.sh_size);
	}
	return NULL;
}
