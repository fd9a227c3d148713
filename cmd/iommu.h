/* SPDX-License-Identifier: BSD-2-Clause */
/* "lkvm iommu": asking a running VM, and what comes back for people. */
#ifndef CMD_IOMMU_H
#define CMD_IOMMU_H

#include <jansson.h>
#include <stdio.h>

#include "util/types.h"

struct iommu_options {
	const char *name;
	const char *endpoint, *address, *access; /* of "fault" */
	bool json, mappings;			 /* of "show" */
	bool help;
};

/* One request, and its answer line by line. */
struct iommu_query {
	const char *name;
	FILE *answer;
	bool ended; /* everything that must come has come: the end is no mistake */
	int status; /* for the end of lkvm */
};

/*
 * The next line of the answer; NULL: there is none. If the VM has gone before the end,
 * or refused, that has been said, and is in query->status.
 */
json_t *query_next(struct iommu_query *query);

/* The VM has answered. What follows comes when it comes, and ends when the VM does. */
void query_follow(struct iommu_query *query);

/* The answer to iommu-show, or iommu-trace, on stdout: an exit status. */
int iommu_print_table(struct iommu_query *query, const struct iommu_options *options);
int iommu_print_json(struct iommu_query *query, const struct iommu_options *options);
int iommu_print_trace(struct iommu_query *query);

#endif
