/* SPDX-License-Identifier: BSD-2-Clause */
/* A shared folder over virtio-fs and virtio-9p: on MMIO, on PCI and behind the IOMMU. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_mmio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "catch.h"
#include "folder/folder.h"
#include "iommu_driver.h"
#include "pci_driver.h"
#include "test.h"
#include "virtio/fs.h"
#include "virtio/mmio.h"
#include "virtio/p9.h"
#include "virtio/pci.h"

#define MMIO_SLOT   2
#define PCI_SLOT    3
#define RINGS	    0x100000 /* of queue n, 0x10000 each */
#define IN	    0x200000 /* of message n, 0x1000 each */
#define OUT	    0x280000
#define LAST	    0x2fffff
#define DOMAIN	    7
#define FUSE_QUEUES 3

struct bench {
	struct vm *vm;
	struct rig rig; /* behind the IOMMU */
	struct virtio_device *device;
	struct pci_driver pci; /* pci.vm NULL: by MMIO */
	bool is_9p, has_iommu;
	struct wire_queue queues[FUSE_QUEUES];
	char base[64];
	int fd;	 /* base/shared */
	u32 len; /* of the last answer */
	u8 answer[4096];
};

static struct virtio_device *make(struct bench *bench, struct dma_space *space)
{
	static const struct virtio_fs_options options = { .tag = "shared", .queues = 2 };
	static const struct folder_options folder_options = { .map = FOLDER_MAP_SQUASH };
	struct virtio_device *device;
	struct folder *folder;
	char path[80];

	snprintf(path, sizeof(path), "%s/shared", bench->base);
	assert_int_equal(folder_open(&folder, path, &folder_options, NULL), 0);
	if (bench->is_9p)
		assert_int_equal(
			virtio_p9_create(&device, folder, "shared", 0, bench->vm->loop, space), 0);
	else
		assert_int_equal(
			virtio_fs_create(&device, folder, &options, 0, bench->vm->loop, space), 0);
	return device;
}

enum place { ON_MMIO, ON_PCI, BEHIND_IOMMU };

static void add_device(struct bench *bench, enum place place)
{
	static const struct viommu_config config;
	struct device_resource slot;

	bench->has_iommu = place == BEHIND_IOMMU;
	if (bench->has_iommu) {
		rig_create(&bench->rig, &config);
		bench->vm = bench->rig.vm;
	} else {
		bench->vm = wire_create();
	}
	bench->device = make(bench, bench->has_iommu ? bench->rig.a : &bench->vm->identity.space);
	if (place == ON_PCI) {
		pci_rig_create(bench->vm);
		assert_int_equal(virtio_pci_create(bench->vm, bench->vm->pci, bench->device,
						   PCI_SLOT << 3, DEVICE_NO_ENDPOINT),
				 0);
		assert_int_equal(pci_bus_place_bars(bench->vm->pci, NULL), 0);
		pci_driver_find(&bench->pci, bench->vm, PCI_SLOT);
		return;
	}
	wire_slot(MMIO_SLOT, &slot);
	assert_int_equal(virtio_mmio_create(bench->vm, bench->device, &slot,
					    bench->has_iommu ? ENDPOINT_A : DEVICE_NO_ENDPOINT,
					    false),
			 0);
}

static void bring_up(struct bench *bench)
{
	u64 features = bench->has_iommu ? 1ull << VIRTIO_F_ACCESS_PLATFORM : 0;

	assert_true(bench->pci.vm ? pci_driver_negotiate(&bench->pci, 0)
				  : wire_negotiate(bench->vm, MMIO_SLOT, features));
	for (unsigned i = 0; i < (bench->is_9p ? 1 : FUSE_QUEUES); i++) {
		if (bench->pci.vm)
			pci_driver_queue(&bench->pci, &bench->queues[i], i, 128,
					 RINGS + i * 0x10000);
		else
			wire_queue_init(&bench->queues[i], bench->vm, MMIO_SLOT, i, 128,
					RINGS + i * 0x10000);
	}
	if (bench->pci.vm)
		pci_driver_ok(&bench->pci);
	else
		wire_driver_ok(bench->vm, MMIO_SLOT);
}

