/* SPDX-License-Identifier: BSD-2-Clause */
/* "lkvm iommu": asking a running VM, and what comes back for people. */
#ifndef CMD_IOMMU_H
#define CMD_IOMMU_H

#include "query.h"

struct iommu_options {
	const char *name;
	const char *endpoint, *address, *access; /* of "fault" */
	bool json, mappings;			 /* of "show" */
};

/* The answer to iommu-show, or iommu-trace, on stdout: an exit status. */
int iommu_print_table(struct query *query);
int iommu_print_json(struct query *query, const struct iommu_options *options);
int iommu_print_trace(struct query *query);

#endif
