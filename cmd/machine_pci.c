/* SPDX-License-Identifier: BSD-2-Clause */
/* The PCI bus, and the host's devices on it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "iommu/viommu.h"
#include "machine_parts.h"
#include "util/log.h"
#include "vfio/vfio.h"
#include "vmm/arch.h"
#include "vmm/pci.h"

/* ---- before anything is made ---- */

/*
 * Pages of the guest's kernel that the IOMMU cannot map one by one are no use to it: Linux
 * then gives the device no IOMMU at all, and says so where nobody looks.
 */
static int check_page_size(const struct machine *machine, struct error *err)
{
	u64 page = arch_image_page_size(machine->image);

	for (unsigned i = 0; machine->options->viommu && i < vfio_count(machine->vfio); i++) {
		u64 mask = vfio_hosts(machine->vfio)[i].page_size_mask;
		u64 granule = mask & -mask;

		if (page && page < granule)
			return error_set(
				err, -EINVAL,
				"%s: the host's IOMMU maps %llu KiB at least, and the guest's "
				"kernel has pages of %llu KiB: take a kernel of %llu KiB, or leave "
				"--viommu out",
				vfio_name(machine->vfio, i), (unsigned long long)(granule / KIB),
				(unsigned long long)(page / KIB),
				(unsigned long long)(granule / KIB));
	}
	return 0;
}

/* What vmm/windows.h is asked. A look for now, so that a host that fits no guest is refused before
 * anything is made: the doorbell is not known before there is an interrupt controller. */
static int ask_windows(struct machine *machine, struct error *err)
{
	machine->config.windows = &machine->windows;
	machine->windows = (struct dma_windows){
		.usual = arch_doorbells,
		.usual_count = arch_doorbell_count,
		.hosts = machine->vfio ? vfio_hosts(machine->vfio) : NULL,
		.host_count = machine->vfio ? vfio_count(machine->vfio) : 0,
		.iommu = machine->options->viommu,
		.msi_map = machine->options->viommu_config.msi_map,
		.passed = machine->passed,
	};
	return dma_windows_decide(&machine->windows, NULL, err);
}

int machine_check_passed(struct machine *machine, struct error *err)
{
	const struct run_options *options = machine->options;
	bool all_ram = !options->viommu || options->viommu_config.bypass;
	int ret;

	if (!options->passed_count)
		return ask_windows(machine, err);
	ret = vfio_open(&machine->vfio, &vfio_host_paths, options->passed, options->passed_count,
			options->viommu, err);
	if (ret)
		return ret;
	ret = ask_windows(machine, err);
	if (!ret)
		ret = machine_check_fds(machine, err);
	if (!ret)
		ret = check_page_size(machine, err);
	if (!ret)
		ret = vfio_check_ram(machine->vfio, machine->ram, machine->config.ram_count,
				     all_ram, err);
	return ret;
}

/* ---- making it ---- */

int machine_add_pci(struct machine *machine, struct error *err)
{
	struct pci_layout layout;
	int ret;

	if (!machine->vfio && machine->options->transport != TRANSPORT_PCI)
		return 0;
	ret = arch_pci_layout(machine->vm, &layout, err);
	if (ret)
		return ret;
	ret = pci_bus_create(&machine->vm->pci, machine->vm, &layout);
	if (ret)
		return error_set(err, ret, "cannot make the PCI bus: %s", strerror(-ret));
	machine->pci_slots = 1;
	/* Before there are endpoints, which may begin in bypass. */
	return machine->vfio ? vfio_plug(machine->vfio, machine->vm, err) : 0;
}

/* The DMA space of the @n-th passed device as @endpoint, and how the IOMMU may use it. */
static int take_passed_endpoint(struct machine *machine, unsigned n, u32 *endpoint,
				struct dma_space **space, struct error *err)
{
	const char *name = vfio_name(machine->vfio, n);

	if (!machine->viommu) {
		*space = &machine->vm->ram.space;
		*endpoint = DEVICE_NO_ENDPOINT;
		return 0;
	}
	machine->endpoints++;
	return viommu_add_endpoint(machine->viommu, *endpoint, name, &machine->windows.passed[n],
				   vfio_listener(machine->vfio, n), space, err);
}

static int add_passed(struct machine *machine, unsigned n, unsigned slot, unsigned fn,
		      struct error *err)
{
	u32 endpoint = slot << 3 | fn;
	struct dma_space *space;
	int ret = take_passed_endpoint(machine, n, &endpoint, &space, err);

	if (ret)
		return ret;
	return vfio_add(machine->vfio, n, machine->vm->pci, slot, fn, space, endpoint, err);
}

/* The devices of one group are functions of one slot: the guest puts them into one group too. */
static int add_group(struct machine *machine, unsigned group, unsigned *added, struct error *err)
{
	unsigned fn = 0;

	for (unsigned n = 0; n < vfio_count(machine->vfio); n++) {
		int ret;

		if (vfio_group_of(machine->vfio, n) != group)
			continue;
		if (fn == PCI_FUNCTIONS)
			return error_set(err, -EINVAL,
					 "%s: a slot has room for %d devices of one IOMMU group",
					 vfio_name(machine->vfio, n), PCI_FUNCTIONS);
		ret = add_passed(machine, n, machine->pci_slots, fn++, err);
		if (ret)
			return ret;
	}
	machine->pci_slots += fn > 0;
	*added += fn;
	return 0;
}

int machine_add_passed(struct machine *machine, struct error *err)
{
	unsigned added = 0;
	int ret = 0;

	if (!machine->vm->pci)
		return 0;
	for (unsigned group = 0; machine->vfio && added < vfio_count(machine->vfio); group++) {
		ret = add_group(machine, group, &added, err);
		if (ret)
			return ret;
	}
	return pci_bus_place_bars(machine->vm->pci, err);
}

/* ---- afterwards ---- */

void machine_report_passed(const struct machine *machine)
{
	char line[512];

	for (unsigned n = 0; machine->vfio && n < vfio_count(machine->vfio); n++) {
		vfio_describe(machine->vfio, n, line, sizeof(line));
		log_debug("%s", line);
	}
}
