/* SPDX-License-Identifier: BSD-2-Clause */
/* A shared folder over virtio-fs: on MMIO, on PCI and behind the IOMMU. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_mmio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "catch.h"
#include "folder_rig.h"
#include "test.h"

static u32 fuse_message(u8 *message, u32 opcode, u64 node, const void *args, u32 args_len)
{
	struct fuse_in_header head = {
		.len = sizeof(head) + args_len, .opcode = opcode, .unique = 9, .nodeid = node
	};

	memcpy(message, &head, sizeof(head));
	memcpy(message + sizeof(head), args, args_len);
	return head.len;
}

static int fuse_ask(struct folder_rig *rig, unsigned queue, u32 opcode, u64 node, const void *args,
		    u32 args_len)
{
	struct fuse_out_header head;
	u8 message[512];

	folder_rig_ask(rig, queue, message, fuse_message(message, opcode, node, args, args_len),
		       512);
	memcpy(&head, rig->answer, sizeof(head));
	assert_int_equal(head.len, rig->len);
	assert_int_equal(head.unique, 9);
	return head.error;
}

static int fuse_start(struct folder_rig *rig)
{
	const struct fuse_init_in in = { .major = 7, .minor = 38 };

	return fuse_ask(rig, 1, FUSE_INIT, 0, &in, sizeof(in));
}

static u64 fuse_create(struct folder_rig *rig, const char *name)
{
	struct fuse_create_in in = { .flags = O_RDWR, .mode = 0640 };
	u8 args[100];
	u64 file;

	memcpy(args, &in, sizeof(in));
	strcpy((char *)args + sizeof(in), name);
	assert_int_equal(fuse_ask(rig, 1, FUSE_CREATE, 1, args, sizeof(in) + strlen(name) + 1), 0);
	memcpy(&file, rig->answer + sizeof(struct fuse_out_header) + sizeof(struct fuse_entry_out),
	       8);
	return file;
}

static int fuse_write(struct folder_rig *rig, u64 file, const char *text)
{
	struct fuse_write_in in = { .fh = file, .size = strlen(text) };
	u8 args[100];

	memcpy(args, &in, sizeof(in));
	memcpy(args + sizeof(in), text, in.size);
	return fuse_ask(rig, 2, FUSE_WRITE, 1, args, sizeof(in) + in.size);
}

static int fs_on_mmio(void **state)
{
	return folder_rig_setup(state, FOLDER_ON_MMIO, false);
}

static int fs_on_pci(void **state)
{
	return folder_rig_setup(state, FOLDER_ON_PCI, false);
}

static int fs_behind_iommu(void **state)
{
	return folder_rig_setup(state, FOLDER_BEHIND_IOMMU, false);
}

TEST_WITH(a_file_that_the_guest_writes_is_the_hosts, fs_on_mmio, folder_rig_teardown)
{
	struct folder_rig *rig = *state;
	struct fuse_read_in in = { .size = 100 };

	assert_int_equal(fuse_start(rig), 0);
	in.fh = fuse_create(rig, "file");
	assert_int_equal(fuse_write(rig, in.fh, "hello"), 0);
	assert_true(folder_rig_holds(rig, "file", "hello"));
	assert_int_equal(fuse_ask(rig, 1, FUSE_READ, 1, &in, sizeof(in)), 0);
	assert_int_equal(rig->len, 16 + 5);
	assert_memory_equal(rig->answer + 16, "hello", 5);
}
TEST_AGAIN(a_file_that_the_guest_writes_is_the_hosts, fs_on_pci, folder_rig_teardown)
TEST_AGAIN(a_file_that_the_guest_writes_is_the_hosts, fs_behind_iommu, folder_rig_teardown)

TEST_WITH(the_configuration_has_tag_and_queues, fs_on_mmio, folder_rig_teardown)
{
	struct folder_rig *rig = *state;
	char tag[36];

	assert_int_equal(wire_reg_read(rig->vm, FOLDER_SLOT, VIRTIO_MMIO_DEVICE_ID), VIRTIO_ID_FS);
	for (unsigned i = 0; i < sizeof(tag); i++)
		tag[i] = wire_config_read(rig->vm, FOLDER_SLOT, i, 1);
	assert_memory_equal(tag, "shared\0", 8);
	assert_int_equal(wire_config_read(rig->vm, FOLDER_SLOT, 36, 4), 2);
}

TEST_WITH(more_messages_than_are_taken_at_once_are_all_answered, fs_on_mmio, folder_rig_teardown)
{
	static const u8 name[] = "none";
	struct folder_rig *rig = *state;
	u8 message[100];
	u32 len;

	assert_int_equal(fuse_start(rig), 0);
	for (unsigned round = 0; round < 20; round++) {
		u32 size = fuse_message(message, FUSE_LOOKUP, 1, name, sizeof(name));

		/* 64 chains of two descriptors are all that fits the ring. */
		for (unsigned i = 0; i < 64; i++)
			folder_rig_add(rig, 1, i, message, size, 200);
		for (unsigned i = 0; i < 40; i++)
			folder_rig_add(rig, 2, 64 + i, message, size, 200);
		folder_rig_kick(rig, 1);
		folder_rig_kick(rig, 2);
		for (unsigned i = 0; i < 64; i++) {
			assert_true(folder_rig_used(rig, 1, &len));
			assert_int_equal(len, sizeof(struct fuse_out_header));
		}
		for (unsigned i = 0; i < 40; i++)
			assert_true(folder_rig_used(rig, 2, &len));
	}
}
TEST_AGAIN(more_messages_than_are_taken_at_once_are_all_answered, fs_on_pci, folder_rig_teardown)
TEST_AGAIN(more_messages_than_are_taken_at_once_are_all_answered, fs_behind_iommu,
	   folder_rig_teardown)

