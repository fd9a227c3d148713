/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ways out of a folder: links and directories that others swap under the server's hands, "..",
 * magic links, special files, mounts, names of all lengths. What is outside is never read,
 * written or changed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "folder/folder.h"
#include "temp_folder.h"
#include "test.h"

#define ROUNDS 3000

static const struct folder_cred root_cred;
static struct temp_folder base;
static struct folder *folder;
static int base_fd = -1; /* base: with "shared" and "outside" in it */
static _Atomic bool stop;

static void open_folder(const char *name, struct folder_options options)
{
	char path[80];

	folder_close(folder);
	folder = NULL;
	if (*name == '/')
		snprintf(path, sizeof(path), "%s", name);
	else
		snprintf(path, sizeof(path), "%s/%s", base.path, name);
	assert_int_equal(folder_open(&folder, path, &options, NULL), 0);
	assert_int_equal(folder_thread_start(folder), 0);
}

static int setup(void **state)
{
	temp_folder_create(&base, "/tmp");
	base_fd = open(base.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(base_fd, "shared", 0755), 0);
	assert_int_equal(mkdirat(base_fd, "shared/dir", 0755), 0);
	assert_int_equal(mkdirat(base_fd, "outside", 0755), 0);
	temp_file(base_fd, "outside/file", "secret");
	temp_file(base_fd, "outside/victim", "secret");
	temp_file(base_fd, "shared/dir/file", "inside");
	assert_int_equal(symlinkat("../outside", base_fd, "shared/link"), 0);
	open_folder("shared", (struct folder_options){ .map = FOLDER_MAP_SQUASH });
	stop = false;
	return 0;
}

static int teardown(void **state)
{
	folder_close(folder);
	folder = NULL;
	close(base_fd);
	temp_folder_remove(&base);
	return 0;
}

static void outside_is_as_it_was(const struct stat was[2])
{
	static const char *const names[] = { "outside/file", "outside/victim" };
	int fd = openat(base_fd, "outside", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fdopendir(fd);
	unsigned count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	assert_int_equal(count, 4);
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		struct stat now;

		assert_int_equal(fstatat(base_fd, names[i], &now, 0), 0);
		assert_int_equal(now.st_size, 6);
		assert_int_equal(now.st_mode, was[i].st_mode);
		assert_int_equal(now.st_nlink, 1);
		assert_int_equal(now.st_mtim.tv_nsec, was[i].st_mtim.tv_nsec);
		assert_int_equal(now.st_ctim.tv_nsec, was[i].st_ctim.tv_nsec);
		assert_int_equal(now.st_atim.tv_nsec, was[i].st_atim.tv_nsec);
	}
}

static void look_outside(struct stat was[2])
{
	assert_int_equal(fstatat(base_fd, "outside/file", &was[0], 0), 0);
	assert_int_equal(fstatat(base_fd, "outside/victim", &was[1], 0), 0);
}

/* The directory and a link that leads outside take each other's place, as often as can be. */
static void *swap(void *arg)
{
	while (!stop)
		renameat2(base_fd, "shared/dir", base_fd, "shared/link", RENAME_EXCHANGE);
	return NULL;
}

/* Whatever is at "dir" now: everything that a guest can do there. */
static void attack(unsigned round)
{
	struct folder_entry dir, entry;
	struct folder_attr set = { .mode = 0600, .size = 0 }, now;
	char text[8] = "";
	struct iovec iov = { text, 6 };
	u64 file;

	if (folder_lookup(folder, FOLDER_ROOT, round & 1 ? "dir" : "link", &dir))
		return;
	if (!folder_lookup(folder, dir.node, "file", &entry)) {
		if (!folder_open_file(folder, entry.node, O_RDWR, &file)) {
			assert_true(folder_read(folder, file, &iov, 1, 0) <= 6);
			assert_string_not_equal(text, "secret");
			folder_close_file(folder, file);
		}
		folder_forget(folder, entry.node, 1);
	}
	if (!folder_create(folder, &root_cred, dir.node, "new", O_RDWR, 0600, &entry, &file)) {
		folder_write(folder, file, &iov, 1, 0);
		folder_close_file(folder, file);
		folder_setattr(folder, entry.node, 0, FOLDER_SET_MODE | FOLDER_SET_SIZE, &set,
			       &now);
		folder_forget(folder, entry.node, 1);
	}
	if (!folder_mkdir(folder, &root_cred, dir.node, "made", 0700, &entry))
		folder_forget(folder, entry.node, 1);
	folder_unlink(folder, dir.node, "victim", 0);
	folder_rename(folder, dir.node, "victim", FOLDER_ROOT, "stolen", 0);
	folder_unlink(folder, dir.node, "new", 0);
	folder_unlink(folder, dir.node, "made", AT_REMOVEDIR);
	folder_forget(folder, dir.node, 1);
}

