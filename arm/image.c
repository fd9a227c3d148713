/* SPDX-License-Identifier: BSD-2-Clause */
/* Opening a kernel: is it one, is it whole, and where will it go. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gunzip.h"
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

#define IMAGE_MAGIC	    0x644d5241 /* "ARM\x64" */
#define IMAGE_FLAG_BIG	    (1u << 0)
#define IMAGE_FLAG_PAGE(f)  ((f) >> 1 & 3) /* 0: unspecified, 4 KiB, 16 KiB, 64 KiB */
#define IMAGE_ALIGN	    (2 * MIB)
#define IMAGE_INITRD_WINDOW (32 * GIB)

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
			"this is a compressed EFI program; give the Image that it was made from");
	if (!head_has(head, 0, ELFMAG, SELFMAG) ||
	    !head_copy(head, offsetof(Elf64_Ehdr, e_machine), &machine, sizeof(machine)))
		return fail(image, err, "not an arm64 Linux kernel (Image or Image.gz)");
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

static int image_check_header(struct arch_image *image, const struct image_head *head,
			      struct error *err)
{
	struct image_header header;

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
	if (image->file_size < image_raw_size(head, le32_to_cpu(header.pe_offset)))
		return fail(image, err, image->gzip ? "truncated, or damaged" : "truncated");
	if (image->file_size > image->image_size)
		return fail(image, err,
			    image->gzip ? "truncated, or its header is damaged"
					: "larger than its own header says: damaged");
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

/*
 * The head of what is inside. A gzip file ends with the size of its content
 * (RFC 1952, "Member trailer"), which together with the kernel's own header
 * shows most truncated files before anything is made; the checksum is looked
 * at when the kernel is loaded.
 */
static int image_open_gzip(struct arch_image *image, struct image_head *head, struct error *err)
{
	le32 isize;
	int ret;

	image->gzip = true;
	if (pread(image->fd, &isize, sizeof(isize), image->file_size - sizeof(isize)) !=
	    sizeof(isize))
		return fail(image, err, "truncated");
	ret = gunzip_file(image->fd, head->bytes, sizeof(head->bytes), &head->len);
	if (ret == -EINVAL)
		return fail(image, err, "gzip cannot decompress it: damaged");
	if (ret && ret != -ENOSPC && ret != -ENODATA)
		return error_set(err, ret, "kernel %s: %s", image->path, strerror(-ret));
	image->file_size = le32_to_cpu(isize);
	return 0;
}

static int image_check(struct arch_image *image, struct error *err)
{
	struct image_head head;
	struct stat st;
	int ret;

	image->fd = file_open_regular("kernel", image->path, O_RDONLY, &st, err);
	if (image->fd < 0)
		return image->fd;
	if (!st.st_size)
		return fail(image, err, "the file is empty");
	image->file_size = st.st_size;
	ret = image_read_head(image, &head, err);
	if (!ret && head_has(&head, 0, "\x1f\x8b", 2))
		ret = image_open_gzip(image, &head, err);
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

void arch_image_close(struct arch_image *image)
{
	if (!image)
		return;
	if (image->fd >= 0)
		close(image->fd);
	free(image->path);
	free(image);
}

/* Place @size bytes at the first multiple of @align in *free, and take them from it. */
static bool plan_take(struct range *free_ram, u64 size, u64 align, gpa_t *where)
{
	struct range taken;

	if (free_ram->start > UINT64_MAX - align || !size)
		return false;
	*where = align_up(free_ram->start, align);
	if (!range_make(*where, size, &taken) || taken.last > free_ram->last)
		return false;
	/* Nothing left: start is past last, where nothing fits any more. */
	free_ram->start = taken.last + 1;
	return true;
}

/*
 * "The Image must be placed text_offset bytes from a 2MB aligned base address
 * anywhere in usable system RAM", best at its start; behind it the device tree,
 * and the initrd: "entirely within a 1 GB aligned physical memory window of up
 * to 32 GB in size that fully covers the kernel Image as well".
 */
int arch_image_plan(struct arch_image *image, const struct range *ram, unsigned ram_count,
		    u64 initrd_size, const char *cmdline, struct error *err)
{
	struct range left = ram[0];
	gpa_t base = align_up(left.start, IMAGE_ALIGN);
	u64 kernel;

	if (strlen(cmdline) > ARCH_MAX_CMDLINE)
		return error_set(err, -EINVAL,
				 "the kernel's command line has %zu characters, %d are possible",
				 strlen(cmdline), ARCH_MAX_CMDLINE);
	if (__builtin_add_overflow(image->text_offset, image->image_size, &kernel) ||
	    !plan_take(&left, kernel, IMAGE_ALIGN, &base) ||
	    !plan_take(&left, IMAGE_DTB_SIZE, IMAGE_DTB_SIZE, &image->dtb))
		return error_set(err, -EINVAL,
				 "kernel %s: it takes %llu MiB and does not fit in %llu MiB of "
				 "memory: give more with -m",
				 image->path, (unsigned long long)(image->image_size / MIB),
				 (unsigned long long)((ram[0].last - ram[0].start + 1) / MIB));
	image->entry = base + image->text_offset;
	image->cmdline = cmdline;
	image->initrd_size = initrd_size;
	left.last = MIN(left.last, align_down(base, GIB) + IMAGE_INITRD_WINDOW - 1);
	if (initrd_size && !plan_take(&left, initrd_size, 64 * KIB, &image->initrd))
		return error_set(err, -EINVAL,
				 "the initrd takes %llu MiB and does not fit in memory beside the "
				 "kernel: give more with -m",
				 (unsigned long long)(initrd_size / MIB + 1));
	return 0;
}
