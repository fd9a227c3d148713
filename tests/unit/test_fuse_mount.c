/* SPDX-License-Identifier: BSD-2-Clause */
/* The FUSE protocol as a real client speaks it: this machine's kernel mounts the folder. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../load/load.h"
#include "disk/image.h"
#include "folder/fuse.h"
#include "test.h"

#define THREADS 4
#define LOAD	5000 /* operations */
#define CASES	300
#define BUFFER	(FUSE_LARGEST + 65536)

static char base[] = "/tmp/lkvm-mount-XXXXXX";
static struct folder *folder;
static struct fuse fuse;
static int device; /* /dev/fuse */
static pthread_t threads[THREADS];

static void *serve(void *arg)
{
	struct fuse_scratch *scratch = fuse_scratch_create();
	char *in = malloc(BUFFER), *out = malloc(BUFFER);
	ssize_t len;

	assert_int_equal(folder_thread_start(folder), 0);
	/* ENOENT: a message that was taken back before it was read. */
	while ((len = read(device, in, BUFFER)) >= 0 || errno == ENOENT || errno == EINTR) {
		struct iovec in_iov = { in, MAX(len, 0) }, out_iov = { out, BUFFER };
		size_t got = fuse_serve(&fuse, scratch, &in_iov, 1, &out_iov, 1);

		if (got && write(device, out, got) < 0)
			break;
	}
	free(in);
	free(out);
	fuse_scratch_destroy(scratch);
	return NULL;
}

/* False: this machine does not let us. */
static bool mount_it(const struct fuse_options *options)
{
	const struct folder_options folder_options = { .map = geteuid() ? FOLDER_MAP_SQUASH
									: FOLDER_MAP_HOST,
						       .max_fds = 16 };
	char path[64], place[64], data[128];

	snprintf(path, sizeof(path), "%s/shared", base);
	snprintf(place, sizeof(place), "%s/mnt", base);
	device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	snprintf(data, sizeof(data),
		 "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions",
		 device);
	if (device < 0 || mount("lkvm", place, "fuse", MS_NODEV, data))
		return false;
	assert_int_equal(folder_open(&folder, path, &folder_options, NULL), 0);
	fuse_init(&fuse, folder, options);
	return true;
}

static void start_threads(void)
{
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, serve, NULL), 0);
}