static int setup(void **state, enum place place, bool is_9p)
{
	struct bench *bench = calloc(1, sizeof(*bench));
	char path[80];

	bench->is_9p = is_9p;
	strcpy(bench->base, "/var/tmp/lkvm-test-XXXXXX");
	assert_non_null(mkdtemp(bench->base));
	snprintf(path, sizeof(path), "%s/shared", bench->base);
	assert_int_equal(mkdir(path, 0755), 0);
	bench->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	add_device(bench, place);
	if (bench->has_iommu) {
		rig_start(&bench->rig, ALL_FEATURES);
		assert_int_equal(rig_attach(&bench->rig, DOMAIN, ENDPOINT_A, 0), 0);
		assert_int_equal(rig_map(&bench->rig, DOMAIN, RINGS, LAST, RINGS, READ_WRITE), 0);
	}
	bring_up(bench);
	*state = bench;
	return 0;
}

static int remove_files(struct bench *bench)
{
	char command[100];

	snprintf(command, sizeof(command), "rm -rf %s", bench->base);
	return system(command);
}

static int teardown(void **state)
{
	struct bench *bench = *state;
	int ret;

	if (bench->has_iommu)
		rig_destroy(&bench->rig);
	else
		wire_destroy(bench->vm);
	close(bench->fd);
	ret = remove_files(bench);
	free(bench);
	return ret;
}

static void kick(struct bench *bench, unsigned queue)
{
	if (bench->pci.vm)
		pci_driver_kick(&bench->pci, &bench->queues[queue]);
	else
		wire_kick(&bench->queues[queue]);
}

static bool used(struct bench *bench, unsigned queue, u32 *len)
{
	return bench->pci.vm ? pci_driver_used(&bench->pci, &bench->queues[queue], len)
			     : wire_used(&bench->queues[queue], NULL, len);
}

/* Message @n with @room for its answer, not kicked. */
static void add(struct bench *bench, unsigned queue, unsigned n, const void *message, u32 len,
		u32 room)
{
	struct wire_segment parts[] = { { IN + n * 0x1000, len, false },
					{ OUT + n * 0x1000, room, true } };

	wire_write(bench->vm, parts[0].address, message, len);
	wire_add(&bench->queues[queue], parts, room ? 2 : 1);
}

static void ask(struct bench *bench, unsigned queue, const void *message, u32 len, u32 room)
{
	add(bench, queue, 0, message, len, room);
	kick(bench, queue);
	assert_true(used(bench, queue, &bench->len));
	assert_true(bench->len <= room);
	if (bench->len)
		wire_read(bench->vm, OUT, bench->answer, bench->len);
}

/* ---- FUSE ---- */

static u32 fuse_message(u8 *message, u32 opcode, u64 node, const void *args, u32 args_len)
{
	struct fuse_in_header head = {
		.len = sizeof(head) + args_len, .opcode = opcode, .unique = 9, .nodeid = node
	};

	memcpy(message, &head, sizeof(head));
	memcpy(message + sizeof(head), args, args_len);
	return head.len;
}

static int fuse_ask(struct bench *bench, unsigned queue, u32 opcode, u64 node, const void *args,
		    u32 args_len)
{
	struct fuse_out_header head;
	u8 message[512];

	ask(bench, queue, message, fuse_message(message, opcode, node, args, args_len), 512);
	memcpy(&head, bench->answer, sizeof(head));
	assert_int_equal(head.len, bench->len);
	assert_int_equal(head.unique, 9);
	return head.error;
}

static int fuse_start(struct bench *bench)
{
	const struct fuse_init_in in = { .major = 7, .minor = 38 };

	return fuse_ask(bench, 1, FUSE_INIT, 0, &in, sizeof(in));
}

static u64 fuse_create(struct bench *bench, const char *name)
{
	struct fuse_create_in in = { .flags = O_RDWR, .mode = 0640 };
	u8 args[100];
	u64 file;

	memcpy(args, &in, sizeof(in));
	strcpy((char *)args + sizeof(in), name);
	assert_int_equal(fuse_ask(bench, 1, FUSE_CREATE, 1, args, sizeof(in) + strlen(name) + 1),
			 0);
	memcpy(&file,
	       bench->answer + sizeof(struct fuse_out_header) + sizeof(struct fuse_entry_out), 8);
	return file;
}

