/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lab-reads FILE NAME BLOCK DEPTH MS: read a disk past the page cache for so long, blocks of BLOCK
 * bytes at places all over it, DEPTH of them at once. Says "mark NAME-begin" and "mark NAME COUNT".
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MAX_DEPTH 64

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec * 1e-9;
}

/* One that no cache of a neighbour's helps. */
static uint64_t next_place(uint64_t blocks)
{
	static uint64_t x = 1;

	x = x * 6364136223846793005u + 1442695040888963407u;
	return (x >> 33) % blocks;
}

static unsigned long read_for(aio_context_t context, struct iocb *iocbs, unsigned depth,
			      uint64_t blocks, double seconds)
{
	struct iocb *wanted[MAX_DEPTH];
	struct io_event events[MAX_DEPTH];
	unsigned long done = 0;
	unsigned count = depth, out = 0;
	double end = now() + seconds;

	for (unsigned i = 0; i < depth; i++)
		wanted[i] = &iocbs[i];
	for (;;) {
		long got;

		for (unsigned i = 0; i < count; i++)
			wanted[i]->aio_offset = next_place(blocks) * wanted[i]->aio_nbytes;
		if (count && syscall(SYS_io_submit, context, count, wanted) != count)
			fail("io_submit");
		out += count;
		if (!out)
			return done;
		got = syscall(SYS_io_getevents, context, 1, MAX_DEPTH, events, NULL);
		if (got < 1)
			fail("io_getevents");
		for (long i = 0; i < got; i++) {
			wanted[i] = (struct iocb *)(uintptr_t)events[i].obj;
			if (events[i].res != (long long)wanted[i]->aio_nbytes)
				fail("a read was short");
		}
		out -= got;
		done += got;
		count = now() < end ? got : 0;
	}
}

int main(int argc, char **argv)
{
	static struct iocb iocbs[MAX_DEPTH];
	aio_context_t context = 0;
	unsigned block, depth;
	off_t size;
	int fd;

	if (argc < 6)
		return 2;
	block = atoi(argv[3]);
	depth = atoi(argv[4]);
	fd = open(argv[1], O_RDONLY | O_DIRECT);
	if (fd < 0 || depth > MAX_DEPTH || syscall(SYS_io_setup, depth, &context))
		fail(argv[1]);
	size = lseek(fd, 0, SEEK_END);
	for (unsigned i = 0; i < depth; i++) {
		void *memory;

		if (posix_memalign(&memory, 4096, block))
			fail("memory");
		iocbs[i] = (struct iocb){ .aio_fildes = fd,
					  .aio_lio_opcode = IOCB_CMD_PREAD,
					  .aio_buf = (uintptr_t)memory,
					  .aio_nbytes = block };
	}
	read_for(context, iocbs, depth, size / block, atoi(argv[5]) / 8e3);
	printf("mark %s-begin\n", argv[2]);
	fflush(stdout);
	printf("mark %s %lu\n", argv[2],
	       read_for(context, iocbs, depth, size / block, atoi(argv[5]) / 1e3));
	return 0;
}