TEST_WITH(links_that_are_swapped_under_load_lead_nowhere, setup, teardown)
{
	struct stat was[2];
	pthread_t thread;

	look_outside(was);
	/* Descriptors are closed and opened again all the time. */
	open_folder("shared", (struct folder_options){ .map = FOLDER_MAP_SQUASH, .max_fds = 1 });
	assert_int_equal(pthread_create(&thread, NULL, swap, NULL), 0);
	for (unsigned round = 0; round < ROUNDS; round++)
		attack(round);
	stop = true;
	pthread_join(thread, NULL);
	outside_is_as_it_was(was);
}

/* shared/dir/sub goes out of the folder and comes back. */
static void *carry(void *arg)
{
	while (!stop) {
		renameat(base_fd, "shared/dir/sub", base_fd, "sub");
		renameat(base_fd, "sub", base_fd, "shared/dir/sub");
	}
	return NULL;
}

TEST_WITH(from_a_directory_that_is_carried_out_no_way_leads_up, setup, teardown)
{
	struct folder_entry sub, up, entry;
	struct stat was[2];
	pthread_t thread;

	look_outside(was);
	assert_int_equal(mkdirat(base_fd, "shared/dir/sub", 0755), 0);
	open_folder("shared", (struct folder_options){ .map = FOLDER_MAP_SQUASH, .max_fds = 1 });
	assert_int_equal(folder_lookup(folder, FOLDER_ROOT, "dir", &entry), 0);
	assert_int_equal(folder_lookup(folder, entry.node, "sub", &sub), 0);
	assert_int_equal(pthread_create(&thread, NULL, carry, NULL), 0);
	for (unsigned round = 0; round < ROUNDS; round++) {
		if (folder_lookup(folder, sub.node, "..", &up))
			continue;
		assert_int_equal(up.node, entry.node);
		assert_int_not_equal(folder_lookup(folder, up.node, "outside", &up), 0);
		assert_int_equal(folder_lookup(folder, FOLDER_ROOT, "..", &up), 0);
		assert_int_equal(up.node, FOLDER_ROOT);
	}
	stop = true;
	pthread_join(thread, NULL);
	outside_is_as_it_was(was);
}

TEST_WITH(a_link_is_a_link_and_no_directory, setup, teardown)
{
	struct folder_entry link, entry;
	struct stat was[2];
	u64 file;

	look_outside(was);
	assert_int_equal(folder_lookup(folder, FOLDER_ROOT, "link", &link), 0);
	assert_true(S_ISLNK(link.attr.mode));
	assert_int_equal(folder_lookup(folder, link.node, "file", &entry), -ENOTDIR);
	assert_int_equal(folder_open_file(folder, link.node, O_RDONLY, &file), -ELOOP);
	assert_int_equal(folder_open_file(folder, link.node, O_DIRECTORY, &file), -ENOTDIR);
	assert_int_equal(
		folder_create(folder, &root_cred, link.node, "new", O_RDWR, 0600, &entry, &file),
		-ENOTDIR);
	assert_int_equal(folder_unlink(folder, link.node, "victim", 0), -ENOTDIR);
	/* A hard link to it is one to the link. */
	assert_int_equal(folder_link(folder, link.node, FOLDER_ROOT, "second", &entry), 0);
	assert_true(S_ISLNK(entry.attr.mode));
	/* Made through a link that dangles: what it names is not made. */
	assert_int_equal(symlinkat("../outside/made", base_fd, "shared/dangling"), 0);
	assert_int_not_equal(folder_create(folder, &root_cred, FOLDER_ROOT, "dangling", O_RDWR,
					   0600, &entry, &file),
			     0);
	outside_is_as_it_was(was);
}

