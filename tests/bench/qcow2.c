/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A disk's engine without a VM: writes of 64 KiB one after the other into a new image, then reads
 * and writes of 4 KiB all over what is there; raw and qcow2 in turn, so that what the host
 * does meanwhile falls on both, and the same by "qemu-img bench" where that is installed. Each
 * write workload ends with a flush, as qemu-img's does. Medians of the rounds, and the medians of
 * the rounds' ratios.
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

#define SIZE   (256 * MIB)
#define DEPTH  32
#define ROUNDS 9
#define RANDOM 16384
/* From one block of 4 KiB to the next, as qemu-img bench walks: prime to their number. */
#define STRIDE 40507

enum work { SEQUENTIAL, RANDOM_READ, RANDOM_WRITE, WORKS };

struct bench {
	pthread_mutex_t lock;
	struct loop *loop;
	struct disk *disk;
	enum work work;
	u64 next, count, done, flushed;
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

	op->request.op = bench->work == RANDOM_READ ? DISK_READ : DISK_WRITE;
	op->request.len = op->iov.iov_len = bench->work == SEQUENTIAL ? 65536 : 4096;
	op->request.offset = bench->work == SEQUENTIAL
				     ? bench->next * 65536
				     : bench->next * STRIDE % (SIZE / 4096) * 4096;
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

/* A name for a new file in /var/tmp. */
static void find_path(char path[40])
{
	int fd;

	strcpy(path, "/var/tmp/lkvm-bench-XXXXXX");
	fd = mkstemp(path);
	must(fd >= 0, "no file in /var/tmp");
	close(fd);
	unlink(path);
}

static void create(const char *path, enum disk_format format)
{
	struct image_creation creation = { .format = format, .size = SIZE };
	struct error err = { "" };

	must(!image_create(path, &creation, &err), err.text);
}

static void round_of_ours(struct bench *bench, enum disk_format format, struct op *ops,
			  double result[WORKS])
{
	struct disk_options options = { .format = format };
	struct error err = { "" };
	char path[40];

	find_path(path);
	create(path, format);
	must(!disk_open(&bench->disk, path, &options, &err), err.text);
	unlink(path);
	must(!disk_start(bench->disk, bench->loop, NULL, NULL), "no loop");
	for (unsigned work = 0; work < WORKS; work++)
		result[work] = run(bench, work, ops);
	must(disk_drain(bench->disk), "requests are left");
	disk_close(bench->disk);
}

/* ---- QEMU's ---- */

static bool has_qemu_img(void)
{
	return !system("command -v qemu-img >/dev/null 2>&1");
}

static double run_qemu(const char *path, const char *format, enum work work)
{
	u64 count = work == SEQUENTIAL ? SIZE / 65536 : RANDOM;
	char command[300];
	double seconds = 0;
	FILE *out;

	snprintf(command, sizeof(command),
		 "qemu-img bench -f %s -t none -i native %s -d %u -c %llu -s %u -S %llu %s", format,
		 work == RANDOM_READ ? "" : "-w", DEPTH, (unsigned long long)count,
		 work == SEQUENTIAL ? 65536 : 4096,
		 work == SEQUENTIAL ? 65536ULL : STRIDE * 4096ULL, path);
	out = popen(command, "r");
	must(out, "no qemu-img");
	while (fgets(command, sizeof(command), out))
		sscanf(command, "Run completed in %lf", &seconds);
	must(!pclose(out) && seconds > 0, "qemu-img bench failed");
	return count / seconds;
}

static void round_of_qemu(enum disk_format format, double result[WORKS])
{
	char path[40];

	find_path(path);
	create(path, format);
	for (unsigned work = 0; work < WORKS; work++)
		result[work] = run_qemu(path, format == DISK_FORMAT_RAW ? "raw" : "qcow2", work);
	unlink(path);
}

/* ---- what it comes to ---- */

enum kind { RAW, QCOW2, QEMU_RAW, QEMU_QCOW2, KINDS };

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(const double *values)
{
	double sorted[ROUNDS];

	memcpy(sorted, values, sizeof(sorted));
	qsort(sorted, ROUNDS, sizeof(*sorted), by_size);
	return sorted[ROUNDS / 2];
}

static double ratio(const double *a, const double *b)
{
	double ratios[ROUNDS];

	for (unsigned n = 0; n < ROUNDS; n++)
		ratios[n] = a[n] / b[n];
	return median(ratios);
}

static void print(double results[KINDS][WORKS][ROUNDS], bool qemu)
{
	static const char *const names[] = { "sequential 64 KiB, new", "random 4 KiB reads",
					     "random 4 KiB writes" };

	printf("%-24s %9s %9s %6s  %9s %9s %6s  %s\n", "operations per second", "raw", "qcow2",
	       "ratio", "QEMU raw", "qcow2", "ratio", "our qcow2/QEMU's");
	for (unsigned work = 0; work < WORKS; work++) {
		double(*all)[WORKS][ROUNDS] = results;

		printf("%-24s %9.0f %9.0f %6.2f", names[work], median(all[RAW][work]),
		       median(all[QCOW2][work]), ratio(all[QCOW2][work], all[RAW][work]));
		if (qemu)
			printf("  %9.0f %9.0f %6.2f  %.2f", median(all[QEMU_RAW][work]),
			       median(all[QEMU_QCOW2][work]),
			       ratio(all[QEMU_QCOW2][work], all[QEMU_RAW][work]),
			       ratio(all[QCOW2][work], all[QEMU_QCOW2][work]));
		printf("\n");
	}
	if (!qemu)
		printf("no qemu-img here: QEMU's figures are left out\n");
}

static void run_rounds(struct bench *bench, struct op *ops, bool qemu,
		       double results[KINDS][WORKS][ROUNDS])
{
	for (unsigned n = 0; n < ROUNDS; n++) {
		double result[KINDS][WORKS] = { 0 };

		round_of_ours(bench, DISK_FORMAT_RAW, ops, result[RAW]);
		round_of_ours(bench, DISK_FORMAT_QCOW2, ops, result[QCOW2]);
		if (qemu) {
			round_of_qemu(DISK_FORMAT_RAW, result[QEMU_RAW]);
			round_of_qemu(DISK_FORMAT_QCOW2, result[QEMU_QCOW2]);
		}
		for (unsigned i = 0; i < KINDS * WORKS; i++)
			results[i / WORKS][i % WORKS][n] = result[i / WORKS][i % WORKS];
	}
}

int main(void)
{
	static double results[KINDS][WORKS][ROUNDS];
	struct bench bench = { 0 };
	struct op ops[DEPTH + 1] = { 0 };
	bool qemu = has_qemu_img();

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
	run_rounds(&bench, ops, qemu, results);
	print(results, qemu);
	return 0;
}
