/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "disk/disk.h"
#include "iommu/fdt.h"
#include "iommu/view.h"
#include "iommu/viommu.h"
#include "iommu/viot.h"
#include "machine_parts.h"
#include "util/log.h"
#include "vfio/vfio.h"
#include "virtio/blk.h"
#include "virtio/console.h"
#include "virtio/mmio.h"
#include "virtio/pci.h"
#include "virtio/rng.h"
#include "vmm/arch.h"
#include "vmm/control.h"
#include "vmm/pci.h"
#include "vmm/pvpanic.h"
#include "vmm/serial.h"
#include "vmm/terminal.h"
#include "vmm/vcpu.h"

static void on_quit(void *arg)
{
	vm_stop(arg, VM_USER);
}

static void on_panic(void *arg)
{
	vm_panicked(arg, false);
}

static void on_restart(void *arg)
{
	vm_restarting(arg);
}

static int add_console(struct machine *machine, struct error *err)
{
	struct terminal_events events = {
		.quit = on_quit, .panic = on_panic, .restart = on_restart, .arg = machine->vm
	};
	bool serial = machine->options->console == CONSOLE_SERIAL;
	struct device_slot slot;
	int ret = terminal_create(&machine->terminal, machine->vm->loop, &events);

	if (ret)
		return error_set(err, ret, "cannot use the terminal: %s", strerror(-ret));
	arch_slot_serial(&slot);
	ret = serial_create(machine->vm, &slot, serial ? machine->terminal : NULL);
	if (ret)
		return error_set(err, ret, "cannot make the serial port: %s", strerror(-ret));
	arch_slot_pvpanic(&slot);
	ret = pvpanic_create(machine->vm, &slot);
	if (ret)
		return error_set(err, ret, "cannot make pvpanic: %s", strerror(-ret));
	return arch_add_devices(machine->vm, err);
}

static int add_to_mmio(struct machine *machine, struct virtio_device *device, u32 endpoint,
		       bool is_iommu)
{
	struct device_slot slot;
	int ret = arch_slot_virtio(machine->slots, &slot);

	if (!ret)
		ret = virtio_mmio_create(machine->vm, device, &slot, endpoint, is_iommu);
	machine->slots += !ret;
	return ret;
}

static int add_to_pci(struct machine *machine, struct virtio_device *device, u32 endpoint)
{
	int ret = virtio_pci_create(machine->vm, machine->vm->pci, device, machine->pci_slots,
				    endpoint);

	machine->pci_slots += !ret;
	return ret;
}

/* Put @device into the next slot; on failure it is destroyed. */
static int add_virtio(struct machine *machine, struct virtio_device *device, u32 endpoint,
		      bool is_iommu, struct error *err)
{
	bool on_pci = machine->options->transport == TRANSPORT_PCI && !is_iommu;
	int ret = on_pci ? add_to_pci(machine, device, endpoint)
			 : add_to_mmio(machine, device, endpoint, is_iommu);

	if (ret) {
		error_set(err, ret, "cannot add %s: %s", device->name, strerror(-ret));
		device->ops->destroy(device);
	}
	return ret;
}

/* In the first slot: guests find it before the endpoints that wait for it. */
static int add_viommu(struct machine *machine, struct error *err)
{
	struct viommu_config config = machine->options->viommu_config;
	int ret;

	if (!machine->options->viommu)
		return 0;
	config.address_bits = arch_address_bits(machine->vm);
	ret = viommu_create(&machine->viommu, &config, &machine->vm->ram, machine->vm->irq);
	if (ret)
		return error_set(err, ret, "cannot make the IOMMU: %s", strerror(-ret));
	ret = add_virtio(machine, viommu_device(machine->viommu), DEVICE_NO_ENDPOINT, true, err);
	if (ret)
		machine->viommu = NULL;
	return ret;
}

/* The DMA space of the next emulated device, and the IOMMU's name for it. */
static int take_endpoint(struct machine *machine, const char *name, struct dma_space **space,
			 u32 *endpoint, struct error *err)
{
	*space = &machine->vm->ram.space;
	*endpoint = DEVICE_NO_ENDPOINT;
	if (!machine->viommu)
		return 0;
	/* A PCI function's is its BDF. */
	*endpoint = machine->options->transport == TRANSPORT_PCI
			    ? machine->pci_slots << 3
			    : DEVICE_PLATFORM_ENDPOINT + machine->endpoints;
	machine->endpoints++;
	return viommu_add_endpoint(machine->viommu, *endpoint, name, &machine->windows.emulated,
				   NULL, space, err);
}

