/* SPDX-License-Identifier: BSD-2-Clause */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/symbols.h"

/* A function is no larger: what is further from a symbol is not that one's. */
#define FUNCTION_MAX 0x10000
/* Linux, include/linux/kallsyms.h: KSYM_NAME_LEN. Longer ones could be made to fill the memory. */
#define NAME_MAX_LEN 512

struct symbol {
	u64 address;
	char *name; /* owned */
};

struct symbols {
	struct symbol *list; /* owned, by address */
	size_t count;
};

/* What is printed to a terminal must not control it. */
static bool is_name(const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (name[i] < ' ' || name[i] > '~')
			return false;
	}
	return len && len <= NAME_MAX_LEN;
}

/* A name that is none is left out. */
static int add(struct symbols *symbols, u64 address, const char *name, size_t len)
{
	if (!is_name(name, len))
		return 0;
	/* A power of two is full: twice as many. */
	if (!(symbols->count & (symbols->count - 1))) {
		size_t room = symbols->count ? 2 * symbols->count : 1;
		struct symbol *more = realloc(symbols->list, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		symbols->list = more;
	}
	symbols->list[symbols->count].address = address;
	symbols->list[symbols->count].name = strndup(name, len);
	return symbols->list[symbols->count++].name ? 0 : -ENOMEM;
}

/* ---- System.map: "ffffffff81000000 T _text" ---- */

static int read_line(struct symbols *symbols, const char *line, const char *end)
{
	char *after;
	u64 address;

	errno = 0;
	address = strtoull(line, &after, 16);
	if (errno || after == line || after + 3 >= end || after[0] != ' ' || after[2] != ' ')
		return -EINVAL;
	if (!strchr("tTwW", after[1]))
		return 0;
	return add(symbols, address, after + 3, end - after - 3);
}

/* @text ends with a zero. */
static int read_map(struct symbols *symbols, const char *text)
{
	int ret = 0;

	while (*text && !ret) {
		const char *end = strchrnul(text, '\n');

		ret = read_line(symbols, text, end);
		text = *end ? end + 1 : end;
	}
	return ret;
}

/* ---- ELF ---- */

static const Elf64_Shdr *section(const u8 *file, size_t size, unsigned n)
{
	const Elf64_Ehdr *head = (const void *)file;
	u64 at = head->e_shoff + (u64)n * sizeof(Elf64_Shdr);

	if (n >= head->e_shnum || head->e_shentsize != sizeof(Elf64_Shdr) || head->e_shoff > size ||
	    at + sizeof(Elf64_Shdr) > size || at % 8)
		return NULL;
	return (const void *)(file + at);
}

static bool is_inside(const Elf64_Shdr *at, size_t size)
{
	return at && at->sh_offset <= size && at->sh_size <= size - at->sh_offset;
}

static int read_table(struct symbols *symbols, const u8 *file, size_t size, const Elf64_Shdr *table)
{
	const Elf64_Shdr *strings = section(file, size, table->sh_link);
	int ret = 0;

	if (!is_inside(table, size) || !is_inside(strings, size) || table->sh_offset % 8)
		return -EINVAL;
	for (u64 n = 0; n < table->sh_size / sizeof(Elf64_Sym) && !ret; n++) {
		const Elf64_Sym *symbol = (const void *)(file + table->sh_offset);
		const char *name;

		symbol += n;
		if (ELF64_ST_TYPE(symbol->st_info) == STT_SECTION || !symbol->st_value ||
		    symbol->st_name >= strings->sh_size)
			continue;
		name = (const char *)file + strings->sh_offset + symbol->st_name;
		ret = add(symbols, symbol->st_value, name,
			  strnlen(name,
				  MIN(strings->sh_size - symbol->st_name, (u64)NAME_MAX_LEN + 1)));
	}
	return ret;
}

static int read_elf(struct symbols *symbols, const u8 *file, size_t size)
{
	const Elf64_Ehdr *head = (const void *)file;

	if (size < sizeof(*head) || head->e_ident[EI_CLASS] != ELFCLASS64)
		return -EINVAL;
	for (unsigned n = 0; n < head->e_shnum; n++) {
		const Elf64_Shdr *at = section(file, size, n);

		if (at && at->sh_type == SHT_SYMTAB)
			return read_table(symbols, file, size, at);
	}
	return -ENOENT;
}

/* ---- both ---- */

static int by_address(const void *a, const void *b)
{
	const struct symbol *left = a, *right = b;

	return left->address < right->address ? -1 : left->address > right->address;
}

/* The size of what can be read whole; -errno. Files of other kinds may have no end, or no writer.
 */
static ssize_t file_size(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	return st.st_size < INT32_MAX ? st.st_size : -EFBIG;
}

/* With a zero behind it: the caller's to free, also after an error. */
static int read_whole(int fd, u8 **data, size_t *size)
{
	ssize_t left = file_size(fd);

	*data = NULL;
	*size = 0;

	if (left < 0)
		return left;
	*data = calloc(1, left + 1);
	if (!*data)
		return -ENOMEM;
	while (left) {
		ssize_t got = read(fd, *data + *size, left);

		if (got < 0)
			return -errno;
		if (!got)
			break;
		*size += got;
		left -= got;
	}
	return 0;
}

static int parse(struct symbols *symbols, const u8 *data, size_t size)
{
	int ret;

	if (size >= SELFMAG && !memcmp(data, ELFMAG, SELFMAG))
		ret = read_elf(symbols, data, size);
	else
		ret = read_map(symbols, (const char *)data);
	return !ret && !symbols->count ? -ENOENT : ret;
}

static int fill(struct symbols *symbols, int fd, const char *path, struct error *err)
{
	size_t size;
	u8 *data;
	int ret = read_whole(fd, &data, &size);

	if (ret) {
		free(data);
		return error_set(err, ret, "%s: %s", path,
				 ret == -EINVAL ? "it is no regular file" : strerror(-ret));
	}
	ret = parse(symbols, data, size);
	free(data);
	if (ret == -ENOENT)
		return error_set(err, ret, "%s: it has no symbols", path);
	if (ret == -ENOMEM)
		return error_set(err, ret, "%s: %s", path, strerror(ENOMEM));
	if (ret)
		return error_set(err, ret, "%s: neither a System.map nor an ELF file", path);
	qsort(symbols->list, symbols->count, sizeof(symbols->list[0]), by_address);
	return 0;
}

int symbols_read(struct symbols **out, int fd, const char *path, struct error *err)
{
	struct symbols *symbols = calloc(1, sizeof(*symbols));
	int ret = symbols ? fill(symbols, fd, path, err) : error_set(err, -ENOMEM, "out of memory");

	if (ret) {
		symbols_close(symbols);
		return ret;
	}
	*out = symbols;
	return 0;
}

int symbols_open(struct symbols **out, const char *path, struct error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), ret;

	if (fd < 0)
		return error_set(err, -errno, "%s: %s", path, strerror(errno));
	ret = symbols_read(out, fd, path, err);
	close(fd);
	return ret;
}

void symbols_close(struct symbols *symbols)
{
	if (!symbols)
		return;
	for (size_t i = 0; i < symbols->count; i++)
		free(symbols->list[i].name);
	free(symbols->list);
	free(symbols);
}

u64 symbols_address(const struct symbols *symbols, const char *name)
{
	for (size_t i = 0; i < symbols->count; i++) {
		if (!strcmp(symbols->list[i].name, name))
			return symbols->list[i].address;
	}
	return 0;
}

const char *symbols_name(const struct symbols *symbols, u64 address, u64 *offset)
{
	size_t low = 0, high = symbols->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (symbols->list[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || address - symbols->list[low - 1].address >= FUNCTION_MAX)
		return NULL;
	*offset = address - symbols->list[low - 1].address;
	return symbols->list[low - 1].name;
}
