/* SPDX-License-Identifier: BSD-2-Clause */
/* The architecture's part of a VM's life, in the order of vmm/arch.h. */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "fdt.h"
#include "features.h"
#include "gic.h"
#include "image.h"
#include "util/aside.h"
#include "util/file.h"
#include "pl011.h"
#include "pl031.h"
#include "pl061.h"
#include "stolen_time.h"
#include "v2m.h"
#include "vcpu.h"
#include "vmm/arch.h"
#include "vmm/firmware.h"
#include "vmm/pci.h"
#include "vmm/serial.h"
#include "vmm/slot.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"

/* What KVM gives a VM of type 0 (Linux, Documentation/virt/kvm/api.rst, "KVM_CREATE_VM"). */
#define IPA_BITS_DEFAULT 40

/* The least that PCI's 64-bit window shall have, if there is one: nobody knows yet. */
#define ABOVE_RAM (64 * GIB)

struct arch_vm {
	struct gic gic;
	struct features features;
	struct stolen_time stolen;
	struct page_slot rom;  /* firmware's */
	unsigned ipa_bits;     /* of what KVM was asked for */
	unsigned address_bits; /* and of what the processors can do */
	u64 mpidr[ARCH_MAX_CPUS];
};

static u64 ram_last(const struct range *ram, unsigned count)
{
	return ram[count - 1].last;
}

unsigned long arch_vm_type(int kvm_fd, const struct range *ram, unsigned ram_count)
{
	int limit = ioctl(kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_ARM_VM_IPA_SIZE);

	/* 0: a host from before the capability, which knows type 0 alone. */
	if (limit <= 0)
		return 0;
	if (limit < IPA_BITS_DEFAULT || (ram_last(ram, ram_count) + ABOVE_RAM) >> IPA_BITS_DEFAULT)
		return KVM_VM_TYPE_ARM_IPA_SIZE(limit);
	return 0;
}

/*
 * Have accesses that KVM cannot decode come to us (arch_vcpu_exit() aborts them), if the host can
 * do both. KVM_RUN fails else, and the guest has crashed.
 */
static void take_odd_accesses(int vm_fd)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_ARM_NISV_TO_USER };

	if (ioctl(vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_ARM_NISV_TO_USER) > 0 &&
	    ioctl(vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_ARM_INJECT_EXT_DABT) > 0)
		ioctl(vm_fd, KVM_ENABLE_CAP, &cap);
}

int arch_vm_create(struct vm *vm, struct error *err)
{
	const struct vm_config *config = vm->config;
	unsigned long type = arch_vm_type(vm->kvm_fd, config->ram, config->ram_count);
	struct arch_vm *arch = calloc(1, sizeof(*arch));
	int ret;

	if (!arch)
		return error_set(err, -ENOMEM, "out of memory");
	arch->ipa_bits = type ? type : IPA_BITS_DEFAULT;
	arch->gic.fd = arch->gic.its_fd = -1;
	vm->arch = arch;
	take_odd_accesses(vm->fd);
	ret = features_choose(&arch->features, vm->fd, &config->arch, config->no_tags, err);
	if (!ret && config->arch.pmu)
		ret = features_find_pmu("/sys/bus/event_source/devices", config->affinity,
					&arch->features.pmu_type, err);
	if (ret)
		return ret;
	return gic_create(&arch->gic, vm->fd, config, arch->ipa_bits, err);
}

const struct features *vcpu_features(const struct vcpu *vcpu)
{
	return &vcpu->vm->arch->features;
}

static int finish_features(struct vm *vm, struct error *err)
{
	struct arch_vm *arch = vm->arch;
	int ret = 0;

	for (unsigned i = 0; i < vm->config->cpus && !ret; i++)
		ret = features_finish_vcpu(&arch->features, vm->vcpus[i]->fd);
	if (ret)
		return error_set(err, ret, "--pmu: KVM does not set it up: %s", strerror(-ret));
	if (vm->config->arch.no_stolen_time)
		return 0;
	ret = stolen_time_create(&arch->stolen, vm);
	if (ret)
		return error_set(err, ret,
				 "KVM does not tell the guest of stolen time: %s; --no-pvtime goes "
				 "without",
				 strerror(-ret));
	return 0;
}

int arch_vm_finish(struct vm *vm, struct error *err)
{
	struct arch_vm *arch = vm->arch;
	int ret = gic_finish(&arch->gic, err);

	if (!ret)
		ret = finish_features(vm, err);
	if (ret)
		return ret;
	for (unsigned i = 0; i < vm->config->cpus && !ret; i++)
		ret = vcpu_get_mpidr(vm->vcpus[i], &arch->mpidr[i]);
	if (!ret)
		ret = vcpu_get_physical_bits(vm->vcpus[0], &arch->address_bits);
	if (ret)
		return error_set(err, ret, "KVM does not tell a CPU's registers: %s",
				 strerror(-ret));
	arch->address_bits = MIN(arch->address_bits, arch->ipa_bits);
	return 0;
}

void arch_vm_destroy(struct vm *vm)
{
	if (!vm->arch)
		return;
	page_slot_unmap(vm, &vm->arch->rom);
	stolen_time_destroy(&vm->arch->stolen, vm);
	gic_destroy(&vm->arch->gic);
	free(vm->arch);
	vm->arch = NULL;
}

