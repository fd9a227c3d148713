/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "host_sysfs.h"
#include "problem.h"

/* ---- the IOMMU ---- */

static int found(void *opaque, const char *name)
{
	return 1;
}

static bool has_table(const struct vfio_check *check, const char *table)
{
	return vfio_sysfs_exists("%s/firmware/acpi/tables/%s", check->paths->sys, table);
}

/* The tables show which IOMMU the firmware has enabled; the kernel may still not use it. */
static void say_no_iommu(struct vfio_check *check)
{
	vfio_check_add(check, true,
		       "the host has no IOMMU at work: nothing would keep %s from "
		       "the host's own memory",
		       check->name);
	if (has_table(check, "DMAR"))
		vfio_check_remedy(check, "boot the host with intel_iommu=on on its kernel command "
					 "line");
	else if (has_table(check, "IVRS"))
		vfio_check_remedy(check,
				  "boot the host without amd_iommu=off and iommu=off, with a "
				  "kernel that has AMD_IOMMU (Debian's cloud kernels do not)");
	else if (has_table(check, "IORT"))
		vfio_check_remedy(check, "boot the host with a kernel that has the driver of its "
					 "SMMU (ARM_SMMU, ARM_SMMU_V3), without iommu.passthrough");
	else
		vfio_check_remedy(check,
				  "switch it on in the firmware's set-up (Intel VT-d, AMD-Vi, "
				  "Arm SMMU; Intel: also intel_iommu=on); if the host is itself "
				  "a VM, have its VMM give it one; vfio's no-IOMMU mode is not "
				  "supported");
}

static bool has_iommu(const struct vfio_paths *paths)
{
	return vfio_sysfs_each(found, NULL, "%s/class/iommu", paths->sys) == 1;
}

bool vfio_check_is_translated(const struct vfio_paths *paths, const struct vfio_host_device *device)
{
	return device->group >= 0 || (!device->driver[0] && has_iommu(paths));
}

static void check_translated(struct vfio_check *check)
{
	if (vfio_check_is_translated(check->paths, check->device))
		return;
	if (!has_iommu(check->paths)) {
		say_no_iommu(check);
		return;
	}
	vfio_check_add(check, true, "the host's IOMMU does not translate %s", check->name);
	vfio_check_remedy(check, "take another device or slot; 'lkvm vfio list' shows which have a "
				 "group");
}

/* ---- vfio's modules ---- */

static void check_modules(struct vfio_check *check)
{
	const char *sys = check->paths->sys;
	bool driver = vfio_sysfs_exists("%s/bus/pci/drivers/vfio-pci", sys);
	bool type1 = vfio_sysfs_exists("%s/module/vfio_iommu_type1", sys);

	if (!driver && !vfio_host_is_vfio_driver(check->device->driver)) {
		vfio_check_add(check, true, "the kernel has no vfio-pci");
		vfio_check_remedy(check, "modprobe vfio-pci");
	}
	if (!type1) {
		vfio_check_add(check, true, "the kernel has no vfio_iommu_type1");
		vfio_check_remedy(check, "modprobe vfio_iommu_type1");
	} else if (!vfio_sysfs_exists("%s/vfio/vfio", check->paths->dev)) {
		vfio_check_add(check, true, "there is no %s/vfio/vfio", check->paths->dev);
		vfio_check_remedy(check, "modprobe vfio; in a container: give it /dev/vfio");
	}
}

void vfio_check_iommu(struct vfio_check *check)
{
	check_translated(check);
	check_modules(check);
}

/* ---- interrupts ---- */

struct chips {
	const char *sys;
	bool remapped, plain;
};

/*
 * The interrupt chips, by the names that the kernel's drivers give them: Intel's and AMD's are
 * "IR-PCI-MSI..." if interrupts are remapped; Arm's ITS checks which device sends, a v2m frame does
 * not.
 */
static int look_at_chip(void *opaque, const char *irq)
{
	struct chips *chips = opaque;
	char name[64];

	vfio_sysfs_read(name, sizeof(name), "%s/kernel/irq/%s/chip_name", chips->sys, irq);
	if (strstr(name, "IR-") || !strncmp(name, "ITS", 3))
		chips->remapped = true;
	else if (!strncmp(name, "IO-APIC", 7) || !strncmp(name, "PCI-MSI", 7) ||
		 strcasestr(name, "v2m"))
		chips->plain = true;
	return 0;
}

static bool unsafe_allowed(const struct vfio_check *check)
{
	char text[8];

	vfio_sysfs_read(text, sizeof(text),
			"%s/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts",
			check->paths->sys);
	return !strcmp(text, "Y") || !strcmp(text, "1");
}

bool vfio_check_isolation(struct vfio_check *check, bool refused)
{
	struct chips chips = { .sys = check->paths->sys };
	struct vfio_problem problem;

	vfio_sysfs_each(look_at_chip, &chips, "%s/kernel/irq", check->paths->sys);
	if (unsafe_allowed(check)) {
		if (chips.remapped || !chips.plain)
			return true;
		vfio_check_add(check, false,
			       "the host does not remap interrupts, and vfio was told "
			       "to pass devices all the same: a guest that is hostile "
			       "can send the host interrupts of its choice");
		vfio_check_remedy(check, "pass devices only to guests that you trust");
		return true;
	}
	if (chips.remapped || (!chips.plain && !refused))
		return true;
	vfio_problem_not_remapped(&problem, check->name);
	vfio_check_add_problem(check, &problem);
	return false;
}
