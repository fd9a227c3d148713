/* SPDX-License-Identifier: BSD-2-Clause */
/* What a kernel says that it was built with: inside, plain and packed, and beside it. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "temp_folder.h"
#include "test.h"
#include "vmm/kernel_config.h"

#define CONFIG                                                                                     \
	"#\n# Linux\n#\nCONFIG_VIRTIO_FS=y\nCONFIG_9P_FS=m\nCONFIG_NET_9P_VIRTIO=m\n# "            \
	"CONFIG_VIRTIO_MMIO is not set\n"
/* Much of a kernel is before its configuration, and none of it may hide that. */
#define BEFORE (3 * 256 * 1024 - 5)
#define KERNEL (BEFORE + 100000)

static struct temp_folder base;
static u8 data[KERNEL], packed[2 * KERNEL];
static struct kernel_config config;

static int setup(void **state)
{
	temp_folder_create(&base, "/tmp");
	return 0;
}

static int teardown(void **state)
{
	temp_folder_remove(&base);
	return 0;
}

static size_t gzip(u8 *out, size_t room, const void *in, size_t len)
{
	z_stream z = { .next_in = (void *)in, .avail_in = len, .next_out = out, .avail_out = room };

	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, MAX_WBITS + 16, 8, 0), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return room - z.avail_out;
}

/* Noise, with the configuration in it; its beginning falls on a border of what is read at once. */
static void make_kernel(void)
{
	unsigned seed = 1;
	size_t len;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = rand_r(&seed) >> 8 & 0x3f;
	memcpy(data + BEFORE, "IKCFG_ST", 8);
	len = gzip(data + BEFORE + 8, 50000, CONFIG, strlen(CONFIG));
	memcpy(data + BEFORE + 8 + len, "IKCFG_ED", 8);
}

static void put(const char *name, const void *text, size_t len)
{
	char path[100];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", base.path, name);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC | O_APPEND, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	close(fd);
}

static void make_folder(const char *name)
{
	char path[100];

	snprintf(path, sizeof(path), "%s/%s", base.path, name);
	assert_int_equal(mkdir(path, 0755), 0);
}

static void ask(const char *name)
{
	char path[100];

	snprintf(path, sizeof(path), "%s/%s", base.path, name);
	kernel_config_read(&config, path);
}

static void says_so(const char *source)
{
	assert_string_equal(config.source + strlen(base.path) + 1, source);
	assert_int_equal(config.has[KERNEL_VIRTIO_FS], KERNEL_BUILT_IN);
	assert_int_equal(config.has[KERNEL_9P], KERNEL_MODULE);
	assert_int_equal(config.has[KERNEL_9P_VIRTIO], KERNEL_MODULE);
	assert_int_equal(config.has[KERNEL_VIRTIO_MMIO], KERNEL_ABSENT);
	assert_int_equal(config.has[KERNEL_VIRTIO_PCI], KERNEL_ABSENT);
}

TEST_WITH(an_unpacked_kernel_is_asked_itself, setup, teardown)
{
	make_kernel();
	put("vmlinux", data, sizeof(data));
	ask("vmlinux");
	says_so("vmlinux");
}

/* As in a bzImage: something is in front, which looks like a packed stream here and there. */
static void put_front(void)
{
	static const char front[5000] = "\x1f\x8b\x08 \x28\xb5\x2f\xfd \x1f\x8b\x08\x08";

	put("bzImage", front, sizeof(front));
}

TEST_WITH(a_kernel_that_is_packed_with_gzip_is_asked_itself, setup, teardown)
{
	make_kernel();
	put_front();
	put("bzImage", packed, gzip(packed, sizeof(packed), data, sizeof(data)));
	put("bzImage", "behind", 6);
	ask("bzImage");
	says_so("bzImage");
}

TEST_WITH(a_kernel_that_is_packed_with_zstd_is_asked_itself, setup, teardown)
{
	size_t len;

	make_kernel();
	put_front();
	len = ZSTD_compress(packed, sizeof(packed), data, sizeof(data), 3);
	assert_false(ZSTD_isError(len));
	put("bzImage", packed, len);
	put("bzImage", "behind", 6);
	ask("bzImage");
	says_so("bzImage");
}

/* The mark's end is the end of what is read at once: there is nothing of the text yet. */
TEST_WITH(a_configuration_that_begins_with_what_is_read_next_is_found, setup, teardown)
{
	size_t start = 256 * 1024;

	make_kernel();
	memmove(data + start - 8, data + BEFORE, KERNEL - BEFORE);
	put("vmlinux", data, sizeof(data));
	ask("vmlinux");
	says_so("vmlinux");
}

/* What is unpacked to @size zeroes. */
static size_t pack_zeroes(u8 *out, size_t room, u64 size)
{
	static const u8 zeroes[1 << 20];
	ZSTD_CStream *z = ZSTD_createCStream();
	ZSTD_outBuffer to = { out, room, 0 };

	for (u64 done = 0; done < size; done += sizeof(zeroes)) {
		ZSTD_inBuffer from = { zeroes, sizeof(zeroes), 0 };

		assert_false(ZSTD_isError(ZSTD_compressStream(z, &to, &from)));
		assert_int_equal(from.pos, from.size);
	}
	assert_int_equal(ZSTD_endStream(z, &to), 0);
	ZSTD_freeCStream(z);
	return to.pos;
}