int arch_serial_create(struct vm *vm, unsigned n, struct terminal *terminal)
{
	const struct arch_options *options = &vm->config->arch;
	struct device_resource resource;

	arch_serial_resource(options, n, &resource);
	return map_of(options)->pl011 ? pl011_create(vm, n, &resource, terminal)
				      : serial_create(vm, n, &resource, terminal);
}

int arch_add_devices(struct vm *vm, struct error *err)
{
	enum gic_kind wanted = vm->config->arch.irqchip;
	int ret = pl031_create(vm);

	if (ret)
		return error_set(err, ret, "cannot make the clock: %s", strerror(-ret));
	ret = pl061_create(vm);
	if (ret)
		return error_set(err, ret, "cannot make the power button: %s", strerror(-ret));
	if (wanted != GIC_BEST && wanted != GIC_V2M)
		return 0;
	/* What is best only KVM knows. */
	ret = vm_wait_kvm(vm, err);
	if (ret || vm->arch->gic.kind != GIC_V2M)
		return ret;
	ret = v2m_create(vm, vm->arch->gic.msi_base);
	if (ret)
		return error_set(err, ret, "cannot make the GICv2m frame: %s", strerror(-ret));
	return 0;
}

int arch_pci_layout(const struct vm *vm, struct pci_layout *layout, struct error *err)
{
	const struct map_machine machine = gic_map_machine(&vm->arch->gic, vm->config,
							   vm->arch->address_bits);

	return map_pci(&machine, vm->arch->gic.msi_base, layout, err);
}

bool arch_msi_pin(const struct vm *vm, const struct msi_message *msi, u32 *gsi)
{
	u32 n = msi->data - MAP_SPI_INTID - MAP_SPI_V2M;

	if (vm->arch->gic.kind != GIC_V2M ||
	    msi->address != vm->arch->gic.msi_base + V2M_MSI_SETSPI_NS || n >= MAP_SPI_V2M_COUNT)
		return false;
	*gsi = MAP_SPI_V2M + n;
	return true;
}

unsigned arch_address_bits(const struct vm *vm)
{
	return vm->arch->address_bits;
}

static int write_all(int fd, const void *data, size_t len)
{
	const char *from = data;
	ssize_t done;

	for (; len; len -= done, from += done) {
		done = write(fd, from, len);
		if (done < 0 && errno == EINTR)
			done = 0;
		if (done < 0)
			return -errno;
	}
	return 0;
}

static int dump_file(const char *path, const void *fdt, u32 size, struct error *err)
{
	static const struct file_start start = ARCH_DTB_START;
	int fd = file_open_anew("--dump-dtb", path, &start, err), ret;

	if (fd < 0)
		return fd;
	ret = write_all(fd, fdt, size);
	/* Some file systems say only here that there was no room. */
	if (close(fd) && !ret)
		ret = -errno;
	if (ret)
		return error_set(err, ret, "--dump-dtb %s: cannot write it: %s", path,
				 strerror(-ret));
	return 0;
}

struct dump {
	const char *path;
	const void *fdt;
	u32 size;
	struct error *err;
	int result;
};

static void dump_aside(void *arg)
{
	struct dump *dump = arg;

	dump->result = dump_file(dump->path, dump->fdt, dump->size, dump->err);
}

static int fdt_dump(const char *path, const void *fdt, u32 size, struct error *err)
{
	struct dump dump = { .path = path, .fdt = fdt, .size = size, .err = err };

	aside_call("lkvm-dump", dump_aside, &dump);
	return dump.result;
}

static int show_rom(struct vm *vm, const struct arch_image *image, struct error *err)
{
	int ret;

	if (!image->rom)
		return 0;
	ret = page_slot_map_read_only(vm, &vm->arch->rom, 0, image->rom, image->rom_size);
	return ret ? error_set(err, ret, "KVM does not show the guest its firmware: %s",
			       strerror(-ret))
		   : 0;
}

int arch_firmware_write(struct vm *vm, const struct arch_image *image,
			const struct firmware *firmware, struct error *err)
{
	const struct fdt_machine machine = {
		.ram = vm->config->ram,
		.ram_count = vm->config->ram_count,
		.cpus = vm->config->cpus,
		.mpidr = vm->arch->mpidr,
		.gic = vm->arch->gic.kind,
		.options = &vm->config->arch,
		.msi_base = vm->arch->gic.msi_base,
		.pci = vm->pci ? pci_bus_layout(vm->pci) : NULL,
		.cmdline = image->cmdline,
		.initrd = image->initrd,
		.initrd_size = image->initrd_size,
		.devices = &vm->devices,
		.firmware = firmware,
	};
	void *fdt;
	u32 size;
	int ret = fdt_build(&machine, &fdt, &size);

	if (ret)
		return error_set(err, ret, "cannot write the device tree: %s", strerror(-ret));
	if (show_rom(vm, image, err)) {
		free(fdt);
		return -EINVAL;
	}
	ret = memory_write(vm->memory, image->dtb, fdt, size);
	if (ret)
		error_set(err, ret, "the device tree does not fit into memory");
	else if (firmware->dump_path)
		ret = fdt_dump(firmware->dump_path, fdt, size, err);
	free(fdt);
	return ret;
}
