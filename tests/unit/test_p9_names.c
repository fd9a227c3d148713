/* SPDX-License-Identifier: BSD-2-Clause */
/* How 9P2000.L names files: walks, fids whose names change or go, and versions. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "p9_rig.h"
#include "temp_folder.h"
#include "test.h"

/* ---- walking ---- */

TEST_WITH(a_walk_goes_as_far_as_there_are_names, p9_rig_setup, p9_rig_teardown)
{
	assert_int_equal(mkdirat(p9_rig.base_fd, "a", 0755), 0);
	assert_int_equal(mkdirat(p9_rig.base_fd, "a/b", 0755), 0);
	assert_int_equal(p9_rig_ask(WALK, "ddwss", 0, 1, 2, "a", "b"), 0);
	assert_int_equal(p9_rig.answer[7], 2);
	assert_int_equal(p9_rig_ask(WALK, "ddwss", 0, 2, 2, "a", "none"), 0);
	assert_int_equal(p9_rig.answer[7], 1);
	assert_int_equal(p9_rig_ask(CLUNK, "d", 2), -EBADF);
	assert_int_equal(p9_rig_ask(WALK, "ddws", 0, 2, 1, "none"), -ENOENT);
	assert_int_equal(p9_rig_ask(WALK, "ddw", 0, 1, 0), -EBADF); /* it is taken */
	assert_int_equal(p9_rig_ask(WALK, "ddw", 0, 1, 17), -EINVAL);
	/* In its place; and up, but never above the folder. */
	assert_int_equal(p9_rig_ask(WALK, "ddwsssss", 1, 1, 5, "..", "..", "..", "..", "a"), 0);
	assert_int_equal(p9_rig.answer[7], 5);
	assert_int_equal(p9_rig_ask(CLUNK, "d", 1), 0);
	assert_int_equal(p9_rig_ask(CLUNK, "d", 1), -EBADF);
}

TEST_WITH(a_fid_that_is_walked_to_itself_stays_as_it_is, p9_rig_setup, p9_rig_teardown)
{
	p9_rig_create(1, "file");
	assert_int_equal(p9_rig_ask(WALK, "ddw", 1, 1, 0), 0);
	assert_int_equal(p9_rig_ask(WRITE, "dqdb", 1, (u64)0, 1, 'x'), 0);
}

TEST_WITH(bad_names_are_refused, p9_rig_setup, p9_rig_teardown)
{
	static const char *const bad[] = { "", "a/b", "/", "../secret", "/etc" };
	char huge[5000];

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(p9_rig_ask(WALK, "ddws", 0, 1, 1, bad[i]), -EINVAL);
		assert_int_equal(p9_rig_ask(UNLINKAT, "dsd", 0, bad[i], 0), -EINVAL);
		assert_int_equal(p9_rig_ask(MKDIR, "dsdd", 0, bad[i], 0755, 0), -EINVAL);
	}
	memset(huge, 'a', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = '\0';
	assert_int_equal(p9_rig_ask(WALK, "ddws", 0, 1, 1, huge), -ENAMETOOLONG);
	/* A zero byte within a name. */
	assert_int_equal(p9_rig_ask(WALK, "ddwww", 0, 1, 1, 2, 0x0061), -EINVAL);
}

/* ---- names ---- */

