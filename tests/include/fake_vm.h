/* SPDX-License-Identifier: BSD-2-Clause */
/* A machine without KVM: memory, buses, interrupts (irq_fake.h) and a loop. Asserts on failure. */
#ifndef TESTS_FAKE_VM_H
#define TESTS_FAKE_VM_H

#include "irq_fake.h"
#include "vmm/vm.h"

/* Make @vm with @irq and RAM at @ram[@count]; the ranges are sorted. @irq: initialised here. */
void fake_vm_create(struct vm *vm, struct irq *irq, const struct range *ram, unsigned count);
/* Destroy the devices, the last first. */
void fake_vm_destroy_devices(struct vm *vm);
/* The devices too. Nothing may be left: no memory held, no wire, no route. */
void fake_vm_destroy(struct vm *vm);

#endif
