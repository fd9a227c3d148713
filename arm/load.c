/* SPDX-License-Identifier: BSD-2-Clause */
/* Kernel and initrd, or firmware, into guest memory, each straight from its file. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image.h"
#include "vmm/arch.h"
#include "vmm/boot_image.h"
#include "vmm/memory.h"

/* All @len bytes from the start of @fd; -ENODATA if it has fewer. */
static int load_file(int fd, void *to, u64 len)
{
	u64 done = 0;
	ssize_t got;

	while (done < len) {
		got = pread(fd, (char *)to + done, len - done, done);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -ENODATA;
		done += got;
	}
	return 0;
}

static const char *load_reason(int ret)
{
	switch (ret) {
	case -ENODATA:
		return "truncated";
	case -ENOSPC:
		return "there is more in it than its header says: damaged";
	case -EINVAL:
		return "damaged: its checksum or its content is wrong";
	default:
		return strerror(-ret);
	}
}

static int load_unpacked(const struct boot_entry *entry, void *to)
{
	u32 *list;
	int ret = boot_entry_load(entry, to, &list);

	if (!ret)
		free(list);
	return ret;
}

static int load_kernel(const struct arch_image *image, void *to)
{
	u64 size;
	int ret;

	if (image->unpacked)
		return load_unpacked(image->unpacked, to);
	if (image->packed.pack == PACK_NONE)
		return load_file(image->fd, to, image->file_size);
	ret = unpack(&image->packed, image->fd, to, image->image_size, &size);
	/* How much it would be was a hint, or it has changed since. */
	if (!ret && size < image->least_size)
		ret = -EINVAL;
	return ret;
}

bool arch_image_is_packed(const struct arch_image *image, int *fd, u64 *size)
{
	struct stat st;

	*fd = image->fd;
	*size = fstat(image->fd, &st) ? 0 : st.st_size;
	return image->packed.pack != PACK_NONE && *size;
}

/* An Image moves and randomizes itself, by the seed in the device tree. */
int arch_image_unpack(const struct arch_image *image, struct boot_image *out)
{
	int ret = boot_image_alloc(out, image->image_size);
	u64 size;

	if (!ret)
		ret = unpack(&image->packed, image->fd, out->data, image->image_size, &size);
	if (ret == -ENOSPC || ret == -ENODATA || (!ret && size < image->least_size))
		ret = -EINVAL;
	out->proved = true;
	if (ret)
		boot_image_free(out);
	return ret;
}

int arch_image_use(struct arch_image *image, const struct boot_entry *entry)
{
	image->unpacked = NULL;
	if (entry &&
	    (entry->size > align_up(image->image_size, BOOT_IMAGE_PAGE) || entry->list_count))
		return -EINVAL;
	image->unpacked = entry;
	return 0;
}

static int load_all(struct arch_image *image, struct guest_memory *memory, int initrd_fd,
		    struct error *err)
{
	u64 size = image->unpacked ? align_up(image->image_size, BOOT_IMAGE_PAGE)
				   : image->image_size;
	void *kernel = memory_host(memory, image->entry, size);
	void *initrd = memory_host(memory, image->initrd, image->initrd_size);
	int ret;

	if (!kernel)
		return error_set(err, -EFAULT, "kernel %s: planned outside of memory", image->path);
	/* A kernel that fills one will use more. */
	if (image->image_size >= MEMORY_HUGE_PAGE)
		memory_use_huge_pages(memory);
	ret = load_kernel(image, kernel);
	if (ret)
		return error_set(err, ret, "kernel %s: %s", image->path, load_reason(ret));
	if (initrd_fd < 0 || !image->initrd_size)
		return 0;
	ret = initrd ? load_file(initrd_fd, initrd, image->initrd_size) : -EFAULT;
	if (ret)
		return error_set(err, ret, "initrd: %s", load_reason(ret));
	return 0;
}

/* What is at 0 is shown to the guest when the machine is there. */
static int load_firmware(struct arch_image *image, struct guest_memory *memory, struct error *err)
{
	void *to = image->address ? memory_host(memory, image->address, image->file_size)
				  : image_make_rom(image);
	int ret;

	/* For what it loads. */
	memory_use_huge_pages(memory);
	if (!to)
		return error_set(err, -ENOMEM, "--firmware %s: no memory for it", image->path);
	ret = load_file(image->fd, to, image->file_size);
	return ret ? error_set(err, ret, "--firmware %s: %s", image->path, load_reason(ret)) : 0;
}

int arch_image_load(struct arch_image *image, struct guest_memory *memory, int initrd_fd,
		    struct error *err)
{
	if (image->is_firmware)
		return load_firmware(image, memory, err);
	return load_all(image, memory, initrd_fd, err);
}
