/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A random load through virtio-fs and virtio-9p, on real queues, and on a local folder beside it:
 * both give the same. LOAD_TIMES=n: so many times as long, from another seed on.
 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../load/client.h"
#include "folder/folder.h"
#include "folder_ask.h"
#include "iommu_driver.h"
#include "test.h"
#include "virtio/fs.h"
#include "virtio/mmio.h"
#include "virtio/p9.h"

#define SLOT   2
#define RINGS  0x100000
#define LAST   0x2fffff /* of the rings and of the messages */
#define DOMAIN 7
#define LOAD   3000 /* operations */

struct bench {
	struct vm *vm;
	struct rig rig; /* behind the IOMMU */
	bool is_9p, has_iommu;
	struct wire_queue queue, forgets;
	char base[64];
	struct load load;
	struct load_fuse fuse;
	struct load_p9 p9;
	struct load_posix twin;
};

static u32 ask(void *arg, const void *message, u32 len, void *answer, u32 room)
{
	struct bench *bench = arg;

	return folder_ask(room ? &bench->queue : &bench->forgets, message, len, answer, room);
}

static void add_device(struct bench *bench)
{
	static const struct virtio_fs_options options = { .tag = "shared", .queues = 1 };
	/* Few descriptors, so that nodes lose theirs and are found again. */
	const struct folder_options folder_options = { .map = geteuid() ? FOLDER_MAP_SQUASH
									: FOLDER_MAP_HOST,
						       .max_fds = 8 };
	struct dma_space *space = bench->has_iommu ? bench->rig.a : &bench->vm->identity.space;
	struct virtio_device *device;
	struct device_resource slot;
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
	wire_slot(SLOT, &slot);
	assert_int_equal(virtio_mmio_create(bench->vm, device, &slot,
					    bench->has_iommu ? ENDPOINT_A : DEVICE_NO_ENDPOINT,
					    false),
			 0);
}

static void bring_up(struct bench *bench)
{
	if (bench->has_iommu) {
		rig_start(&bench->rig, ALL_FEATURES);
		assert_int_equal(rig_attach(&bench->rig, DOMAIN, ENDPOINT_A, 0), 0);
		assert_int_equal(rig_map(&bench->rig, DOMAIN, RINGS, LAST, RINGS, READ_WRITE), 0);
	}
	assert_true(wire_negotiate(bench->vm, SLOT,
				   bench->has_iommu ? 1ull << VIRTIO_F_ACCESS_PLATFORM : 0));
	wire_queue_init(&bench->queue, bench->vm, SLOT, bench->is_9p ? 0 : 1, 128, RINGS);
	if (!bench->is_9p)
		wire_queue_init(&bench->forgets, bench->vm, SLOT, 0, 128, RINGS + 0x10000);
	wire_driver_ok(bench->vm, SLOT);
}

static void open_both(struct bench *bench)
{
	char path[80];

	snprintf(path, sizeof(path), "%s/twin", bench->base);
	assert_int_equal(load_posix_open(&bench->twin, path), 0);
	if (bench->is_9p)
		assert_int_equal(load_p9_open(&bench->p9, ask, bench), 0);
	else
		assert_int_equal(load_fuse_open(&bench->fuse, ask, bench), 0);
	bench->load = (struct load){ .target = bench->is_9p ? &bench->p9.target
							    : &bench->fuse.target,
				     .twin = &bench->twin.target };
}

static int setup(void **state, bool is_9p, bool has_iommu)
{
	static const struct viommu_config config;
	struct bench *bench = calloc(1, sizeof(*bench));
	char path[80];

	umask(0);
	bench->is_9p = is_9p;
	bench->has_iommu = has_iommu;
	strcpy(bench->base, "/var/tmp/lkvm-load-XXXXXX");
	assert_non_null(mkdtemp(bench->base));
	snprintf(path, sizeof(path), "%s/shared", bench->base);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/twin", bench->base);
	assert_int_equal(mkdir(path, 0755), 0);
	if (has_iommu) {
		rig_create(&bench->rig, &config);
		bench->vm = bench->rig.vm;
	} else {
		bench->vm = wire_create();
	}
	add_device(bench);
	bring_up(bench);
	open_both(bench);
	*state = bench;
	return 0;
}

static int teardown(void **state)
{
	struct bench *bench = *state;
	char command[100];

	load_posix_close(&bench->twin);
	if (bench->has_iommu)
		rig_destroy(&bench->rig);
	else
		wire_destroy(bench->vm);
	snprintf(command, sizeof(command), "rm -rf %s", bench->base);
	free(bench);
	return system(command);
}

static int fs_plain(void **state)
{
	return setup(state, false, false);
}

static int fs_behind_iommu(void **state)
{
	return setup(state, false, true);
}

static int p9_plain(void **state)
{
	return setup(state, true, false);
}

static int p9_behind_iommu(void **state)
{
	return setup(state, true, true);
}

static u64 times(void)
{
	const char *text = getenv("LOAD_TIMES");

	return text ? strtoull(text, NULL, 10) : 1;
}

TEST_WITH(random_operations_give_what_a_local_folder_gives, fs_plain, teardown)
{
	struct bench *bench = *state;
	struct load *load = &bench->load;
	u64 seed = 1000 * times() + 7 + 2 * bench->is_9p + bench->has_iommu;

	load->random = seed;
	load->least = geteuid() ? 0700 : 0;
	load->most = geteuid() ? 0777 : 07777;
	while (load->count < LOAD * times() && load_step(load))
		;
	if (load->why[0] || !load_compare(load))
		fail_msg("seed %llu, operation %llu: %s: %s", (unsigned long long)seed,
			 (unsigned long long)load->count, load->what, load->why);
	/* Most of it is no error. */
	assert_true(load->failed < load->count);
}
TEST_AGAIN(random_operations_give_what_a_local_folder_gives, fs_behind_iommu, teardown)
TEST_AGAIN(random_operations_give_what_a_local_folder_gives, p9_plain, teardown)
TEST_AGAIN(random_operations_give_what_a_local_folder_gives, p9_behind_iommu, teardown)
