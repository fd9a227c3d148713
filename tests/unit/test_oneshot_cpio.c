/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "oneshot/cpio.h"
#include "oneshot/initrd.h"
#include "test.h"

struct entry {
	char name[64];
	u32 mode, size, major, minor;
	const char *data;
};

struct archive {
	char bytes[64 * KIB];
	size_t len;
	struct entry entries[16];
	unsigned count;
};

static u32 field(const char *header, unsigned n)
{
	char text[9] = "";

	memcpy(text, header + 6 + 8 * n, 8);
	return strtoul(text, NULL, 16);
}

/* As Linux reads it: init/initramfs.c. */
static void read_archive(int fd, struct archive *archive)
{
	size_t at = 0;

	memset(archive, 0, sizeof(*archive));
	archive->len = pread(fd, archive->bytes, sizeof(archive->bytes), 0);
	for (;;) {
		const char *header = archive->bytes + at;
		struct entry *entry = &archive->entries[archive->count];
		u32 name_len = field(header, 11);

		assert_true(at + 110 + name_len <= archive->len);
		assert_memory_equal(header, "070701", 6);
		assert_int_equal(header[110 + name_len - 1], '\0');
		assert_true(name_len <= sizeof(entry->name));
		memcpy(entry->name, header + 110, name_len);
		if (!strcmp(entry->name, "TRAILER!!!"))
			break;
		entry->mode = field(header, 1);
		entry->size = field(header, 6);
		entry->major = field(header, 9);
		entry->minor = field(header, 10);
		at = (at + 110 + name_len + 3) & ~3ul;
		entry->data = archive->bytes + at;
		at = (at + entry->size + 3) & ~3ul;
		assert_true(at <= archive->len);
		assert_true(++archive->count < ARRAY_SIZE(archive->entries));
	}
}

TEST(each_entry_of_an_archive_is_where_linux_looks_for_it)
{
	struct cpio cpio = { .fd = memfd_create("test", 0) };
	struct archive archive;

	for (unsigned len = 0; len < 9; len++) {
		char name[16];

		snprintf(name, sizeof(name), "%.*s", len + 1, "abcdefghi");
		cpio_add(&cpio, name, S_IFREG | 0640, "12345678", len);
	}
	cpio_add_device(&cpio, "console", 0600, 5, 1);
	assert_int_equal(cpio_end(&cpio), 0);
	read_archive(cpio.fd, &archive);
	assert_int_equal(archive.count, 10);
	for (unsigned len = 0; len < 9; len++) {
		assert_int_equal(strlen(archive.entries[len].name), len + 1);
		assert_int_equal(archive.entries[len].mode, S_IFREG | 0640);
		assert_int_equal(archive.entries[len].size, len);
		assert_memory_equal(archive.entries[len].data, "12345678", len);
	}
	assert_int_equal(archive.entries[9].mode, S_IFCHR | 0600);
	assert_int_equal(archive.entries[9].major, 5);
	assert_int_equal(archive.entries[9].minor, 1);
	close(cpio.fd);
}

TEST(a_write_that_fails_is_told_at_the_end)
{
	struct cpio cpio = { .fd = open("/dev/full", O_WRONLY) };

	cpio_add(&cpio, "file", S_IFREG | 0600, "data", 4);
	cpio_add(&cpio, "other", S_IFREG | 0600, "data", 4);
	assert_int_equal(cpio_end(&cpio), -ENOSPC);
	assert_int_equal(cpio.at, 0);
	close(cpio.fd);
}

TEST(an_initrd_has_init_the_configuration_and_the_modules_in_their_order)
{
	struct initrd_config config = { NULL };
	struct error err = { "" };
	struct archive archive;
	int fd;

	initrd_config_add(&config, ONESHOT_WORD, "echo");
	initrd_config_add(&config, ONESHOT_WORD, "");
	fd = initrd_build("program", 7, NULL, &config, &err);
	assert_true(fd >= 0);
	read_archive(fd, &archive);
	assert_int_equal(archive.count, 5);
	assert_string_equal(archive.entries[2].name, "init");
	assert_int_equal(archive.entries[2].mode, S_IFREG | 0755);
	assert_memory_equal(archive.entries[2].data, "program", 7);
	assert_string_equal(archive.entries[4].name, "lkvm/config");
	assert_int_equal(archive.entries[4].size, 8);
	assert_memory_equal(archive.entries[4].data, "Aecho\0A", 8);
	initrd_config_free(&config);
	close(fd);
}