static int fuse_write(struct bench *bench, u64 file, const char *text)
{
	struct fuse_write_in in = { .fh = file, .size = strlen(text) };
	u8 args[100];

	memcpy(args, &in, sizeof(in));
	memcpy(args + sizeof(in), text, in.size);
	return fuse_ask(bench, 2, FUSE_WRITE, 1, args, sizeof(in) + in.size);
}

static bool holds(struct bench *bench, const char *name, const char *text)
{
	char data[100] = "";
	int fd = openat(bench->fd, name, O_RDONLY | O_CLOEXEC);
	bool right = fd >= 0 && read(fd, data, sizeof(data) - 1) >= 0 && !strcmp(data, text);

	close(fd);
	return right;
}

static int fs_on_mmio(void **state)
{
	return setup(state, ON_MMIO, false);
}

static int fs_on_pci(void **state)
{
	return setup(state, ON_PCI, false);
}

static int fs_behind_iommu(void **state)
{
	return setup(state, BEHIND_IOMMU, false);
}

static int p9_on_mmio(void **state)
{
	return setup(state, ON_MMIO, true);
}

static int p9_on_pci(void **state)
{
	return setup(state, ON_PCI, true);
}

static int p9_behind_iommu(void **state)
{
	return setup(state, BEHIND_IOMMU, true);
}

TEST_WITH(a_file_that_the_guest_writes_is_the_hosts, fs_on_mmio, teardown)
{
	struct bench *bench = *state;
	struct fuse_read_in in = { .size = 100 };

	assert_int_equal(fuse_start(bench), 0);
	in.fh = fuse_create(bench, "file");
	assert_int_equal(fuse_write(bench, in.fh, "hello"), 0);
	assert_true(holds(bench, "file", "hello"));
	assert_int_equal(fuse_ask(bench, 1, FUSE_READ, 1, &in, sizeof(in)), 0);
	assert_int_equal(bench->len, 16 + 5);
	assert_memory_equal(bench->answer + 16, "hello", 5);
}
TEST_AGAIN(a_file_that_the_guest_writes_is_the_hosts, fs_on_pci, teardown)
TEST_AGAIN(a_file_that_the_guest_writes_is_the_hosts, fs_behind_iommu, teardown)

TEST_WITH(the_configuration_has_tag_and_queues, fs_on_mmio, teardown)
{
	struct bench *bench = *state;
	char tag[36];

	assert_int_equal(wire_reg_read(bench->vm, MMIO_SLOT, VIRTIO_MMIO_DEVICE_ID), VIRTIO_ID_FS);
	for (unsigned i = 0; i < sizeof(tag); i++)
		tag[i] = wire_config_read(bench->vm, MMIO_SLOT, i, 1);
	assert_memory_equal(tag, "shared\0", 8);
	assert_int_equal(wire_config_read(bench->vm, MMIO_SLOT, 36, 4), 2);
}

TEST_WITH(more_messages_than_are_taken_at_once_are_all_answered, fs_on_mmio, teardown)
{
	static const u8 name[] = "none";
	struct bench *bench = *state;
	u8 message[100];
	u32 len;

	assert_int_equal(fuse_start(bench), 0);
	for (unsigned round = 0; round < 20; round++) {
		u32 size = fuse_message(message, FUSE_LOOKUP, 1, name, sizeof(name));

		/* 64 chains of two descriptors are all that fits the ring. */
		for (unsigned i = 0; i < 64; i++)
			add(bench, 1, i, message, size, 200);
		for (unsigned i = 0; i < 40; i++)
			add(bench, 2, 64 + i, message, size, 200);
		kick(bench, 1);
		kick(bench, 2);
		for (unsigned i = 0; i < 64; i++) {
			assert_true(used(bench, 1, &len));
			assert_int_equal(len, sizeof(struct fuse_out_header));
		}
		for (unsigned i = 0; i < 40; i++)
			assert_true(used(bench, 2, &len));
	}
}
TEST_AGAIN(more_messages_than_are_taken_at_once_are_all_answered, fs_on_pci, teardown)
TEST_AGAIN(more_messages_than_are_taken_at_once_are_all_answered, fs_behind_iommu, teardown)

