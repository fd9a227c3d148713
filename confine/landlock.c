/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "private.h"
#include "util/reach.h"
#include "util/types.h"

/* What newer versions have, and headers may not: linux/landlock.h. */
#define FS_REFER     (1ull << 13) /* 2 */
#define FS_TRUNCATE  (1ull << 14) /* 3 */
#define NET_TCP	     3ull	  /* 4: bind and connect */
#define FS_IOCTL_DEV (1ull << 15) /* 5 */
#define SCOPE_SOCKET 1ull	  /* 6: abstract Unix sockets */

struct ruleset {
	u64 files, net, scoped;
};

#define FILE_READ LANDLOCK_ACCESS_FS_READ_FILE
#define FILE_MAKE                                                                                  \
	(LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR |                              \
	 LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |                              \
	 LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |                            \
	 LANDLOCK_ACCESS_FS_MAKE_SYM)
#define FILE_REMOVE (LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE)
#define OF_A_FILE   (LANDLOCK_ACCESS_FS_WRITE_FILE | FILE_READ | FS_TRUNCATE | FS_IOCTL_DEV)
#define VERSION_1                                                                                  \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | FILE_READ |                  \
	 LANDLOCK_ACCESS_FS_READ_DIR | FILE_REMOVE | FILE_MAKE)

static u64 files_known(int abi)
{
	return VERSION_1 | (abi >= 2 ? FS_REFER : 0) | (abi >= 3 ? FS_TRUNCATE : 0) |
	       (abi >= 5 ? FS_IOCTL_DEV : 0);
}

static u64 files_allowed(unsigned rights)
{
	u64 files = 0;

	if (rights & REACH_READ)
		files |= FILE_READ | LANDLOCK_ACCESS_FS_READ_DIR;
	if (rights & REACH_WRITE)
		files |= LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE;
	if (rights & REACH_CHANGE)
		files |= FILE_MAKE | FILE_REMOVE | FS_REFER;
	if (rights & REACH_REMOVE)
		files |= LANDLOCK_ACCESS_FS_REMOVE_FILE;
	if (rights & REACH_SOCKET)
		files |= LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_DIR;
	return files;
}

static int add_rule(int ruleset, const struct reach *reach, u64 known)
{
	struct landlock_path_beneath_attr rule = { .parent_fd = reach->fd };
	struct stat st;

	rule.allowed_access = files_allowed(reach->rights) & known;
	if (fstat(reach->fd, &st))
		return -errno;
	if (!S_ISDIR(st.st_mode))
		rule.allowed_access &= OF_A_FILE;
	if (!rule.allowed_access)
		return 0;
	return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0)
		       ? -errno
		       : 0;
}

static int add_rules(int ruleset, u64 known)
{
	const struct reach *reach;
	unsigned count;
	int ret = 0;

	reach = reach_list(&count);
	for (unsigned i = 0; !ret && i < count; i++)
		ret = add_rule(ruleset, &reach[i], known);
	return ret;
}

/* The first version lets nobody move a file from one folder to another. */
static bool would_harm(int abi)
{
	const struct reach *reach;
	unsigned count;

	reach = reach_list(&count);
	for (unsigned i = 0; i < count; i++) {
		if (abi < 2 && reach[i].rights & REACH_CHANGE)
			return true;
	}
	return false;
}

/* A ruleset with no rules: its descriptor, and the kernel's version. -errno. */
static int make(int *abi)
{
	struct ruleset rules = { 0 };
	size_t size = sizeof(rules.files);
	int fd;

	*abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	if (*abi < 0)
		return -errno;
	rules.files = files_known(*abi);
	rules.net = *abi >= 4 ? NET_TCP : 0;
	rules.scoped = *abi >= 6 ? SCOPE_SOCKET : 0;
	if (*abi >= 4)
		size = offsetof(struct ruleset, scoped);
	if (*abi >= 6)
		size = sizeof(rules);
	fd = syscall(SYS_landlock_create_ruleset, &rules, size, 0);
	return fd < 0 ? -errno : fd;
}

int landlock_make(int *fd, int *abi)
{
	int ret;

	*fd = make(abi);
	if (*fd < 0)
		return *fd;
	ret = would_harm(*abi) ? -EOPNOTSUPP : add_rules(*fd, files_known(*abi));
	if (ret)
		close(*fd);
	return ret;
}

void landlock_enter_nothing(void)
{
	int abi, fd = make(&abi);

	if (fd < 0)
		return;
	landlock_enter(fd);
	close(fd);
}

int landlock_enter(int fd)
{
	return syscall(SYS_landlock_restrict_self, fd, 0) ? -errno : 0;
}

const char *landlock_extent(int abi)
{
	return abi < 3	 ? "opening, making and removing files"
	       : abi < 4 ? "opening, cutting, making and removing files"
	       : abi < 6 ? "files; TCP"
			 : "files; TCP; abstract sockets";
}
