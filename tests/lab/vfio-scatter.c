/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A disk read past the page cache, each request into pages that do not follow each other in memory:
 * as many mappings as a request can need.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "vfio-user.h"

#define PAGES 64

int scatter_read(const char *path)
{
	size_t page = sysconf(_SC_PAGESIZE);
	char *memory = mmap(NULL, 2 * PAGES * page, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	int fd = open(path, O_RDONLY | O_DIRECT);
	struct iovec iov[PAGES];
	ssize_t got;

	if (memory == MAP_FAILED || fd < 0)
		fail(path, "cannot open it");
	for (int n = 0; n < PAGES; n++)
		iov[n] = (struct iovec){ memory + 2 * n * page, page };
	while ((got = readv(fd, iov, PAGES)) > 0) {
		for (int n = 0; got > 0; n++, got -= page) {
			if (write(STDOUT_FILENO, iov[n].iov_base,
				  (size_t)got < page ? (size_t)got : page) < 0)
				fail(path, "cannot write");
			/* So that what is not overwritten next time is seen. */
			memset(iov[n].iov_base, 0, page);
		}
	}
	return got < 0;
}
