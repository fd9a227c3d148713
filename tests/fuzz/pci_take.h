/* SPDX-License-Identifier: BSD-2-Clause */
/* Places and values as guests have them, and others: what fuzz_pci.c and fuzz_vfio.c share. */
#ifndef TESTS_FUZZ_PCI_TAKE_H
#define TESTS_FUZZ_PCI_TAKE_H

#include <linux/pci_regs.h>

#include "../wire/pci_driver.h"
#include "input.h"
#include "pci_toy.h"

/* In the windows, at their edges, over RAM and doorbells, at 2^64 - 1. */
u64 take_address(struct input *in);
u32 take_value(struct input *in);

/* A register of the header, of a capability that guests write, or any. */
u32 take_register(struct input *in, const struct pci_function *function);

/* Mostly what is possible. */
unsigned take_len(struct input *in);

#endif
