/* SPDX-License-Identifier: BSD-2-Clause */
/* Passed devices on the command line, and their places in the machine. */
#include <errno.h>
#include <linux/capability.h>
#include <string.h>

#include "host_sysfs.h"
#include "util/reach.h"
#include "vfio/vfio.h"
#include "vmm/device_class.h"
#include "vmm/pci.h"
#include "vmm/vm.h"
#include "vmm/windows.h"

struct vfio_state {
	struct vfio_want next; /* the one that is being read */
	struct vfio_want wants[VFIO_MAX_DEVICES];
	unsigned count;
	struct vfio *vfio;			    /* owned */
	struct dma_limits limits[VFIO_MAX_DEVICES]; /* what is decided for them: vmm/windows.h */
};

/* ---- options ---- */

static int set_address(void *target, char *value, struct error *err)
{
	return vfio_address_parse(&((struct vfio_state *)target)->next.address, value, err);
}

static int add_want(void *target, char *value, struct error *err)
{
	struct vfio_state *state = target;

	if (state->count == VFIO_MAX_DEVICES)
		return error_set(err, -EINVAL, "more than %d passed devices", VFIO_MAX_DEVICES);
	for (unsigned i = 0; i < state->count; i++) {
		if (!vfio_address_compare(&state->wants[i].address, &state->next.address))
			return error_set(err, -EINVAL, "--vfio-pci %s: once is enough", value);
	}
	state->wants[state->count++] = state->next;
	state->next = (struct vfio_want){ 0 };
	return 0;
}

/* The field says no. */
static const char *const on_off[] = { "on", "off", NULL };

static const struct option_spec items[] = {
	{ 0, "address", OPTION_CALL, "[DOMAIN:]BUS:DEV.FN", "its address", .set = set_address,
	  .first = true },
	{ 0, "auto", OPTION_FLAG, .help = "take it from its driver for this run",
	  .manual = "Bind it, with its IOMMU group, to vfio-pci for this run, and give it back at "
		    "the end",
	  OPTION_FIELD(struct vfio_state, next.auto_bind) },
	{ 0, "p2p", OPTION_CHOICE, .help = "whether devices reach its registers by DMA",
	  .manual = "Whether devices, itself included, reach its registers by DMA: with --viommu "
		    "those "
		    "that the guest maps for them, without it all, where the host can map them. "
		    "off is "
		    "for a host that takes long to map BARs of many GiB",
	  .choices = on_off, OPTION_FIELD(struct vfio_state, next.no_p2p) },
	{ 0 },
};

static const struct option_spec options[] = {
	{ 0, "vfio-pci", OPTION_LIST, .help = "pass a PCI device of the host's; again for more",
	  .manual =
		  "Pass a PCI device of the host's to the guest, which vfio-pci must have with the "
		  "whole of its IOMMU group (see lkvm vfio bind). Can be given again; devices of "
		  "one "
		  "group become functions of one slot. Without --viommu the device reaches all of "
		  "the guest's RAM, which is then locked in memory, and the registers of all "
		  "passed "
		  "devices.",
	  .items = items, .many = true, .set = add_want },
	{ 0 },
};

static unsigned slots(const void *arg)
{
	return ((const struct vfio_state *)arg)->count;
}

/* ---- before anything is made ---- */

/* A device's container, group and device; its INTx and the host's notices. */
#define FDS_PASSED 7

static unsigned fds(const void *arg)
{
	const struct vfio_state *state = arg;

	return FDS_PASSED * state->count + (state->vfio ? vfio_vectors(state->vfio) : 0);
}

/*
 * Pages of the guest's kernel that the IOMMU cannot map one by one are no use to it: Linux
 * then gives the device no IOMMU at all, and says so where nobody looks.
 */
static int check_page_size(const struct vfio *vfio, u64 page, struct error *err)
{
	for (unsigned i = 0; i < vfio_count(vfio); i++) {
		u64 mask = vfio_hosts(vfio)[i].page_size_mask;
		u64 granule = mask & -mask;

		if (page && page < granule)
			return error_set(
				err, -EINVAL,
				"%s: the host's IOMMU maps %llu KiB at least, and the guest's "
				"kernel has pages of %llu KiB: take a kernel of %llu KiB, or leave "
				"--viommu out",
				vfio_name(vfio, i), (unsigned long long)(granule / KIB),
				(unsigned long long)(page / KIB),
				(unsigned long long)(granule / KIB));
	}
	return 0;
}

