/* SPDX-License-Identifier: BSD-2-Clause */
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"
#include "vmm/core.h"
#include "vmm/memory.h"

#define LOW  (4 * MIB)
#define HIGH (2 * MIB)

/* An architecture of two registers. */
const u16 arch_core_machine = EM_AARCH64;
const char *const arch_core_registers[] = { "pc", "x0" };
const unsigned arch_core_register_count = 2;

static const struct range ranges[] = { { 0, LOW - 1 }, { 4096 * MIB, 4096 * MIB + HIGH - 1 } };
static const struct registers registers = {
	.count = 3, .list = { { "x0", 7 }, { "other", 1 }, { "pc", 0x1234 } }
};
static const struct registers *const all[] = { &registers, NULL };
static struct guest_memory *memory;
static struct core core;
static FILE *file;

static int set_up(void **state)
{
	struct error err = { "" };

	file = tmpfile();
	core = (struct core){ .registers = all, .cpus = 2 };
	if (!file || memory_create(&memory, NULL, ranges, 2, &err))
		return -1;
	core.memory = memory;
	return 0;
}

static int tear_down(void **state)
{
	memory_destroy(memory);
	return fclose(file);
}

static void read_at(void *to, size_t len, u64 offset)
{
	assert_int_equal(pread(fileno(file), to, len, offset), len);
}

static Elf64_Phdr segment(unsigned n)
{
	Elf64_Ehdr elf;
	Elf64_Phdr found;

	read_at(&elf, sizeof(elf), 0);
	assert_memory_equal(elf.e_ident, ELFMAG, SELFMAG);
	assert_int_equal(elf.e_type, ET_CORE);
	assert_int_equal(elf.e_machine, EM_AARCH64);
	assert_int_equal(elf.e_phnum, 3);
	read_at(&found, sizeof(found), elf.e_phoff + n * sizeof(found));
	return found;
}

static void write_ram(gpa_t gpa, const void *data, size_t len)
{
	assert_int_equal(memory_write(memory, gpa, data, len), 0);
}

TEST_WITH(ram_is_where_the_headers_say, set_up, tear_down)
{
	char text[8];
	struct stat st;

	write_ram(0x5000, "first", 6);
	write_ram(4096 * MIB + HIGH - 8, "last", 5);
	assert_int_equal(core_write(&core, fileno(file)), 0);
	for (unsigned n = 1; n < 3; n++) {
		Elf64_Phdr load = segment(n);

		assert_int_equal(load.p_type, PT_LOAD);
		assert_int_equal(load.p_paddr, ranges[n - 1].start);
		assert_int_equal(load.p_vaddr, ranges[n - 1].start);
		assert_int_equal(load.p_filesz, ranges[n - 1].last - ranges[n - 1].start + 1);
		assert_int_equal(load.p_filesz, load.p_memsz);
	}
	read_at(text, 6, segment(1).p_offset + 0x5000);
	assert_string_equal(text, "first");
	read_at(text, 5, segment(2).p_offset + HIGH - 8);
	assert_string_equal(text, "last");
	/* The rest is holes, and counts all the same. */
	assert_int_equal(fstat(fileno(file), &st), 0);
	assert_int_equal(st.st_size, segment(2).p_offset + HIGH);
	assert_true((u64)st.st_blocks * 512 < MIB);
}

TEST_WITH(each_vcpu_has_its_registers, set_up, tear_down)
{
	struct {
		Elf64_Nhdr head;
		char name[8];
		u32 signal[8], pid, others[19];
		u64 registers[2];
		u32 after[2];
	} __attribute__((packed)) notes[2];
	Elf64_Phdr segment0;

	assert_int_equal(core_write(&core, fileno(file)), 0);
	segment0 = segment(0);
	assert_int_equal(segment0.p_type, PT_NOTE);
	assert_int_equal(segment0.p_filesz, sizeof(notes));
	read_at(notes, sizeof(notes), segment0.p_offset);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(notes[i].head.n_type, NT_PRSTATUS);
		assert_string_equal(notes[i].name, "CORE");
		assert_int_equal(notes[i].pid, i + 1);
		assert_int_equal(notes[i].registers[0], i ? 0 : 0x1234);
		assert_int_equal(notes[i].registers[1], i ? 0 : 7);
	}
	assert_false(core.has_vmcoreinfo);
}

/* As Linux has it in its RAM. */
static void write_vmcoreinfo(gpa_t gpa, u32 len)
{
	const Elf64_Nhdr head = { 11, len, 0 };

	write_ram(gpa, &head, sizeof(head));
	write_ram(gpa + sizeof(head), "VMCOREINFO\0\0OSRELEASE=6.12\nPAGESIZE=4096\n", 42);
}

TEST_WITH(linuxs_vmcoreinfo_is_a_note, set_up, tear_down)
{
	char found[12 + 12 + 29];
	Elf64_Phdr notes;

	write_vmcoreinfo(0x3000, 29);
	assert_int_equal(core_write(&core, fileno(file)), 0);
	assert_true(core.has_vmcoreinfo);
	notes = segment(0);
	read_at(found, sizeof(found), notes.p_offset + notes.p_filesz - 56);
	assert_memory_equal(found + 12, "VMCOREINFO\0\0OSRELEASE=6.12\nPAGESIZE=4096\n", 41);
}

TEST_WITH(a_vmcoreinfo_that_is_none_is_left_out, set_up, tear_down)
{
	/* Longer than any, beyond the end of RAM, and not where one begins. */
	write_vmcoreinfo(0x3000, 0x7fffffff);
	write_vmcoreinfo(4096 * MIB + HIGH - 4096, 60000);
	write_vmcoreinfo(0x5004, 29);
	write_vmcoreinfo(0x6000, 0);
	assert_int_equal(core_write(&core, fileno(file)), 0);
	assert_false(core.has_vmcoreinfo);
}

TEST_WITH(a_file_that_may_not_grow_is_an_error, set_up, tear_down)
{
	const struct rlimit small = { 64 * KIB, RLIM_INFINITY };
	struct rlimit before;

	write_ram(MIB, "text", 4);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	setrlimit(RLIMIT_FSIZE, &small);
	assert_int_equal(core_write(&core, fileno(file)), -EFBIG);
	setrlimit(RLIMIT_FSIZE, &before);
}

TEST_WITH(it_is_given_up_when_told, set_up, tear_down)
{
	core.stop = true;
	assert_int_equal(core_write(&core, fileno(file)), -ECANCELED);
}