static int add_disk(struct machine *machine, unsigned n, struct error *err)
{
	struct disk *disk = machine->disks[n];
	struct virtio_device *device;
	struct dma_space *space;
	char name[32];
	u32 endpoint;
	int ret;

	snprintf(name, sizeof(name), "virtio-blk %u", n);
	ret = take_endpoint(machine, name, &space, &endpoint, err);
	if (ret)
		return ret;
	machine->disks[n] = NULL;
	ret = virtio_blk_create(&device, disk, n, machine->vm->loop, space);
	if (ret)
		return error_set(err, ret, "cannot make %s: %s", name, strerror(-ret));
	ret = add_virtio(machine, device, endpoint, false, err);
	if (!ret)
		machine->blks[n] = device;
	return ret;
}

static int add_virtio_console(struct machine *machine, struct error *err)
{
	struct virtio_device *device;
	struct dma_space *space;
	u32 endpoint;
	int ret;

	if (machine->options->console != CONSOLE_VIRTIO)
		return 0;
	ret = take_endpoint(machine, "virtio-console", &space, &endpoint, err);
	if (ret)
		return ret;
	ret = virtio_console_create(&device, machine->terminal, space);
	if (ret)
		return error_set(err, ret, "cannot make virtio-console: %s", strerror(-ret));
	return add_virtio(machine, device, endpoint, false, err);
}

static int add_rng(struct machine *machine, struct error *err)
{
	struct virtio_device *device;
	struct dma_space *space;
	u32 endpoint;
	int ret;

	if (!machine->options->rng)
		return 0;
	ret = take_endpoint(machine, "virtio-rng", &space, &endpoint, err);
	if (ret)
		return ret;
	ret = virtio_rng_create(&device, space);
	if (ret)
		return error_set(err, ret, "cannot make virtio-rng: %s", strerror(-ret));
	return add_virtio(machine, device, endpoint, false, err);
}

static int add_devices(struct machine *machine, struct error *err)
{
	int ret = add_console(machine, err);

	if (!ret)
		ret = machine_add_pci(machine, err);
	if (!ret)
		ret = add_viommu(machine, err);
	for (unsigned i = 0; !ret && i < machine->options->disk_count; i++)
		ret = add_disk(machine, i, err);
	if (!ret)
		ret = add_virtio_console(machine, err);
	if (!ret)
		ret = add_rng(machine, err);
	if (!ret)
		ret = machine_add_passed(machine, err);
	return ret;
}

#define MAX_DEVICES 128

/* The VIOT for all devices; NULL without an IOMMU, or where nobody reads ACPI. */
static int build_viot(const struct machine *machine, struct firmware_table *table)
{
	const struct device_info *infos[MAX_DEVICES];
	struct list_node *node;
	unsigned count = 0;
	void *data = NULL;
	int ret;

	*table = (struct firmware_table){ 0 };
	if (!machine->viommu || arch_has_device_tree)
		return 0;
	list_for_each(node, &machine->vm->devices) {
		if (count < MAX_DEVICES)
			infos[count++] = &list_entry(node, struct device, node)->info;
	}
	ret = viot_build(infos, count, &data, &table->size);
	table->data = data;
	return ret;
}

static int write_firmware(struct machine *machine, struct error *err)
{
	struct firmware_table viot;
	struct firmware firmware = {
		.tables = &viot,
		.fdt_properties = machine->viommu ? iommu_fdt_properties : NULL,
		.fdt_pci_properties = machine->viommu ? iommu_fdt_pci_properties : NULL,
		.dump_path = machine->options->dump_dtb,
		.console = machine->options->console == CONSOLE_SERIAL ? "serial" : NULL,
	};
	int ret = build_viot(machine, &viot);

	if (ret)
		return error_set(err, ret, "cannot build the VIOT: %s", strerror(-ret));
	firmware.table_count = viot.data ? 1 : 0;
	ret = arch_firmware_write(machine->vm, machine->image, &firmware, err);
	free((void *)viot.data);
	return ret;
}

