/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A disk's engine without a VM: writes of 64 KiB one after the other into a new image, then reads
 * and writes of 4 KiB at random into what is there; raw and qcow2 in turn, so that what the host
 * does meanwhile falls on both. Each ends with a flush. Medians of the rounds, and the ratio to
 * raw.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "disk/disk.h"
#include "disk/image.h"
#include "vmm/loop.h"

#define SIZE   (64 * MIB)
#define DEPTH  32
#define ROUNDS 3
#define RANDOM 2048

enum work { SEQUENTIAL, RANDOM_READ, RANDOM_WRITE, WORKS };

struct bench {
	pthread_mutex_t lock;
	struct loop *loop;
	struct disk *disk;
	enum work work;
	u64 next, count, done, flushed;
	u32 random;
};

struct op {
	struct disk_request request;
	struct iovec iov;
	struct bench *bench;
};

static void must(bool held, const char *what)
{
	if (held)
		return;
	fprintf(stderr, "bench: qcow2: %s\n", what);
	exit(1);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec * 1e-9;
}

static void submit(struct op *op)
{
	struct bench *bench = op->bench;

	bench->random = bench->random * 1664525 + 1013904223;
	op->request.op = bench->work == RANDOM_READ ? DISK_READ : DISK_WRITE;
	op->request.len = op->iov.iov_len = bench->work == SEQUENTIAL ? 65536 : 4096;
	op->request.offset = bench->work == SEQUENTIAL
				     ? bench->next * 65536
				     : (bench->random >> 8) % (SIZE / 4096) * 4096;
	bench->next++;
	disk_submit(bench->disk, &op->request);
}

static void op_done(struct disk_request *request, int result)
{
	struct op *op = container_of(request, struct op, request);

	must(!result, "a request failed");
	op->bench->done++;
	if (op->bench->next < op->bench->count)
		submit(op);
}

static void flush_done(struct disk_request *request, int result)
{
	struct op *op = container_of(request, struct op, request);

	must(!result, "a flush failed");
	op->bench->flushed++;
}

static void turn_until(struct bench *bench, const u64 *done, u64 wanted)
{
	disk_flush_queue(bench->disk);
	while (*done < wanted)
		loop_poll(bench->loop, 1000);
}

/* Operations per second, the flush included. */
static double run(struct bench *bench, enum work work, struct op ops[DEPTH + 1])
{
	double start = now();
	struct op *flush = &ops[DEPTH];

	bench->work = work;
	bench->next = bench->done = bench->flushed = 0;
	bench->count = work == SEQUENTIAL ? SIZE / 65536 : RANDOM;
	for (unsigned i = 0; i < DEPTH; i++)
		submit(&ops[i]);
	turn_until(bench, &bench->done, bench->count);
	flush->request = (struct disk_request){ .op = DISK_FLUSH, .done = flush_done };
	disk_submit(bench->disk, &flush->request);
	turn_until(bench, &bench->flushed, 1);
	return bench->count / (now() - start);
}

static void round_of(struct bench *bench, enum disk_format format, struct op *ops,
		     double result[WORKS])
{
	char path[] = "/var/tmp/lkvm-bench-XXXXXX";
	struct image_creation creation = { .format = format, .size = SIZE };
	struct disk_options options = { .format = format };
	struct error err = { "" };
	int fd = mkstemp(path);

	must(fd >= 0, "no file in /var/tmp");
	close(fd);
	unlink(path);
	must(!image_create(path, &creation, &err), err.text);
	must(!disk_open(&bench->disk, path, &options, &err), err.text);
	unlink(path);
	must(!disk_start(bench->disk, bench->loop, NULL, NULL), "no loop");
	for (unsigned work = 0; work < WORKS; work++)
		result[work] = run(bench, work, ops);
	must(disk_drain(bench->disk), "requests are left");
	disk_close(bench->disk);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values)
{
	qsort(values, ROUNDS, sizeof(*values), by_size);
	return values[ROUNDS / 2];
}

int main(void)
{
	static const char *const names[] = { "sequential 64 KiB, new", "random 4 KiB reads",
					     "random 4 KiB writes" };
	struct bench bench = { .random = 1 };
	struct op ops[DEPTH + 1] = { 0 };
	double raw[WORKS][ROUNDS], qcow2[WORKS][ROUNDS], result[WORKS];

	pthread_mutex_init(&bench.lock, NULL);
	must(!loop_create(&bench.loop, &bench.lock), "no loop");
	for (unsigned i = 0; i <= DEPTH; i++) {
		ops[i].bench = &bench;
		must(!posix_memalign(&ops[i].iov.iov_base, 4096, 65536), "no memory");
		memset(ops[i].iov.iov_base, i + 1, 65536);
		ops[i].request = (struct disk_request){ .iov = &ops[i].iov,
							.iov_count = 1,
							.done = op_done };
	}
	for (unsigned n = 0; n < ROUNDS; n++) {
		round_of(&bench, DISK_FORMAT_RAW, ops, result);
		for (unsigned work = 0; work < WORKS; work++)
			raw[work][n] = result[work];
		round_of(&bench, DISK_FORMAT_QCOW2, ops, result);
		for (unsigned work = 0; work < WORKS; work++)
			qcow2[work][n] = result[work];
	}
	printf("%-24s %12s %12s %8s\n", "operations per second", "raw", "qcow2", "ratio");
	for (unsigned work = 0; work < WORKS; work++) {
		double a = median(raw[work]), b = median(qcow2[work]);

		printf("%-24s %12.0f %12.0f %8.2f\n", names[work], a, b, b / a);
	}
	return 0;
}
