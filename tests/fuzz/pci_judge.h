/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is always true of a PCI bus and its functions, whatever the guest does: looked at from
 * what the guest can read, after each of its acts.
 *
 *   BARs      decoded ones are enabled, inside the windows, disjoint; an enabled one that is
 *             not decoded has no place
 *   vectors   one that is off, masked or leads nowhere is not tied; one that is none of these is,
 *             to the message that the guest has programmed; pending ones are delivered then;
 *             there is a route for each that has one, and no other
 *   wires     a line is high while a function that may asserts it
 */
#ifndef TESTS_FUZZ_PCI_JUDGE_H
#define TESTS_FUZZ_PCI_JUDGE_H

#include "vmm/pci.h"

#define JUDGE_FUNCTIONS 8
#define JUDGE_MSI	32 /* vectors 0 to 31; those of MSI-X follow */
#define JUDGE_VECTORS	(JUDGE_MSI + 2048)

struct judged {
	struct pci_function *function;
	bool modelled; /* only judge_signal() signals it, else somebody who does not tell */
	bool pending[JUDGE_VECTORS];
};

struct judge {
	struct vm *vm;
	bool starved; /* there are fewer routes than vectors */
	bool exact;   /* in this act nobody signals who does not tell */
	unsigned msis, expected;
	unsigned count;
	struct judged functions[JUDGE_FUNCTIONS];
};

void judge_init(struct judge *judge, struct vm *vm);
void judge_add(struct judge *judge, struct pci_function *function, bool modelled);

/* Around each act: of the guest, of a device, or of who changes a space. */
void judge_begin(struct judge *judge);
void judge_end(struct judge *judge);
/* Within one: vector @n of @function is signalled. */
void judge_signal(struct judge *judge, struct pci_function *function, unsigned n);

/* A vector of MSI or MSI-X, as the guest reads it. */
struct judge_vector {
	bool on, masked;
	u64 address;
	u32 data;
	struct msi_vector *vector;
};
/* False: there is no such vector. */
bool judge_vector(struct pci_function *function, unsigned n, struct judge_vector *out);
/* On, not masked, and leading somewhere. */
bool judge_vector_leads(const struct judge_vector *v, u64 *doorbell);

/*
 * Destroy all devices, as wire_destroy() does: nothing of them is left on the buses, no route, no
 * wire that is high.
 */
void judge_destroy(struct vm *vm);

#endif
