/* SPDX-License-Identifier: BSD-2-Clause */
/* Who may do what: a folder with a file and a folder in it, of some owners and modes, and a user.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "load.h"

struct owner {
	uid_t uid;
	gid_t gid;
	gid_t group; /* supplementary; 0: none */
};

static const struct owner users[] = {
	{ 0, 0, 0 }, { 1000, 1000, 0 }, { 1000, 1000, 2000 }, { 1001, 1000, 0 }, { 3000, 3000, 0 }
};
static const struct owner owners[] = {
	{ 0, 0, 0 }, { 1000, 1000, 0 }, { 0, 1000, 0 }, { 1001, 2000, 0 }
};
static const mode_t folder_modes[] = { 0755, 0700, 0770, 0707, 01777, 02775, 03777, 0111, 0444, 0 };
static const mode_t file_modes[] = { 0644, 0600, 0060, 0006, 0666, 0755, 06755, 02664, 0 };

struct rights_case {
	struct owner user, folder_owner, file_owner;
	mode_t folder_mode, file_mode;
};

/* ---- operations, in the folder as the working directory; 0 or -errno ---- */

static int open_and_close(const char *name, int flags)
{
	int fd = open(name, flags | O_CLOEXEC | O_NOFOLLOW, 0640);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static int try_read(void)
{
	return open_and_close("file", O_RDONLY);
}

static int try_write(void)
{
	return open_and_close("file", O_WRONLY);
}

static int try_append(void)
{
	int fd = open("file", O_RDWR | O_APPEND | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, "x", 1) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

static int try_truncate(void)
{
	return truncate("file", 2) ? -errno : 0;
}

static int try_open_truncating(void)
{
	return open_and_close("file", O_WRONLY | O_TRUNC);
}

static int try_stat(void)
{
	struct stat st;

	return stat("file", &st) ? -errno : 0;
}

static int try_access(void)
{
	return access("file", R_OK | W_OK | X_OK) ? -errno : 0;
}

static int try_create(void)
{
	return open_and_close("new", O_RDWR | O_CREAT | O_EXCL);
}

static int try_mkdir(void)
{
	return mkdir("newdir", 02750) ? -errno : 0;
}

static int try_mkfifo(void)
{
	return mkfifo("fifo", 0640) ? -errno : 0;
}

static int try_mknod(void)
{
	return mknod("device", S_IFCHR | 0600, makedev(1, 3)) ? -errno : 0;
}

static int try_symlink(void)
{
	return symlink("file", "soft") ? -errno : 0;
}

static int try_link(void)
{
	return link("file", "hard") ? -errno : 0;
}

static int try_chmod(void)
{
	return chmod("file", 06711) ? -errno : 0;
}

static int try_chmod_folder(void)
{
	return chmod("dir", 03711) ? -errno : 0;
}

static int try_chown(void)
{
	return chown("file", 1000, -1) ? -errno : 0;
}

static int try_chgrp(void)
{
	return chown("file", -1, 2000) ? -errno : 0;
}

static int try_touch(void)
{
	return utimensat(AT_FDCWD, "file", NULL, 0) ? -errno : 0;
}

static int try_set_times(void)
{
	const struct timespec times[2] = { { 1000, 0 }, { 1000, 0 } };

	return utimensat(AT_FDCWD, "file", times, 0) ? -errno : 0;
}

static int try_list(void)
{
	return open_and_close(".", O_RDONLY | O_DIRECTORY);
}

static int try_rename(void)
{
	return rename("file", "moved") ? -errno : 0;
}

static int try_replace(void)
{
	return rename("moved", "other") ? -errno : 0;
}

static int try_unlink(void)
{
	return unlink("other") ? -errno : 0;
}

static int try_rmdir(void)
{
	return rmdir("dir") ? -errno : 0;
}

static const struct {
	const char *name;
	int (*try)(void);
} operations[] = {
	{ "read", try_read },
	{ "write", try_write },
	{ "append", try_append },
	{ "truncate", try_truncate },
	{ "open-trunc", try_open_truncating },
	{ "stat", try_stat },
	{ "access", try_access },
	{ "create", try_create },
	{ "mkdir", try_mkdir },
	{ "mkfifo", try_mkfifo },
	{ "mknod", try_mknod },
	{ "symlink", try_symlink },
	{ "link", try_link },
	{ "chmod", try_chmod },
	{ "chmod-dir", try_chmod_folder },
	{ "chown", try_chown },
	{ "chgrp", try_chgrp },
	{ "touch", try_touch },
	{ "set-times", try_set_times },
	{ "list", try_list },
	{ "rename", try_rename },
	{ "replace", try_replace },
	{ "unlink", try_unlink },
	{ "rmdir", try_rmdir },
};

#define OPERATIONS ARRAY_SIZE(operations)

static const char *const places[] = { "file", "moved",	"other", "dir",	 "new", "newdir",
				      "fifo", "device", "soft",	 "hard", "." };

#define PLACES ARRAY_SIZE(places)

struct place_result {
	int error;
	mode_t mode;
	uid_t uid;
	gid_t gid;
	nlink_t nlink;
	off_t size;
};

struct outcome {
	int errors[OPERATIONS];
	struct place_result places[PLACES];
};

/* ---- a case ---- */

static void must(int ret, const char *what)
{
	if (!ret)
		return;
	fprintf(stderr, "folder-load: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void make_file(const char *name, const struct owner *owner, mode_t mode)
{
	int fd = open(name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);

	must(fd < 0 || write(fd, "text", 4) != 4 || fchown(fd, owner->uid, owner->gid) ||
		     fchmod(fd, mode),
	     name);
	close(fd);
}

static void make_case(const struct rights_case *c)
{
	must(mkdir("case", 0700), "case");
	must(chdir("case"), "case");
	make_file("file", &c->file_owner, c->file_mode);
	make_file("other", &c->file_owner, 0644);
	must(mkdir("dir", 0755) || chown("dir", c->file_owner.uid, c->file_owner.gid), "dir");
	must(chown(".", c->folder_owner.uid, c->folder_owner.gid) || chmod(".", c->folder_mode),
	     "case");
}

static void become(const struct owner *user)
{
	must(setgroups(user->group ? 1 : 0, &user->group), "setgroups");
	must(setresgid(user->gid, user->gid, user->gid), "setresgid");
	must(setresuid(user->uid, user->uid, user->uid), "setresuid");
}

/* By a child that is the user, the working directory the case's. */
static void try_all(const struct owner *user, struct outcome *outcome)
{
	int fds[2], status;
	pid_t pid;

	must(pipe(fds), "pipe");
	pid = fork();
	if (!pid) {
		become(user);
		for (unsigned i = 0; i < OPERATIONS; i++)
			outcome->errors[i] = operations[i].try();
		_exit(write(fds[1], outcome->errors, sizeof(outcome->errors)) !=
		      sizeof(outcome->errors));
	}
	close(fds[1]);
	must(read(fds[0], outcome->errors, sizeof(outcome->errors)) != sizeof(outcome->errors),
	     "read");
	close(fds[0]);
	must(waitpid(pid, &status, 0) != pid || status, "wait");
}

static void look(struct outcome *outcome)
{
	for (unsigned i = 0; i < PLACES; i++) {
		struct place_result *place = &outcome->places[i];
		struct stat st;

		*place = (struct place_result){ .error = lstat(places[i], &st) ? errno : 0 };
		if (place->error)
			continue;
		place->mode = st.st_mode;
		place->uid = st.st_uid;
		place->gid = st.st_gid;
		place->nlink = st.st_nlink;
		place->size = S_ISREG(st.st_mode) ? st.st_size : 0;
	}
}

static void remove_case(void)
{
	for (unsigned i = 0; i + 1 < PLACES; i++)
		unlinkat(AT_FDCWD, places[i], 0);
	unlinkat(AT_FDCWD, "dir", AT_REMOVEDIR);
	unlinkat(AT_FDCWD, "newdir", AT_REMOVEDIR);
	must(chdir(".."), "..");
	must(rmdir("case"), "case is not empty");
}

static void play(int dir, const struct rights_case *c, struct outcome *outcome)
{
	must(fchdir(dir), "folder");
	make_case(c);
	try_all(&c->user, outcome);
	look(outcome);
	remove_case();
}

static void print_case(const struct rights_case *c)
{
	printf("user %u:%u+%u, folder %u:%u %04o, file %u:%u %04o: ", c->user.uid, c->user.gid,
	       c->user.group, c->folder_owner.uid, c->folder_owner.gid, c->folder_mode,
	       c->file_owner.uid, c->file_owner.gid, c->file_mode);
}

static bool compare(const struct rights_case *c, const struct outcome *is,
		    const struct outcome *twins)
{
	bool same = true;

	for (unsigned i = 0; i < OPERATIONS; i++) {
		if (is->errors[i] == twins->errors[i])
			continue;
		print_case(c);
		printf("%s gives %d, its twin %d\n", operations[i].name, is->errors[i],
		       twins->errors[i]);
		same = false;
	}
	for (unsigned i = 0; i < PLACES; i++) {
		const struct place_result *a = &is->places[i], *b = &twins->places[i];

		if (a->error == b->error && a->mode == b->mode && a->uid == b->uid &&
		    a->gid == b->gid && a->nlink == b->nlink && a->size == b->size)
			continue;
		print_case(c);
		printf("%s: error %d mode %o owner %u:%u nlink %u size %ld, its twin's %d %o %u:%u "
		       "%u %ld\n",
		       places[i], a->error, a->mode, a->uid, a->gid, (unsigned)a->nlink,
		       (long)a->size, b->error, b->mode, b->uid, b->gid, (unsigned)b->nlink,
		       (long)b->size);
		same = false;
	}
	return same;
}

static u64 pick(u64 *random, u64 below)
{
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return (*random >> 11) % below;
}

static struct rights_case some_case(u64 *random)
{
	return (struct rights_case){
		.user = users[pick(random, ARRAY_SIZE(users))],
		.folder_owner = owners[pick(random, ARRAY_SIZE(owners))],
		.file_owner = owners[pick(random, ARRAY_SIZE(owners))],
		.folder_mode = folder_modes[pick(random, ARRAY_SIZE(folder_modes))],
		.file_mode = file_modes[pick(random, ARRAY_SIZE(file_modes))],
	};
}

unsigned load_rights(const char *dir, const char *twin, unsigned count, u64 seed, unsigned *denied)
{
	int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int twin_fd = open(twin, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	unsigned bad = 0;

	must(dir_fd < 0 || twin_fd < 0, "folder");
	*denied = 0;
	for (unsigned i = 0; i < count && bad < 20; i++) {
		struct rights_case c = some_case(&seed);
		struct outcome is, twins;

		play(dir_fd, &c, &is);
		play(twin_fd, &c, &twins);
		bad += !compare(&c, &is, &twins);
		for (unsigned j = 0; j < OPERATIONS; j++)
			*denied += is.errors[j] != 0 && is.errors[j] == twins.errors[j];
	}
	close(dir_fd);
	close(twin_fd);
	return bad;
}
