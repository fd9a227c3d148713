/* SPDX-License-Identifier: BSD-2-Clause */
/* Opening a kernel: is it one, and is it whole. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "image.h"
#include "util/file.h"
#include "vmm/arch.h"

/* "2. Decompress the kernel image" ... "4. Call the kernel image": all fields little endian. */
struct image_header {
	le32 code[2];
	le64 text_offset;
	le64 image_size;
	le64 flags;
	le64 reserved[3];
	le32 magic;
	le32 pe_offset;
};

#define IMAGE_MAGIC	   0x644d5241 /* "ARM\x64" */
#define IMAGE_FLAG_BIG	   (1u << 0)
#define IMAGE_FLAG_PAGE(f) ((f) >> 1 & 3) /* 0: unspecified, 4 KiB, 16 KiB, 64 KiB */
/* A header that says more than this is damaged; it bounds what unpacking can cost. */
#define IMAGE_MAX_UNPACKED GIB

/* As much of the file's start as holds every header that is looked at. */
#define IMAGE_HEAD 4096

/* PE/COFF, "COFF File Header" and "Section Table (Section Headers)". */
struct pe_header {
	le32 signature;
	le16 machine;
	le16 sections;
	le32 unused[3];
	le16 optional_size;
	le16 characteristics;
};

struct pe_section {
	u8 name[8];
	le32 virtual_size, virtual_address;
	le32 raw_size, raw_offset;
	le32 unused[4];
};

#define PE_SIGNATURE 0x00004550 /* "PE\0\0" */

/*
 * What EFI zboot puts in front of a packed kernel (Linux,
 * drivers/firmware/efi/libstub/zboot-header.S). The payload's size leaves out the size of its
 * content that follows it if it is no gzip.
 */
struct zboot_header {
	le32 mz;
	u8 magic[4]; /* "zimg" */
	le32 payload_offset, payload_size;
	le32 reserved[2];
	char type[32]; /* "gzip", ends in a 0 */
};

struct image_head {
	u8 bytes[IMAGE_HEAD];
	u64 len;
};

static bool head_has(const struct image_head *head, u64 offset, const char *bytes, u64 len)
{
	return offset + len <= head->len && !memcmp(head->bytes + offset, bytes, len);
}

/* A copy of @len bytes at @offset; false if the head has not that many. */
static bool head_copy(const struct image_head *head, u64 offset, void *out, u64 len)
{
	if (offset > head->len || len > head->len - offset)
		return false;
	memcpy(out, head->bytes + offset, len);
	return true;
}

static int fail(const struct arch_image *image, struct error *err, const char *text)
{
	return error_set(err, -EINVAL, "kernel %s: %s", image->path, text);
}

/* What somebody may well take for an arm64 kernel; says what it is. */
static int image_foreign(const struct arch_image *image, const struct image_head *head,
			 struct error *err)
{
	le16 machine;

	if (head_has(head, 0x202, "HdrS", 4))
		return fail(image, err,
			    "this is an x86 kernel (bzImage), and this is an arm64 machine");
	if (head_has(head, 4, "zimg", 4))
		return fail(
			image, err,
			"this is an EFI zboot image that was packed once more: unpack the outer "
			"one");
	if (!head_has(head, 0, ELFMAG, SELFMAG) ||
	    !head_copy(head, offsetof(Elf64_Ehdr, e_machine), &machine, sizeof(machine)))
		return fail(image, err, "not an arm64 Linux kernel (Image, Image.gz or EFI zboot)");
	switch (le16_to_cpu(machine)) {
	case EM_X86_64:
	case EM_386:
		return fail(image, err,
			    "this is an x86 kernel (ELF), and this is an arm64 machine");
	case EM_AARCH64:
		return fail(image, err,
			    "an ELF file (vmlinux) cannot be booted on arm64; give "
			    "arch/arm64/boot/Image");
	default:
		return fail(image, err, "an ELF file for another machine");
	}
}

/*
 * How long the file must be, as its PE header tells (kernels with an EFI stub
 * have one: all stock ones); without one, no more than the header is known.
 */