TEST_WITH(names_are_made_linked_moved_and_removed, p9_rig_setup, p9_rig_teardown)
{
	p9_rig_create(1, "file");
	assert_int_equal(p9_rig_ask(MKDIR, "dsdd", 0, "dir", 0750, 0), 0);
	assert_int_equal(p9_rig_ask(WALK, "ddws", 0, 2, 1, "dir"), 0);
	assert_int_equal(p9_rig_ask(LINK, "dds", 2, 1, "hard"), 0);
	assert_int_equal(p9_rig_ask(SYMLINK, "dssd", 2, "soft", "../../secret", 0), 0);
	assert_int_equal(p9_rig_ask(WALK, "ddws", 2, 3, 1, "soft"), 0);
	assert_int_equal(p9_rig_ask(READLINK, "d", 3), 0);
	assert_memory_equal(p9_rig.answer + 9, "../../secret", 12);
	assert_int_equal(p9_rig_ask(WALK, "ddws", 3, 4, 1, "etc"), -ENOTDIR);
	assert_int_equal(p9_rig_ask(LOPEN, "dd", 3, 0), -ELOOP);
	assert_int_equal(p9_rig_ask(RENAME, "dds", 3, 0, "soft2"), 0);
	assert_int_equal(p9_rig_ask(RENAMEAT, "dsds", 2, "hard", 0, "hard2"), 0);
	assert_int_equal(p9_rig_ask(UNLINKAT, "dsd", 0, "dir", AT_REMOVEDIR), 0);
	assert_int_equal(p9_rig_ask(UNLINKAT, "dsd", 0, "file", 0), 0);
	assert_int_equal(p9_rig_ask(UNLINKAT, "dsd", 0, "file", 0), -ENOENT);
	assert_int_equal(p9_rig_ask(UNLINKAT, "dsd", 0, "file", 0x1000), -EINVAL);
	assert_int_equal(p9_rig_ask(WALK, "ddws", 0, 5, 1, "hard2"), 0);
	assert_int_equal(p9_rig_ask(REMOVE, "d", 5), 0);
	assert_int_equal(p9_rig_ask(CLUNK, "d", 5), -EBADF);
	assert_int_equal(p9_rig_ask(REMOVE, "d", 0), -EINVAL); /* the folder itself */
	assert_int_equal(p9_rig_ask(MKNOD, "dsdddd", 2, "x", S_IFCHR | 0600, 1, 3, 0), -EPERM);
}

TEST_WITH(a_fid_whose_name_is_another_files_by_now_removes_and_moves_nothing, p9_rig_setup,
	  p9_rig_teardown)
{
	p9_rig_create(1, "old");
	assert_int_equal(p9_rig_ask(WALK, "ddws", 0, 2, 1, "old"), 0);
	assert_int_equal(p9_rig_ask(WALK, "ddws", 0, 3, 1, "old"), 0);
	assert_int_equal(renameat(p9_rig.base_fd, "old", p9_rig.base_fd, "moved"), 0);
	temp_file(p9_rig.base_fd, "old", "somebody's");
	assert_int_equal(p9_rig_ask(RENAME, "dds", 2, 0, "mine"), -ESTALE);
	assert_int_equal(p9_rig_ask(REMOVE, "d", 2), -ESTALE);
	assert_int_equal(faccessat(p9_rig.base_fd, "old", F_OK, 0), 0);
	assert_int_equal(unlinkat(p9_rig.base_fd, "old", 0), 0);
	assert_int_equal(p9_rig_ask(REMOVE, "d", 3), -ENOENT);
	assert_int_equal(faccessat(p9_rig.base_fd, "moved", F_OK, 0), 0);
}

TEST_WITH(a_fid_of_a_file_that_was_removed_is_still_of_use, p9_rig_setup, p9_rig_teardown)
{
	char name[16];

	p9_rig_open((struct folder_options){ .map = FOLDER_MAP_SQUASH, .max_fds = 4 });
	p9_rig_attach();
	temp_file(p9_rig.base_fd, "file", "hello");
	assert_int_equal(p9_rig_ask(WALK, "ddws", 0, 1, 1, "file"), 0);
	assert_int_equal(p9_rig_ask(WALK, "ddws", 0, 2, 1, "file"), 0);
	/* Others need the descriptors. */
	for (unsigned i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "other%u", i);
		temp_file(p9_rig.base_fd, name, "x");
		assert_int_equal(p9_rig_ask(WALK, "ddws", 0, 10 + i, 1, name), 0);
	}
	assert_int_equal(p9_rig_ask(UNLINKAT, "dsd", 0, "file", 0), 0);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(p9_rig_ask(GETATTR, "dq", 10 + i, (u64)~0ull), 0);
	assert_int_equal(p9_rig_ask(GETATTR, "dq", 1, (u64)~0ull), 0);
	assert_int_equal(p9_rig_ask(LOPEN, "dd", 1, 0), 0);
	assert_int_equal(p9_rig_ask(READ, "dqd", 1, (u64)0, 100), 0);
	assert_int_equal(p9_rig_number(7), 5);
	/* By a copy of the fid that is open, too. */
	assert_int_equal(p9_rig_ask(CLUNK, "d", 2), 0);
	assert_int_equal(p9_rig_ask(WALK, "ddw", 1, 2, 0), 0);
	assert_int_equal(p9_rig_ask(LOPEN, "dd", 2, 0), 0);
}

