/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Other vCPUs of the fake machine: threads that write a register, and wait if that waits. The
 * main thread is the loop, one more vCPU, and the judge.
 */
#ifndef TESTS_WIRE_VCPUS_H
#define TESTS_WIRE_VCPUS_H

#include <pthread.h>
#include <stdatomic.h>

#include "pci_driver.h"

struct vcpu_write {
	pthread_t thread;
	bool started;
	struct vm *vm;
	u64 address;
	u64 value;
	unsigned len;
	const struct pci_driver *driver; /* instead of an address: its common configuration */
	bool began;			 /* VM lock; if that is free, it waits or is through */
	atomic_bool done;
};

/* A register of the device in @slot of the MMIO bus; of a function's common configuration. */
struct vcpu_write *vcpu_writes(struct vm *vm, unsigned slot, u32 offset, u64 value, unsigned len);
struct vcpu_write *vcpu_writes_common(const struct pci_driver *driver, u32 offset, u64 value,
				      unsigned len);
/* It has begun, however busy the machine is. Serve the loop for a while: it makes no difference. */
void vcpu_still_waits(const struct vcpu_write *write, struct vm *vm);
/* Serve the loop until the write is through; or only meet the thread. */
void vcpu_ends(struct vcpu_write *write, struct vm *vm);
void vcpu_join(struct vcpu_write *write);
/* As at the end of every machine: what still waits, in a test that has failed, goes its way. */
void vcpus_end(struct vm *vm);

/* The thread that sets @flag holds the lock, and gives it up only to wait. */
void until(struct vm *vm, const bool *flag);
void pause_ms(unsigned ms);
void turn_loop(struct vm *vm, unsigned rounds);

#endif