static u64 image_raw_size(const struct image_head *head, u64 pe_offset)
{
	u64 need = sizeof(struct image_header);
	struct pe_section section;
	struct pe_header pe;

	if (!head_copy(head, pe_offset, &pe, sizeof(pe)) ||
	    le32_to_cpu(pe.signature) != PE_SIGNATURE)
		return need;
	pe_offset += sizeof(pe) + le16_to_cpu(pe.optional_size);
	for (unsigned i = 0; i < le16_to_cpu(pe.sections); i++, pe_offset += sizeof(section)) {
		if (!head_copy(head, pe_offset, &section, sizeof(section)))
			break;
		need = MAX(need,
			   (u64)le32_to_cpu(section.raw_offset) + le32_to_cpu(section.raw_size));
	}
	return need;
}

static u64 image_page_size(u64 flags)
{
	u64 n = IMAGE_FLAG_PAGE(flags);

	return n ? 1 * KIB << 2 * n : 0;
}

/* Of a packed kernel: what unpacking it said, before anything is made. */
static int fail_unpack(const struct arch_image *image, int ret, struct error *err)
{
	switch (ret) {
	case -ENODATA:
		return fail(image, err, "truncated");
	case -EINVAL:
		return fail(image, err, "it cannot be decompressed: damaged");
	case -ENOSPC:
		return fail(image, err, "there is more in it than its header says: damaged");
	default:
		return error_set(err, ret, "kernel %s: %s", image->path, strerror(-ret));
	}
}

/* Where the size of the content stands, if nothing follows it. 0: it stands nowhere. */
static u64 packed_size_hint(const struct arch_image *image)
{
	const struct packed *packed = &image->packed;
	/* RFC 1952, "Member trailer": the last four bytes. For zstd the kernel's build adds them.
	 */
	u64 end = packed->offset + packed->size;
	u64 at = packed->pack == PACK_GZIP && packed->size >= sizeof(le32) ? end - sizeof(le32)
									   : end;
	le32 size;

	if (pread(image->fd, &size, sizeof(size), at) != sizeof(size))
		return 0;
	return le32_to_cpu(size);
}

/*
 * How large it is when it is unpacked. The hint, if the kernel's own header agrees, shows that
 * nothing was cut off, and the checksum is looked at when the kernel is loaded; but a file may
 * have something behind its kernel, and then it is unpacked twice.
 */
static int image_find_size(struct arch_image *image, struct error *err)
{
	u64 size = packed_size_hint(image);
	int ret;

	if (size < image->least_size || size > image->image_size) {
		ret = unpack(&image->packed, image->fd, NULL,
			     MIN(image->image_size, (u64)IMAGE_MAX_UNPACKED), &size);
		if (ret)
			return fail_unpack(image, ret, err);
	}
	image->file_size = size;
	return 0;
}

/* Where kvmtool has a flat binary, from the start of RAM. */
#define IMAGE_FLAT_OFFSET 0x80000

/* A file whose name says so, and that is nothing else. */
static bool image_is_flat(const struct arch_image *image, const struct image_head *head)
{
	return file_has_suffix(image->path, ARCH_IMAGE_FLAT) && image->packed.pack == PACK_NONE &&
	       !head_has(head, 0x38, "ARM\x64", 4) && !head_has(head, 0x202, "HdrS", 4) &&
	       !head_has(head, 0, ELFMAG, SELFMAG);
}

static int image_take_flat(struct arch_image *image)
{
	image->is_flat = true;
	image->text_offset = IMAGE_FLAT_OFFSET;
	image->image_size = image->file_size;
	return 0;
}

static int image_check_header(struct arch_image *image, const struct image_head *head,
			      struct error *err)
{
	bool is_packed = image->packed.pack != PACK_NONE;
	struct image_header header;

	if (image_is_flat(image, head))
		return image_take_flat(image);
	if (!head_copy(head, 0, &header, sizeof(header)))
		return head_has(head, 0, ELFMAG, SELFMAG)
			       ? image_foreign(image, head, err)
			       : fail(image, err, "too short for a kernel: truncated");
	if (le32_to_cpu(header.magic) != IMAGE_MAGIC)
		return image_foreign(image, head, err);
	if (le64_to_cpu(header.flags) & IMAGE_FLAG_BIG)
		return fail(image, err, "a big-endian kernel; lkvm runs little-endian ones");
	image->text_offset = le64_to_cpu(header.text_offset);
	image->image_size = le64_to_cpu(header.image_size);
	image->page_size = image_page_size(le64_to_cpu(header.flags));
	/* "prior to v3.17 [...] the image_size field is zero": how much memory it wants is unknown.
	 */
	if (!image->image_size)
		return fail(image, err, "made before Linux 3.17, too old to be booted here");
	image->least_size = image_raw_size(head, le32_to_cpu(header.pe_offset));
	if (is_packed && image_find_size(image, err))
		return -EINVAL;
	if (image->file_size < image->least_size)
		return fail(image, err, is_packed ? "truncated, or damaged" : "truncated");
	if (image->file_size > image->image_size)
		return fail(image, err, "larger than its own header says: damaged");
	return 0;
}