TEST_WITH(forgetting_is_answered_with_nothing, fs_on_mmio, folder_rig_teardown)
{
	const struct fuse_forget_in in = { .nlookup = 1 };
	struct folder_rig *rig = *state;
	u8 message[100];

	assert_int_equal(fuse_start(rig), 0);
	folder_rig_ask(rig, 0, message, fuse_message(message, FUSE_FORGET, 1, &in, sizeof(in)), 0);
	assert_int_equal(rig->len, 0);
}
TEST_AGAIN(forgetting_is_answered_with_nothing, fs_on_pci, folder_rig_teardown)
TEST_AGAIN(forgetting_is_answered_with_nothing, fs_behind_iommu, folder_rig_teardown)

/* A lock of ours is how a test sees that a file which the guest left open was closed. */
static bool is_open_somewhere(struct folder_rig *rig, const char *name)
{
	int fd = openat(rig->fd, name, O_RDWR | O_CLOEXEC);
	bool leased = !fcntl(fd, F_SETLEASE, F_WRLCK);

	close(fd);
	return !leased;
}

TEST_WITH(a_reset_closes_what_the_guest_left_open, fs_on_mmio, folder_rig_teardown)
{
	struct folder_rig *rig = *state;
	u64 file;

	assert_int_equal(fuse_start(rig), 0);
	file = fuse_create(rig, "file");
	assert_true(is_open_somewhere(rig, "file"));
	folder_rig_bring_up(rig);
	assert_false(is_open_somewhere(rig, "file"));
	assert_int_equal(fuse_write(rig, file, "x"), -EIO); /* before INIT */
	assert_int_equal(fuse_start(rig), 0);
	assert_int_equal(fuse_write(rig, file, "x"), -EBADF);
	file = fuse_create(rig, "file");
	assert_int_equal(fuse_write(rig, file, "again"), 0);
	assert_true(folder_rig_holds(rig, "file", "again"));
}
TEST_AGAIN(a_reset_closes_what_the_guest_left_open, fs_on_pci, folder_rig_teardown)
TEST_AGAIN(a_reset_closes_what_the_guest_left_open, fs_behind_iommu, folder_rig_teardown)

