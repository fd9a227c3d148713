/* SPDX-License-Identifier: BSD-2-Clause */
/* A kernel's symbols, from files that people give. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"
#include "util/symbols.h"

static char path[] = "/tmp/lkvm-symbols.XXXXXX";
static struct symbols *symbols;

static int write_file(const void *data, size_t size)
{
	struct error err = { "" };
	FILE *file;
	int fd, ret;

	strcpy(path + sizeof(path) - 7, "XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	file = fdopen(fd, "w");
	assert_int_equal(fwrite(data, 1, size, file), size);
	fclose(file);
	symbols = NULL;
	ret = symbols_open(&symbols, path, &err);
	if (ret)
		assert_ptr_equal(strstr(err.text, path), err.text);
	unlink(path);
	return ret;
}

static int write_text(const char *text)
{
	return write_file(text, strlen(text));
}

static void expect(u64 address, const char *name, u64 offset)
{
	u64 found = 0;
	const char *is = symbols_name(symbols, address, &found);

	if (!name) {
		assert_null(is);
		return;
	}
	assert_string_equal(is, name);
	assert_int_equal(found, offset);
}

TEST(a_map_names_the_functions_that_addresses_are_in)
{
	assert_int_equal(write_text("ffffffff81000100 T second\n"
				    "ffffffff81000000 t first\n"
				    "ffffffff81000180 D data\n"
				    "ffffffff81000200 W third"),
			 0);
	expect(0xffffffff80ffffffULL, NULL, 0);
	expect(0xffffffff81000000ULL, "first", 0);
	expect(0xffffffff810000ffULL, "first", 0xff);
	expect(0xffffffff81000190ULL, "second", 0x90);
	expect(0xffffffff81000200ULL, "third", 0);
	expect(0xffffffff81020200ULL, NULL, 0);
	assert_int_equal(symbols_address(symbols, "second"), 0xffffffff81000100ULL);
	assert_int_equal(symbols_address(symbols, "data"), 0);
	symbols_close(symbols);
}

TEST(what_is_no_map_is_refused)
{
	assert_int_equal(write_text("hello\n"), -EINVAL);
	assert_int_equal(write_text("ffffffff81000100"), -EINVAL);
	assert_int_equal(write_text("12345678901234567890 T x\n"), -EINVAL);
	assert_int_equal(write_text(""), -ENOENT);
	assert_int_equal(write_text("0 D data\n"), -ENOENT);
	assert_int_equal(symbols_open(&symbols, "/nowhere", NULL), -ENOENT);
}

struct elf {
	Elf64_Ehdr head;
	Elf64_Shdr sections[3];
	Elf64_Sym table[3];
	char strings[16];
};

static struct elf make_elf(void)
{
	struct elf elf = {
		.head = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, 1 },
			  .e_shoff = offsetof(struct elf, sections),
			  .e_shentsize = sizeof(Elf64_Shdr),
			  .e_shnum = 3 },
		.sections = { { 0 },
			      { .sh_type = SHT_SYMTAB,
				.sh_offset = offsetof(struct elf, table),
				.sh_size = sizeof(elf.table),
				.sh_link = 2 },
			      { .sh_type = SHT_STRTAB,
				.sh_offset = offsetof(struct elf, strings),
				.sh_size = sizeof(elf.strings) } },
		.table = { { 0 },
			   { .st_name = 1, .st_value = 0x1000, .st_info = STT_FUNC },
			   { .st_name = 7, .st_value = 0x2000 } },
		.strings = "\0first\0second",
	};

	return elf;
}

TEST(an_elf_file_has_its_own_table)
{
	const struct elf elf = make_elf();

	assert_int_equal(write_file(&elf, sizeof(elf)), 0);
	expect(0x1010, "first", 0x10);
	expect(0x2000, "second", 0);
	symbols_close(symbols);
}

TEST(no_elf_file_leads_outside_itself)
{
	struct elf elf;

	for (size_t size = 4; size < sizeof(elf); size++) {
		elf = make_elf();
		if (!write_file(&elf, size))
			symbols_close(symbols);
	}
	for (size_t at = 4; at < sizeof(elf); at++) {
		elf = make_elf();
		((u8 *)&elf)[at] = 0xff;
		if (!write_file(&elf, sizeof(elf)))
			symbols_close(symbols);
	}
}

TEST(a_file_that_cannot_be_read_whole_is_refused_at_once)
{
	struct error err = { "" };
	char name[64];

	assert_int_equal(symbols_open(&symbols, "/tmp", &err), -EISDIR);
	assert_string_equal(err.text, "/tmp: Is a directory");
	assert_int_equal(symbols_open(&symbols, "/dev/zero", NULL), -EINVAL);
	snprintf(name, sizeof(name), "/tmp/lkvm-symbols.%d", (int)getpid());
	assert_int_equal(mkfifo(name, 0600), 0);
	assert_int_equal(symbols_open(&symbols, name, NULL), -EINVAL);
	unlink(name);
}

TEST(a_file_that_is_too_large_is_refused)
{
	struct error err = { "" };
	char name[64];
	int fd;

	snprintf(name, sizeof(name), "/tmp/lkvm-symbols.%d", (int)getpid());
	fd = open(name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	/* A hole, which takes no room. */
	assert_int_equal(ftruncate(fd, 1L << 31), 0);
	assert_int_equal(symbols_open(&symbols, name, &err), -EFBIG);
	close(fd);
	unlink(name);
}

TEST(a_name_that_would_control_a_terminal_is_left_out)
{
	assert_int_equal(write_text("1000 T good\n2000 T \033[2Jbad\n3000 T b\xc2\x9b"
				    "ad\n4000 T last\n"),
			 0);
	expect(0x2010, "good", 0x1010);
	expect(0x3010, "good", 0x2010);
	expect(0x4000, "last", 0);
	symbols_close(symbols);
}

/* Each symbol of an ELF file may have the same name, which may be all of the file. */
TEST(a_name_that_is_too_long_is_left_out)
{
	char text[2000];

	memset(text, 'x', sizeof(text));
	memcpy(text, "1000 T ", 7);
	memcpy(text + 600, "\n2000 T good\n", 14);
	assert_int_equal(write_text(text), 0);
	expect(0x1000, NULL, 0);
	expect(0x2000, "good", 0);
	symbols_close(symbols);
}