static bool gives_back(const void *arg)
{
	const struct vfio_state *state = arg;

	for (unsigned i = 0; i < state->count; i++) {
		if (state->wants[i].auto_bind)
			return true;
	}
	return false;
}

static int prepare(void *arg, struct device_plan *plan, struct error *err)
{
	const struct vfio_state *state = arg;

	/* And CAP_IPC_LOCK, below. */
	if (state->count)
		reach_need_user("a passed device");
	return 0;
}

static int claim(void *arg, struct device_plan *plan, struct error *err)
{
	struct vfio_state *state = arg;
	const struct vfio_request request = {
		.paths = &vfio_host_paths,
		.wants = state->wants,
		.count = state->count,
		.translated = plan->translated,
		.keeper = plan->keeper,
	};
	int ret = vfio_open(&state->vfio, &request, err);

	if (ret)
		return ret;
	/* Memory is locked as the guest maps it. */
	if (state->count) {
		reach_keep(THREAD_LOOP, 1ull << CAP_IPC_LOCK);
		reach_keep(THREAD_VCPU, 1ull << CAP_IPC_LOCK);
	}
	/* All of it, or what the guest maps. */
	plan->pinned |= state->count > 0;
	plan->windows->hosts = vfio_hosts(state->vfio);
	plan->windows->host_count = vfio_count(state->vfio);
	plan->windows->passed = state->limits;
	if (plan->translated)
		ret = check_page_size(state->vfio, plan->page_size, err);
	return ret ? ret
		   : vfio_check_ram(state->vfio, plan->ram, plan->ram_count,
				    !plan->translated || plan->bypass, err);
}

/* ---- making them ---- */

/* Before there are endpoints, which may begin in bypass. */
static int connect(void *arg, struct vm *vm, struct error *err)
{
	return vfio_plug(((struct vfio_state *)arg)->vfio, vm, err);
}

static int add(struct vfio *vfio, unsigned n, bool same_slot, struct device_host *host,
	       struct error *err)
{
	struct device_want want = {
		.name = vfio_name(vfio, n),
		.same_slot = same_slot,
		.limits = &host->plan->windows->passed[n],
		.listener = host->translator ? vfio_listener(vfio, n) : NULL,
	};
	struct device_place place;
	int ret = device_place(host, &want, &place, err);

	return ret ? ret
		   : vfio_add(vfio, n, host->vm->pci, place.pci_slot, place.pci_function,
			      place.space, place.endpoint, err);
}

/* The devices of one group are functions of one slot: the guest puts them into one group too. */
static int add_group(struct vfio *vfio, unsigned group, unsigned *added, struct device_host *host,
		     struct error *err)
{
	unsigned fn = 0;

	for (unsigned n = 0; n < vfio_count(vfio); n++) {
		int ret;

		if (vfio_group_of(vfio, n) != group)
			continue;
		if (fn == PCI_FUNCTIONS)
			return error_set(err, -EINVAL,
					 "%s: a slot has room for %d devices of one IOMMU group",
					 vfio_name(vfio, n), PCI_FUNCTIONS);
		ret = add(vfio, n, fn++ > 0, host, err);
		if (ret)
			return ret;
	}
	*added += fn;
	return 0;
}

static int create(void *arg, struct device_host *host, struct error *err)
{
	struct vfio *vfio = ((struct vfio_state *)arg)->vfio;
	unsigned added = 0;
	int ret = 0;

	for (unsigned group = 0; !ret && added < vfio_count(vfio); group++)
		ret = add_group(vfio, group, &added, host, err);
	return ret;
}

/* ---- afterwards ---- */

static void report(const void *arg, struct counters *counters)
{
	const struct vfio *vfio = ((const struct vfio_state *)arg)->vfio;

	for (unsigned n = 0; vfio && n < vfio_count(vfio); n++)
		vfio_count_device(vfio, n, counters);
}

static void release(void *arg)
{
	vfio_close(((struct vfio_state *)arg)->vfio);
}

const struct device_class vfio_pci_class = {
	.name = "vfio-pci",
	.options = options,
	.bus = DEVICE_BUS_PCI,
	.state_size = sizeof(struct vfio_state),
	.slots = slots,
	.fds = fds,
	.gives_back = gives_back,
	.prepare = prepare,
	.claim = claim,
	.connect = connect,
	.create = create,
	.report = report,
	.release = release,
};
