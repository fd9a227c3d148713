/* SPDX-License-Identifier: BSD-2-Clause */
#include <elf.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "../../x86/bootparams.h"
#include "cmocka_all.h"
#include "vmlinux_rig.h"

#define ELF_SIZE   0x6000
#define CODE_AT	   (5 * 512)
#define PAYLOAD	   0x300 /* from the code */
#define PACKED_MAX (1 * MIB)
#define ROOM	   (PACKED_MAX + CODE_AT + PAYLOAD + 64)

static void put_headers(u8 *elf)
{
	const Elf64_Ehdr ehdr = {
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_entry = RIG_START + RIG_ENTRY,
		.e_phoff = 64,
		.e_shoff = ELF_SIZE - 2 * sizeof(Elf64_Shdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 2,
		.e_shentsize = sizeof(Elf64_Shdr),
		.e_shnum = 2,
	};
	const Elf64_Phdr phdrs[] = {
		{ PT_LOAD, 5, 0x1000, RIG_VIRTUAL, RIG_START, 0x1000, 0x1000, 0x1000 },
		{ PT_LOAD, 6, 0x3000, RIG_VIRTUAL + 0x4000, RIG_START + 0x4000, 0x1000, 0x9000,
		  0x1000 },
	};

	memcpy(elf, &ehdr, sizeof(ehdr));
	memcpy(elf + 64, phdrs, sizeof(phdrs));
}

static size_t put_table(u8 *at, u64 address)
{
	bp_put32(at, 0, 0);
	bp_put32(at, 4, (u32)(RIG_VIRTUAL + address));
	return 8;
}

void vmlinux_rig_create(struct vmlinux_rig *rig, unsigned tables)
{
	u8 *elf = calloc(1, ELF_SIZE + 256);

	assert_non_null(elf);
	put_headers(elf);
	memset(elf + 0x1000, 0x90, 0x100);
	bp_put32(elf, 0x1000 + RIG_AT32, RIG_VALUE32);
	bp_put32(elf, 0x1000 + RIG_AT_MINUS, RIG_MINUS);
	bp_put64(elf, 0x3000 + RIG_AT64 - 0x4000, RIG_VALUE64);
	*rig = (struct vmlinux_rig){ .elf = elf, .elf_len = ELF_SIZE, .relocations = ELF_SIZE };
	if (tables)
		rig->elf_len += put_table(elf + rig->elf_len, RIG_AT64);
	if (tables == 3)
		rig->elf_len += put_table(elf + rig->elf_len, RIG_AT_MINUS);
	if (tables)
		rig->elf_len += put_table(elf + rig->elf_len, RIG_AT32);
}

static size_t pack_gzip(const struct vmlinux_rig *rig, u8 *to)
{
	z_stream z = { .next_in = rig->elf,
		       .avail_in = rig->elf_len,
		       .next_out = to,
		       .avail_out = PACKED_MAX };

	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY),
			 Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return z.total_out;
}

static size_t pack_lzma(const struct vmlinux_rig *rig, bool alone, u8 *to)
{
	lzma_stream z = LZMA_STREAM_INIT;
	lzma_options_lzma options;

	lzma_lzma_preset(&options, 6);
	assert_int_equal(alone ? lzma_alone_encoder(&z, &options)
			       : lzma_easy_encoder(&z, 6, LZMA_CHECK_CRC32),
			 LZMA_OK);
	z.next_in = rig->elf;
	z.avail_in = rig->elf_len;
	z.next_out = to;
	z.avail_out = PACKED_MAX;
	assert_int_equal(lzma_code(&z, LZMA_FINISH), LZMA_STREAM_END);
	lzma_end(&z);
	return z.total_out;
}

/* One block of literals alone. */
static size_t pack_lz4(const struct vmlinux_rig *rig, u8 *to)
{
	size_t len = 8, rest = rig->elf_len - 15;

	bp_put32(to, 0, 0x184c2102);
	to[len++] = 0xf0;
	for (; rest >= 255; rest -= 255)
		to[len++] = 255;
	to[len++] = rest;
	memcpy(to + len, rig->elf, rig->elf_len);
	len += rig->elf_len;
	bp_put32(to, 4, len - 8);
	return len;
}

static size_t pack_payload(const struct vmlinux_rig *rig, enum pack pack, u8 *to)
{
	switch (pack) {
	case PACK_GZIP:
		return pack_gzip(rig, to);
	case PACK_ZSTD:
		return ZSTD_compress(to, PACKED_MAX, rig->elf, rig->elf_len, 3);
	case PACK_XZ:
	case PACK_LZMA:
		return pack_lzma(rig, pack == PACK_LZMA, to);
	case PACK_LZ4:
		return pack_lz4(rig, to);
	default:
		memcpy(to, "BZh91AY&SY", 10);
		return 64;
	}
}

void vmlinux_rig_pack(struct vmlinux_rig *rig, enum pack pack)
{
	u8 *file = calloc(1, ROOM), *payload = file + CODE_AT + PAYLOAD;
	size_t len = pack_payload(rig, pack, payload);

	if (pack != PACK_GZIP) {
		bp_put32(payload, len, rig->elf_len);
		len += 4;
	}
	file[BP_SETUP_SECTS] = 4;
	bp_put32(file, BP_SYSSIZE, (PAYLOAD + len + 15) / 16);
	bp_put16(file, BP_BOOT_FLAG, 0xaa55);
	file[0x201] = 0x6a;
	memcpy(file + BP_MAGIC, "HdrS", 4);
	bp_put16(file, BP_VERSION, 0x020f);
	file[BP_LOADFLAGS] = LOADED_HIGH;
	bp_put16(file, BP_XLOADFLAGS, 0x7f);
	bp_put32(file, BP_INITRD_ADDR_MAX, 0x7fffffff);
	bp_put32(file, BP_KERNEL_ALIGNMENT, 0x200000);
	file[BP_RELOCATABLE] = 1;
	bp_put32(file, BP_CMDLINE_SIZE, 2047);
	bp_put32(file, BP_PAYLOAD_OFFSET, PAYLOAD);
	bp_put32(file, BP_PAYLOAD_LENGTH, len);
	bp_put64(file, BP_PREF_ADDRESS, RIG_START);
	bp_put32(file, BP_INIT_SIZE, RIG_INIT_SIZE);
	free(rig->file);
	rig->file = file;
	rig->len = CODE_AT + PAYLOAD + len;
}

void vmlinux_rig_destroy(struct vmlinux_rig *rig)
{
	free(rig->elf);
	free(rig->file);
}

int vmlinux_rig_open(const struct vmlinux_rig *rig)
{
	int fd = memfd_create("bzImage", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, rig->file, rig->len), rig->len);
	return fd;
}