static void unmount(void)
{
	char place[64];

	snprintf(place, sizeof(place), "%s/mnt", base);
	assert_int_equal(umount2(place, MNT_DETACH), 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	close(device);
	folder_close(folder);
	folder = NULL;
}

static int setup(void **state)
{
	char command[128];

	strcpy(base + strlen(base) - 6, "XXXXXX");
	assert_non_null(mkdtemp(base));
	snprintf(command, sizeof(command), "mkdir %s/shared %s/mnt", base, base);
	return system(command);
}

static int teardown(void **state)
{
	char command[128];

	/* Of a test that failed. */
	snprintf(command, sizeof(command), "umount -l %s/mnt 2>/dev/null; rm -rf %s", base, base);
	return system(command);
}

/* @script with $m the mount and $s the folder itself. */
static void run(const char *script)
{
	char command[8192];
	int status;

	snprintf(command, sizeof(command), "set -e; s=%s/shared m=%s/mnt; %s", base, base, script);
	status = system(command);
	assert_int_equal(status, 0);
}

/* As a package manager works. */
static const char packages[] =
	"cd $m; mkdir -p a/b/c many; "
	"for n in $(seq 200); do echo content $n >many/new; mv many/new many/$n; done; "
	"sync many/1; ln many/1 a/hard; ln -s ../many/2 a/soft; ln -s /nowhere a/dangling; "
	"[ \"$(cat a/soft)\" = 'content 2' ]; echo more >>many/1; [ \"$(tail -n 1 a/hard)\" = more "
	"]; "
	"mv many/3 a/b/moved; mv a/b a/d; [ \"$(cat a/d/moved)\" = 'content 3' ]; rm many/4 "
	"many/5; "
	"chmod 640 many/6; touch -d '2001-02-03 04:05:06.789' many/7; "
	"head -c 3000000 /dev/urandom >large; dd if=/dev/zero of=large bs=1000 seek=777 count=3 "
	"conv=notrunc status=none; truncate -s 2345678 large; cp -a many copy; rm -r copy/1*; "
	"mkfifo a/fifo; fallocate -l 100000 alloc; cp large large2; "
	"exec 3<>many/8; rm many/8; echo gone >&3; exec 3>&-; "
	"[ $(ls many | wc -l) = 196 ]; cd /; ";

static const char same[] = "cd $m; find . -printf '%p %y %m %n %s %U %G %l\\n' | sort >../view-m; "
			   "cd $s; find . -printf '%p %y %m %n %s %U %G %l\\n' | sort >../view-s; "
			   "cd ..; grep -v ' d ' view-m >m; grep -v ' d ' view-s >s; cmp m s; "
			   "diff -r --no-dereference -x fifo $m $s; "
			   "[ $(stat -c %Y $m/many/7) = $(stat -c %Y $s/many/7) ]";

static void work_with(const struct fuse_options *options)
{
	char script[8192];

	if (!mount_it(options))
		skip();
	start_threads();
	snprintf(script, sizeof(script), "%s%s", packages, same);
	run(script);
	/* What the host does is seen, at once or after a second. */
	if (options->cache != FUSE_CACHE_ALWAYS)
		run("echo host >$s/by-host; sleep 1.1; [ \"$(cat $m/by-host)\" = host ]");
	run("rm -rf $m/*; [ -z \"$(ls $s)\" ]");
	unmount();
}

TEST_WITH(a_load_leaves_both_views_equal_without_a_cache, setup, teardown)
{
	work_with(&(struct fuse_options){ .cache = FUSE_CACHE_NONE });
}

TEST_WITH(a_load_leaves_both_views_equal_with_a_cache, setup, teardown)
{
	work_with(&(struct fuse_options){ .cache = FUSE_CACHE_AUTO });
}

TEST_WITH(a_load_leaves_both_views_equal_with_writes_collected, setup, teardown)
{
	work_with(&(struct fuse_options){ .cache = FUSE_CACHE_ALWAYS, .writeback = true });
}

static void append_with(const struct fuse_options *options)
{
	if (!mount_it(options))
		skip();
	start_threads();
	run("exec 3>>$m/log; echo one >&3; echo two >>$s/log; echo three >&3; exec 3>&-; "
	    "echo four >>$s/log; echo five >>$m/log; "
	    "[ \"$(echo $(cat $s/log))\" = 'one two three four five' ]");
	unmount();
}

TEST_WITH(lines_that_host_and_guest_append_are_all_there, setup, teardown)
{
	append_with(&(struct fuse_options){ .cache = FUSE_CACHE_NONE });
}

TEST_WITH(lines_that_host_and_guest_append_are_all_there_with_a_cache, setup, teardown)
{
	append_with(&(struct fuse_options){ .cache = FUSE_CACHE_AUTO });
}

/* FUSE is a file system that has none, unless its server makes them. */
TEST_WITH(images_are_made_where_there_are_no_files_without_a_name, setup, teardown)
{
	const struct image_creation creation = { .format = DISK_FORMAT_QCOW2, .size = MIB };
	const struct image_conversion conversion = { .to = DISK_FORMAT_RAW };
	struct error err = { "" };
	char image[64], copy[64];

	if (!mount_it(&(struct fuse_options){ 0 }))
		skip();
	start_threads();
	snprintf(image, sizeof(image), "%s/mnt/image", base);
	snprintf(copy, sizeof(copy), "%s/mnt/copy", base);
	assert_int_equal(image_create(image, &creation, &err), 0);
	assert_int_equal(image_convert(image, copy, &conversion, &err), 0);
	run("[ \"$(echo $(ls $s))\" = 'copy image' ]; rm $s/copy; echo mine >$s/copy.part");
	assert_int_equal(image_convert(image, copy, &conversion, &err), -EEXIST);
	assert_non_null(strstr(err.text, "copy.part: is there already"));
	run("[ \"$(cat $s/copy.part)\" = mine ]; [ ! -e $s/copy ]");
	unmount();
}

/*
 * @body in a process of its own, with a local folder beside the mount: a fault in a mapping of a
 * file would otherwise keep our memory from the threads that serve it. It says on stdout what
 * differs.
 */
static void run_aside(const struct fuse_options *options,
		      bool (*body)(const char *mount, const char *twin, const void *arg),
		      const void *arg)
{
	char place[64], twin[64];
	int status;
	pid_t pid;

	if (!mount_it(options))
		skip();
	snprintf(place, sizeof(place), "%s/mnt", base);
	snprintf(twin, sizeof(twin), "%s/twin", base);
	assert_int_equal(mkdir(twin, 0755), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		close(device);
		umask(0);
		status = body(place, twin, arg) ? 0 : 1;
		fflush(stdout);
		_exit(status);
	}
	start_threads();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	unmount();
}

/* LOAD_TIMES=n: so many times as long, from another seed on. */
static u64 times(void)
{
	const char *text = getenv("LOAD_TIMES");

	return text ? strtoull(text, NULL, 10) : 1;
}

static bool play_load(const char *mount, const char *twin_path, const void *arg)
{
	static struct load load;
	u64 seed = 1000 * times() + 1;
	struct load_posix target, twin;

	if (load_posix_open(&target, mount) || load_posix_open(&twin, twin_path))
		return false;
	target.target.can &= ~*(const unsigned *)arg;
	load = (struct load){ .target = &target.target,
			      .twin = &twin.target,
			      .random = seed,
			      .least = geteuid() ? 0700 : 0,
			      .most = geteuid() ? 0777 : 07777 };
	while (load.count < LOAD * times() && load_step(&load))
		;
	if (!load.why[0] && load_compare(&load))
		return true;
	printf("seed %llu, operation %llu: %s: %s\n", (unsigned long long)seed,
	       (unsigned long long)load.count, load.what, load.why);
	return false;
}

/* FOPEN_DIRECT_IO: the kernel has no shared mappings then. */
TEST_WITH(random_operations_give_what_a_local_folder_gives_without_a_cache, setup, teardown)
{
	run_aside(&(struct fuse_options){ .cache = FUSE_CACHE_NONE }, play_load,
		  &(unsigned){ LOAD_MAP });
}

TEST_WITH(random_operations_give_what_a_local_folder_gives_with_a_cache, setup, teardown)
{
	run_aside(&(struct fuse_options){ .cache = FUSE_CACHE_AUTO }, play_load, &(unsigned){ 0 });
}

TEST_WITH(random_operations_give_what_a_local_folder_gives_with_writes_collected, setup, teardown)
{
	run_aside(&(struct fuse_options){ .cache = FUSE_CACHE_ALWAYS, .writeback = true },
		  play_load, &(unsigned){ 0 });
}

static bool play_rights(const char *mount, const char *twin, const void *arg)
{
	unsigned count = CASES * times(), denied;

	return !load_rights(mount, twin, count, 1000 * times() + 1, &denied) && denied > count;
}

TEST_WITH(everybody_may_do_what_they_may_in_a_local_folder, setup, teardown)
{
	/* With IDs of the host's alone. */
	if (geteuid())
		skip();
	run_aside(&(struct fuse_options){ .cache = FUSE_CACHE_AUTO }, play_rights, NULL);
}

/* Mounts of our own, which end with us. Where that is not allowed, there is none. */
static int own_mounts(void **state)
{
	if (!unshare(CLONE_NEWNS))
		mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	return 0;
}

TEST_PROGRAM(own_mounts, NULL)
