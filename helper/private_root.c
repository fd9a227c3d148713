/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "confine.h"

#define RESOLV "/etc/resolv.conf"

/* What libslirp reads again whenever a guest asks for a name: as it is now. */
static size_t read_resolv(char *data, size_t size)
{
	int fd = open(RESOLV, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? 0 : read(fd, data, size);

	if (fd >= 0)
		close(fd);
	return got > 0 ? got : 0;
}

static int write_file(const char *path, const char *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0444);
	int ret = fd < 0 || write(fd, data, len) != (ssize_t)len ? -1 : 0;

	if (fd >= 0)
		close(fd);
	return ret;
}

/* A user namespace in which we are whom we were. */
static int enter_namespaces(bool root)
{
	int what = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS;
	unsigned uid = geteuid(), gid = getegid();
	char map[64];

	if (root)
		return unshare(what);
	if (unshare(CLONE_NEWUSER | what))
		return -1;
	snprintf(map, sizeof(map), "%u %u 1", uid, uid);
	if (write_file("/proc/self/uid_map", map, strlen(map)))
		return -1;
	write_file("/proc/self/setgroups", "deny", 4);
	snprintf(map, sizeof(map), "%u %u 1", gid, gid);
	return write_file("/proc/self/gid_map", map, strlen(map));
}

/* A host whose own root is its initial RAM disk has no pivot_root(). */
static int change_root(void)
{
	if (!syscall(SYS_pivot_root, ".", "."))
		return umount2(".", MNT_DETACH) || chdir("/") ? -1 : 0;
	return chroot(".") || chdir("/") ? -1 : 0;
}

static int fill_root(const char *resolv, size_t len)
{
	if (mkdir("etc", 0755) || write_file("etc/resolv.conf", resolv, len))
		return -1;
	return mount(NULL, ".", NULL, MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
		     NULL);
}

int private_root_enter(bool root)
{
	static const char *const places[] = { "/tmp", "/run", "/proc" };
	char resolv[16384];
	size_t len = read_resolv(resolv, sizeof(resolv));

	if (enter_namespaces(root) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return -1;
	for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (mount("none", places[i], "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
			  "size=64k,mode=755"))
			continue;
		return chdir(places[i]) || fill_root(resolv, len) ? -1 : change_root();
	}
	return -1;
}

int private_root_restrict(void)
{
	/* All that the first version of Landlock knows. */
	struct landlock_ruleset_attr all = { .handled_access_fs = 0x1fff };
	struct landlock_path_beneath_attr resolv = {
		.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE,
	};
	int ruleset = syscall(SYS_landlock_create_ruleset, &all, sizeof(all), 0);
	int ret = -1;

	if (ruleset < 0)
		return -1;
	resolv.parent_fd = open(RESOLV, O_PATH | O_CLOEXEC);
	if (resolv.parent_fd >= 0) {
		syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &resolv, 0);
		close(resolv.parent_fd);
	}
	if (!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		ret = syscall(SYS_landlock_restrict_self, ruleset, 0);
	close(ruleset);
	return ret;
}
