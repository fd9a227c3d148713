/* SPDX-License-Identifier: BSD-2-Clause */
/* Kernel and initrd into guest memory, each straight from its file. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "image.h"
#include "vmm/arch.h"
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

static int load_kernel(const struct arch_image *image, void *to)
{
	u64 size;
	int ret;

	if (image->packed.pack == PACK_NONE)
		return load_file(image->fd, to, image->file_size);
	ret = unpack(&image->packed, image->fd, to, image->image_size, &size);
	/* How much it would be was a hint, or it has changed since. */
	if (!ret && size < image->least_size)
		ret = -EINVAL;
	return ret;
}

int arch_image_load(struct arch_image *image, struct guest_memory *memory, int initrd_fd,
		    struct error *err)
{
	void *kernel = memory_host(memory, image->entry, image->image_size);
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
