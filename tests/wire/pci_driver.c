/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>

#include "cmocka_all.h"
#include "pci_driver.h"
#include "virtio/pci.h"

/* ---- the bus ---- */

static u32 rig_intx(unsigned slot, unsigned pin)
{
	return RIG_INTX + (slot + pin - 1) % 4;
}

void pci_rig_create(struct vm *vm)
{
	static const struct pci_layout layout = {
		.ecam = { RIG_ECAM, RIG_ECAM + MIB - 1 },
		.mmio32 = { RIG_MMIO32, RIG_MMIO32 + 256 * MIB - 1 },
		.mmio64 = { RIG_MMIO64, RIG_MMIO64 + GIB - 1 },
		.io = { 0x1000, 0xffff },
		.intx = rig_intx,
	};

	assert_int_equal(pci_bus_create(&vm->pci, vm, &layout), 0);
}

u64 pci_rig_load(struct vm *vm, u64 address, unsigned len)
{
	u64 value = 0;

	vm_lock(vm);
	bus_read(vm->mmio, address, &value, len);
	vm_unlock(vm);
	return value;
}

_Thread_local bool *pci_rig_began;

void pci_rig_store(struct vm *vm, u64 address, u64 value, unsigned len)
{
	if (wire_ioevent(address, len, value))
		return;
	vm_lock(vm);
	if (pci_rig_began)
		*pci_rig_began = true;
	bus_write(vm->mmio, address, &value, len);
	vm_unlock(vm);
}

u32 pci_rig_read(struct vm *vm, unsigned slot, u32 offset, unsigned len)
{
	return pci_rig_load(vm, RIG_ECAM + (slot << 15) + offset, len);
}

void pci_rig_write(struct vm *vm, unsigned slot, u32 offset, u32 value, unsigned len)
{
	pci_rig_store(vm, RIG_ECAM + (slot << 15) + offset, value, len);
}

