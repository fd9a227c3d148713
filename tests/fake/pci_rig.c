/* SPDX-License-Identifier: BSD-2-Clause */
#include "pci_rig.h"

static u64 toy_read(struct bus_region *region, u64 offset, unsigned len)
{
	return offset;
}

static void toy_write(struct bus_region *region, u64 offset, u64 value, unsigned len)
{
}

static struct toy *toy_of(struct pci_function *function)
{
	return container_of(function, struct toy, function);
}

static void toy_bar_changed(struct pci_function *function, unsigned n)
{
	static const struct bus_ops ops = { toy_read, toy_write };
	struct toy *toy = toy_of(function);

	toy->changes++;
	toy->regions[n].ops = &ops;
	if (!function->bars[n].decoded)
		pci_region_remove(function, n, &toy->regions[n]);
	else
		assert_int_equal(
			pci_region_add(function, n, 0, function->bars[n].size, &toy->regions[n]),
			0);
}

static void toy_note(struct toy *toy, char event)
{
	size_t len = strlen(toy->order);

	if (len + 1 < sizeof(toy->order))
		toy->order[len] = event;
}

static void toy_written(struct pci_function *function, u32 offset, unsigned len, u32 value)
{
	toy_of(function)->config_writes++;
}

static void toy_msi_changed(struct pci_function *function, unsigned count)
{
	toy_of(function)->msi = count;
	toy_note(toy_of(function), count ? 'M' : 'm');
}

static void toy_intx_allowed(struct pci_function *function, bool allowed)
{
	toy_of(function)->intx = allowed;
	toy_note(toy_of(function), allowed ? 'I' : 'i');
}

void toy_destroy(struct pci_function *function)
{
	struct toy *toy = toy_of(function);

	pci_function_release(function);
	if (toy->destroyed)
		*toy->destroyed = true;
	free(toy);
}

u32 rig_intx(unsigned slot, unsigned pin)
{
	return RIG_GSI + (slot + pin - 1) % 4;
}

struct toy *toy_create(struct rig *rig, bool passed)
{
	static const struct pci_function_ops emulated_ops = {
		.config_written = toy_written,
		.bar_changed = toy_bar_changed,
		.destroy = toy_destroy,
	};
	static const struct pci_function_ops passed_ops = {
		.bar_changed = toy_bar_changed,
		.msi_changed = toy_msi_changed,
		.intx_allowed = toy_intx_allowed,
		.destroy = toy_destroy,
	};
	struct toy *toy = calloc(1, sizeof(*toy));

	assert_non_null(toy);
	pci_function_init(&toy->function, &rig->vm, passed ? &passed_ops : &emulated_ops,
			  &rig->vm.identity.space, 0x1234, RIG_DEVICE, 0xff0000, 3);
	toy->msi = toy->intx = -1;
	return toy;
}

struct rig *rig_create(void)
{
	static const struct pci_layout layout = {
		.ecam = { RIG_ECAM, RIG_ECAM + 0xfffff },
		.mmio32 = { RIG_MMIO32, RIG_MMIO32 + 0xfffffff },
		.mmio64 = { RIG_MMIO64, RIG_MMIO64 * 2 - 1 },
		.io = { RIG_IO, 0xffff },
		.intx = rig_intx,
	};
	static const struct range ram = { 0, MIB - 1 };
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	fake_vm_create(&rig->vm, &rig->irq, &ram, 1);
	rig->irq.room = RIG_ROUTES;
	assert_int_equal(pci_bus_create(&rig->bus, &rig->vm, &layout), 0);
	return rig;
}

void rig_destroy(struct rig *rig)
{
	fake_vm_destroy_devices(&rig->vm);
	assert_null(rig->vm.pci);
	fake_vm_destroy(&rig->vm);
	free(rig);
}

u32 rig_read(struct rig *rig, const struct toy *toy, u32 offset, unsigned len)
{
	return pci_config_read(rig->bus, pci_bdf(&toy->function), offset, len);
}

void rig_write(struct rig *rig, const struct toy *toy, u32 offset, u32 value, unsigned len)
{
	pci_config_write(rig->bus, pci_bdf(&toy->function), offset, value, len);
}
