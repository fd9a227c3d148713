/* SPDX-License-Identifier: BSD-2-Clause */
/* vfio/auto.c: several runs that bind the same devices, in processes of their own. */
#include <fcntl.h>
#include <stdlib.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "keeper_rig.h"
#include "util/listener.h"
#include "util/log.h"
#include "vfio/vfio.h"
#include "vfio_fake.h"
#include "vfio_kernel.h"
#include "test.h"

#define ROUNDS 25

/* ---- one kernel for all processes: the tree, and locks on /dev/vfio/GROUP ---- */

static int gates[16]; /* by group: what this process has open */

static int open_gate(int number)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/vfio/%d", kernel.tree.dev, number);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	if (!flock(fd, LOCK_EX | LOCK_NB))
		return fd;
	close(fd);
	return -EBUSY;
}

static int gate(int number, bool opened)
{
	if (!opened) {
		close(gates[number]);
		return 0;
	}
	gates[number] = open_gate(number);
	return gates[number] < 0 ? gates[number] : 0;
}

static int start(void **state)
{
	kernel_setup(state);
	kernel.open_group = open_gate;
	vfio_tree_file(&kernel.tree, "", "dev/vfio/4");
	vfio_tree_file(&kernel.tree, "", "dev/vfio/8");
	vfio_fake_init();
	vfio_fake.gate = gate;
	vfio_fake_device(DISK, 4);
	vfio_fake_device(SOUND, 8);
	vfio_fake_device(MODEM, 8);
	return 0;
}

static int stop(void **state)
{
	vfio_fake_end();
	return kernel_teardown(state);
}

/* A run's own, and what it passes. */
struct run {
	struct keeper *keeper;
	struct vfio *vfio;
};

static void run_close(struct run *run)
{
	vfio_close(run->vfio);
	keeper_destroy(run->keeper);
}

/* With run->keeper, if there is one already. */
static int open_auto(struct run *run, const char *name, struct error *err)
{
	const struct vfio_want want = { .address = vfio_tree_address(name), .auto_bind = true };
	struct vfio_request request = { &kernel.tree.paths, &want, 1, true, NULL };
	int ret;

	if (!run->keeper)
		run->keeper = keeper_rig_create();
	request.keeper = run->keeper;
	err->text[0] = '\0';
	run->vfio = NULL;
	ret = vfio_open(&run->vfio, &request, err);
	if (ret)
		run_close(run);
	return ret;
}

/* ---- another process ---- */

static pid_t spawn(void (*play)(const char *name), const char *name)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid)
		return pid;
	play(name);
	_exit(0);
}