TEST_WITH(a_reset_among_messages_throws_their_answers_away, fs_on_mmio, folder_rig_teardown)
{
	static const u8 name[] = "none";
	struct folder_rig *rig = *state;
	u8 message[100];
	u32 size = fuse_message(message, FUSE_LOOKUP, 1, name, sizeof(name));

	for (unsigned round = 0; round < 20; round++) {
		assert_int_equal(fuse_start(rig), 0);
		for (unsigned i = 0; i < 60; i++)
			folder_rig_add(rig, 1 + i % 2, i, message, size, 200);
		folder_rig_kick(rig, 1);
		folder_rig_kick(rig, 2);
		loop_poll(rig->vm->loop, 0);
		folder_rig_bring_up(rig);
		assert_false(wire_has_used(&rig->queues[1]));
	}
}
TEST_AGAIN(a_reset_among_messages_throws_their_answers_away, fs_on_pci, folder_rig_teardown)
TEST_AGAIN(a_reset_among_messages_throws_their_answers_away, fs_behind_iommu, folder_rig_teardown)

TEST_WITH(an_answer_that_cannot_be_placed_breaks_the_device_alone, fs_on_mmio, folder_rig_teardown)
{
	static const u8 name[] = "none";
	struct folder_rig *rig = *state;
	u8 message[100];
	u32 len = fuse_message(message, FUSE_LOOKUP, 1, name, sizeof(name));
	struct wire_segment parts[] = { { FOLDER_IN, len, false }, { 2 * GIB, 200, true } };

	assert_int_equal(fuse_start(rig), 0);
	wire_write(rig->vm, FOLDER_IN, message, len);
	wire_add(&rig->queues[1], parts, 2);
	folder_rig_kick(rig, 1);
	assert_false(folder_rig_used(rig, 1, &len));
	assert_true(wire_needs_reset(rig->vm, FOLDER_SLOT));
	folder_rig_bring_up(rig);
	assert_int_equal(fuse_start(rig), 0);
}

TEST_WITH(a_message_that_cannot_be_reached_as_a_whole_is_an_error, fs_on_mmio, folder_rig_teardown)
{
	static const u8 name[] = "none";
	struct folder_rig *rig = *state;
	struct fuse_out_header head;
	u8 message[100];
	u32 len = fuse_message(message, FUSE_LOOKUP, 1, name, sizeof(name));
	struct wire_segment parts[] = { { FOLDER_IN, len, false },
					{ 2 * GIB, 8, false },
					{ FOLDER_OUT, 200, true } };

	assert_int_equal(fuse_start(rig), 0);
	wire_write(rig->vm, FOLDER_IN, message, len);
	wire_add(&rig->queues[1], parts, 3);
	folder_rig_kick(rig, 1);
	assert_true(folder_rig_used(rig, 1, &len));
	assert_int_equal(len, sizeof(head));
	wire_read(rig->vm, FOLDER_OUT, &head, sizeof(head));
	assert_int_equal(head.error, -EIO);
}

TEST_WITH(an_unmap_waits_for_the_message_that_uses_it, fs_behind_iommu, folder_rig_teardown)
{
	static const u8 name[] = "none";
	struct folder_rig *rig = *state;
	u8 message[100];
	u32 len = fuse_message(message, FUSE_LOOKUP, 1, name, sizeof(name));

	assert_int_equal(fuse_start(rig), 0);
	for (unsigned i = 0; i < 50; i++) {
		folder_rig_add(rig, 1, 1, message, len, 200);
		folder_rig_kick(rig, 1);
		/* Whether it is under way or not: when UNMAP is answered, nothing is written. */
		assert_int_equal(rig_unmap(&rig->iommu, FOLDER_DOMAIN, FOLDER_RINGS, FOLDER_LAST),
				 0);
		assert_true(list_empty(&rig->iommu.a->holds));
		assert_int_equal(rig_map(&rig->iommu, FOLDER_DOMAIN, FOLDER_RINGS, FOLDER_LAST,
					 FOLDER_RINGS, READ_WRITE),
				 0);
		folder_rig_bring_up(rig);
		assert_int_equal(fuse_start(rig), 0);
	}
}