TEST_WITH(magic_links_of_proc_lead_nowhere, setup, teardown)
{
	static const char *const links[] = { "cwd", "root", "exe" };
	struct folder_entry self, entry, inner;
	char name[16];
	u64 file;

	open_folder("/proc", (struct folder_options){ .map = FOLDER_MAP_SQUASH });
	snprintf(name, sizeof(name), "%d", getpid());
	assert_int_equal(folder_lookup(folder, FOLDER_ROOT, name, &self), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(links); i++) {
		assert_int_equal(folder_lookup(folder, self.node, links[i], &entry), 0);
		assert_true(S_ISLNK(entry.attr.mode));
		assert_int_equal(folder_lookup(folder, entry.node, "etc", &inner), -ENOTDIR);
		assert_int_equal(folder_open_file(folder, entry.node, O_RDONLY, &file), -ELOOP);
	}
}

TEST_WITH(special_files_are_never_opened, setup, teardown)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	static const char *const names[] = { "fifo", "socket", "null" };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct folder_attr set = { .size = 0 }, now;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/shared/socket", base.path);
	assert_int_equal(bind(fd, (void *)&address, sizeof(address)), 0);
	assert_int_equal(mkfifoat(base_fd, "shared/fifo", 0666), 0);
	if (mknodat(base_fd, "shared/null", S_IFCHR | 0666, 1 << 8 | 3))
		temp_file(base_fd, "shared/null", "no device nodes here"); /* as an ordinary user */
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		struct folder_entry entry;
		u64 file;

		assert_int_equal(folder_lookup(folder, FOLDER_ROOT, names[i], &entry), 0);
		if (S_ISREG(entry.attr.mode))
			continue;
		assert_int_equal(folder_open_file(folder, entry.node, O_RDONLY, &file), -ENXIO);
		assert_int_equal(folder_open_file(folder, entry.node, O_WRONLY, &file), -ENXIO);
		assert_int_equal(folder_create(folder, &root_cred, FOLDER_ROOT, names[i], O_RDWR,
					       0600, &entry, &file),
				 -ENXIO);
		assert_int_equal(folder_setattr(folder, entry.node, 0, FOLDER_SET_SIZE, &set, &now),
				 -EINVAL);
	}
	close(fd);
}

/* A FIFO takes a file's place between its look-up and its opening, again and again. */
static void *swap_fifo(void *arg)
{
	while (!stop)
		renameat2(base_fd, "shared/dir/file", base_fd, "shared/dir/fifo", RENAME_EXCHANGE);
	return NULL;
}

TEST_WITH(a_fifo_in_a_files_place_holds_nobody_up, setup, teardown)
{
	struct folder_entry dir, entry;
	unsigned opened = 0;
	pthread_t thread;
	u64 file;

	assert_int_equal(mkfifoat(base_fd, "shared/dir/fifo", 0666), 0);
	open_folder("shared", (struct folder_options){ .map = FOLDER_MAP_SQUASH, .max_fds = 1 });
	assert_int_equal(folder_lookup(folder, FOLDER_ROOT, "dir", &dir), 0);
	assert_int_equal(pthread_create(&thread, NULL, swap_fifo, NULL), 0);
	for (unsigned round = 0; round < ROUNDS; round++) {
		if (folder_lookup(folder, dir.node, "file", &entry))
			continue;
		if (!folder_open_file(folder, entry.node, O_RDWR, &file)) {
			assert_true(S_ISREG(entry.attr.mode));
			opened++;
			folder_close_file(folder, file);
		}
		folder_forget(folder, entry.node, 1);
	}
	stop = true;
	pthread_join(thread, NULL);
	assert_true(opened);
}