TEST_WITH(forgetting_is_answered_with_nothing, fs_on_mmio, teardown)
{
	const struct fuse_forget_in in = { .nlookup = 1 };
	struct bench *bench = *state;
	u8 message[100];

	assert_int_equal(fuse_start(bench), 0);
	ask(bench, 0, message, fuse_message(message, FUSE_FORGET, 1, &in, sizeof(in)), 0);
	assert_int_equal(bench->len, 0);
}
TEST_AGAIN(forgetting_is_answered_with_nothing, fs_on_pci, teardown)
TEST_AGAIN(forgetting_is_answered_with_nothing, fs_behind_iommu, teardown)

/* A lock of ours is how a test sees that a file which the guest left open was closed. */
static bool is_open_somewhere(struct bench *bench, const char *name)
{
	int fd = openat(bench->fd, name, O_RDWR | O_CLOEXEC);
	bool leased = !fcntl(fd, F_SETLEASE, F_WRLCK);

	close(fd);
	return !leased;
}

TEST_WITH(a_reset_closes_what_the_guest_left_open, fs_on_mmio, teardown)
{
	struct bench *bench = *state;
	u64 file;

	assert_int_equal(fuse_start(bench), 0);
	file = fuse_create(bench, "file");
	assert_true(is_open_somewhere(bench, "file"));
	bring_up(bench);
	assert_false(is_open_somewhere(bench, "file"));
	assert_int_equal(fuse_write(bench, file, "x"), -EIO); /* before INIT */
	assert_int_equal(fuse_start(bench), 0);
	assert_int_equal(fuse_write(bench, file, "x"), -EBADF);
	file = fuse_create(bench, "file");
	assert_int_equal(fuse_write(bench, file, "again"), 0);
	assert_true(holds(bench, "file", "again"));
}
TEST_AGAIN(a_reset_closes_what_the_guest_left_open, fs_on_pci, teardown)
TEST_AGAIN(a_reset_closes_what_the_guest_left_open, fs_behind_iommu, teardown)

TEST_WITH(a_reset_among_messages_throws_their_answers_away, fs_on_mmio, teardown)
{
	static const u8 name[] = "none";
	struct bench *bench = *state;
	u8 message[100];
	u32 size = fuse_message(message, FUSE_LOOKUP, 1, name, sizeof(name));

	for (unsigned round = 0; round < 20; round++) {
		assert_int_equal(fuse_start(bench), 0);
		for (unsigned i = 0; i < 60; i++)
			add(bench, 1 + i % 2, i, message, size, 200);
		kick(bench, 1);
		kick(bench, 2);
		loop_poll(bench->vm->loop, 0);
		bring_up(bench);
		assert_false(wire_has_used(&bench->queues[1]));
	}
}
TEST_AGAIN(a_reset_among_messages_throws_their_answers_away, fs_on_pci, teardown)
TEST_AGAIN(a_reset_among_messages_throws_their_answers_away, fs_behind_iommu, teardown)

TEST_WITH(an_answer_that_cannot_be_placed_breaks_the_device_alone, fs_on_mmio, teardown)
{
	static const u8 name[] = "none";
	struct bench *bench = *state;
	u8 message[100];
	u32 len = fuse_message(message, FUSE_LOOKUP, 1, name, sizeof(name));
	struct wire_segment parts[] = { { IN, len, false }, { 2 * GIB, 200, true } };

	assert_int_equal(fuse_start(bench), 0);
	wire_write(bench->vm, IN, message, len);
	wire_add(&bench->queues[1], parts, 2);
	kick(bench, 1);
	assert_false(used(bench, 1, &len));
	assert_true(wire_needs_reset(bench->vm, MMIO_SLOT));
	bring_up(bench);
	assert_int_equal(fuse_start(bench), 0);
}

