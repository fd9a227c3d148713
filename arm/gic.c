/* SPDX-License-Identifier: BSD-2-Clause */
/* KVM's side: Linux, Documentation/virt/kvm/devices/arm-vgic*.rst. */
#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "features.h"
#include "gic.h"
#include "vmm/arch.h"
#include "vmm/vm.h"
#include "vmm/windows.h"

/* KVM_DEV_ARM_VGIC_GRP_MAINT_IRQ, of Linux 6.16. */
#define VGIC_MAINTENANCE_IRQ 9

/* An ITS may be asked for by any MSI; with another controller KVM ignores the ID. */
const bool arch_msi_has_device_id = true;
const bool arch_maps_doorbells = true;

u32 arch_irq_line_number(u32 gsi)
{
	return KVM_ARM_IRQ_TYPE_SPI << KVM_ARM_IRQ_TYPE_SHIFT | (gsi + MAP_SPI_INTID);
}

u32 arch_irq_pins(struct kvm_irq_routing_entry *entries, u32 max)
{
	if (!entries)
		return MAP_SPI_COUNT;
	for (u32 i = 0; i < max && i < MAP_SPI_COUNT; i++) {
		entries[i] = (struct kvm_irq_routing_entry){
			.gsi = i,
			.type = KVM_IRQ_ROUTING_IRQCHIP,
			.u.irqchip = { .irqchip = 0, .pin = i },
		};
	}
	return MIN(max, (u32)MAP_SPI_COUNT);
}

static int device_create(int vm_fd, u32 type, int *fd, struct error *err)
{
	struct kvm_create_device device = { .type = type };

	if (ioctl(vm_fd, KVM_CREATE_DEVICE, &device))
		return error_set(err, -errno, "KVM cannot make an interrupt controller: %s",
				 strerror(errno));
	*fd = device.fd;
	return 0;
}

/* @value: of the attribute; NULL where it has none. */
static int device_set(int fd, u32 group, u64 attribute, const void *value, struct error *err)
{
	struct kvm_device_attr attr = {
		.group = group,
		.attr = attribute,
		.addr = (uintptr_t)value,
	};

	if (ioctl(fd, KVM_SET_DEVICE_ATTR, &attr))
		return error_set(err, -errno,
				 "KVM does not take the interrupt controller's setting %u.%llu: %s",
				 group, (unsigned long long)attribute, strerror(errno));
	return 0;
}

static int device_place(int fd, u64 frame, u64 address, struct error *err)
{
	return device_set(fd, KVM_DEV_ARM_VGIC_GRP_ADDR, frame, &address, err);
}

/* KVM_VGIC_V3_ADDR_TYPE_REDIST_REGION: count, base in units of 64 KiB, flags, index. */
static int gic_place_redist(const struct gic *gic, u64 index, u64 base, u64 count,
			    struct error *err)
{
	return device_place(gic->fd, KVM_VGIC_V3_ADDR_TYPE_REDIST_REGION,
			    count << 52 | base | index, err);
}

static int gic_create_its(struct gic *gic, int vm_fd, struct error *err)
{
	int ret = device_create(vm_fd, KVM_DEV_TYPE_ARM_VGIC_ITS, &gic->its_fd, err);

	return ret ? ret : device_place(gic->its_fd, KVM_VGIC_ITS_ADDR_TYPE, gic->msi_base, err);
}

static int gic_create_v3(struct gic *gic, int vm_fd, unsigned cpus, struct error *err)
{
	u64 low = MIN((u64)cpus, (u64)MAP_REDIST_LOW_CPUS);
	int ret = device_create(vm_fd, KVM_DEV_TYPE_ARM_VGIC_V3, &gic->fd, err);

	if (!ret)
		ret = device_place(gic->fd, KVM_VGIC_V3_ADDR_TYPE_DIST, MAP_GICD, err);
	if (!ret)
		ret = gic_place_redist(gic, 0, MAP_REDIST, low, err);
	if (!ret && cpus > low)
		ret = gic_place_redist(gic, 1, MAP_REDIST_HIGH, cpus - low, err);
	if (!ret && gic->kind == GIC_V3_ITS)
		ret = gic_create_its(gic, vm_fd, err);
	return ret;
}

static int gic_create_v2(struct gic *gic, int vm_fd, struct error *err)
{
	int ret = device_create(vm_fd, KVM_DEV_TYPE_ARM_VGIC_V2, &gic->fd, err);

	if (!ret)
		ret = device_place(gic->fd, KVM_VGIC_V2_ADDR_TYPE_DIST, MAP_GICD, err);
	if (!ret)
		ret = device_place(gic->fd, KVM_VGIC_V2_ADDR_TYPE_CPU, MAP_GICC, err);
	return ret;
}

struct map_machine gic_map_machine(const struct gic *gic, const struct vm_config *config,
				   unsigned bits)
{
	return (struct map_machine){
		.map = map_of(&config->arch),
		.gic = gic->kind,
		.cpus = config->cpus,
		.ram = config->ram,
		.ram_count = config->ram_count,
		.bits = bits,
	};
}

static bool move_doorbell(const void *arg, const struct range *window, struct range *at)
{
	const struct map_machine *machine = arg;

	return map_msi_window(machine->gic, map_msi_base(machine, window), at);
}

static int gic_place_doorbell(struct gic *gic, const struct vm_config *config, unsigned bits,
			      struct error *err)
{
	const struct map_machine machine = gic_map_machine(gic, config, bits);
	struct dma_doorbell offer = { .move = move_doorbell, .arg = &machine };
	u64 usual = map_msi_base(&machine, NULL);
	bool has_doorbell = map_msi_window(gic->kind, usual, &offer.at);
	int ret = dma_windows_decide(config->windows, has_doorbell ? &offer : NULL, err);

	if (!ret && has_doorbell)
		gic->msi_base = map_msi_base_of(gic->kind, &config->windows->doorbell);
	return ret;
}

int gic_create(struct gic *gic, int vm_fd, const struct vm_config *config, unsigned bits,
	       struct error *err)
{
	const u32 irqs = MAP_SPI_INTID + MAP_SPI_COUNT;
	const u32 maintenance = PPI_MAINTENANCE + PPI_INTID;
	int ret;

	gic->fd = gic->its_fd = -1;
	ret = gic_choose(&gic->kind, vm_fd, &config->arch, config->cpus, err);
	if (ret)
		return ret;
	ret = gic_place_doorbell(gic, config, bits, err);
	if (ret)
		return ret;
	if (gic_is_v3(gic->kind))
		ret = gic_create_v3(gic, vm_fd, config->cpus, err);
	else
		ret = gic_create_v2(gic, vm_fd, err);
	if (!ret && config->arch.nested)
		ret = device_set(gic->fd, VGIC_MAINTENANCE_IRQ, 0, &maintenance, err);
	return ret ? ret : device_set(gic->fd, KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0, &irqs, err);
}

int gic_finish(struct gic *gic, struct error *err)
{
	int ret = device_set(gic->fd, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, NULL,
			     err);

	if (!ret && gic->its_fd >= 0)
		ret = device_set(gic->its_fd, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT,
				 NULL, err);
	return ret;
}

void gic_destroy(struct gic *gic)
{
	if (gic->its_fd >= 0)
		close(gic->its_fd);
	if (gic->fd >= 0)
		close(gic->fd);
	gic->fd = gic->its_fd = -1;
}
