/* SPDX-License-Identifier: BSD-2-Clause */
/* What the commands of the live view share: names and numbers in JSON. */
#ifndef IOMMU_VIEW_JSON_H
#define IOMMU_VIEW_JSON_H

#include "trace.h"
#include "vmm/control.h"

/* Lines said before others have their turn. */
#define VIEW_LINES 16

extern const char *const view_types[STATS_TYPES];
extern const char *const view_statuses[STATS_STATUSES];

/* "0x...": an address. */
json_t *view_hex(u64 value);
/* What is too large for JSON's numbers is their largest. */
json_int_t view_number(u64 value);

/* -ENODEV with a line: the VM has no IOMMU. */
int view_check(const struct viommu *viommu, struct error *err);

/* ---- view_trace.c ---- */

int view_trace(void *arg, struct control_client *client, json_t *request, struct error *err);
int view_fault(void *arg, struct control_client *client, json_t *request, struct error *err);

#endif
