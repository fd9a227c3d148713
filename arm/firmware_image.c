/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Firmware in a kernel's stead, for the machine that map.c has for it: in read-only memory at 0, or
 * where the user says. The device tree is at the start of RAM, where U-Boot and EDK2 look for it,
 * and x0 says so as well.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "image.h"
#include "map.h"
#include "util/file.h"
#include "vmm/arch.h"

/* What an instruction's address is a multiple of, and U-Boot's as well. */
#define FIRMWARE_ALIGN 4096

static u64 rom_room(void)
{
	return map_of(&(struct arch_options){ .firmware = true })->rom_size;
}

static int check_file(const struct arch_image *image, struct error *err)
{
	char magic[SELFMAG] = { 0 };

	if (!image->file_size)
		return error_set(err, -EINVAL, "--firmware %s: the file is empty", image->path);
	if (!image->address && image->file_size > rom_room())
		return error_set(err, -EINVAL,
				 "--firmware %s: it has %llu bytes, and there is room for %llu MiB",
				 image->path, (unsigned long long)image->file_size,
				 (unsigned long long)(rom_room() / MIB));
	if (pread(image->fd, magic, sizeof(magic), 0) == sizeof(magic) &&
	    !memcmp(magic, ELFMAG, SELFMAG))
		return error_set(err, -EINVAL,
				 "--firmware %s: an ELF file, which no processor starts: give what "
				 "was made of it, such as u-boot.bin",
				 image->path);
	return 0;
}

static int open_file(struct arch_image *image, struct error *err)
{
	struct stat st;

	if (!image->path)
		return error_set(err, -ENOMEM, "out of memory");
	image->fd = file_open_regular("--firmware", image->path, O_RDONLY, &st, err);
	if (image->fd < 0)
		return image->fd;
	image->file_size = st.st_size;
	return check_file(image, err);
}

int arch_image_open_firmware(struct arch_image **out, const char *path, gpa_t address,
			     struct error *err)
{
	struct arch_image *image = calloc(1, sizeof(*image));
	int ret;

	if (!image)
		return error_set(err, -ENOMEM, "out of memory");
	image->fd = -1;
	image->is_firmware = true;
	image->address = address;
	image->path = strdup(path);
	ret = open_file(image, err);
	if (ret) {
		arch_image_close(image);
		return ret;
	}
	*out = image;
	return 0;
}

/* Behind what the device tree may take up. */
static int check_address(const struct arch_image *image, const struct range *ram, struct error *err)
{
	const gpa_t first = ram->start + IMAGE_DTB_SIZE;
	struct range range;

	if (!is_aligned(image->address, FIRMWARE_ALIGN))
		return error_set(err, -EINVAL,
				 "--firmware-address 0x%llx: it must be a multiple of 4096",
				 (unsigned long long)image->address);
	if (range_make(image->address, image->file_size, &range) &&
	    range_contains(first, ram->last, range.start, range.last))
		return 0;
	return error_set(err, -EINVAL,
			 "--firmware-address 0x%llx: its %llu KiB must lie in RAM, between 0x%llx "
			 "and 0x%llx",
			 (unsigned long long)image->address,
			 (unsigned long long)(image->file_size / KIB + 1),
			 (unsigned long long)first, (unsigned long long)ram->last);
}

int image_plan_firmware(struct arch_image *image, const struct range *ram, const char *cmdline,
			struct error *err)
{
	image->dtb = ram->start;
	image->entry = image->address;
	image->cmdline = cmdline;
	return image->address ? check_address(image, ram, err) : 0;
}

void *image_make_rom(struct arch_image *image)
{
	u64 size = align_up(image->file_size, (u64)sysconf(_SC_PAGESIZE));
	/* Private: a guest whose memory has tags can have no shared memory. */
	void *rom = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (rom == MAP_FAILED)
		return NULL;
	madvise(rom, size, MADV_DONTFORK);
	image->rom = rom;
	image->rom_size = size;
	return rom;
}

void image_free_rom(struct arch_image *image)
{
	if (image->rom)
		munmap(image->rom, image->rom_size);
	image->rom = NULL;
}
