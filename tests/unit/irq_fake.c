/* SPDX-License-Identifier: BSD-2-Clause */
/* DMA spaces name it; no unit test sends an MSI, and the real one wants KVM and an architecture. */
#include <errno.h>

#include "vmm/irq.h"

int irq_send_msi(struct irq *irq, const struct msi_message *msi)
{
	return -ENOSYS;
}
