/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>

#include "private.h"
#include "view_json.h"

const char *const view_types[STATS_TYPES] = {
	[0] = "unknown",
	[VIRTIO_IOMMU_T_ATTACH] = "ATTACH",
	[VIRTIO_IOMMU_T_DETACH] = "DETACH",
	[VIRTIO_IOMMU_T_MAP] = "MAP",
	[VIRTIO_IOMMU_T_UNMAP] = "UNMAP",
	[VIRTIO_IOMMU_T_PROBE] = "PROBE",
};

const char *const view_statuses[STATS_STATUSES] = {
	[VIRTIO_IOMMU_S_OK] = "OK",	    [VIRTIO_IOMMU_S_IOERR] = "IOERR",
	[VIRTIO_IOMMU_S_UNSUPP] = "UNSUPP", [VIRTIO_IOMMU_S_DEVERR] = "DEVERR",
	[VIRTIO_IOMMU_S_INVAL] = "INVAL",   [VIRTIO_IOMMU_S_RANGE] = "RANGE",
	[VIRTIO_IOMMU_S_NOENT] = "NOENT",   [VIRTIO_IOMMU_S_FAULT] = "FAULT",
	[VIRTIO_IOMMU_S_NOMEM] = "NOMEM",   [STATS_UNWRITTEN] = "unwritten",
};

json_t *view_hex(u64 value)
{
	return json_sprintf("0x%llx", (unsigned long long)value);
}

json_int_t view_number(u64 value)
{
	return MIN(value, (u64)INT64_MAX);
}

int view_check(const struct viommu *viommu, struct error *err)
{
	return viommu ? 0 : error_set(err, -ENODEV, "this VM has no IOMMU: --viommu gives it one");
}