TEST_WITH(a_message_that_cannot_be_reached_as_a_whole_is_an_error, fs_on_mmio, teardown)
{
	static const u8 name[] = "none";
	struct bench *bench = *state;
	struct fuse_out_header head;
	u8 message[100];
	u32 len = fuse_message(message, FUSE_LOOKUP, 1, name, sizeof(name));
	struct wire_segment parts[] = { { IN, len, false },
					{ 2 * GIB, 8, false },
					{ OUT, 200, true } };

	assert_int_equal(fuse_start(bench), 0);
	wire_write(bench->vm, IN, message, len);
	wire_add(&bench->queues[1], parts, 3);
	kick(bench, 1);
	assert_true(used(bench, 1, &len));
	assert_int_equal(len, sizeof(head));
	wire_read(bench->vm, OUT, &head, sizeof(head));
	assert_int_equal(head.error, -EIO);
}

TEST_WITH(an_unmap_waits_for_the_message_that_uses_it, fs_behind_iommu, teardown)
{
	static const u8 name[] = "none";
	struct bench *bench = *state;
	u8 message[100];
	u32 len = fuse_message(message, FUSE_LOOKUP, 1, name, sizeof(name));

	assert_int_equal(fuse_start(bench), 0);
	for (unsigned i = 0; i < 50; i++) {
		add(bench, 1, 1, message, len, 200);
		kick(bench, 1);
		/* Whether it is under way or not: when UNMAP is answered, nothing is written. */
		assert_int_equal(rig_unmap(&bench->rig, DOMAIN, RINGS, LAST), 0);
		assert_true(list_empty(&bench->rig.a->holds));
		assert_int_equal(rig_map(&bench->rig, DOMAIN, RINGS, LAST, RINGS, READ_WRITE), 0);
		bring_up(bench);
		assert_int_equal(fuse_start(bench), 0);
	}
}

TEST_WITH(a_folder_that_is_removed_is_one_line_in_the_log, fs_on_mmio, teardown)
{
	struct bench *bench = *state;
	const struct fuse_getattr_in in = { 0 };
	char text[500], path[80];

	assert_int_equal(fuse_start(bench), 0);
	snprintf(path, sizeof(path), "%s/shared", bench->base);
	assert_int_equal(rmdir(path), 0);
	catch_stderr();
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(fuse_ask(bench, 1, FUSE_GETATTR, 1, &in, sizeof(in)), 0);
	caught_stderr(text, sizeof(text));
	assert_string_equal(text,
			    "lkvm: warning: virtio-fs 0: the folder was removed from the host\n");
}

