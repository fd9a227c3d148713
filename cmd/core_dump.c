/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core_dump.h"
#include "diagnosis.h"
#include "machine.h"
#include "util/aside.h"
#include "util/log.h"
#include "util/reach.h"
#include "vmm/core.h"
#include "watch.h"

/* In ms, for what works to stop. */
#define STOP_PATIENCE 200

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* ---- before there is a machine ---- */

struct opening {
	struct core_dump *dump;
	struct error *err;
	int result;
};

static int check_place(struct core_dump *dump, struct error *err)
{
	const char *path = dump->path, *name = base_name(path);
	char folder[PATH_MAX];
	struct stat st;

	if (!*name || strlen(path) >= sizeof(folder))
		return error_set(err, -EINVAL, "--dump-on-crash %s: is no name of a file", path);
	snprintf(folder, sizeof(folder), "%.*s", name == path ? 1 : (int)(name - path),
		 name == path ? "." : path);
	dump->folder = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dump->folder < 0 || faccessat(dump->folder, ".", W_OK | X_OK, AT_EACCESS))
		return error_set(err, -errno, "--dump-on-crash %s: %s", path, strerror(errno));
	if (!fstatat(dump->folder, name, &st, AT_SYMLINK_NOFOLLOW))
		return error_set(err, -EEXIST,
				 "--dump-on-crash %s: is there: remove it, or choose another name",
				 path);
	dump->file = openat(dump->folder, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	/* It gets its name, or is made, when the guest has run. */
	reach_add_names();
	return reach_add_fd(dump->folder, REACH_WRITE | REACH_CHANGE)
		       ? error_set(err, -errno, "--dump-on-crash %s: %s", path, strerror(errno))
		       : 0;
}

static void open_folder(void *arg)
{
	struct opening *opening = arg;

	opening->result = check_place(opening->dump, opening->err);
}

int core_dump_prepare(struct core_dump *dump, const char *path, struct error *err)
{
	struct opening opening = { dump, err, -EIO };

	if (!path)
		return 0;
	dump->path = path;
	dump->folder = dump->file = -1;
	aside_call("lkvm-dump", open_folder, &opening);
	return opening.result;
}

void core_dump_close(struct core_dump *dump)
{
	if (dump->path && dump->folder >= 0)
		close(dump->folder);
	if (dump->path && dump->file >= 0)
		close(dump->file);
	dump->path = NULL;
}

/* ---- afterwards ---- */

/* What the process aside has; it may outlive us, so it is never freed where that does. */
struct work {
	struct core core;
	int folder, file;
	char name[NAME_MAX + 1];
	int result;
};

/* It has its name when it is whole. */
static int write_unnamed(struct work *work)
{
	char path[64];
	int ret = core_write(&work->core, work->file);

	snprintf(path, sizeof(path), "/proc/self/fd/%d", work->file);
	if (!ret && linkat(AT_FDCWD, path, work->folder, work->name, AT_SYMLINK_FOLLOW))
		ret = -errno;
	return ret;
}

static int write_named(struct work *work)
{
	int fd = openat(work->folder, work->name,
			O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int ret;

	if (fd < 0)
		return -errno;
	ret = core_write(&work->core, fd);
	if (close(fd) && !ret)
		ret = -errno;
	if (ret)
		unlinkat(work->folder, work->name, 0);
	return ret;
}

static void write_core(void *arg)
{
	struct work *work = arg;

	work->result = work->file >= 0 ? write_unnamed(work) : write_named(work);
}

static void say(struct core_dump *dump, const struct work *work)
{
	dump->is_there = !work->result;
	if (dump->is_there)
		log_warning("the guest's memory and registers are in %s%s", dump->path,
			    work->core.has_vmcoreinfo ? "" : ", without a VMCOREINFO");
	else
		log_error("--dump-on-crash %s: %s", dump->path,
			  work->result == -ECANCELED ? "was given up, and is removed"
						     : strerror(-work->result));
}

/* Whether it has ended, by itself or because it was told to. */
static bool wait_for(struct work *work, const struct aside *aside, int give_up_fd)
{
	struct pollfd fds[] = { { .fd = aside_done_fd(aside), .events = POLLIN },
				{ .fd = give_up_fd, .events = POLLIN } };

	poll(fds, 2, CORE_DUMP_SECONDS * 1000);
	work->core.stop = true;
	return aside_wait(aside, STOP_PATIENCE);
}

static int run_aside(struct core_dump *dump, struct work *work, struct watch *watch)
{
	const struct aside_config config = {
		.name = "lkvm-dump",
		.main = write_core,
		.arg = work,
		.keep = { work->folder, work->file },
		.keep_count = work->file >= 0 ? 2 : 1,
	};
	struct aside *aside;
	int ret = aside_start(&aside, &config);

	if (ret) {
		log_error("--dump-on-crash %s: %s", dump->path, strerror(-ret));
		return 0;
	}
	if (!wait_for(work, aside, watch_give_up_fd(watch))) {
		log_error("--dump-on-crash %s: the host does not write it: what there is of it is "
			  "not whole",
			  dump->path);
		return -ETIMEDOUT;
	}
	say(dump, work);
	aside_destroy(aside);
	return 0;
}

void core_dump_take(struct core_dump *dump, const struct machine *machine,
		    const struct diagnosis *diagnosis, struct watch *watch)
{
	unsigned cpus = machine->config.cpus;
	struct work *work = calloc(1, sizeof(*work));
	const struct registers **registers = calloc(cpus, sizeof(*registers));

	if (!work || !registers || !diagnosis) {
		log_error("--dump-on-crash %s: out of memory", dump->path);
		free(registers);
		free(work);
		return;
	}
	for (unsigned i = 0; i < cpus; i++)
		registers[i] = diagnosis_registers(diagnosis, i);
	work->core = (struct core){ .memory = machine->vm->memory,
				    .registers = registers,
				    .cpus = cpus };
	work->folder = dump->folder;
	work->file = dump->file;
	snprintf(work->name, sizeof(work->name), "%s", base_name(dump->path));
	watch_begin_dump(watch, CORE_DUMP_SECONDS * 1000 + 2 * STOP_PATIENCE);
	if (!run_aside(dump, work, watch)) {
		free(registers);
		free(work);
	}
	watch_end_dump(watch);
}
