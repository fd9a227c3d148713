/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "cmocka_all.h"
#include "disk_rig.h"
#include "disk/image.h"
#include "util/log.h"

void disk_rig_create(struct disk_rig *rig, u64 size)
{
	*rig = (struct disk_rig){ .folder = "/var/tmp/lkvm-test-disk.XXXXXX" };
	assert_non_null(mkdtemp(rig->folder));
	assert_int_equal(chdir(rig->folder), 0);
	pthread_mutex_init(&rig->lock, NULL);
	assert_int_equal(loop_create(&rig->loop, &rig->lock), 0);
	assert_int_equal(posix_memalign((void **)&rig->data, 4096, size), 0);
	rig->model = calloc(1, size);
	assert_non_null(rig->model);
}

void disk_rig_destroy(struct disk_rig *rig)
{
	char command[100];

	if (rig->disk)
		disk_rig_close(rig);
	loop_destroy(rig->loop);
	snprintf(command, sizeof(command), "cd / && rm -rf %s", rig->folder);
	assert_int_equal(system(command), 0);
	free(rig->data);
	free(rig->model);
}

int disk_rig_try_open(struct disk_rig *rig, const char *path, struct disk_options options,
		      struct error *err)
{
	int ret = disk_open(&rig->disk, path, &options, err);

	if (ret)
		rig->disk = NULL;
	return ret ? ret : disk_start(rig->disk, rig->loop, NULL, NULL);
}

void disk_rig_open(struct disk_rig *rig, const char *path, struct disk_options options)
{
	struct error err = { "" };

	if (disk_rig_try_open(rig, path, options, &err))
		fail_msg("%s", err.text);
}

void disk_rig_close(struct disk_rig *rig)
{
	assert_true(disk_drain(rig->disk));
	disk_close(rig->disk);
	rig->disk = NULL;
}

static void on_done(struct disk_request *request, int result)
{
	struct disk_rig_op *op = container_of(request, struct disk_rig_op, request);

	op->done = true;
	op->result = result;
}

void disk_rig_begin(struct disk_rig *rig, struct disk_rig_op *op, enum disk_op what, u64 offset,
		    u64 len, struct iovec *iov, unsigned iov_count)
{
	op->request = (struct disk_request){
		.op = what,
		.offset = offset,
		.len = len,
		.iov = iov,
		.iov_count = iov_count,
		.may_unmap = rig->may_unmap,
		.done = on_done,
	};
	op->done = false;
	disk_submit(rig->disk, &op->request);
}

void disk_rig_submit(struct disk_rig *rig, struct disk_rig_op *op, enum disk_op what, u64 offset,
		     u64 len)
{
	op->iov = (struct iovec){ rig->data + offset, len };
	disk_rig_begin(rig, op, what, offset, len, &op->iov, 1);
}

int disk_rig_wait(struct disk_rig *rig, struct disk_rig_op *op)
{
	disk_flush_queue(rig->disk);
	while (!op->done)
		loop_poll(rig->loop, 1000);
	return op->result;
}

int disk_rig_run(struct disk_rig *rig, enum disk_op what, u64 offset, u64 len)
{
	struct disk_rig_op op;

	disk_rig_submit(rig, &op, what, offset, len);
	return disk_rig_wait(rig, &op);
}

bool disk_rig_needs_no_thread(const char *path)
{
	_Alignas(4096) static u8 buffer[4096];
	const struct iovec iov = { buffer, sizeof(buffer) };
	int fd = open(path, O_RDONLY | O_DIRECT);
	ssize_t ret = fd < 0 ? -1 : preadv2(fd, &iov, 1, 0, RWF_NOWAIT);
	bool needs_none = ret >= 0 || (fd >= 0 && errno == EAGAIN);

	if (fd >= 0)
		close(fd);
	return needs_none;
}

void disk_rig_patch(const char *path, off_t at, const void *data, size_t len)
{
	int fd = open(path, O_WRONLY);

	assert_int_equal(pwrite(fd, data, len, at), len);
	close(fd);
}

void disk_rig_assert_sound(const char *path)
{
	struct image_check check;
	struct error err = { "" };

	if (image_check(path, false, &check, &err))
		fail_msg("%s", err.text);
	if (check.errors)
		fail_msg("%s", check.first);
	assert_int_equal(check.leaks, 0);
}
