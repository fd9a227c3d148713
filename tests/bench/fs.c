/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A walk of small files, a stream, and random 4 KiB through the folder server: by itself, through
 * virtio-fs and virtio-9p on a fake machine, the same behind the IOMMU, and by system calls, as
 * what all must be compared with. One client, one message at a time, as a process in a guest that
 * waits; it remembers no names. Without arguments: a table. "server FILES": the server alone, FUSE
 * then 9p, for an instruction counter.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_config.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../load/client.h"
#include "../wire/folder_ask.h"
#include "../wire/iommu_driver.h"
#include "folder/fuse.h"
#include "folder/p9.h"
#include "virtio/fs.h"
#include "virtio/mmio.h"
#include "virtio/p9.h"

#define SLOT   2
#define RINGS  0x100000
#define LAST   0x2fffff /* of the rings and of the messages */
#define PAGE   4096u
#define DOMAIN 7
#define IN_ONE 200 /* files of a folder */
#define STREAM (32u << 20)
#define RANDOM 4000

enum way { SERVER, PLAIN, BEHIND_IOMMU };

struct bench {
	struct load_target *target;
	unsigned long messages;
	char path[64];
	/* SERVER */
	struct folder *folder;
	struct fuse fuse;
	struct p9 *p9;
	void *scratch;
	/* the others */
	struct vm *vm;
	struct rig rig;
	struct wire_queue queue, forgets;
	struct load_fuse fuse_client;
	struct load_p9 p9_client;
	struct load_posix posix;
};

static char base[] = "/dev/shm/lkvm-bench-XXXXXX";

static void must(bool held, const char *what)
{
	if (held)
		return;
	fprintf(stderr, "bench: fs: %s\n", what);
	exit(1);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec * 1e-9;
}

/* ---- ways to the server ---- */

static u32 ask_fuse(void *arg, const void *message, u32 len, void *answer, u32 room)
{
	struct bench *bench = arg;
	struct iovec in = { (void *)message, len }, out = { answer, room };

	bench->messages++;
	return fuse_serve(&bench->fuse, bench->scratch, &in, 1, &out, 1);
}

static u32 ask_p9(void *arg, const void *message, u32 len, void *answer, u32 room)
{
	struct bench *bench = arg;
	struct iovec in = { (void *)message, len }, out = { answer, room };
	struct p9_message one = { .in = &in, .in_count = 1, .out = &out, .out_count = 1 };

	bench->messages++;
	p9_begin(bench->p9, &one);
	return p9_serve(bench->p9, bench->scratch, &one);
}

static u32 ask_wire(void *arg, const void *message, u32 len, void *answer, u32 room)
{
	struct bench *bench = arg;

	bench->messages++;
	return folder_ask(room ? &bench->queue : &bench->forgets, message, len, answer, room);
}

static struct folder *open_folder(const char *path)
{
	const struct folder_options options = { .map = geteuid() ? FOLDER_MAP_SQUASH
								 : FOLDER_MAP_HOST };
	struct error err = { "" };
	struct folder *folder;

	must(!folder_open(&folder, path, &options, &err), err.text);
	return folder;
}

static void begin_server(struct bench *bench, bool is_9p)
{
	bench->folder = open_folder(bench->path);
	must(!folder_thread_start(bench->folder), "no thread");
	if (is_9p) {
		bench->scratch = p9_scratch_create();
		must(!p9_create(&bench->p9, bench->folder), "no memory");
	} else {
		bench->scratch = fuse_scratch_create();
		fuse_init(&bench->fuse, bench->folder, &(struct fuse_options){ 0 });
	}
}

