/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A machine with a PCI bus and one passed device at 1.0, without KVM: tests/fake/vfio_machine.c,
 * which stands for vmm/slot.c in the programs that are linked with it.
 */
#ifndef TESTS_VFIO_MACHINE_H
#define TESTS_VFIO_MACHINE_H

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>

#include "../../vfio/container.h"
#include "../../vfio/device.h"
#include "../../vfio/group.h"
#include "../../vfio/sys.h"
#include "cmocka_all.h"
#include "fake_vm.h"
#include "vfio_fake.h"
#include "vmm/slot.h"
#include "vmm/vm.h"

#define ECAM	       0xe0000000
#define MMIO32	       0xd0000000
#define MMIO64	       0x4000000000
#define MACHINE_BDF    (1 << 3)
#define MACHINE_GSI    40 /* of all INTx */
#define MACHINE_ROUTES 4
#define MACHINE_PAGE   4096

extern struct vm vm;
extern struct irq irq;
extern struct vfio_container *container;
extern struct vfio_group group;
extern struct vfio_device *device;
extern struct fake_device *hardware;
extern unsigned slots_shown; /* page slots that are mapped */

/* ---- what stands for KVM ---- */

/* Host address of [gpa, gpa + len) if one slot has all of it; NULL. */
void *page_slot_host(const struct vm *of, gpa_t gpa, u64 len);

/* ---- the guest's side: a vCPU, which takes the VM lock ---- */

u32 config_read(u32 offset, unsigned len);
void config_write(u32 offset, u32 value, unsigned len);
u64 mmio_read(u64 address, unsigned len);
void mmio_write(u64 address, u64 value, unsigned len);

/* ---- the hardware's configuration space ---- */

void put8(u32 offset, u8 value);
void put16(u32 offset, u16 value);
void put32(u32 offset, u32 value);
u16 hardware16(u32 offset);

/* A capability after those that there are. */
void put_capability(u8 id, u32 at);

/* ---- making it ---- */

void machine_vm(void);

/* A host with one device, which the test furnishes before machine_start(). */
void machine_host(void);
void machine_open(void);
void machine_start(void);

/* For cmocka: whatever the test did, nothing is left. */
int machine_end(void **state);

#endif
