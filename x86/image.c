/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bootparams.h"
#include "image.h"
#include "layout.h"
#include "util/file.h"
#include "vmlinux.h"
#include "vmm/memory.h"

#define IMAGE_START 1024 /* a boot sector, and the boot protocol's header behind it */

static bool is_arm64_image(const u8 *start)
{
	return !memcmp(start + 0x38, "ARM\x64", 4);
}

static int flat_parse(struct arch_image *image, struct error *err)
{
	const u64 most = LAYOUT_EBDA - LAYOUT_FLAT;

	if (image->file_size > most)
		return error_set(err, -EINVAL,
				 "%s: a flat binary has %llu KiB at most, in conventional memory",
				 image->path, (unsigned long long)(most / KIB));
	range_make(LAYOUT_FLAT, image->file_size, &image->segments[0].memory);
	image->segments[0].file_size = image->file_size;
	image->segment_count = 1;
	image->entry_kind = ENTRY_REAL;
	image->cmdline_max = ARCH_MAX_CMDLINE;
	return 0;
}

static int parse(struct arch_image *image, const u8 *start, struct error *err)
{
	if (!memcmp(start, "\177ELF", 4))
		return elf_parse(image, start, err);
	if (is_arm64_image(start))
		return error_set(err, -EINVAL,
				 "%s: this is an arm64 kernel (Image); an x86 guest needs an x86 "
				 "bzImage",
				 image->path);
	if (start[0] == 0x1f && start[1] == 0x8b)
		return error_set(err, -EINVAL,
				 "%s: this is a gzip file; unpack it, or give the bzImage",
				 image->path);
	if (!bzimage_is(start) && file_has_suffix(image->path, ARCH_IMAGE_FLAT))
		return flat_parse(image, err);
	return bzimage_parse(image, err);
}

static int open_file(struct arch_image *image, u8 *start, struct error *err)
{
	struct stat st;
	int ret;

	image->fd = file_open_regular(ARCH_IMAGE_UNOPENED, image->path, O_RDONLY, &st, err);
	if (image->fd < 0)
		return image->fd;
	if (!st.st_size)
		return error_set(err, -EINVAL, "kernel %s is empty", image->path);
	image->file_size = st.st_size;
	ret = image_read(image, 0, start, MIN(image->file_size, IMAGE_START));
	if (ret)
		return error_set(err, ret, "cannot read kernel %s: %s", image->path,
				 strerror(-ret));
	return 0;
}

int arch_image_open(struct arch_image **out, const char *path, struct error *err)
{
	struct arch_image *image = calloc(1, sizeof(*image));
	u8 start[IMAGE_START] = { 0 };
	int ret;

	if (!image)
		return error_set(err, -ENOMEM, "out of memory");
	image->fd = -1;
	image->path = strdup(path);
	ret = image->path ? open_file(image, start, err) : error_set(err, -ENOMEM, "out of memory");
	if (!ret)
		ret = parse(image, start, err);
	if (ret) {
		arch_image_close(image);
		return ret;
	}
	*out = image;
	return 0;
}

/* The architecture has but one. */
u64 arch_image_page_size(const struct arch_image *image)
{
	return 4096;
}

void arch_image_close_file(struct arch_image *image)
{
	if (image->fd >= 0)
		close(image->fd);
	image->fd = -1;
}

int arch_image_open_firmware(struct arch_image **image, const char *path, gpa_t address,
			     struct error *err)
{
	return error_set(
		err, -EINVAL,
		"--firmware %s: firmware for PCs (SeaBIOS, OVMF) wants a chipset, CMOS and "
		"fw_cfg that this machine does not have: give a kernel with --kernel",
		path);
}

void arch_image_close(struct arch_image *image)
{
	if (!image)
		return;
	arch_image_close_file(image);
	free(image->path);
	free(image);
}

static unsigned long long mib_up(u64 bytes)
{
	return (bytes >> 20) + !!(bytes & (MIB - 1));
}

/* More memory helps only as far as the kernel looks for an initrd, and RAM below 4 GiB goes. */
static int initrd_misfit(const struct arch_image *image, u64 size, u64 kernel_end, u64 end,
			 struct error *err)
{
	u64 most = align_down(MIN(image->initrd_max + 1, LAYOUT_LOW_END), 4096);