/* A VM that nobody can ask runs all the same. */
static void add_control(struct machine *machine)
{
	int ret = control_create(&machine->control, machine->vm->loop, machine->options->name,
				 machine->options->is_named);

	if (ret)
		log_warning("no control socket: %s", strerror(-ret));
	else
		control_add(machine->control, viommu_commands, machine->viommu);
}

/* For --debug: what of the time before the guest's first instruction went where. */
static void note_stage(const struct machine *machine, const char *stage)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	log_debug("%s after %.1f ms", stage,
		  (now.tv_sec - machine->started.tv_sec) * 1e3 +
			  (now.tv_nsec - machine->started.tv_nsec) / 1e6);
}

int machine_build(struct machine *machine, struct error *err)
{
	int ret = vm_create(&machine->vm, &machine->host, &machine->config, err);

	/* Loading overlaps with KVM's part of the work. */
	if (!ret)
		ret = arch_image_load(machine->image, machine->vm->memory, machine->initrd_fd, err);
	note_stage(machine, "kernel and initrd loaded");
	if (!ret)
		ret = vm_wait_kvm(machine->vm, err);
	note_stage(machine, "KVM ready");
	if (!ret)
		ret = add_devices(machine, err);
	if (!ret)
		ret = write_firmware(machine, err);
	if (!ret)
		add_control(machine);
	note_stage(machine, "machine complete");
	return ret;
}

/* ---- afterwards ---- */

static void report_viommu(const struct machine *machine)
{
	struct viommu_counters counters;

	viommu_get_counters(machine->viommu, &counters);
#define N(field) ((unsigned long long)counters.field)
	log_debug("viommu: requests=%llu attaches=%llu detaches=%llu probes=%llu maps=%llu "
		  "unmaps=%llu refused=%llu",
		  N(requests), N(attaches), N(detaches), N(probes), N(maps), N(unmaps), N(refused));
	log_debug("viommu: mappings=%llu peak=%llu translations=%llu faults=%llu "
		  "reports-dropped=%llu host-refused=%llu",
		  N(mappings), N(mappings_peak), N(translations), N(faults), N(reports_dropped),
		  N(host_refused));
#undef N
}

void machine_hint(const struct machine *machine)
{
	struct viommu_counters counters;

	if (!machine->viommu || !machine->endpoints || machine->options->viommu_config.bypass)
		return;
	viommu_get_counters(machine->viommu, &counters);
	/* With a refused access the IOMMU has explained it when it happened. */
	if (!counters.attaches && !counters.faults)
		log_warning("the guest attached no device to the IOMMU: without its virtio_iommu "
			    "driver (a module in the initrd, or built in) Linux leaves the devices "
			    "behind it alone; a guest without it works with --viommu=bypass=on");
}

void machine_report(const struct machine *machine)
{
	char line[256];

	for (unsigned i = 0; i < machine->config.cpus; i++)
		log_debug("vCPU %u: exits=%llu", i,
			  (unsigned long long)machine->vm->vcpus[i]->exits);
	for (unsigned i = 0; i < machine->options->disk_count; i++) {
		virtio_blk_describe(machine->blks[i], line, sizeof(line));
		log_debug("%s", line);
	}
	machine_report_passed(machine);
	if (machine->viommu)
		report_viommu(machine);
}

bool machine_destroy(struct machine *machine)
{
	bool gave_up;

	control_destroy(machine->control);
	vm_destroy_devices(machine->vm);
	terminal_destroy(machine->terminal);
	/* What the host still writes to is the guest's memory: it goes with the process. */
	gave_up = machine->vm && loop_gave_up(machine->vm->loop);
	if (!gave_up)
		vm_destroy(machine->vm);
	vfio_close(machine->vfio);
	if (gave_up)
		return false;
	for (unsigned i = 0; i < RUN_MAX_DISKS; i++)
		disk_close(machine->disks[i]);
	arch_image_close(machine->image);
	if (machine->initrd_fd >= 0)
		close(machine->initrd_fd);
	vm_host_close(&machine->host);
	return true;
}