/* Sixteen streams of a GiB would take a minute before the guest starts. */
TEST_WITH(all_streams_of_a_kernel_together_are_unpacked_to_a_gib, setup, teardown)
{
	size_t bomb = pack_zeroes(packed, sizeof(packed), GIB / 2), len;

	make_kernel();
	put("few", packed, bomb);
	put("many", packed, bomb);
	put("many", packed, bomb);
	len = ZSTD_compress(packed, sizeof(packed), data, sizeof(data), 3);
	put("few", packed, len);
	put("many", packed, len);
	ask("few");
	says_so("few");
	ask("many");
	assert_string_equal(config.source, "");
}

TEST_WITH(damaged_kernels_say_nothing, setup, teardown)
{
	size_t len;

	make_kernel();
	memset(data + BEFORE + 20, 0xff, 60);
	put("vmlinux", data, sizeof(data));
	ask("vmlinux");
	assert_string_equal(config.source, "");
	make_kernel();
	len = gzip(packed, sizeof(packed), data, sizeof(data));
	put("Image.gz", packed, len / 2);
	ask("Image.gz");
	assert_string_equal(config.source, "");
	put("short", "IKCFG_ST", 8);
	ask("short");
	assert_string_equal(config.source, "");
	put("empty", "", 0);
	ask("empty");
	assert_string_equal(config.source, "");
	ask("nowhere");
	assert_string_equal(config.source, "");
}

TEST_WITH(a_file_beside_the_kernel_speaks_for_it, setup, teardown)
{
	put("vmlinuz-6.1-x", "kernel", 6);
	put("config-6.1-x", CONFIG, strlen(CONFIG));
	ask("vmlinuz-6.1-x");
	says_so("config-6.1-x");
	make_folder("fedora");
	put("fedora/vmlinuz", "kernel", 6);
	put("fedora/config", CONFIG, strlen(CONFIG));
	ask("fedora/vmlinuz");
	says_so("fedora/config");
}

TEST_WITH(the_tree_that_a_kernel_was_built_in_speaks_for_it, setup, teardown)
{
	make_folder("arch");
	make_folder("arch/x86");
	make_folder("arch/x86/boot");
	put("vmlinux", "kernel", 6);
	put("arch/x86/boot/bzImage", "kernel", 6);
	put(".config", CONFIG, strlen(CONFIG));
	ask("vmlinux");
	says_so(".config");
	ask("arch/x86/boot/bzImage");
	says_so(".config");
}

TEST_WITH(a_list_of_built_in_modules_speaks_for_its_kernel, setup, teardown)
{
	static const char list[] =
		"kernel/fs/fuse/virtiofs.ko\nkernel/drivers/virtio/virtio_pci.ko\n";

	put("vmlinuz", "kernel", 6);
	put("modules.builtin", list, strlen(list));
	ask("vmlinuz");
	assert_string_equal(config.source + strlen(base.path) + 1, "modules.builtin");
	assert_int_equal(config.has[KERNEL_VIRTIO_FS], KERNEL_BUILT_IN);
	assert_int_equal(config.has[KERNEL_VIRTIO_PCI], KERNEL_BUILT_IN);
	assert_int_not_equal(config.has[KERNEL_9P], KERNEL_BUILT_IN);
	assert_int_not_equal(config.has[KERNEL_VIRTIO_MMIO], KERNEL_BUILT_IN);
}

TEST_WITH(files_that_are_no_configuration_say_nothing, setup, teardown)
{
	char path[100];

	put("vmlinuz-1", "kernel", 6);
	put("config-1", "hello\n", 6);
	make_folder(".config");
	snprintf(path, sizeof(path), "%s/config", base.path);
	assert_int_equal(mkfifo(path, 0600), 0);
	ask("vmlinuz-1");
	assert_string_equal(config.source, "");
}

TEST_WITH(what_streams_need_is_told_too, setup, teardown)
{
	static const char text[] = "#\nCONFIG_VIRTIO_VSOCKETS=m\nCONFIG_VIRTIO_CONSOLE=y\n";
	static const char builtin[] = "kernel/net/vmw_vsock/vmw_vsock_virtio_transport.ko\n";

	put("vmlinuz", "x", 1);
	put("modules.builtin", builtin, strlen(builtin));
	ask("vmlinuz");
	assert_int_equal(config.has[KERNEL_VSOCK], KERNEL_BUILT_IN);
	assert_int_equal(config.has[KERNEL_VIRTIO_CONSOLE], KERNEL_MODULE);
	put(".config", text, strlen(text));
	ask("vmlinuz");
	assert_int_equal(config.has[KERNEL_VSOCK], KERNEL_MODULE);
	assert_int_equal(config.has[KERNEL_VIRTIO_CONSOLE], KERNEL_BUILT_IN);
}
