/* SPDX-License-Identifier: BSD-2-Clause */
/* What a guest reads and writes over FUSE while its host fails, or while others change the folder:
 * no byte is made up, and none is lost without a word. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fuse_rig.h"
#include "test.h"

#define PAGE 4096

/* In place of the C library's: how often each was called. */
static unsigned fsyncs, fdatasyncs;

int fsync(int fd)
{
	fsyncs++;
	return syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
	fdatasyncs++;
	return syscall(SYS_fdatasync, fd);
}

/* ---- a host that fails in the midst of a transfer ---- */

/* Two pages of memory, the second of which fails any transfer. */
static char *half_a_memory(void)
{
	char *memory = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			    0);

	assert_ptr_not_equal(memory, MAP_FAILED);
	memset(memory, 'm', PAGE);
	assert_int_equal(mprotect(memory + PAGE, PAGE, PROT_NONE), 0);
	return memory;
}

TEST_WITH(a_read_that_the_host_fails_half_way_does_not_look_like_the_end_of_the_file,
	  fuse_rig_setup, fuse_rig_teardown)
{
	char *memory = half_a_memory(), data[3 * PAGE];
	struct iovec iov[] = { { memory, 100 }, { memory + 100, 2 * PAGE - 100 } };
	u64 node, file = fuse_rig_create("f", &node);

	memset(data, 'd', sizeof(data));
	assert_int_equal(fuse_rig_write(file, 0, data, sizeof(data)), sizeof(data));
	assert_int_equal(folder_read(fuse_rig.folder, file, iov, 2, 0), -EFAULT);
	assert_int_equal(folder_read(fuse_rig.folder, file, iov, 1, 0), 100);
	/* The true end. */
	assert_int_equal(fuse_rig_read(file, 2 * PAGE, 2 * PAGE), PAGE);
	assert_int_equal(fuse_rig_read(file, 3 * PAGE, PAGE), 0);
	munmap(memory, 2 * PAGE);
}

TEST_WITH(a_write_that_the_host_fails_half_way_says_how_far_it_came, fuse_rig_setup,
	  fuse_rig_teardown)
{
	char *memory = half_a_memory();
	struct iovec iov = { memory, 2 * PAGE }, rest = { memory + PAGE, PAGE };
	u64 node, file = fuse_rig_create("f", &node);

	assert_int_equal(folder_write(fuse_rig.folder, file, &iov, 1, 0), PAGE);
	assert_int_equal(folder_write(fuse_rig.folder, file, &rest, 1, PAGE), -EFAULT);
	assert_int_equal(folder_append(fuse_rig.folder, file, &iov, 1), PAGE);
	assert_int_equal(fuse_rig_read(file, 0, 3 * PAGE), 2 * PAGE);
	munmap(memory, 2 * PAGE);
}

/* What a full file system, a quota and this limit have in common: a part of the write has room. */
static int write_past_limit(u64 file, u64 node, u32 write_flags, u32 *written)
{
	static const char data[2 * PAGE];
	int ret;

	fuse_rig_begin(FUSE_WRITE, node);
	FUSE_RIG_PUT((struct fuse_write_in){
		.fh = file, .size = sizeof(data), .write_flags = write_flags });
	fuse_rig_put(data, sizeof(data));
	ret = fuse_rig_ask(sizeof(struct fuse_write_out));
	if (!ret)
		*written = ((const struct fuse_write_out *)fuse_rig_body())->size;
	return ret;
}

TEST_WITH(pages_of_the_guests_cache_that_have_no_room_are_an_error, fuse_rig_setup,
	  fuse_rig_teardown)
{
	u64 node, file = fuse_rig_create("f", &node);
	struct rlimit limit, old;
	u32 written = 0;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	limit = (struct rlimit){ PAGE + 100, old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(write_past_limit(file, node, FUSE_WRITE_CACHE, &written), -EFBIG);
	/* A write() of a program's gets its count, and the reason when it goes on. */
	assert_int_equal(write_past_limit(file, node, 0, &written), 0);
	assert_int_equal(written, PAGE + 100);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(write_past_limit(file, node, FUSE_WRITE_CACHE, &written), 0);
	assert_int_equal(written, 2 * PAGE);
}

/* ---- what is to be on the disk when the answer comes ---- */

static u64 open_f(u32 flags)
{
	fuse_rig_begin(FUSE_OPEN, fuse_rig_find(1, "f"));
	FUSE_RIG_PUT((struct fuse_open_in){ .flags = flags });
	assert_int_equal(fuse_rig_ask(sizeof(struct fuse_open_out)), 0);
	return ((const struct fuse_open_out *)fuse_rig_body())->fh;
}

/* Whether exactly so many calls were made for it. */
static void write_synced(u64 file, u32 flags, u32 write_flags, unsigned all, unsigned data)
{
	fsyncs = fdatasyncs = 0;
	fuse_rig_begin(FUSE_WRITE, 1);
	FUSE_RIG_PUT((struct fuse_write_in){
		.fh = file, .size = 1, .flags = flags, .write_flags = write_flags });
	fuse_rig_put("x", 1);
	assert_int_equal(fuse_rig_ask(sizeof(struct fuse_write_out)), 0);
	assert_int_equal(fsyncs, all);
	assert_int_equal(fdatasyncs, data);
}

TEST_WITH(a_write_that_says_so_is_on_the_disk_when_it_is_answered, fuse_rig_setup,
	  fuse_rig_teardown)
{
	u64 node, file = fuse_rig_create("f", &node);

	write_synced(file, O_RDWR, 0, 0, 0);
	write_synced(file, O_RDWR | O_DSYNC, 0, 0, 1);
	write_synced(file, O_RDWR | O_SYNC, 0, 1, 0);
	/* The host's kernel does it by itself. */
	write_synced(open_f(O_RDWR | O_DSYNC), O_RDWR | O_DSYNC, 0, 0, 0);
	write_synced(open_f(O_RDWR | O_DSYNC), O_RDWR | O_SYNC, 0, 1, 0);
	write_synced(open_f(O_RDWR | O_SYNC), O_RDWR | O_SYNC, 0, 0, 0);
	write_synced(open_f(O_RDWR | O_SYNC), O_RDWR | O_DSYNC, 0, 0, 0);
}