static void begin_device(struct bench *bench, bool is_9p, bool iommu)
{
	static const struct virtio_fs_options options = { .tag = "shared", .queues = 1 };
	static const struct viommu_config config;
	struct virtio_device *device;
	struct device_resource slot;
	struct dma_space *space;

	if (iommu)
		rig_create(&bench->rig, &config);
	bench->vm = iommu ? bench->rig.vm : wire_create();
	space = iommu ? bench->rig.a : &bench->vm->identity.space;
	if (is_9p)
		must(!virtio_p9_create(&device, open_folder(bench->path), "shared", 0,
				       bench->vm->loop, space),
		     "no device");
	else
		must(!virtio_fs_create(&device, open_folder(bench->path), &options, 0,
				       bench->vm->loop, space),
		     "no device");
	wire_slot(SLOT, &slot);
	must(!virtio_mmio_create(bench->vm, device, &slot, iommu ? ENDPOINT_A : DEVICE_NO_ENDPOINT,
				 false),
	     "no transport");
	if (iommu) {
		rig_start(&bench->rig, ALL_FEATURES);
		must(!rig_attach(&bench->rig, DOMAIN, ENDPOINT_A, 0) &&
			     !rig_map(&bench->rig, DOMAIN, RINGS, LAST, RINGS, READ_WRITE),
		     "no IOMMU");
	}
	must(wire_negotiate(bench->vm, SLOT, iommu ? 1ull << VIRTIO_F_ACCESS_PLATFORM : 0),
	     "no features");
	wire_queue_init(&bench->queue, bench->vm, SLOT, is_9p ? 0 : 1, 128, RINGS);
	if (!is_9p)
		wire_queue_init(&bench->forgets, bench->vm, SLOT, 0, 128, RINGS + 0x10000);
	wire_driver_ok(bench->vm, SLOT);
}

static struct bench *begin(enum way way, bool is_9p)
{
	static unsigned number;
	struct bench *bench = calloc(1, sizeof(*bench));

	must(bench != NULL, "no memory");
	snprintf(bench->path, sizeof(bench->path), "%s/%u", base, number++);
	must(!mkdir(bench->path, 0755), "no folder in /dev/shm");
	if (way == SERVER)
		begin_server(bench, is_9p);
	else
		begin_device(bench, is_9p, way == BEHIND_IOMMU);
	if (is_9p)
		must(!load_p9_open(&bench->p9_client, way == SERVER ? ask_p9 : ask_wire, bench),
		     "no session");
	else
		must(!load_fuse_open(&bench->fuse_client, way == SERVER ? ask_fuse : ask_wire,
				     bench),
		     "no session");
	bench->target = is_9p ? &bench->p9_client.target : &bench->fuse_client.target;
	return bench;
}

static struct bench *begin_posix(void)
{
	struct bench *bench = calloc(1, sizeof(*bench));

	must(bench != NULL, "no memory");
	snprintf(bench->path, sizeof(bench->path), "%s/posix", base);
	must(!mkdir(bench->path, 0755) && !load_posix_open(&bench->posix, bench->path),
	     "no folder in /dev/shm");
	bench->target = &bench->posix.target;
	return bench;
}

static void end(struct bench *bench)
{
	if (bench->vm && bench->rig.vm)
		rig_destroy(&bench->rig);
	else if (bench->vm)
		wire_destroy(bench->vm);
	if (bench->p9)
		p9_destroy(bench->p9);
	folder_close(bench->folder);
	free(bench->scratch);
	free(bench);
}

/* ---- the work ---- */

static const char *name_of(unsigned n)
{
	static char name[32];

	snprintf(name, sizeof(name), "d%u/f%u", n / IN_ONE, n);
	return name;
}

static void do_create(struct bench *bench, unsigned files)
{
	struct load_target *target = bench->target;

	for (unsigned n = 0; n < files; n++) {
		if (n % IN_ONE == 0) {
			char dir[16];

			snprintf(dir, sizeof(dir), "d%u", n / IN_ONE);
			must(!target->ops->mkdir(target, dir, 0755), "mkdir");
		}
		must(!target->ops->open(target, 0, name_of(n), O_CREAT | O_EXCL | O_RDWR, 0644),
		     "create");
		target->ops->close(target, 0);
	}
}

static void do_stat(struct bench *bench, unsigned files)
{
	struct load_stat st;

	for (unsigned n = 0; n < files; n++)
		must(!bench->target->ops->stat(bench->target, name_of(n), &st), "stat");
}

static void do_list(struct bench *bench, unsigned files)
{
	static struct load_names names;

	for (unsigned n = 0; n < files; n += IN_ONE) {
		char dir[16];

		snprintf(dir, sizeof(dir), "d%u", n / IN_ONE);
		must(!bench->target->ops->list(bench->target, dir, &names), "list");
		must(names.count == 2 + MIN(IN_ONE, files - n), "a name is missing");
	}
}

static void do_unlink(struct bench *bench, unsigned files)
{
	for (unsigned n = 0; n < files; n++)
		must(!bench->target->ops->unlink(bench->target, name_of(n)), "unlink");
}

static u8 data[LOAD_MAX_IO];