u64 pci_rig_bar(struct vm *vm, unsigned slot, unsigned bar)
{
	u32 at = PCI_BASE_ADDRESS_0 + 4 * bar;
	u64 low = pci_rig_read(vm, slot, at, 4);

	if ((low & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64)
		low |= (u64)pci_rig_read(vm, slot, at + 4, 4) << 32;
	return low & PCI_BASE_ADDRESS_MEM_MASK;
}

void pci_rig_move(struct vm *vm, unsigned slot, unsigned bar, u64 address)
{
	u32 at = PCI_BASE_ADDRESS_0 + 4 * bar;
	u32 command = pci_rig_read(vm, slot, PCI_COMMAND, 2);
	u32 low = pci_rig_read(vm, slot, at, 4);

	pci_rig_write(vm, slot, PCI_COMMAND, command & ~PCI_COMMAND_MEMORY, 2);
	pci_rig_write(vm, slot, at, address, 4);
	if ((low & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64)
		pci_rig_write(vm, slot, at + 4, address >> 32, 4);
	pci_rig_write(vm, slot, PCI_COMMAND, command, 2);
}

/* ---- capabilities ---- */

static void note_structure(struct pci_driver *driver, u16 at)
{
	struct vm *vm = driver->vm;
	struct pci_structure *structures[] = {
		[VIRTIO_PCI_CAP_COMMON_CFG] = &driver->common,
		[VIRTIO_PCI_CAP_NOTIFY_CFG] = &driver->notify,
		[VIRTIO_PCI_CAP_ISR_CFG] = &driver->isr,
		[VIRTIO_PCI_CAP_DEVICE_CFG] = &driver->device,
		[VIRTIO_PCI_CAP_PCI_CFG] = &driver->window,
	};
	u8 type = pci_rig_read(vm, driver->slot, at + VIRTIO_PCI_CAP_CFG_TYPE, 1);

	assert_in_range(type, VIRTIO_PCI_CAP_COMMON_CFG, VIRTIO_PCI_CAP_PCI_CFG);
	assert_int_equal(structures[type]->at, 0);
	*structures[type] = (struct pci_structure){
		.at = at,
		.bar = pci_rig_read(vm, driver->slot, at + VIRTIO_PCI_CAP_BAR, 1),
		.offset = pci_rig_read(vm, driver->slot, at + VIRTIO_PCI_CAP_OFFSET, 4),
		.length = pci_rig_read(vm, driver->slot, at + VIRTIO_PCI_CAP_LENGTH, 4),
	};
	if (type == VIRTIO_PCI_CAP_NOTIFY_CFG)
		driver->notify_step = pci_rig_read(vm, driver->slot,
						   at + VIRTIO_PCI_NOTIFY_CAP_MULT, 4);
}

void pci_driver_find(struct pci_driver *driver, struct vm *vm, unsigned slot)
{
	u8 at = pci_rig_read(vm, slot, PCI_CAPABILITY_LIST, 1);

	*driver = (struct pci_driver){ .vm = vm, .slot = slot };
	for (unsigned i = 0; at; i++) {
		u8 id = pci_rig_read(vm, slot, at, 1);

		assert_true(i < 48);
		if (id == PCI_CAP_ID_VNDR)
			note_structure(driver, at);
		else if (id == PCI_CAP_ID_MSIX)
			driver->msix = at;
		at = pci_rig_read(vm, slot, at + 1, 1);
	}
	assert_true(driver->common.at && driver->notify.at && driver->isr.at && driver->window.at &&
		    driver->msix);
	pci_rig_write(vm, slot, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
}

/* "To access a device region, the driver writes into the capability structure". */
static u32 open_window(const struct pci_driver *driver, const struct pci_structure *structure,
		       u32 offset, unsigned len)
{
	u16 at = driver->window.at;

	pci_rig_write(driver->vm, driver->slot, at + VIRTIO_PCI_CAP_BAR, structure->bar, 1);
	pci_rig_write(driver->vm, driver->slot, at + VIRTIO_PCI_CAP_LENGTH, len, 4);
	pci_rig_write(driver->vm, driver->slot, at + VIRTIO_PCI_CAP_OFFSET,
		      structure->offset + offset, 4);
	return at + sizeof(struct virtio_pci_cap);
}

u64 pci_driver_get(const struct pci_driver *driver, const struct pci_structure *structure,
		   u32 offset, unsigned len)
{
	if (driver->by_window)
		return pci_rig_read(driver->vm, driver->slot,
				    open_window(driver, structure, offset, len), len);
	return pci_rig_load(driver->vm,
			    pci_rig_bar(driver->vm, driver->slot, structure->bar) +
				    structure->offset + offset,
			    len);
}

void pci_driver_put(const struct pci_driver *driver, const struct pci_structure *structure,
		    u32 offset, u64 value, unsigned len)
{
	bool *began = pci_rig_began;
	u32 window;

	if (driver->by_window) {
		pci_rig_began = NULL;
		window = open_window(driver, structure, offset, len);
		pci_rig_began = began;
		pci_rig_write(driver->vm, driver->slot, window, value, len);
	} else {
		pci_rig_store(driver->vm,
			      pci_rig_bar(driver->vm, driver->slot, structure->bar) +
				      structure->offset + offset,
			      value, len);
	}
}

/* ---- virtio ---- */

u8 pci_driver_status(const struct pci_driver *driver)
{
	return pci_driver_get(driver, &driver->common, VIRTIO_PCI_COMMON_STATUS, 1);
}

u64 pci_driver_features(const struct pci_driver *driver)
{
	u64 low;

	pci_driver_put(driver, &driver->common, VIRTIO_PCI_COMMON_DFSELECT, 0, 4);
	low = pci_driver_get(driver, &driver->common, VIRTIO_PCI_COMMON_DF, 4);
	pci_driver_put(driver, &driver->common, VIRTIO_PCI_COMMON_DFSELECT, 1, 4);
	return low | pci_driver_get(driver, &driver->common, VIRTIO_PCI_COMMON_DF, 4) << 32;
}

static void add_status(const struct pci_driver *driver, u8 bits)
{
	pci_driver_put(driver, &driver->common, VIRTIO_PCI_COMMON_STATUS,
		       pci_driver_status(driver) | bits, 1);
}

bool pci_driver_negotiate(struct pci_driver *driver, u64 features)
{
	pci_driver_put(driver, &driver->common, VIRTIO_PCI_COMMON_STATUS, 0, 1);
	features |= 1ULL << VIRTIO_F_VERSION_1 | wire_wanted_features(pci_driver_features(driver));
	driver->features = features;
	assert_int_equal(pci_driver_status(driver), 0);
	add_status(driver, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	add_status(driver, VIRTIO_CONFIG_S_DRIVER);
	for (unsigned i = 0; i < 2; i++) {
		pci_driver_put(driver, &driver->common, VIRTIO_PCI_COMMON_GFSELECT, i, 4);
		pci_driver_put(driver, &driver->common, VIRTIO_PCI_COMMON_GF,
			       (u32)(features >> 32 * i), 4);
	}
	add_status(driver, VIRTIO_CONFIG_S_FEATURES_OK);
	return pci_driver_status(driver) & VIRTIO_CONFIG_S_FEATURES_OK;
}

void pci_driver_ok(const struct pci_driver *driver)
{
	add_status(driver, VIRTIO_CONFIG_S_DRIVER_OK);
}

static void put_address(const struct pci_driver *driver, u32 offset, u64 address)
{
	pci_driver_put(driver, &driver->common, offset, (u32)address, 4);
	pci_driver_put(driver, &driver->common, offset + 4, address >> 32, 4);
}

void pci_driver_queue(const struct pci_driver *driver, struct wire_queue *queue, unsigned index,
		      u16 size, gpa_t base)
{
	*queue = (struct wire_queue){
		.vm = driver->vm,
		.index = index,
		.features = driver->features,
		.avail_wrap = true,
		.used_wrap = true,
		.size = size,
		.desc = base,
		.avail = base + 0x4000,
		.used = base + 0x8000,
	};
	wire_fill(driver->vm, base, 0, 64 * KIB);
	pci_driver_put(driver, &driver->common, VIRTIO_PCI_COMMON_Q_SELECT, index, 2);
	assert_int_equal(pci_driver_get(driver, &driver->common, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	assert_true(pci_driver_get(driver, &driver->common, VIRTIO_PCI_COMMON_Q_SIZE, 2) >= size);
	pci_driver_put(driver, &driver->common, VIRTIO_PCI_COMMON_Q_SIZE, size, 2);
	put_address(driver, VIRTIO_PCI_COMMON_Q_DESCLO, queue->desc);
	put_address(driver, VIRTIO_PCI_COMMON_Q_AVAILLO, queue->avail);
	put_address(driver, VIRTIO_PCI_COMMON_Q_USEDLO, queue->used);
	pci_driver_put(driver, &driver->common, VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
}

void pci_driver_kick(const struct pci_driver *driver, const struct wire_queue *queue)
{
	u32 offset;

	pci_driver_put(driver, &driver->common, VIRTIO_PCI_COMMON_Q_SELECT, queue->index, 2);
	offset = pci_driver_get(driver, &driver->common, VIRTIO_PCI_COMMON_Q_NOFF, 2);
	pci_driver_put(driver, &driver->notify, offset * driver->notify_step,
		       wire_kick_value(queue),
		       queue->features >> VIRTIO_F_NOTIFICATION_DATA & 1 ? 4 : 2);
}

/* Run the loop until a used element comes, for at most 5 s. */
bool pci_driver_used(const struct pci_driver *driver, struct wire_queue *queue, u32 *len)
{
	for (unsigned i = 0; i < 500 && !wire_has_used(queue); i++) {
		if (pci_driver_status(driver) & VIRTIO_CONFIG_S_NEEDS_RESET)
			return false;
		loop_poll(driver->vm->loop, 10);
	}
	return wire_has_used(queue) && wire_used(queue, NULL, len);
}

/* ---- MSI-X ---- */

void pci_driver_msix(const struct pci_driver *driver, bool on)
{
	pci_rig_write(driver->vm, driver->slot, driver->msix + PCI_MSIX_FLAGS,
		      on ? PCI_MSIX_FLAGS_ENABLE : 0, 2);
}

void pci_driver_vector(const struct pci_driver *driver, unsigned n, u64 address, u32 data,
		       bool masked)
{
	u32 table = pci_rig_read(driver->vm, driver->slot, driver->msix + PCI_MSIX_TABLE, 4);
	u64 entry = pci_rig_bar(driver->vm, driver->slot, table & PCI_MSIX_TABLE_BIR) +
		    (table & PCI_MSIX_TABLE_OFFSET) + n * PCI_MSIX_ENTRY_SIZE;

	pci_rig_store(driver->vm, entry + PCI_MSIX_ENTRY_LOWER_ADDR, (u32)address, 4);
	pci_rig_store(driver->vm, entry + PCI_MSIX_ENTRY_UPPER_ADDR, address >> 32, 4);
	pci_rig_store(driver->vm, entry + PCI_MSIX_ENTRY_DATA, data, 4);
	pci_rig_store(driver->vm, entry + PCI_MSIX_ENTRY_VECTOR_CTRL, masked, 4);
}

u64 pci_driver_pending(const struct pci_driver *driver)
{
	u32 pba = pci_rig_read(driver->vm, driver->slot, driver->msix + PCI_MSIX_PBA, 4);

	return pci_rig_load(driver->vm,
			    pci_rig_bar(driver->vm, driver->slot, pba & PCI_MSIX_PBA_BIR) +
				    (pba & PCI_MSIX_PBA_OFFSET),
			    8);
}

/* ---- the bench ---- */

void pci_bench_setup(struct pci_bench *bench, u32 endpoint, bool kick_on_vcpu)
{
	memset(bench, 0, sizeof(*bench));
	bench->vm = wire_create();
	pci_rig_create(bench->vm);
	bench->echo = echo_alloc(bench->vm);
	bench->echo->destroyed = &bench->destroyed;
	bench->echo->device.kick_on_vcpu = kick_on_vcpu;
	assert_int_equal(virtio_pci_create(bench->vm, bench->vm->pci, &bench->echo->device,
					   BENCH_SLOT << 3, endpoint),
			 0);
	assert_int_equal(pci_bus_place_bars(bench->vm->pci, NULL), 0);
	pci_driver_find(&bench->driver, bench->vm, BENCH_SLOT);
}

void pci_bench_teardown(struct pci_bench *bench)
{
	wire_destroy(bench->vm);
	assert_int_equal(bench->destroyed, 1);
}

void pci_bench_up(struct pci_bench *bench, u64 features)
{
	assert_true(pci_driver_negotiate(&bench->driver, features));
	pci_driver_queue(&bench->driver, &bench->queue, 0, BENCH_SIZE, BENCH_RINGS);
	pci_driver_ok(&bench->driver);
}

void pci_bench_add(struct pci_bench *bench)
{
	static const struct wire_segment pair[] = { { 0x100000, 8, false }, { 0x200000, 8, true } };

	wire_add(&bench->queue, pair, 2);
}

void pci_bench_echoes(struct pci_bench *bench)
{
	pci_bench_add(bench);
	pci_driver_kick(&bench->driver, &bench->queue);
	assert_true(pci_driver_used(&bench->driver, &bench->queue, NULL));
}

void pci_bench_poll(struct pci_bench *bench)
{
	for (unsigned i = 0; i < 4; i++)
		loop_poll(bench->vm->loop, 0);
}

void pci_bench_vectors(struct pci_bench *bench)
{
	pci_driver_msix(&bench->driver, true);
	for (unsigned i = 0; i <= ECHO_QUEUES; i++)
		pci_driver_vector(&bench->driver, i, RIG_DOORBELL, RIG_MESSAGE(i), false);
	pci_bench_put(bench, VIRTIO_PCI_COMMON_MSIX, 0, 2);
	for (unsigned i = 0; i < ECHO_QUEUES; i++) {
		pci_bench_put(bench, VIRTIO_PCI_COMMON_Q_SELECT, i, 2);
		pci_bench_put(bench, VIRTIO_PCI_COMMON_Q_MSIX, i + 1, 2);
	}
}

u64 pci_bench_get(struct pci_bench *bench, u32 offset, unsigned len)
{
	return pci_driver_get(&bench->driver, &bench->driver.common, offset, len);
}

void pci_bench_put(struct pci_bench *bench, u32 offset, u64 value, unsigned len)
{
	pci_driver_put(&bench->driver, &bench->driver.common, offset, value, len);
}
