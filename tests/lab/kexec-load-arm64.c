/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kexec-load KERNEL INITRD PARAMETERS now: go on in KERNEL. Debian's arm64 kernels have no
 * kexec_file_load(2). The new kernel gets the device tree of this one, with its command line
 * replaced by one of the same length, and so its initrd has to be where this one's was (Linux,
 * Documentation/arch/arm64/booting.rst).
 */
#include <endian.h>
#include <fcntl.h>
#include <linux/kexec.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef RB_KEXEC
#define RB_KEXEC 0x45584543
#endif
#define PAGE	   4096ull
#define MIB_2	   (2ull << 20)
#define IMAGE_SIZE 16 /* in the kernel's header */

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

/* A whole file, in malloc()ed memory, with a NUL behind it. */
static char *read_file(const char *path, size_t *size)
{
	int fd = open(path, O_RDONLY);
	size_t room = 64 << 20;
	char *data = malloc(room);
	ssize_t got;

	*size = 0;
	if (fd < 0 || !data)
		fail(path);
	while ((got = read(fd, data + *size, room - 1 - *size)) > 0)
		*size += got;
	if (got < 0)
		fail(path);
	close(fd);
	data[*size] = '\0';
	return data;
}

static uint64_t round_up(uint64_t value, uint64_t to)
{
	return (value + to - 1) / to * to;
}

static uint64_t ram_start(void)
{
	size_t size;
	unsigned long long start, last;
	char *line = read_file("/proc/iomem", &size);

	for (line = strtok(line, "\n"); line; line = strtok(NULL, "\n")) {
		if (sscanf(line, "%llx-%llx : System RAM", &start, &last) == 2 &&
		    strstr(line, "System RAM"))
			return start / MIB_2 * MIB_2;
	}
	fail("/proc/iomem");
	return 0;
}

/* A number of the device tree's node /chosen. */
static uint64_t chosen(const char *path)
{
	size_t size;
	const void *value = read_file(path, &size);

	return size == 8 ? be64toh(*(const uint64_t *)value) : be32toh(*(const uint32_t *)value);
}

static char *device_tree(const char *parameters, size_t *size)
{
	size_t len;
	char *tree = read_file("/sys/firmware/fdt", size), *now = read_file("/proc/cmdline", &len);
	char *at;

	now[strcspn(now, "\n")] = '\0';
	at = memmem(tree, *size, now, strlen(now) + 1);
	if (!at || strlen(now) != strcspn(parameters, "\n")) {
		fprintf(stderr, "kexec-load: parameters of another length\n");
		exit(1);
	}
	memcpy(at, parameters, strlen(now));
	return tree;
}

/* To the kernel, with the device tree in x0 and nothing in x1 to x3. */
static struct {
	uint32_t code[6];
	uint64_t tree, kernel;
} trampoline = {
	.code = { 0x580000c0 /* ldr x0, tree */, 0x580000e4 /* ldr x4, kernel */,
		  0xaa1f03e1 /* mov x1, xzr */, 0xaa1f03e2, 0xaa1f03e3, 0xd61f0080 /* br x4 */ },
};

int main(int argc, char **argv)
{
	struct kexec_segment segments[4];
	uint64_t image_size, tree, kernel = ram_start(),
				   initrd = chosen("/proc/device-tree/chosen/linux,initrd-start");
	uint64_t initrd_end = chosen("/proc/device-tree/chosen/linux,initrd-end");
	size_t kernel_size, initrd_size, tree_size;
	char *kernel_data, *initrd_data, *tree_data;

	if (argc != 5 || strcmp(argv[4], "now"))
		return 2;
	kernel_data = read_file(argv[1], &kernel_size);
	initrd_data = read_file(argv[2], &initrd_size);
	tree_data = device_tree(argv[3], &tree_size);
	/* Zeroes fill what is left of the place that the tree has for it. */
	if (initrd + initrd_size > initrd_end) {
		fprintf(stderr, "kexec-load: an initrd that is larger than this kernel's\n");
		return 1;
	}
	memcpy(&image_size, kernel_data + IMAGE_SIZE, sizeof(image_size));
	tree = round_up(kernel + image_size, MIB_2);
	if (tree + 2 * MIB_2 > initrd && tree < initrd_end)
		tree = round_up(initrd_end, MIB_2);
	trampoline.tree = tree;
	trampoline.kernel = kernel;
	segments[0] = (struct kexec_segment){ kernel_data, kernel_size, (void *)kernel,
					      round_up(image_size, PAGE) };
	segments[1] = (struct kexec_segment){ initrd_data, initrd_size, (void *)initrd,
					      round_up(initrd_end - initrd, PAGE) };
	segments[2] = (struct kexec_segment){ tree_data, tree_size, (void *)tree,
					      round_up(tree_size, PAGE) };
	segments[3] = (struct kexec_segment){ &trampoline, sizeof(trampoline),
					      (void *)(tree + MIB_2), PAGE };
	if (syscall(SYS_kexec_load, tree + MIB_2, 4UL, segments, (unsigned long)KEXEC_ARCH_AARCH64))
		fail("kexec_load");
	reboot(RB_KEXEC);
	fail("reboot");
}