static void do_write(struct bench *bench, unsigned bytes)
{
	struct load_target *target = bench->target;

	must(!target->ops->open(target, 0, "stream", O_CREAT | O_RDWR, 0644), "create");
	for (unsigned at = 0; at < bytes; at += LOAD_MAX_IO)
		must(target->ops->write(target, 0, data, LOAD_MAX_IO, at) == LOAD_MAX_IO, "write");
}

static void do_read(struct bench *bench, unsigned bytes)
{
	struct load_target *target = bench->target;

	for (unsigned at = 0; at < bytes; at += LOAD_MAX_IO)
		must(target->ops->read(target, 0, data, LOAD_MAX_IO, at) == LOAD_MAX_IO, "read");
}

static void do_random_read(struct bench *bench, unsigned count)
{
	struct load_target *target = bench->target;

	for (unsigned i = 0; i < count; i++)
		must(target->ops->read(target, 0, data, PAGE,
				       i * 2654435761u % (STREAM / PAGE) * PAGE) == PAGE,
		     "read");
}

static void do_random_write(struct bench *bench, unsigned count)
{
	struct load_target *target = bench->target;

	for (unsigned i = 0; i < count; i++)
		must(target->ops->write(target, 0, data, PAGE,
					i * 2654435761u % (STREAM / PAGE) * PAGE) == PAGE,
		     "write");
}

static const struct {
	const char *name;
	void (*run)(struct bench *bench, unsigned count);
	unsigned count, of; /* the figure is of so many */
	bool stream;
} works[] = {
	{ "create", do_create, 10000, 10000, false },
	{ "stat", do_stat, 10000, 10000, false },
	{ "list", do_list, 10000, 10000, false },
	{ "unlink", do_unlink, 10000, 10000, false },
	{ "stream write", do_write, STREAM, STREAM / LOAD_MAX_IO, true },
	{ "stream read", do_read, STREAM, STREAM / LOAD_MAX_IO, true },
	{ "4 KiB read", do_random_read, RANDOM, RANDOM, false },
	{ "4 KiB write", do_random_write, RANDOM, RANDOM, false },
};

#define WAYS 7

static void print_table(void)
{
	static double cost[WAYS][ARRAY_SIZE(works)], messages[WAYS][ARRAY_SIZE(works)];

	for (unsigned way = 0; way < WAYS; way++) {
		struct bench *bench = way ? begin((way - 1) % 3, way > 3) : begin_posix();

		for (unsigned i = 0; i < ARRAY_SIZE(works); i++) {
			unsigned long sent = bench->messages;
			double start = now();

			works[i].run(bench, works[i].count);
			cost[way][i] = (now() - start) / works[i].of * 1e6;
			messages[way][i] = (double)(bench->messages - sent) / works[i].of;
		}
		end(bench);
	}
	printf("microseconds each (of a list: an entry; of a stream: 64 KiB), and how many times "
	       "a system call's\n%-13s %8s | %-8s %8s %15s %15s | %-8s %8s %15s %15s\n",
	       "", "calls", "FUSE", "server", "virtio-fs", "viommu", "9p", "server", "virtio-9p",
	       "viommu");
	for (unsigned i = 0; i < ARRAY_SIZE(works); i++)
		printf("%-13s %8.2f | %4.1f msg %8.2f %7.2f (%4.1f) %7.2f (%4.1f) | %4.1f msg "
		       "%8.2f %7.2f (%4.1f) %7.2f (%4.1f)\n",
		       works[i].name, cost[0][i], messages[1][i], cost[1][i], cost[2][i],
		       cost[2][i] / cost[0][i], cost[3][i], cost[3][i] / cost[0][i], messages[4][i],
		       cost[4][i], cost[5][i], cost[5][i] / cost[0][i], cost[6][i],
		       cost[6][i] / cost[0][i]);
}

static void remove_all(void)
{
	char command[100];

	snprintf(command, sizeof(command), "rm -rf %s", base);
	if (system(command))
		fprintf(stderr, "bench: fs: %s is left\n", base);
}

int main(int argc, char **argv)
{
	must(mkdtemp(base) != NULL, "no folder in /dev/shm");
	atexit(remove_all);
	if (argc < 3) {
		print_table();
		return 0;
	}
	for (unsigned is_9p = 0; is_9p < 2; is_9p++) {
		struct bench *bench = begin(SERVER, is_9p);

		do_create(bench, atoi(argv[2]));
		do_stat(bench, atoi(argv[2]));
		do_list(bench, atoi(argv[2]));
		do_unlink(bench, atoi(argv[2]));
		end(bench);
	}
	return 0;
}