static void await(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* Fails the process: its assertions have nobody to tell. */
static void must(bool condition)
{
	if (!condition)
		_exit(1);
}

static void is_refused(const char *name)
{
	struct run run = { NULL };
	struct error err;

	must(open_auto(&run, name, &err) == -ENODEV);
	must(strstr(err.text, "is in use: its group"));
	/* That is all there is to say. */
	log_flush(10000);
	must(lseek(STDERR_FILENO, 0, SEEK_CUR) == 0);
}

static void is_refused_silently(const char *name)
{
	FILE *file = tmpfile();

	must(file && dup2(fileno(file), STDERR_FILENO) >= 0);
	is_refused(name);
}

static void open_and_close(const char *name)
{
	unsigned done = 0;

	while (done < ROUNDS) {
		struct run run = { NULL };
		struct error err;
		char driver[64];

		if (open_auto(&run, name, &err)) {
			must(strstr(err.text, "is in use: its group"));
			continue;
		}
		driver_of(name, driver);
		must(!strcmp(driver, "vfio-pci"));
		run_close(&run);
		done++;
	}
}

/* ---- */

TEST_WITH(a_second_run_is_refused_with_the_reason_and_changes_nothing, start, stop)
{
	struct run run = { NULL };
	struct error err;

	assert_int_equal(open_auto(&run, DISK, &err), 0);
	await(spawn(is_refused_silently, DISK));
	assert_driver(DISK, "vfio-pci");
	assert_true(is_remembered(DISK));
	run_close(&run);
	assert_all_as_before();
}

TEST_WITH(so_is_one_that_wants_another_member_of_the_group, start, stop)
{
	struct run run = { NULL };
	struct error err;

	assert_int_equal(open_auto(&run, SOUND, &err), 0);
	await(spawn(is_refused_silently, MODEM));
	assert_driver(SOUND, "vfio-pci");
	assert_driver(MODEM, "vfio-pci");
	run_close(&run);
	assert_all_as_before();
}

TEST_WITH(what_a_killed_run_left_is_given_back_by_the_next, start, stop)
{
	struct run run = { NULL };
	struct error err;

	assert_int_equal(bind_device(DISK, &err), 0);
	assert_int_equal(open_auto(&run, DISK, &err), 0);
	run_close(&run);
	assert_all_as_before();
}

TEST_WITH(runs_that_race_for_a_device_lose_it_never, start, stop)
{
	pid_t a = spawn(open_and_close, DISK), b = spawn(open_and_close, DISK);

	await(a);
	await(b);
	assert_all_as_before();
}

TEST_WITH(nor_do_those_that_race_for_a_group, start, stop)
{
	pid_t a = spawn(open_and_close, SOUND), b = spawn(open_and_close, MODEM);

	await(a);
	await(b);
	assert_all_as_before();
}

TEST_WITH(who_may_not_bind_passes_what_is_bound_without_a_record, start, stop)
{
	struct run run = { NULL };
	struct error err;

	assert_int_equal(kernel_unbind(DISK), 0);
	vfio_tree_file(&kernel.tree, "vfio-pci", "sys/devices/pci0000:00/" DISK "/driver_override");
	assert_int_equal(kernel_bind(DISK, "vfio-pci"), 0);
	/* A folder that cannot be made, for root as well. */
	vfio_tree_file(&kernel.tree, "", "run/lkvm");
	kernel.tree.paths.state = strcat(kernel.tree.state, "/lkvm/x");
	assert_int_equal(open_auto(&run, DISK, &err), 0);
	run_close(&run);
	assert_driver(DISK, "vfio-pci");
}

/* ---- kill -9 ---- */

static bool as_before(const char *name, const char *driver)
{
	char now[64];

	driver_of(name, now);
	return !strcmp(now, driver) && !is_remembered(name);
}

/* The keeper of a run that was killed needs a moment. */
static void assert_is_given_back(void)
{
	for (unsigned i = 0; i < 1000; i++) {
		if (as_before(SOUND, "snd") && as_before(MODEM, "modem"))
			break;
		usleep(10000);
	}
	assert_all_as_before();
}

static void open_and_die(const char *name)
{
	struct run run = { NULL };
	struct error err;

	must(!open_auto(&run, name, &err));
	raise(SIGKILL);
}

TEST_WITH(a_device_is_given_back_when_its_run_is_killed, start, stop)
{
	int status;

	assert_int_equal(waitpid(spawn(open_and_die, SOUND), &status, 0) > 0, 1);
	assert_true(WIFSIGNALED(status));
	assert_is_given_back();
}

/* The keeper is there before, so that its own writes are not counted. True: it was killed. */
static bool is_killed_at(unsigned at)
{
	int status;
	pid_t child = fork();

	if (!child) {
		struct run run = { keeper_rig_create() };
		struct error err;

		must(listener_note(run.keeper, &listener_file_kind, "/nowhere/x", SOCK_STREAM,
				   NULL) >= 0);
		kernel.writes = 0;
		kernel.kill_at = at;
		must(!open_auto(&run, SOUND, &err));
		run_close(&run);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 9));
	return WEXITSTATUS(status) == 9;
}

TEST_WITH(so_it_is_when_the_run_is_killed_at_any_write_of_its_bind, start, stop)
{
	unsigned n = 1;

	for (; is_killed_at(n); n++)
		assert_is_given_back();
	assert_true(n > 4);
	assert_all_as_before();
}
