/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The live view of an IOMMU: what it holds, what it was asked, what it is being
 * asked, as commands of the control socket (vmm/control.h). Addresses and endpoints
 * are strings in JSON, "0x...", because its numbers end at 2^53.
 *
 *   iommu-show {"mappings": bool}   one line each: {"iommu": {}}, {"requests": {}},
 *       {"latency": []}, an {"endpoint": {}} for each, a {"domain": {}} for each, on
 *       demand a {"mapping": {}} for each, {"end": true}. The guest runs on meanwhile:
 *       what it changes shows or not, what it leaves alone shows once.
 *   iommu-trace   {"trace": true}, then an {"event": {}} for each, as they come;
 *       {"lost": n} where n of them came faster than they were read
 *   iommu-fault {"endpoint": "0x...", "address": "0x...", "access": "read"|"write"}
 *       puts a report into the guest's event queue: {"fault": "delivered"}
 */
#ifndef IOMMU_VIEW_H
#define IOMMU_VIEW_H

#include "vmm/control.h"

/* For control_add(), with the struct viommu, which outlives the socket; NULL: there is none. */
extern const struct control_command viommu_commands[];

#endif
