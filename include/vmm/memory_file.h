/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * RAM in a file of huge pages (hugetlbfs). All of its pages are taken when it is made: one that
 * was missing later would end lkvm by SIGBUS while the guest runs.
 */
#ifndef VMM_MEMORY_FILE_H
#define VMM_MEMORY_FILE_H

#include "util/error.h"
#include "util/range.h"
#include "util/types.h"

struct memory_file {
	int fd; /* owned; the file has no name; -1: none */
	u64 page_size;
};

/*
 * A file in @folder for @ranges of RAM. -errno with a line: @folder is not on hugetlbfs, RAM is no
 * multiple of its pages, or there are not as many. Takes as long as the host needs to clear them.
 */
int memory_file_create(struct memory_file *file, const char *folder, const struct range *ranges,
		       unsigned count, struct error *err);
void memory_file_close(struct memory_file *file);

#endif
