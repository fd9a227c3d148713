/* SPDX-License-Identifier: BSD-2-Clause */
/* Binds and releases that are killed at any of their writes, and several at once. */
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "vfio_kernel.h"
#include "test.h"

/* ---- kill -9 ---- */

/* In a process of its own, killed at its @at-th write. False: it came to its end. */
static bool killed(unsigned at, int (*action)(const char *name, struct error *err),
		   const char *name)
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (!child) {
		kernel.writes = 0;
		kernel.kill_at = at;
		_exit(action(name, NULL) ? 1 : 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 9));
	return WEXITSTATUS(status) == 9;
}

TEST_WITH(after_a_kill_of_bind_at_any_moment_release_gives_all_back, kernel_setup, kernel_teardown)
{
	bool more = true;

	for (unsigned n = 1; more; n++) {
		more = killed(n, bind_device, SOUND);
		assert_int_equal(release(SOUND, NULL), 0);
		assert_all_as_before();
		assert_true(n < 100);
	}
}

TEST_WITH(after_a_kill_of_bind_at_any_moment_bind_and_release_work, kernel_setup, kernel_teardown)
{
	bool more = true;

	for (unsigned n = 1; more; n++) {
		more = killed(n, bind_device, SOUND);
		assert_int_equal(bind_device(SOUND, NULL), 0);
		assert_driver(SOUND, "vfio-pci");
		assert_driver(MODEM, "vfio-pci");
		assert_int_equal(release(SOUND, NULL), 0);
		assert_all_as_before();
	}
}

TEST_WITH(after_a_kill_of_bind_another_member_can_be_bound, kernel_setup, kernel_teardown)
{
	bool more = true;

	for (unsigned n = 1; more; n++) {
		more = killed(n, bind_device, SOUND);
		assert_int_equal(bind_device(MODEM, NULL), 0);
		assert_driver(SOUND, "vfio-pci");
		assert_driver(MODEM, "vfio-pci");
		/* Even if one was taken for the other, the two releases give back everything. */
		release(MODEM, NULL);
		release(SOUND, NULL);
		assert_all_as_before();
	}
}

TEST_WITH(after_a_kill_of_release_at_any_moment_release_ends_it, kernel_setup, kernel_teardown)
{
	bool more = true;

	for (unsigned n = 1; more; n++) {
		assert_int_equal(bind_device(SOUND, NULL), 0);
		more = killed(n, release, SOUND);
		if (more)
			assert_int_equal(release(SOUND, NULL), 0);
		assert_all_as_before();
	}
}

TEST_WITH(a_record_that_was_half_written_is_none, kernel_setup, kernel_teardown)
{
	vfio_tree_file(&kernel.tree, "for 0000:00:0", "run/vfio/" DISK ".new");
	assert_int_equal(release(DISK, NULL), -ENOENT);
	assert_int_equal(bind_device(DISK, NULL), 0);
	assert_int_equal(release(DISK, NULL), 0);
	assert_all_as_before();
}

/* ---- several at once ---- */

TEST_WITH(binds_at_the_same_time_come_one_after_the_other, kernel_setup, kernel_teardown)
{
	char path[PATH_MAX];
	int fd, status;
	pid_t child;

	assert_int_equal(bind_device(DISK, NULL), 0);
	snprintf(path, sizeof(path), "%s/vfio/lock", kernel.tree.state);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	child = fork();
	if (!child) {
		close(fd);
		_exit(bind_device(SOUND, NULL) ? 1 : 0);
	}
	usleep(150000);
	assert_int_equal(waitpid(child, &status, WNOHANG), 0);
	assert_driver(SOUND, "snd");
	close(fd);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_driver(SOUND, "vfio-pci");
	assert_int_equal(release(SOUND, NULL), 0);
	assert_int_equal(release(DISK, NULL), 0);
	assert_all_as_before();
}

TEST_WITH(what_is_remembered_is_for_its_user_alone, kernel_setup, kernel_teardown)
{
	char path[PATH_MAX];
	struct stat st;

	assert_int_equal(bind_device(DISK, NULL), 0);
	snprintf(path, sizeof(path), "%s/vfio", kernel.tree.state);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	snprintf(path, sizeof(path), "%s/vfio/" DISK, kernel.tree.state);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

TEST_WITH(where_nothing_can_be_remembered_nothing_is_taken, kernel_setup, kernel_teardown)
{
	struct error err = { "" };

	/* A file where the folder must be. */
	vfio_tree_file(&kernel.tree, "", "run");
	assert_true(bind_device(DISK, &err) < 0);
	assert_non_null(strstr(err.text, "/run"));
	assert_int_equal(kernel.writes, 0);
	assert_driver(DISK, "nvme");
}
