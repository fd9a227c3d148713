/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The fake driver's PCI part: a bus on the fake machine, configuration accesses through its
 * ECAM, and a virtio function driven through its capabilities and BARs as a guest would.
 */
#ifndef TESTS_WIRE_PCI_DRIVER_H
#define TESTS_WIRE_PCI_DRIVER_H

#include "echo.h"
#include "vmm/pci.h"

#define RIG_ECAM   0x40000000ULL
#define RIG_MMIO32 0x50000000ULL
#define RIG_MMIO64 0x800000000ULL
#define RIG_INTX   16 /* INTA of slot 0; the next slots and pins follow, modulo 4 */

/* A structure of the device, as its capability has it. */
struct pci_structure {
	u16 at; /* the capability; 0: none */
	u8 bar;
	u32 offset, length;
};

struct pci_driver {
	struct vm *vm;
	unsigned slot;
	bool by_window; /* registers are reached through VIRTIO_PCI_CAP_PCI_CFG, not through BARs */
	struct pci_structure common, notify, isr, device, window;
	u32 notify_step;
	u64 features; /* negotiated */
	u16 msix;     /* the capability */
};

/* vm->pci, on the machine's buses. */
void pci_rig_create(struct vm *vm);

/* Configuration space of slot @slot, function 0, as a guest reaches it. */
u32 pci_rig_read(struct vm *vm, unsigned slot, u32 offset, unsigned len);
void pci_rig_write(struct vm *vm, unsigned slot, u32 offset, u32 value, unsigned len);
/* Where a memory BAR is, decoded or not; and put it elsewhere, decoding off meanwhile. */
u64 pci_rig_bar(struct vm *vm, unsigned slot, unsigned bar);
void pci_rig_move(struct vm *vm, unsigned slot, unsigned bar, u64 address);
/* An access to memory, by an ioevent if one matches. */
u64 pci_rig_load(struct vm *vm, u64 address, unsigned len);
void pci_rig_store(struct vm *vm, u64 address, u64 value, unsigned len);
/* Of a thread that wants to be seen: set, with the VM lock held, when a store of its begins. */
extern _Thread_local bool *pci_rig_began;

/* Find the capabilities of the function in @slot; memory decoding and bus mastering on. */
void pci_driver_find(struct pci_driver *driver, struct vm *vm, unsigned slot);
u64 pci_driver_get(const struct pci_driver *driver, const struct pci_structure *structure,
		   u32 offset, unsigned len);
void pci_driver_put(const struct pci_driver *driver, const struct pci_structure *structure,
		    u32 offset, u64 value, unsigned len);

/* As the wire_*() of the same names. */
u8 pci_driver_status(const struct pci_driver *driver);
u64 pci_driver_features(const struct pci_driver *driver);
bool pci_driver_negotiate(struct pci_driver *driver, u64 features);
void pci_driver_ok(const struct pci_driver *driver);
void pci_driver_queue(const struct pci_driver *driver, struct wire_queue *queue, unsigned index,
		      u16 size, gpa_t base);
void pci_driver_kick(const struct pci_driver *driver, const struct wire_queue *queue);
bool pci_driver_used(const struct pci_driver *driver, struct wire_queue *queue, u32 *len);

/* MSI-X: switch it on or off, program vector @n. */
void pci_driver_msix(const struct pci_driver *driver, bool on);
void pci_driver_vector(const struct pci_driver *driver, unsigned n, u64 address, u32 data,
		       bool masked);
/* The message of vector @n, as pci_bench_vectors() programs it; and the pending bits, 64 of them.
 */
#define RIG_DOORBELL   0xfee00000
#define RIG_MESSAGE(n) (0x40 + (n))
u64 pci_driver_pending(const struct pci_driver *driver);

/* ---- an echo device behind all this ---- */

#define BENCH_SLOT   3
#define BENCH_GSI    (RIG_INTX + BENCH_SLOT)
#define BENCH_RINGS  0x10000
#define BENCH_RINGS2 0x30000
#define BENCH_SIZE   16

struct pci_bench {
	struct vm *vm;
	struct echo *echo;
	struct pci_driver driver;
	struct wire_queue queue; /* the first */
	unsigned destroyed;
};

/* BARs placed, decoded, nothing negotiated. */
void pci_bench_setup(struct pci_bench *bench, u32 endpoint, bool kick_on_vcpu);
/* Asserts that the device went with the machine. */
void pci_bench_teardown(struct pci_bench *bench);
/* Negotiate, the first queue, DRIVER_OK. */
void pci_bench_up(struct pci_bench *bench, u64 features);
/* A chain of 8 bytes in and out, not kicked; the same, kicked and answered. */
void pci_bench_add(struct pci_bench *bench);
void pci_bench_echoes(struct pci_bench *bench);
/* Handle what the loop has. */
void pci_bench_poll(struct pci_bench *bench);
/* MSI-X on, all vectors programmed and unmasked; the configuration's is 0, queue n's n + 1. */
void pci_bench_vectors(struct pci_bench *bench);
/* A field of the common configuration. */
u64 pci_bench_get(struct pci_bench *bench, u32 offset, unsigned len);
void pci_bench_put(struct pci_bench *bench, u32 offset, u64 value, unsigned len);

#endif
