/* SPDX-License-Identifier: BSD-2-Clause */
/* A folder as an archive, read as Linux reads it: init/initramfs.c. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include "oneshot/pack.h"
#include "test.h"

#define MOST_ENTRIES 32
#define HEADER	     110
#define NOBODY	     65534

enum { INODE, MODE, UID, GID, LINKS, MTIME, SIZE, DEV_MAJOR, DEV_MINOR, MAJOR, MINOR, NAME_LEN };

struct entry {
	char name[80];
	u32 fields[NAME_LEN + 1];
	const char *data;
};

struct bench {
	char folder[64];
	char *bytes;
	size_t len;
	struct entry entries[MOST_ENTRIES];
	unsigned count;
	u64 unread;
};

static int set_up(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));

	snprintf(bench->folder, sizeof(bench->folder), "/tmp/lkvm-test.XXXXXX");
	*state = bench;
	return !mkdtemp(bench->folder);
}

static int tear_down(void **state)
{
	struct bench *bench = *state;
	char command[100];

	snprintf(command, sizeof(command), "rm -rf '%s'", bench->folder);
	assert_int_equal(system(command), 0);
	free(bench->bytes);
	free(bench);
	return 0;
}

static const char *path_of(const struct bench *bench, const char *name)
{
	static char paths[4][128];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(*paths), "%s/%s", bench->folder, name);
	return path;
}

static void put(const struct bench *bench, const char *name, const char *text, mode_t mode)
{
	int fd = open(path_of(bench, name), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static u32 field(const char *header, unsigned n)
{
	char text[9] = "";

	memcpy(text, header + 6 + 8 * n, 8);
	return strtoul(text, NULL, 16);
}

static void read_archive(struct bench *bench, int fd)
{
	size_t at = 0;

	bench->len = lseek(fd, 0, SEEK_END);
	bench->bytes = malloc(bench->len);
	assert_int_equal(pread(fd, bench->bytes, bench->len, 0), bench->len);
	for (;;) {
		const char *header = bench->bytes + at;
		struct entry *entry = &bench->entries[bench->count];

		assert_true(at + HEADER <= bench->len);
		assert_memory_equal(header, "070701", 6);
		for (unsigned i = 0; i <= NAME_LEN; i++)
			entry->fields[i] = field(header, i);
		assert_true(entry->fields[NAME_LEN] <= sizeof(entry->name));
		memcpy(entry->name, header + HEADER, entry->fields[NAME_LEN]);
		at = (at + HEADER + entry->fields[NAME_LEN] + 3) & ~3ul;
		if (!strcmp(entry->name, "TRAILER!!!"))
			break;
		entry->data = bench->bytes + at;
		at = (at + entry->fields[SIZE] + 3) & ~3ul;
		assert_true(at <= bench->len);
		assert_true(++bench->count < MOST_ENTRIES);
	}
	assert_int_equal(at, bench->len);
}

/* It is as long as it was measured. */
static void pack(struct bench *bench)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	struct error err = { "" };
	struct pack_size size;

	assert_int_equal(pack_measure(bench->folder, &size, &err), 0);
	if (pack_folder(bench->folder, size.memory, fd, &bench->unread, &err))
		fail_msg("%s", err.text);
	read_archive(bench, fd);
	assert_true(bench->unread ? size.archive > bench->len : size.archive == bench->len);
	assert_true(size.memory > size.archive);
	close(fd);
}

static const struct entry *entry(const struct bench *bench, const char *name)
{
	for (unsigned i = 0; i < bench->count; i++) {
		if (!strcmp(bench->entries[i].name, name))
			return &bench->entries[i];
	}
	return NULL;
}

static void contains(const struct entry *entry, const char *text)
{
	assert_non_null(entry);
	assert_int_equal(entry->fields[SIZE], strlen(text));
	assert_memory_equal(entry->data, text, strlen(text));
}