/* ---- versions ---- */

/* Of "file", as a guest finds it that has just come to know it. */
static u32 version_of_file(void)
{
	u32 version;

	assert_int_equal(p9_rig_ask(WALK, "ddws", 0, 9, 1, "file"), 0);
	version = p9_rig_number(10);
	assert_int_equal(p9_rig_ask(CLUNK, "d", 9), 0);
	assert_true(version);
	return version;
}

/* Linux caches no file of version 0, and takes one of another version for another file. */
TEST_WITH(a_files_version_follows_its_contents, p9_rig_setup, p9_rig_teardown)
{
	static const struct timespec epoch[2];
	u32 versions[3];

	temp_file(p9_rig.base_fd, "file", "one");
	versions[0] = version_of_file();
	assert_int_equal(version_of_file(), versions[0]);
	temp_file(p9_rig.base_fd, "file", "another");
	versions[1] = version_of_file();
	assert_int_not_equal(versions[1], versions[0]);
	/* What is not of its contents. */
	assert_int_equal(fchmodat(p9_rig.base_fd, "file", 0600, 0), 0);
	assert_int_equal(linkat(p9_rig.base_fd, "file", p9_rig.base_fd, "second", 0), 0);
	assert_int_equal(version_of_file(), versions[1]);
	/* Of the first second that there is, and of the same time. */
	assert_int_equal(utimensat(p9_rig.base_fd, "file", epoch, 0), 0);
	versions[2] = version_of_file();
	assert_int_not_equal(versions[2], versions[1]);
	p9_rig_append("file", "more");
	assert_int_equal(utimensat(p9_rig.base_fd, "file", epoch, 0), 0);
	assert_int_not_equal(version_of_file(), versions[2]);
	/* Directories are no other ones for what is made in them. */
	assert_int_equal(p9_rig_ask(GETATTR, "dq", 0, (u64)~0ull), 0);
	assert_int_equal(p9_rig_number(16), 0);
}

/* Else it would have a second cache for the second name, without what is not yet written back. */
TEST_WITH(a_file_keeps_its_version_while_the_guest_knows_it, p9_rig_setup, p9_rig_teardown)
{
	u32 version;

	p9_rig_create(1, "file");
	version = p9_rig_number(8);
	assert_true(version);
	assert_int_equal(p9_rig_ask(WRITE, "dqdw", 1, (u64)0, 2, 0x6262), 0);
	assert_int_equal(p9_rig_ask(GETATTR, "dq", 1, (u64)~0ull), 0);
	assert_int_equal(p9_rig_number(16), version);
	assert_int_equal(linkat(p9_rig.base_fd, "file", p9_rig.base_fd, "second", 0), 0);
	assert_int_equal(p9_rig_ask(WALK, "ddws", 0, 2, 1, "second"), 0);
	assert_int_equal(p9_rig_number(10), version);
	assert_int_equal(p9_rig_ask(GETATTR, "dq", 2, (u64)~0ull), 0);
	assert_int_equal(p9_rig_number(16), version);
	assert_int_equal(p9_rig_ask(LOPEN, "dd", 2, 0), 0);
	assert_int_equal(p9_rig_number(8), version);
	assert_int_equal(p9_rig_ask(CLUNK, "d", 1), 0);
	assert_int_equal(version_of_file(), version);
	assert_int_equal(p9_rig_ask(CLUNK, "d", 2), 0);
	assert_int_not_equal(version_of_file(), version);
}
