/* SPDX-License-Identifier: BSD-2-Clause */
#include "iommu/viommu.h"
#include "virtio/place.h"

/* A guest that asks for nothing for so long is quiet. */
#define LONGEST_POLL_US 10000

static const char *const msi_choices[] = { "window", "map", NULL };
static const char *const poll_choices[] = {
	[VIRTIO_POLL_OFF] = "off",
	[VIRTIO_POLL_AUTO] = "auto",
	[VIRTIO_POLL_ON] = "on",
	NULL,
};

static const struct option_spec items[] = {
	{ 0, "bypass", OPTION_CHOICE, .help = "reach all memory until the guest attaches them",
	  .manual = "Whether the devices reach all memory until the guest attaches them",
	  .choices = option_off_on, OPTION_FIELD(struct viommu_config, bypass) },
	{ 0, "max-mappings", OPTION_NUMBER, "N", "what the guest can make lkvm hold",
	  .manual = "How many mappings the guest can make lkvm hold, at 64 bytes each at most",
	  OPTION_FIELD(struct viommu_config, max_mappings), .min = 1, .max = UINT32_MAX,
	  .preset = VIOMMU_DEFAULT_MAPPINGS },
	{ 0, "msi", OPTION_CHOICE, .help = "who maps MSI doorbells; map: the guest (arm64)",
	  .manual = "window: the guest is shown a window for its MSIs; map: it is shown none, and "
		    "maps doorbells itself (arm64)",
	  .choices = msi_choices, OPTION_FIELD(struct viommu_config, msi_map) },
	{ 0, "poll", OPTION_CHOICE, .help = "look for requests, to spare the guest exits",
	  .manual = "auto: a thread looks for requests while they come densely, so that the "
		    "guest need not exit for each, as long as host processors are to spare. on: "
		    "from each request on, even where others want the processor. off: never. It "
		    "takes "
		    "up to a processor more than the guest's own",
	  .choices = poll_choices, OPTION_FIELD(struct viommu_config, poll),
	  .preset = VIRTIO_POLL_AUTO },
	{ 0, "poll-us", OPTION_NUMBER, "N", "how long to look for the next request",
	  .manual = "After how many microseconds without a request that thread sleeps; with auto "
		    "earlier where requests come faster",
	  OPTION_FIELD(struct viommu_config, poll_us), .min = 1, .max = LONGEST_POLL_US,
	  .preset = VIOMMU_POLL_US },
	VIRTIO_PACKED_ITEM(struct viommu_config, old_rings),
	{ 0 },
};

const struct option_spec viommu_options[] = {
	{ 0, "viommu", OPTION_LIST, "OPTIONS", "virtio-iommu in front of all devices",
	  .manual = "Put a virtio-iommu in front of all devices, those that are passed included.",
	  .items = items, .optional = true },
	{ 0 },
};
