/* SPDX-License-Identifier: BSD-2-Clause */
/* The transport's own: the function in pci.c, its registers in pci_registers.c. */
#ifndef VIRTIO_PCI_STATE_H
#define VIRTIO_PCI_STATE_H

#include "transport.h"
#include "vmm/bus.h"
#include "vmm/pci.h"

/*
 * The BAR of the registers: a page for each structure, so that a guest can give them away
 * one by one.
 */
#define PCI_REGISTERS_BAR 4
#define PCI_PAGE	  0x1000
#define PCI_AT_COMMON	  0x0000
#define PCI_AT_ISR	  0x1000 /* the ISR status */
#define PCI_AT_DEVICE	  0x2000
#define PCI_AT_NOTIFY	  0x3000
#define PCI_AT_END	  0x4000

/* Queue n is notified n times this far into its structure ("an even power of 2"). */
#define PCI_NOTIFY_STEP 4

struct virtio_pci_queue {
	u16 vector; /* of MSI-X; VIRTIO_MSI_NO_VECTOR: none */
	bool rung;  /* KVM rings its doorbell */
};

struct virtio_pci {
	struct pci_function function; /* what the bus sees */
	struct transport transport;
	struct bus_region registers; /* BAR 4, where it is decoded */
	struct bus_region vectors;   /* BAR 1: MSI-X */
	u16 window;		     /* the PCI configuration access capability */
	u32 pending_bits;	     /* in BAR 1 */
	gpa_t notify;		     /* where the guest has the notification structure */
	unsigned ioevents_removed;
	u16 config_vector;
	u8 isr;
	u8 generation;			  /* of the configuration space, as the driver sees it */
	u32 seen_generation;		  /* and the device's at the driver's last look */
	struct virtio_pci_queue queues[]; /* queue_count of them */
};

/* The transport's registers are as at power-on; not the function's configuration space. */
void virtio_pci_forget(struct virtio_pci *pci);
/* Another vector, or MSI-X on or off: a device whose queues the host's kernel serves is told. */
void virtio_pci_interrupts_moved(struct virtio_pci *pci);
/* INTx follows the ISR status and MSI-X Enable. */
void virtio_pci_update_intx(struct virtio_pci *pci);

/* An access to the registers, @offset + @len within PCI_AT_END. */
u64 virtio_pci_read(struct virtio_pci *pci, u64 offset, unsigned len);
void virtio_pci_write(struct virtio_pci *pci, u64 offset, u64 value, unsigned len);

#endif
