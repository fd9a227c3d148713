/* SPDX-License-Identifier: BSD-2-Clause */
/* Where kernel, device tree and initrd go in RAM. */
#include <errno.h>
#include <string.h>

#include "image.h"
#include "vmm/arch.h"

#define IMAGE_ALIGN	    (2 * MIB)
#define IMAGE_INITRD_WINDOW (32 * GIB)
/* Variables and stack of a flat binary, whose size it does not tell. */
#define IMAGE_FLAT_BEHIND (8 * MIB)

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
	u64 behind = image->is_flat ? IMAGE_FLAT_BEHIND : 0;
	gpa_t base = align_up(left.start, IMAGE_ALIGN);
	u64 kernel;

	if (strlen(cmdline) > ARCH_MAX_CMDLINE)
		return error_set(err, -EINVAL,
				 "the kernel's command line has %zu characters, %d are possible",
				 strlen(cmdline), ARCH_MAX_CMDLINE);
	if (image->is_firmware)
		return image_plan_firmware(image, &ram[0], cmdline, err);
	if (__builtin_add_overflow(image->text_offset, image->image_size + behind, &kernel) ||
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
	if (!initrd_size || plan_take(&left, initrd_size, 64 * KIB, &image->initrd))
		return 0;
	/* More memory helps only while the window is larger than it. */
	if (left.last < ram[0].last)
		return error_set(
			err, -EINVAL,
			"the initrd takes %llu MiB, and the kernel looks for one no further "
			"than 32 GiB from itself: it must be smaller",
			(unsigned long long)(initrd_size / MIB + 1));
	return error_set(err, -EINVAL,
			 "the initrd takes %llu MiB and does not fit in memory beside the "
			 "kernel: give more with -m",
			 (unsigned long long)(initrd_size / MIB + 1));
}
