/* SPDX-License-Identifier: BSD-2-Clause */
/* Rules 46 to 50: fault reports. */
#include "conformance.h"

#define KNOWN_FLAGS                                                                                \
	(VIRTIO_IOMMU_FAULT_F_READ | VIRTIO_IOMMU_FAULT_F_WRITE | VIRTIO_IOMMU_FAULT_F_EXEC |      \
	 VIRTIO_IOMMU_FAULT_F_ADDRESS)

/* A write to where nothing is mapped, and its report; false: there is none, which was said. */
static bool fault(struct conformance *t, struct virtio_iommu_fault *report)
{
	if (!drivable(t, 1))
		return false;
	begin_attached(t, ~0UL);
	if (!provoke(t, IOVA, report))
		skip(t, "a refused access is not reported");
	return !t->skipped && !t->failed;
}

static void fault_reserved(struct conformance *t)
{
	struct virtio_iommu_fault report;

	if (!fault(t, &report))
		return;
	expect(t, all_bytes(report.reserved, 0, 3), "reserved[] is not 0");
	expect(t, all_bytes(report.reserved2, 0, 4), "reserved1[] is not 0");
}

static void fault_flags(struct conformance *t)
{
	struct virtio_iommu_fault report;

	if (fault(t, &report))
		expect(t, !(report.flags & ~KNOWN_FLAGS), "a flag that means nothing is set");
}

static void fault_endpoint(struct conformance *t)
{
	struct virtio_iommu_fault report;

	if (fault(t, &report))
		expect(t, report.endpoint == first_endpoint(t), "it names another endpoint");
}

/* Without one it may be left out; what is given must be where the access was. */
static void fault_address(struct conformance *t)
{
	struct virtio_iommu_fault report;

	if (!fault(t, &report))
		return;
	expect(t,
	       !(report.flags & VIRTIO_IOMMU_FAULT_F_ADDRESS) ||
		       (report.address >= IOVA && report.address < IOVA + t->granule),
	       "it is not where the access was");
}

static void fault_in_short_buffers(struct conformance *t)
{
	int first, second;

	if (!drivable(t, 1))
		return;
	begin_attached(t, ~0UL);
	offer_events(t, 2, 12);
	reaches(t, 0, IOVA, 0);
	first = queue_next(&t->events);
	second = queue_next(&t->events);
	expect(t, first < 12 || second <= 0, "a report goes on in the next buffer");
	expect(t, first <= 0 || all_bytes(&t->memory->events[1], 0xee, 24), "both were written");
}

const struct rule fault_rules[] = {
	{ "fault: reserved bytes are 0", fault_reserved },
	{ "fault: undefined flags are 0", fault_flags },
	{ "fault: the endpoint is a valid one", fault_endpoint },
	{ "fault: the address, if given, is the one", fault_address },
	{ "fault: a report does not span buffers", fault_in_short_buffers },
};
const unsigned fault_rule_count = COUNT(fault_rules);
