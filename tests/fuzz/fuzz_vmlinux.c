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

static size_t put_lz4(u8 *to, const u8 *data, size_t size)
{
	size_t len = 8, rest = size - 15;

	memcpy(to, "\x02\x21\x4c\x18", 4);
	to[len++] = 0xf0;
	for (; rest >= 255; rest -= 255)
		to[len++] = 255;
	to[len++] = rest;
	memcpy(to + len, data, size);
	len += size;
	bp_put32(to, 4, len - 8);
	bp_put32(to, len, size);
	return len + 4;
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
		play(&image, payload, put_lz4(payload, data + 1, size - 1));
	close(image.fd);
	return 0;
}