TEST_WITH(files_folders_and_links_are_in_the_archive_under_the_guests_root, set_up, tear_down)
{
	struct bench *bench = *state;

	assert_int_equal(mkdir(path_of(bench, "bin"), 0751), 0);
	put(bench, "bin/sh", "#!", 0755);
	put(bench, "empty", "", 0640);
	assert_int_equal(symlink("/etc/passwd", path_of(bench, "link")), 0);
	assert_int_equal(mkfifo(path_of(bench, "fifo"), 0600), 0);
	pack(bench);
	assert_int_equal(bench->count, 6);
	assert_string_equal(bench->entries[0].name, "root");
	assert_int_equal(bench->entries[0].fields[MODE], S_IFDIR | 0700);
	assert_int_equal(entry(bench, "root/bin")->fields[MODE], S_IFDIR | 0751);
	assert_int_equal(entry(bench, "root/bin/sh")->fields[MODE], S_IFREG | 0755);
	contains(entry(bench, "root/bin/sh"), "#!");
	contains(entry(bench, "root/empty"), "");
	/* What it leads to here is nobody's business. */
	contains(entry(bench, "root/link"), "/etc/passwd");
	assert_int_equal(entry(bench, "root/link")->fields[MODE] & S_IFMT, S_IFLNK);
	assert_int_equal(entry(bench, "root/fifo")->fields[MODE], S_IFIFO | 0600);
	/* A folder comes before what is in it. */
	assert_true(entry(bench, "root/bin") < entry(bench, "root/bin/sh"));
	assert_int_equal(bench->unread, 0);
}

TEST_WITH(a_file_of_several_names_is_there_once, set_up, tear_down)
{
	struct bench *bench = *state;
	const struct entry *first, *second, *other;

	put(bench, "a", "all of it", 0755);
	assert_int_equal(link(path_of(bench, "a"), path_of(bench, "b")), 0);
	put(bench, "c", "other", 0755);
	assert_int_equal(link(path_of(bench, "c"), path_of(bench, "d")), 0);
	pack(bench);
	first = entry(bench, "root/a");
	second = entry(bench, "root/b");
	other = entry(bench, "root/c");
	contains(first, "all of it");
	contains(second, "");
	contains(other, "other");
	assert_true(first->fields[LINKS] > 1 && second->fields[LINKS] > 1);
	assert_int_equal(first->fields[INODE], second->fields[INODE]);
	assert_int_not_equal(first->fields[INODE], other->fields[INODE]);
	assert_int_equal(entry(bench, "root/d")->fields[INODE], other->fields[INODE]);
}

TEST_WITH(sockets_are_left_out_and_files_keep_their_time, set_up, tear_down)
{
	struct bench *bench = *state;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct stat st;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path_of(bench, "socket"));
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	put(bench, "file", "x", 0600);
	assert_int_equal(stat(path_of(bench, "file"), &st), 0);
	pack(bench);
	assert_null(entry(bench, "root/socket"));
	assert_int_equal(entry(bench, "root/file")->fields[MTIME], st.st_mtime);
}

/* Root is somebody else for a while. */
static void become_nobody(const struct bench *bench)
{
	if (geteuid())
		return;
	assert_int_equal(chown(bench->folder, NOBODY, NOBODY), 0);
	assert_int_equal(seteuid(NOBODY), 0);
}

static void become_again(void)
{
	if (!getuid())
		assert_int_equal(seteuid(0), 0);
}

TEST_WITH(what_cannot_be_read_is_empty_and_counted, set_up, tear_down)
{
	struct bench *bench = *state;

	become_nobody(bench);
	put(bench, "secret", "of root", 0);
	put(bench, "open", "of all", 0644);
	assert_int_equal(mkdir(path_of(bench, "locked"), 0700), 0);
	put(bench, "locked/file", "x", 0644);
	assert_int_equal(chmod(path_of(bench, "locked"), 0), 0);
	pack(bench);
	chmod(path_of(bench, "locked"), 0700);
	become_again();
	contains(entry(bench, "root/secret"), "");
	contains(entry(bench, "root/open"), "of all");
	assert_non_null(entry(bench, "root/locked"));
	assert_null(entry(bench, "root/locked/file"));
	assert_int_equal(bench->unread, 2);
}

