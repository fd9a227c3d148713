/* SPDX-License-Identifier: BSD-2-Clause */
/* Words of a function's configuration space, as its owner reads and writes them. */
#include <string.h>

#include "vmm/pci.h"

u16 pci_get16(const struct pci_function *function, u32 offset)
{
	le16 value;

	memcpy(&value, function->config + offset, sizeof(value));
	return le16_to_cpu(value);
}

u32 pci_get32(const struct pci_function *function, u32 offset)
{
	le32 value;

	memcpy(&value, function->config + offset, sizeof(value));
	return le32_to_cpu(value);
}

void pci_set16(struct pci_function *function, u32 offset, u16 value)
{
	const le16 le = cpu_to_le16(value);

	memcpy(function->config + offset, &le, sizeof(le));
}

void pci_set32(struct pci_function *function, u32 offset, u32 value)
{
	const le32 le = cpu_to_le32(value);

	memcpy(function->config + offset, &le, sizeof(le));
}