TEST_WITH(names_of_any_length_name_one_component, setup, teardown)
{
	static const unsigned lengths[] = { 255, 256, 4095, 4096, 65535 };
	char *name = malloc(65536);
	struct folder_entry entry;

	for (unsigned i = 0; i < ARRAY_SIZE(lengths); i++) {
		int want = lengths[i] > 255 ? -ENAMETOOLONG : 0;

		memset(name, '.', lengths[i]);
		name[lengths[i]] = '\0';
		assert_int_equal(folder_mkdir(folder, &root_cred, FOLDER_ROOT, name, 0700, &entry),
				 want);
		assert_int_equal(folder_lookup(folder, FOLDER_ROOT, name, &entry), want);
	}
	strcpy(name, "dir/../../outside/file");
	assert_int_equal(folder_lookup(folder, FOLDER_ROOT, name, &entry), -EINVAL);
	assert_int_equal(folder_unlink(folder, FOLDER_ROOT, "..", AT_REMOVEDIR), -EINVAL);
	assert_int_equal(folder_rename(folder, FOLDER_ROOT, "dir", FOLDER_ROOT, "..", 0), -EEXIST);
	free(name);
}

TEST_WITH(file_systems_that_are_mounted_inside_are_not_entered, setup, teardown)
{
	struct folder_entry dir, entry;
	char path[80];

	/* Ours alone: folder_thread_start() has made this thread's namespace its own for less. */
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		skip();
	snprintf(path, sizeof(path), "%s/shared/dir", base.path);
	if (mount("tmpfs", path, "tmpfs", 0, NULL))
		skip();
	/* In the new namespace the folder has to be opened again. */
	open_folder("shared", (struct folder_options){ .map = FOLDER_MAP_SQUASH });
	assert_int_equal(folder_lookup(folder, FOLDER_ROOT, "dir", &dir), -EXDEV);
	open_folder("shared",
		    (struct folder_options){ .map = FOLDER_MAP_SQUASH, .cross_mounts = true });
	assert_int_equal(folder_lookup(folder, FOLDER_ROOT, "dir", &dir), 0);
	assert_int_equal(folder_lookup(folder, dir.node, "file", &entry), -ENOENT);
	assert_int_equal(folder_lookup(folder, dir.node, "..", &entry), 0);
	assert_int_equal(entry.node, FOLDER_ROOT);
	folder_close(folder);
	folder = NULL;
	umount2(path, MNT_DETACH);
}

TEST_WITH(what_a_guest_holds_open_is_bounded, setup, teardown)
{
	struct folder_entry entry;
	unsigned count = 0;
	int ret;
	u64 file;

	open_folder("shared", (struct folder_options){ .map = FOLDER_MAP_SQUASH,
						       .max_files = 100,
						       .max_nodes = 50 });
	assert_int_equal(folder_lookup(folder, FOLDER_ROOT, "dir", &entry), 0);
	while (!(ret = folder_open_file(folder, entry.node, O_DIRECTORY, &file)) && count < 1000)
		count++;
	assert_int_equal(ret, -ENFILE);
	assert_int_equal(count, 100);
	for (count = 0; count < 1000; count++) {
		char name[16];

		snprintf(name, sizeof(name), "%u", count);
		ret = folder_mkdir(folder, &root_cred, FOLDER_ROOT, name, 0700, &entry);
		if (ret)
			break;
	}
	assert_int_equal(ret, -ENFILE);
	assert_true(count < 50);
}

/* ---- the same on a host without openat2(): last, as that cannot be undone ---- */

static void take_openat2_away(void)
{
	static struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	static const struct sock_fprog program = { ARRAY_SIZE(code), code };

	assert_int_equal(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	assert_int_equal(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

static int setup_old(void **state)
{
	static bool is_old;

	if (!is_old)
		take_openat2_away();
	is_old = true;
	return setup(state);
}

TEST_AGAIN(links_that_are_swapped_under_load_lead_nowhere, setup_old, teardown)
TEST_AGAIN(from_a_directory_that_is_carried_out_no_way_leads_up, setup_old, teardown)
TEST_AGAIN(a_link_is_a_link_and_no_directory, setup_old, teardown)
TEST_AGAIN(magic_links_of_proc_lead_nowhere, setup_old, teardown)
TEST_AGAIN(special_files_are_never_opened, setup_old, teardown)
TEST_AGAIN(a_fifo_in_a_files_place_holds_nobody_up, setup_old, teardown)
TEST_AGAIN(names_of_any_length_name_one_component, setup_old, teardown)
TEST_AGAIN(file_systems_that_are_mounted_inside_are_not_entered, setup_old, teardown)