TEST_WITH(who_is_not_root_has_all_as_the_guests_root_without_set_id_bits, set_up, tear_down)
{
	struct bench *bench = *state;

	become_nobody(bench);
	put(bench, "file", "x", 06755);
	pack(bench);
	become_again();
	assert_int_equal(entry(bench, "root/file")->fields[UID], 0);
	assert_int_equal(entry(bench, "root/file")->fields[GID], 0);
	assert_int_equal(entry(bench, "root/file")->fields[MODE], S_IFREG | 0755);
}

TEST_WITH(for_root_owners_set_id_bits_and_devices_are_kept, set_up, tear_down)
{
	struct bench *bench = *state;

	if (geteuid()) {
		skip();
		return;
	}
	put(bench, "file", "x", 0600);
	assert_int_equal(chown(path_of(bench, "file"), 1000, 100), 0);
	assert_int_equal(chmod(path_of(bench, "file"), 04755), 0);
	umask(0);
	assert_int_equal(mknod(path_of(bench, "null"), S_IFCHR | 0666, makedev(1, 3)), 0);
	pack(bench);
	assert_int_equal(entry(bench, "root/file")->fields[UID], 1000);
	assert_int_equal(entry(bench, "root/file")->fields[GID], 100);
	assert_int_equal(entry(bench, "root/file")->fields[MODE], S_IFREG | 04755);
	assert_int_equal(entry(bench, "root/null")->fields[MODE], S_IFCHR | 0666);
	assert_int_equal(entry(bench, "root/null")->fields[MAJOR], 1);
	assert_int_equal(entry(bench, "root/null")->fields[MINOR], 3);
}

TEST_WITH(a_folder_that_has_grown_beyond_the_guests_memory_is_refused, set_up, tear_down)
{
	struct bench *bench = *state;
	int fd = memfd_create("test", MFD_CLOEXEC);
	static char much[100000];
	struct error err = { "" };
	struct pack_size size;
	u64 unread;

	put(bench, "file", "x", 0600);
	assert_int_equal(pack_measure(bench->folder, &size, &err), 0);
	memset(much, 'x', sizeof(much) - 1);
	put(bench, "grown", much, 0600);
	assert_int_equal(pack_folder(bench->folder, size.memory, fd, &unread, &err), -E2BIG);
	assert_non_null(strstr(err.text, "has grown"));
	/* Before it is copied, however large it is by now. */
	assert_true(lseek(fd, 0, SEEK_END) < (off_t)sizeof(much));
	close(fd);
}

TEST_WITH(large_files_are_measured_without_being_read, set_up, tear_down)
{
	struct bench *bench = *state;
	struct error err = { "" };
	struct pack_size size;

	put(bench, "file", "", 0600);
	assert_int_equal(truncate(path_of(bench, "file"), 3 * GIB), 0);
	assert_int_equal(pack_measure(bench->folder, &size, &err), 0);
	assert_true(size.archive > 3 * GIB && size.archive < 3 * GIB + 4096);
	assert_true(size.memory > 6 * GIB);
	/* The format has 32 bits for it. */
	assert_int_equal(truncate(path_of(bench, "file"), 4 * GIB), 0);
	assert_int_equal(pack_measure(bench->folder, &size, &err), -EFBIG);
	assert_non_null(strstr(err.text, path_of(bench, "file")));
}

TEST(a_folder_that_is_not_there_is_refused_in_a_line)
{
	struct error err = { "" };
	struct pack_size size;

	assert_int_equal(pack_measure("/no/such/folder", &size, &err), -ENOENT);
	assert_string_equal(err.text, "cannot pack /no/such/folder: No such file or directory");
}