/* A guest cannot fill the log by opening and resetting. */
TEST_WITH(files_beyond_the_bound_are_an_error_and_few_lines, fs_on_mmio, teardown)
{
	struct rlimit was, limit;
	struct bench *bench;
	char text[5000];
	unsigned lines = 0;

	teardown(state);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	limit = (struct rlimit){ 256, was.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	fs_on_mmio(state);
	bench = *state;
	catch_stderr();
	for (unsigned round = 0; round < 30; round++) {
		u8 args[sizeof(struct fuse_open_in)] = { 0 };
		unsigned count = 0;

		assert_int_equal(fuse_start(bench), 0);
		while (!fuse_ask(bench, 1, FUSE_OPENDIR, 1, args, sizeof(args)))
			count++;
		assert_int_equal(count, 64);
		assert_int_equal(fuse_ask(bench, 1, FUSE_OPENDIR, 1, args, sizeof(args)), -ENFILE);
		bring_up(bench);
	}
	caught_stderr(text, sizeof(text));
	for (const char *at = text; (at = strstr(at, "Too many open files in system")); at++)
		lines++;
	assert_in_range(lines, 1, 20);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
}

/* As the transport does at the end. */
static void device_reset_and_destroy(struct bench *bench)
{
	bench->device->ending = true;
	bench->device->ops->reset(bench->device);
	bench->device->ops->destroy(bench->device);
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
	struct bench *bench;
	u8 message[100];
	u32 len = fuse_message(message, FUSE_LOOKUP, 1, name, sizeof(name));

	setup((void **)&bench, ON_MMIO, false);
	if (fuse_start(bench))
		_exit(1);
	stop_threads();
	add(bench, 1, 1, message, len, 200);
	kick(bench, 1);
	loop_poll(bench->vm->loop, 0);
	loop_set_patience(bench->vm->loop, -1, 200);
	vm_lock(bench->vm);
	device_reset_and_destroy(bench);
	vm_unlock(bench->vm);
	remove_files(bench);
	_exit(loop_gave_up(bench->vm->loop) ? 0 : 2);
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

/* ---- 9p ---- */

static void p9_start(struct bench *bench)
{
	static const u8 version[] = { 21, 0, 0,	  0,   100, 0xff, 0xff, 0,   32,  0,  0,
				      8,  0, '9', 'P', '2', '0',  '0',	'0', '.', 'L' };
	static const u8 attach[] = { 25,   0,	 0, 0, 104, 1,	 0, 0, 0, 0, 0, 0xff, 0xff,
				     0xff, 0xff, 2, 0, 'm', 'e', 0, 0, 0, 0, 0, 0 };

	ask(bench, 0, version, sizeof(version), 100);
	assert_int_equal(bench->answer[4], 101);
	ask(bench, 0, attach, sizeof(attach), 100);
	assert_int_equal(bench->answer[4], 105);
}

TEST_WITH(nine_p_makes_a_file_of_the_hosts, p9_on_mmio, teardown)
{
	static const u8 create[] = { 27, 0, 0, 0, 14,	1, 0, 0, 0, 0, 0, 1, 0, 'f',
				     2,	 0, 0, 0, 0xa4, 1, 0, 0, 0, 0, 0, 0, 0 };
	static const u8 write[] = { 28, 0, 0, 0, 118, 1, 0, 0, 0, 0,   0,   0,	 0,   0,
				    0,	0, 0, 0, 0,   5, 0, 0, 0, 'h', 'e', 'l', 'l', 'o' };
	struct bench *bench = *state;

	p9_start(bench);
	ask(bench, 0, create, 26, 100);
	assert_int_equal(bench->answer[4], 7); /* it says one byte more than it has */
	{
		u8 right[26];

		memcpy(right, create, 26);
		right[0] = 26;
		ask(bench, 0, right, 26, 100);
	}
	assert_int_equal(bench->answer[4], 15);
	ask(bench, 0, write, sizeof(write), 100);
	assert_int_equal(bench->answer[4], 119);
	assert_true(holds(bench, "f", "hello"));
}
TEST_AGAIN(nine_p_makes_a_file_of_the_hosts, p9_on_pci, teardown)
TEST_AGAIN(nine_p_makes_a_file_of_the_hosts, p9_behind_iommu, teardown)

TEST_WITH(nine_p_has_its_tag, p9_on_mmio, teardown)
{
	struct bench *bench = *state;

	assert_int_equal(wire_reg_read(bench->vm, MMIO_SLOT, VIRTIO_MMIO_DEVICE_ID), VIRTIO_ID_9P);
	assert_int_equal(wire_features(bench->vm, MMIO_SLOT) & 1, 1);
	assert_int_equal(wire_config_read(bench->vm, MMIO_SLOT, 0, 2), 6);
	assert_int_equal(wire_config_read(bench->vm, MMIO_SLOT, 2, 1), 's');
	assert_int_equal(wire_config_read(bench->vm, MMIO_SLOT, 7, 1), 'd');
}

TEST_WITH(a_reset_forgets_the_9p_session, p9_on_mmio, teardown)
{
	static const u8 clunk[] = { 11, 0, 0, 0, 120, 1, 0, 0, 0, 0, 0 };
	struct bench *bench = *state;

	p9_start(bench);
	bring_up(bench);
	ask(bench, 0, clunk, sizeof(clunk), 100);
	assert_int_equal(bench->answer[4], 7);
	p9_start(bench);
	ask(bench, 0, clunk, sizeof(clunk), 100);
	assert_int_equal(bench->answer[4], 121);
}
TEST_AGAIN(a_reset_forgets_the_9p_session, p9_on_pci, teardown)
TEST_AGAIN(a_reset_forgets_the_9p_session, p9_behind_iommu, teardown)