static int image_read_head(struct arch_image *image, struct image_head *head, struct error *err)
{
	ssize_t got = pread(image->fd, head->bytes, sizeof(head->bytes), 0);

	if (got < 0)
		return error_set(err, -errno, "kernel %s: cannot read it: %s", image->path,
				 strerror(errno));
	head->len = got;
	return 0;
}

/* The piece of the file, and how it is packed, out of the header of an EFI zboot image. */
static int image_open_zboot(struct arch_image *image, const struct image_head *head,
			    struct error *err)
{
	struct zboot_header header;
	struct packed *packed = &image->packed;

	if (!head_copy(head, 0, &header, sizeof(header)))
		return fail(image, err, "truncated");
	packed->offset = le32_to_cpu(header.payload_offset);
	packed->size = le32_to_cpu(header.payload_size);
	if (packed->offset < sizeof(header) || !packed->size)
		return fail(image, err, "its EFI zboot header is damaged");
	if (packed->offset + packed->size > image->file_size)
		return fail(image, err, "truncated");
	if (!strncmp(header.type, "gzip", sizeof(header.type)))
		packed->pack = PACK_GZIP;
	else if (!strncmp(header.type, "zstd", 4)) /* or zstd22, the level */
		packed->pack = PACK_ZSTD;
	else
		return fail(image, err,
			    "an EFI zboot image that is compressed by neither gzip nor zstd; give "
			    "the Image that it was made from");
	return 0;
}

/* A packed kernel: *head becomes that of what is inside. */
static int image_open_packed(struct arch_image *image, struct image_head *head, struct error *err)
{
	int ret = 0;

	if (head_has(head, 0, "\x1f\x8b", 2))
		image->packed = (struct packed){ PACK_GZIP, 0, image->file_size };
	else if (head_has(head, 0, "MZ", 2) && head_has(head, 4, "zimg", 4))
		ret = image_open_zboot(image, head, err);
	if (ret || image->packed.pack == PACK_NONE)
		return ret;
	ret = unpack(&image->packed, image->fd, head->bytes, sizeof(head->bytes), &head->len);
	/* What ends early may still show what it is, or was. */
	if (ret && ret != -ENOSPC && ret != -ENODATA)
		return fail_unpack(image, ret, err);
	return 0;
}

static int image_check(struct arch_image *image, struct error *err)
{
	struct image_head head;
	struct stat st;
	int ret;

	image->fd = file_open_regular(ARCH_IMAGE_UNOPENED, image->path, O_RDONLY, &st, err);
	if (image->fd < 0)
		return image->fd;
	if (!st.st_size)
		return fail(image, err, "the file is empty");
	image->file_size = st.st_size;
	ret = image_read_head(image, &head, err);
	if (!ret)
		ret = image_open_packed(image, &head, err);
	return ret ? ret : image_check_header(image, &head, err);
}

int arch_image_open(struct arch_image **out, const char *path, struct error *err)
{
	struct arch_image *image = calloc(1, sizeof(*image));
	int ret;

	if (!image)
		return error_set(err, -ENOMEM, "out of memory");
	image->fd = -1;
	image->path = strdup(path);
	ret = image->path ? image_check(image, err) : error_set(err, -ENOMEM, "out of memory");
	if (ret) {
		arch_image_close(image);
		return ret;
	}
	*out = image;
	return 0;
}

u64 arch_image_page_size(const struct arch_image *image)
{
	return image->page_size;
}

void arch_image_close_file(struct arch_image *image)
{
	if (image->fd >= 0)
		close(image->fd);
	image->fd = -1;
}

void arch_image_close(struct arch_image *image)
{
	if (!image)
		return;
	arch_image_close_file(image);
	image_free_rom(image);
	free(image->path);
	free(image);
}