	if (size <= most && align_down(most - size, 4096) >= kernel_end)
		return error_set(err, -EINVAL,
				 "the initrd (%llu MiB) does not fit between the kernel's end at "
				 "%llu MiB and the memory's at %llu MiB; give --mem %llu or more",
				 mib_up(size), mib_up(kernel_end), mib_up(end),
				 mib_up(align_up(kernel_end + size, 4096)));
	return error_set(err, -EINVAL,
			 "the initrd (%llu MiB) does not fit between the kernel's end at %llu MiB "
			 "and %llu MiB, where this kernel stops looking for one; more --mem does "
			 "not help, the initrd must be smaller",
			 mib_up(size), mib_up(kernel_end), mib_up(most));
}

/* High, as the boot protocol advises, so that it is out of the kernel's way. */
static int plan_initrd(struct arch_image *image, const struct range *ram, u64 size, u64 kernel_end,
		       struct error *err)
{
	u64 end = align_down(MIN(ram->last, image->initrd_max) + 1, 4096);

	if (size > end || align_down(end - size, 4096) < kernel_end)
		return initrd_misfit(image, size, kernel_end, end, err);
	image->initrd = align_down(end - size, 4096);
	image->initrd_size = size;
	return 0;
}

int arch_image_plan(struct arch_image *image, const struct range *ram, unsigned ram_count,
		    u64 initrd_size, const char *cmdline, struct error *err)
{
	size_t limit = MIN(image->cmdline_max, (u32)ARCH_MAX_CMDLINE);
	u64 end = 0;

	if (strlen(cmdline) > limit)
		return error_set(err, -EINVAL,
				 "the kernel command line has %zu characters, %s takes %zu",
				 strlen(cmdline), image->path, limit);
	for (unsigned i = 0; i < image->segment_count; i++) {
		const struct range *memory = &image->segments[i].memory;

		if (!range_contains(ram[0].start, ram[0].last, memory->start, memory->last))
			return error_set(err, -EINVAL,
					 "%s needs memory up to %llu MiB, the guest has %llu MiB; "
					 "give more --mem",
					 image->path, mib_up(memory->last), mib_up(ram[0].last));
		end = MAX(end, memory->last + 1);
	}
	image->cmdline = cmdline;
	if (initrd_size && image->entry_kind == ENTRY_REAL)
		return error_set(
			err, -EINVAL,
			"--initrd: nothing tells a flat binary where one is: leave it out");
	if (initrd_size && plan_initrd(image, ram, initrd_size, align_up(end, 4096), err))
		return -EINVAL;
	if (image->unpacked)
		image_plan_unpacked(image, ram);
	return 0;
}

/* Straight from the page cache into the guest. */
static int load_piece(int fd, u64 offset, u64 size, const struct guest_memory *memory, gpa_t gpa)
{
	const struct arch_image piece = { .fd = fd };
	void *host = memory_host(memory, gpa, size);

	if (!host)
		return -EFAULT;
	return image_read(&piece, offset, host, size);
}

static int load_segments(const struct arch_image *image, const struct guest_memory *memory,
			 struct error *err)
{
	int ret;

	for (unsigned i = 0; i < image->segment_count; i++) {
		const struct image_segment *segment = &image->segments[i];

		if (!segment->file_size)
			continue;
		ret = load_piece(image->fd, segment->offset, segment->file_size, memory,
				 segment->memory.start);
		if (ret)
			return error_set(err, ret, "cannot load kernel %s: %s", image->path,
					 strerror(-ret));
	}
	return 0;
}

int arch_image_load(struct arch_image *image, struct guest_memory *memory, int initrd_fd,
		    struct error *err)
{
	int ret;

	/* A kernel that fills one will use more. */
	if (image->file_size >= MEMORY_HUGE_PAGE)
		memory_use_huge_pages(memory);
	ret = image->unpacked ? image_load_unpacked(image, memory, err)
			      : load_segments(image, memory, err);
	if (ret || !image->initrd_size)
		return ret;
	ret = load_piece(initrd_fd, 0, image->initrd_size, memory, image->initrd);
	return ret ? error_set(err, ret, "cannot load the initrd: %s", strerror(-ret)) : 0;
}
