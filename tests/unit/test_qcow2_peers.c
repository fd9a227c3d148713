/* SPDX-License-Identifier: BSD-2-Clause */
/* qcow2 images beside qemu-img, where it is: what it makes is read alike, and what is written is
 * sound to it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"
#include "disk_rig.h"

#define SIZE (24 * MIB)

static int setup(void **state)
{
	static struct disk_rig rig;

	disk_rig_create(&rig, SIZE);
	rig.may_unmap = true;
	*state = &rig;
	return 0;
}

static int teardown(void **state)
{
	disk_rig_destroy(*state);
	return 0;
}

static void read_and_compare(struct disk_rig *f, const char *what)
{
	struct disk_options options = { .read_only = true };

	disk_rig_open(f, "q", options);
	memset(f->data, 0xee, SIZE);
	assert_int_equal(disk_rig_run(f, DISK_READ, 0, SIZE), 0);
	if (memcmp(f->data, f->model, SIZE))
		fail_msg("%s", what);
	disk_rig_close(f);
	/* And written, where it can be. */
	disk_rig_open(f, "q", (struct disk_options){ 0 });
	memset(f->data, 0x77, MIB);
	assert_int_equal(disk_rig_run(f, DISK_WRITE, 5 * MIB + 512, MIB), 0);
	assert_int_equal(disk_rig_run(f, DISK_DISCARD, 0, 256 * KIB), 0);
	disk_rig_close(f);
	if (system("qemu-img check -q q >log 2>&1"))
		fail_msg("qemu-img check: %s", what);
}

TEST_WITH(images_of_qemu_img_read_alike_and_are_sound_when_written, setup, teardown)
{
	static const char *const options[] = { "compat=0.10",
					       "compat=1.1,lazy_refcounts=on",
					       "compat=1.1,refcount_bits=1",
					       "compat=1.1,refcount_bits=64",
					       "-c compat=0.10",
					       "-c compat=1.1",
					       "-c compat=1.1,compression_type=zstd" };
	static const char *const sizes[] = { "512", "1k",   "2k",   "4k",   "8k", "16k", "32k",
					     "64k", "128k", "256k", "512k", "1M", "2M" };
	struct disk_rig *f = *state;

	if (system("command -v qemu-img >/dev/null"))
		skip();
	for (u64 i = 0; i < SIZE / 8; i += 1 + i % 5)
		((u64 *)f->model)[i] = i / 8192 % 3 ? i * 0x9e3779b97f4a7c15 : 0;
	memset(f->model + SIZE / 2, 0, SIZE / 4);
	assert_int_equal(system("truncate -s 24M src"), 0);
	disk_rig_patch("src", 0, f->model, SIZE);
	for (unsigned i = 0; i < ARRAY_SIZE(options) * ARRAY_SIZE(sizes); i++) {
		const char *option = options[i / ARRAY_SIZE(sizes)];
		bool packed = !strncmp(option, "-c ", 3);
		char command[200];

		/* Each size and each option, and half of their combinations. */
		if ((i / ARRAY_SIZE(sizes) + i % ARRAY_SIZE(sizes)) % 2 && !getenv("LKVM_ALL"))
			continue;
		snprintf(command, sizeof(command),
			 "qemu-img convert %s -O qcow2 -o %s,cluster_size=%s src q >log 2>&1",
			 packed ? "-c" : "", option + 3 * packed, sizes[i % ARRAY_SIZE(sizes)]);
		assert_int_equal(system(command), 0);
		read_and_compare(f, command);
	}
}

static void load_model(struct disk_rig *f, const char *path)
{
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	assert_int_equal(fread(f->model, 1, SIZE, file), SIZE);
	fclose(file);
}

/* A backing file, packed or not, that ends before the disk does, and changes above it. */
TEST_WITH(chains_of_qemu_img_read_as_it_reads_them, setup, teardown)
{
	static const char *const types[] = { "compat=0.10", "compat=1.1" };
	struct disk_rig *f = *state;

	if (system("command -v qemu-img >/dev/null && command -v qemu-io >/dev/null"))
		skip();
	assert_int_equal(system("head -c 17M /dev/urandom >src && "
				"qemu-img convert -c -O qcow2 src base0 && "
				"qemu-img convert -O qcow2 src base1"),
			 0);
	for (unsigned bits = 9; bits <= 21; bits++) {
		char command[600];

		snprintf(command, sizeof(command),
			 "rm -f q && qemu-img create -q -f qcow2 -b base%u -F qcow2 "
			 "-o %s,cluster_size=%u q 24M && "
			 "qemu-io -c 'write -q -P 17 1000k 700k' -c 'write -q -z 5M 3M' "
			 "-c 'write -q -P 34 16900k 600k' -c 'discard -q 3M 1M' q && "
			 "qemu-img convert -O raw q out",
			 bits / 2 % 2, types[bits % 2], 1u << bits);
		assert_int_equal(system(command), 0);
		load_model(f, "out");
		read_and_compare(f, command);
	}
}
