/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kernels that lie: the input is a packed payload of a bzImage, or, packed here, the vmlinux in it
 * with its relocations. What is taken lies within its own bounds, and is moved within them.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../x86/bootparams.h"
#include "../../x86/vmlinux.h"
#include "shim.h"

#define START	  0x1000000
#define INIT_SIZE (256 * KIB)
#define CODE_AT	  512
#define INPUT_MAX (16 * KIB)

/* RFC 8878, "Zstandard Frames": one block, which is not packed, and the size behind it. */
static size_t put_zstd(u8 *to, const u8 *data, size_t size)
{
	bp_put32(to, 0, 0xfd2fb528);
	to[4] = 0xa0; /* a single segment, whose size is the next four bytes */
	bp_put32(to, 5, size);
	bp_put32(to, 9, size << 3 | 1);
	memcpy(to + 12, data, size);
	bp_put32(to + 12, size, size);
	return 12 + size + 4;
}

static void check(const struct arch_image *image, struct boot_image *out)
{
	fuzz_check(out->data && out->size && out->size <= INIT_SIZE);
	fuzz_check(vmlinux_words_fit(image, out->words, out->size, out->list_count));
	fuzz_check(!vmlinux_relocate(out->data, out->size, out->words, out->list, 0x1e00000));
	boot_image_free(out);
}

static void play(struct arch_image *image, const u8 *payload, size_t len)
{
	struct boot_image out = { 0 };

	bp_put32(image->header, BP_PAYLOAD_LENGTH, len);
	bp_put32(image->header, BP_INIT_SIZE, INIT_SIZE);
	bp_put64(image->header, BP_PREF_ADDRESS, START);
	image->segments[0] = (struct image_segment){ .offset = CODE_AT, .file_size = len };
	if (pwrite(image->fd, payload, len, CODE_AT) == (ssize_t)len &&
	    !vmlinux_unpack(image, &out))
		check(image, &out);
	fuzz_check(!out.data && !out.list);
}

/* The first byte: is it packed. */
int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static u8 payload[INPUT_MAX * 2];
	struct arch_image image = { .entry_kind = ENTRY_LONG };

	if (size < 32 || size > INPUT_MAX)
		return 0;
	image.fd = memfd_create("kernel", MFD_CLOEXEC);
	fuzz_check(image.fd >= 0);
	if (data[0] & 1)
		play(&image, data + 1, size - 1);
	else
		play(&image, payload, put_zstd(payload, data + 1, size - 1));
	close(image.fd);
	return 0;
}
