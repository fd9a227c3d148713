/* SPDX-License-Identifier: BSD-2-Clause */
/* Which interrupt controller: what was asked for, and what the host's KVM has. */
#include <errno.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "features.h"
#include "gic.h"
#include "vmm/arch.h"

/* GICv2 has eight CPU interfaces (GICv2 architecture, "GICD_ITARGETSRn"). */
#define GIC_V2_MAX_CPUS 8

static bool host_has_device(int vm_fd, u32 type)
{
	struct kvm_create_device device = { .type = type, .flags = KVM_CREATE_DEVICE_TEST };

	return !ioctl(vm_fd, KVM_CREATE_DEVICE, &device);
}

static bool host_has(int vm_fd, enum gic_kind kind)
{
	switch (kind) {
	case GIC_V3_ITS:
		return host_has_device(vm_fd, KVM_DEV_TYPE_ARM_VGIC_V3) &&
		       host_has_device(vm_fd, KVM_DEV_TYPE_ARM_VGIC_ITS);
	case GIC_V3:
		return host_has_device(vm_fd, KVM_DEV_TYPE_ARM_VGIC_V3);
	default:
		return host_has_device(vm_fd, KVM_DEV_TYPE_ARM_VGIC_V2);
	}
}

/* @v3: no older one will do. */
static enum gic_kind gic_best(int vm_fd, bool v3)
{
	for (int kind = GIC_BEST + 1; kind < GIC_KINDS; kind++) {
		if (host_has(vm_fd, kind) && (!v3 || gic_is_v3(kind)))
			return kind;
	}
	return GIC_BEST;
}

int gic_choose(enum gic_kind *kind, int vm_fd, const struct arch_options *options, unsigned cpus,
	       struct error *err)
{
	enum gic_kind wanted = options->irqchip;
	enum gic_kind best = gic_best(vm_fd, options->nested);

	/* Its virtual interface is a register file of GICv3's. */
	if (options->nested && wanted != GIC_BEST && !gic_is_v3(wanted))
		return error_set(err, -ENODEV, "--irqchip %s: --nested needs gicv3-its or gicv3",
				 gic_kind_name(wanted));

	if (best == GIC_BEST)
		return error_set(err, -ENODEV,
				 "this host's KVM has no interrupt controller for guests");
	if (wanted != GIC_BEST && !host_has(vm_fd, wanted))
		return error_set(err, -ENODEV,
				 "--irqchip %s: this host's KVM has none; use --irqchip %s",
				 gic_kind_name(wanted), gic_kind_name(best));
	*kind = wanted == GIC_BEST ? best : wanted;
	if (!gic_is_v3(*kind) && cpus > GIC_V2_MAX_CPUS)
		return error_set(err, -ENODEV, "%u CPUs: a %s interrupt controller has at most %d",
				 cpus, gic_kind_name(*kind), GIC_V2_MAX_CPUS);
	return 0;
}

int arch_check_host(int kvm_fd, const struct arch_options *options, unsigned cpus,
		    struct error *err)
{
	int limit = ioctl(kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_ARM_VM_IPA_SIZE);
	struct features features;
	enum gic_kind kind;
	int vm_fd, ret;

	/* As many bits of address as the host has: fewer than KVM's usual 40, on some. */
	vm_fd = ioctl(kvm_fd, KVM_CREATE_VM, limit > 0 ? KVM_VM_TYPE_ARM_IPA_SIZE(limit) : 0);
	if (vm_fd < 0)
		return 0;
	ret = features_choose(&features, vm_fd, options, true, err);
	if (!ret)
		ret = gic_choose(&kind, vm_fd, options, cpus, err);
	close(vm_fd);
	return ret;
}