TEST_WITH(a_folder_that_is_removed_is_one_line_in_the_log, fs_on_mmio, folder_rig_teardown)
{
	struct folder_rig *rig = *state;
	const struct fuse_getattr_in in = { 0 };
	char text[500], path[80];

	assert_int_equal(fuse_start(rig), 0);
	snprintf(path, sizeof(path), "%s/shared", rig->base);
	assert_int_equal(rmdir(path), 0);
	catch_stderr();
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(fuse_ask(rig, 1, FUSE_GETATTR, 1, &in, sizeof(in)), 0);
	caught_stderr(text, sizeof(text));
	assert_string_equal(text,
			    "lkvm: warning: virtio-fs 0: the folder was removed from the host\n");
}

/* A guest cannot fill the log by opening and resetting. */
TEST_WITH(files_beyond_the_bound_are_an_error_and_few_lines, fs_on_mmio, folder_rig_teardown)
{
	struct rlimit was, limit;
	struct folder_rig *rig;
	char text[5000];
	unsigned lines = 0;

	folder_rig_teardown(state);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	limit = (struct rlimit){ 256, was.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	fs_on_mmio(state);
	rig = *state;
	catch_stderr();
	for (unsigned round = 0; round < 30; round++) {
		u8 args[sizeof(struct fuse_open_in)] = { 0 };
		unsigned count = 0;

		assert_int_equal(fuse_start(rig), 0);
		while (!fuse_ask(rig, 1, FUSE_OPENDIR, 1, args, sizeof(args)))
			count++;
		assert_int_equal(count, 64);
		assert_int_equal(fuse_ask(rig, 1, FUSE_OPENDIR, 1, args, sizeof(args)), -ENFILE);
		folder_rig_bring_up(rig);
	}
	caught_stderr(text, sizeof(text));
	for (const char *at = text; (at = strstr(at, "Too many open files in system")); at++)
		lines++;
	assert_in_range(lines, 1, 20);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
}

/* As the transport does at the end. */
static void device_reset_and_destroy(struct folder_rig *rig)
{
	rig->device->ending = true;
	rig->device->ops->reset(rig->device);
	rig->device->ops->destroy(rig->device);
}

/*
 * Stop the process aside, once all its threads wait for work: one that is stopped with a lock of
 * ours would be a fault that no host brings about.
 */
static void stop_threads(void)
{
	char command[500];

	snprintf(command, sizeof(command),
		 "are() { [ $(grep -l \"^State:.*$1\" /proc/$pid/task/*/status | wc -l) = 9 ]; }; "
		 "wait_for() { n=0; until are $1 || [ $n -ge 200 ]; do "
		 "sleep 0.05; n=$((n + 1)); done; are $1; }; "
		 "for pid in $(cat /proc/%d/task/*/children); do "
		 "grep -q lkvm-fs /proc/$pid/comm || continue; "
		 "wait_for sleeping; kill -STOP $pid; wait_for stopped || exit 1; done",
		 getpid());
	assert_int_equal(system(command), 0);
}

/* In a process of its own, as what hangs is left as it is. */
static void end_with_a_folder_that_hangs(void)
{
	static const u8 name[] = "none";
	struct folder_rig *rig;
	u8 message[100];
	u32 len = fuse_message(message, FUSE_LOOKUP, 1, name, sizeof(name));

	folder_rig_setup((void **)&rig, FOLDER_ON_MMIO, false);
	if (fuse_start(rig))
		_exit(1);
	stop_threads();
	folder_rig_add(rig, 1, 1, message, len, 200);
	folder_rig_kick(rig, 1);
	loop_poll(rig->vm->loop, 0);
	loop_set_patience(rig->vm->loop, -1, 200);
	vm_lock(rig->vm);
	device_reset_and_destroy(rig);
	vm_unlock(rig->vm);
	folder_rig_remove_files(rig);
	_exit(loop_gave_up(rig->vm->loop) ? 0 : 2);
}

TEST(a_folder_that_hangs_does_not_hold_up_the_end)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid)
		end_with_a_folder_that_hangs();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}
